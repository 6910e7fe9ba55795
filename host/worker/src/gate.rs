//! Which objects a worker may read. The object database also holds the human
//! answers and the future of the repository, so an id alone opens nothing: an
//! object is served only if a tree that was served before contains it.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use catena_plugin::NewObject;
use catena_tree::database::BlobWriter;
use catena_tree::objects::ObjectSink as _;
use catena_tree::{BlobId, EntryKind, ObjectDatabase, ObjectError, Objects, TreeEntry, TreeId};

/// The object database as one worker sees it.
pub struct Gate {
    database: ObjectDatabase,
    trees: HashSet<TreeId>,
    blobs: HashSet<BlobId>,
    /// A large blob of which bytes are still to come.
    unfinished: Option<BlobWriter>,
    /// Bytes that may still be stored.
    room: u64,
}

/// Bytes that an object takes on a disk at least.
const LEAST_OBJECT: u64 = 4096;

impl Gate {
    /// Opens the gate for what is reachable from `roots`.
    pub fn new(database: ObjectDatabase, roots: impl IntoIterator<Item = TreeId>) -> Self {
        let mut trees: HashSet<TreeId> = roots.into_iter().collect();
        trees.insert(TreeId::EMPTY);
        Self { database, trees, blobs: HashSet::new(), unfinished: None, room: u64::MAX }
    }

    /// The same, for so many bytes of objects, each of which counts 4 KiB at least.
    #[must_use]
    pub fn with_room(self, bytes: u64) -> Self {
        Self { room: bytes, ..self }
    }

    /// Has room for so many bytes more.
    pub fn make_room(&mut self, bytes: u64) {
        self.room = self.room.saturating_add(bytes);
    }

    fn take_room(&mut self, bytes: u64) -> Result<(), ObjectError> {
        let left = self.room.checked_sub(bytes.max(LEAST_OBJECT));
        let too_much = || ObjectError::Io("more objects than a job may hand over".to_owned());
        self.room = left.ok_or_else(too_much)?;
        Ok(())
    }

    /// Serves a tree, and from now on what it contains.
    pub fn tree(&mut self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        if !self.trees.contains(&id) {
            return Err(ObjectError::Refused(id.to_string()));
        }
        if id == TreeId::EMPTY {
            return Ok(Arc::from([]));
        }
        let entries = self.database.tree(id)?;
        for entry in entries.iter() {
            self.admit(entry.kind);
        }
        Ok(entries)
    }

    /// Serves a blob.
    pub fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        if !self.blobs.contains(&id) {
            return Err(ObjectError::Refused(id.to_string()));
        }
        self.database.blob(id)
    }

    /// Says how many bytes a blob has.
    pub fn blob_size(&self, id: BlobId) -> Result<u64, ObjectError> {
        if !self.blobs.contains(&id) {
            return Err(ObjectError::Refused(id.to_string()));
        }
        self.database.blob_size(id)
    }

    /// Stores what a worker made. The ids are computed here, names are checked,
    /// and a tree may name only what the worker could read or has made: naming
    /// a secret object in a tree of one's own does not open it.
    pub fn put(&mut self, objects: Vec<NewObject>) -> Result<(), ObjectError> {
        for object in objects {
            match (object, self.unfinished.take()) {
                (NewObject::Part(bytes), Some(mut blob)) => {
                    blob.write(&bytes)?;
                    self.go_on_with(blob)?;
                }
                (NewObject::Part(_), None) | (_, Some(_)) => {
                    return Err(ObjectError::Io("the parts of a blob are out of order".into()));
                }
                (NewObject::LargeBlob(len), None) => {
                    self.take_room(len)?;
                    let blob = self.database.begin_blob(len)?;
                    self.go_on_with(blob)?;
                }
                (NewObject::Blob(content), None) => {
                    self.take_room(content.len() as u64)?;
                    let id = (&mut &self.database).write_blob(content)?;
                    self.blobs.insert(id);
                }
                (NewObject::Tree(entries), None) => {
                    // An id and a mode, beside the name.
                    self.take_room(entries.iter().map(|entry| entry.name.len() as u64 + 28).sum())?;
                    for entry in &entries {
                        self.check(entry.kind)?;
                    }
                    let id = (&mut &self.database).write_tree(entries)?;
                    self.trees.insert(id);
                }
            }
        }
        Ok(())
    }

    /// Waits for more of a large blob, or stores it when it is whole.
    fn go_on_with(&mut self, blob: BlobWriter) -> Result<(), ObjectError> {
        if blob.left() > 0 {
            self.unfinished = Some(blob);
        } else {
            self.blobs.insert(blob.finish()?);
        }
        Ok(())
    }

    /// Opens the gate for what is reachable from further trees.
    pub fn open_for(&mut self, roots: impl IntoIterator<Item = TreeId>) {
        self.trees.extend(roots);
    }

    /// Whether the worker may know of a tree.
    pub fn admits(&self, id: TreeId) -> bool {
        self.trees.contains(&id)
    }

    fn admit(&mut self, kind: EntryKind) {
        match kind {
            EntryKind::Directory(id) => {
                self.trees.insert(id);
            }
            EntryKind::File { id, .. } | EntryKind::Symlink(id) => {
                self.blobs.insert(id);
            }
            EntryKind::Submodule(_) => {}
        }
    }

    fn check(&self, kind: EntryKind) -> Result<(), ObjectError> {
        let known = match kind {
            EntryKind::Directory(id) => self.trees.contains(&id),
            EntryKind::File { id, .. } | EntryKind::Symlink(id) => self.blobs.contains(&id),
            EntryKind::Submodule(_) => true,
        };
        if known { Ok(()) } else { Err(ObjectError::Refused(kind.id_hex())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, id: BlobId) -> TreeEntry {
        let kind = EntryKind::File { id, executable: false };
        TreeEntry { name: name.into(), kind, size: None }
    }

    #[test]
    fn object_outside_the_served_trees_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let database = ObjectDatabase::create(dir.path(), &[]).unwrap();
        let open = (&mut &database).write_blob("open".into()).unwrap();
        let secret = (&mut &database).write_blob("secret".into()).unwrap();
        let root = (&mut &database).write_tree(vec![file("a", open)]).unwrap();
        let answer = (&mut &database).write_tree(vec![file("a", secret)]).unwrap();

        let mut gate = Gate::new(database, [root]);
        assert!(matches!(gate.blob(open), Err(ObjectError::Refused(_))), "tree not served yet");
        gate.tree(root).unwrap();
        assert_eq!(gate.blob(open).unwrap(), "open");
        assert!(matches!(gate.tree(answer), Err(ObjectError::Refused(_))));
        let smuggled = NewObject::Tree(vec![file("b", secret)]);
        assert!(matches!(gate.put(vec![smuggled]), Err(ObjectError::Refused(_))));
        assert!(matches!(gate.blob(secret), Err(ObjectError::Refused(_))));
        assert!(matches!(gate.blob_size(secret), Err(ObjectError::Refused(_))));
        assert_eq!(gate.blob_size(open).unwrap(), 4);
    }

    #[test]
    fn objects_beyond_the_room_that_there_is_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let database = ObjectDatabase::create(dir.path(), &[]).unwrap();
        let mut gate = Gate::new(database, []).with_room(3 * LEAST_OBJECT + 10_000);
        gate.put(vec![NewObject::Blob("a".into()), NewObject::Tree(Vec::new())]).unwrap();
        gate.put(vec![NewObject::Blob(vec![1; 10_000].into())]).unwrap();
        assert!(gate.put(vec![NewObject::LargeBlob(LEAST_OBJECT + 1)]).is_err());
        gate.put(vec![NewObject::Blob("b".into())]).unwrap();
        assert!(gate.put(vec![NewObject::Blob("c".into())]).is_err());
        gate.make_room(LEAST_OBJECT);
        gate.put(vec![NewObject::Blob("c".into())]).unwrap();
    }

    #[test]
    fn blob_in_parts_is_stored_under_the_id_of_all_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let database = ObjectDatabase::create(dir.path(), &[]).unwrap();
        let mut gate = Gate::new(database.clone(), []);
        let part = |text: &'static str| NewObject::Part(text.into());
        gate.put(vec![NewObject::LargeBlob(6), part("con")]).unwrap();
        gate.put(vec![part("t"), part("ent"), NewObject::LargeBlob(0)]).unwrap_err();
        gate.put(vec![NewObject::LargeBlob(7), part("con")]).unwrap();
        gate.put(vec![part("tent")]).unwrap();
        let id = BlobId::of(b"content");
        assert_eq!(gate.blob(id).unwrap(), "content");
        assert_eq!(database.blob(id).unwrap(), "content");

        for disorder in [
            vec![part("more")],
            vec![NewObject::LargeBlob(3), part("four")],
            vec![NewObject::LargeBlob(3), NewObject::Blob("three".into())],
            vec![NewObject::LargeBlob(3), NewObject::LargeBlob(3)],
        ] {
            assert!(gate.put(disorder).is_err());
        }
        let left = std::fs::read_dir(dir.path().join("objects")).unwrap();
        let unfinished = |name: &str| name.starts_with(".tmp");
        assert!(!left.into_iter().any(|at| unfinished(at.unwrap().file_name().to_str().unwrap())));
    }
}
