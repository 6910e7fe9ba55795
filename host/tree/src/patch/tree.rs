//! Reads files of a tree and writes edited trees.

use std::collections::BTreeMap;

use bstr::{BStr, BString, ByteSlice};
use bytes::Bytes;

use super::{Edit, FileKind, FileState, submodule_content, submodule_id};
use crate::ids::TreeId;
use crate::objects::{EntryKind, ObjectError, ObjectSink, Objects, TreeEntry, entry_named};
use crate::path::RepoPath;

/// What `path` is in `tree`, `None` if there is nothing. The root is a directory.
pub(crate) fn find(
    objects: &dyn Objects,
    tree: TreeId,
    path: &RepoPath,
) -> Result<Option<EntryKind>, ObjectError> {
    let mut found = EntryKind::Directory(tree);
    for name in path.components() {
        let EntryKind::Directory(dir) = found else { return Ok(None) };
        match entry_named(&objects.tree(dir)?, name) {
            Some(entry) => found = entry.kind,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// The file at `path`, `None` if there is none.
pub(super) fn read(
    objects: &dyn Objects,
    tree: TreeId,
    path: &RepoPath,
) -> Result<Option<FileState>, ObjectError> {
    let (content, kind) = match find(objects, tree, path)? {
        Some(EntryKind::File { id, executable: false }) => (objects.blob(id)?, FileKind::Regular),
        Some(EntryKind::File { id, executable: true }) => (objects.blob(id)?, FileKind::Executable),
        Some(EntryKind::Symlink(id)) => (objects.blob(id)?, FileKind::Symlink),
        Some(EntryKind::Submodule(id)) => (submodule_content(id), FileKind::Submodule),
        Some(EntryKind::Directory(_)) | None => return Ok(None),
    };
    Ok(Some(FileState { content, kind }))
}

/// Every file below `dir`, none if it is not a directory.
pub(super) fn files_below(
    objects: &dyn Objects,
    tree: TreeId,
    dir: &RepoPath,
) -> Result<Vec<RepoPath>, ObjectError> {
    let mut found = Vec::new();
    let mut waiting = vec![(dir.clone(), find(objects, tree, dir)?)];
    while let Some((path, kind)) = waiting.pop() {
        match kind {
            Some(EntryKind::Directory(id)) => {
                for entry in objects.tree(id)?.iter() {
                    let below =
                        path.join(entry.name.as_bstr()).map_err(|err| ObjectError::Malformed {
                            id: id.to_string(),
                            expected: "tree",
                            reason: err.to_string(),
                        })?;
                    waiting.push((below, Some(entry.kind)));
                }
            }
            Some(_) if path != *dir => found.push(path),
            _ => {}
        }
    }
    Ok(found)
}

/// `tree` with `edits` made.
pub(super) fn edited(
    objects: &dyn Objects,
    sink: &mut dyn ObjectSink,
    tree: TreeId,
    edits: &[Edit],
) -> Result<TreeId, ObjectError> {
    let mut entries = Vec::with_capacity(edits.len());
    for edit in edits {
        entries.push(match edit {
            Edit::Delete { path } => (path.clone(), None),
            Edit::Write { path, content, kind } => {
                (path.clone(), Some(stored(sink, path, content, *kind)?))
            }
        });
    }
    with_entries(objects, sink, tree, &entries)
}

/// What is to be at a path of a tree, with its size where that is known.
pub(crate) type NewEntry = Option<(EntryKind, Option<u64>)>;

/// `tree` with other entries at some paths.
pub(crate) fn with_entries(
    objects: &dyn Objects,
    sink: &mut dyn ObjectSink,
    tree: TreeId,
    entries: &[(RepoPath, NewEntry)],
) -> Result<TreeId, ObjectError> {
    let mut plan = Plan::default();
    for (path, entry) in entries {
        plan.add(path, *entry)?;
    }
    let mut editor = Editor { objects, sink };
    match editor.directory(Some(tree), &plan)? {
        Some(id) => Ok(id),
        None => editor.sink.write_tree(Vec::new()),
    }
}

fn stored(
    sink: &mut dyn ObjectSink,
    path: &RepoPath,
    content: &Bytes,
    kind: FileKind,
) -> Result<(EntryKind, Option<u64>), ObjectError> {
    if kind == FileKind::Submodule {
        let id = submodule_id(content).ok_or_else(|| {
            ObjectError::Io(format!("submodule `{path}` is not given a commit id"))
        })?;
        return Ok((EntryKind::Submodule(id), None));
    }
    let id = sink.write_blob(content.clone())?;
    let kind = match kind {
        FileKind::Symlink => EntryKind::Symlink(id),
        kind => EntryKind::File { id, executable: kind == FileKind::Executable },
    };
    Ok((kind, Some(content.len() as u64)))
}

/// What happens to one path and to those below it.
#[derive(Default)]
struct Plan {
    own: Option<NewEntry>,
    below: BTreeMap<BString, Plan>,
}

impl Plan {
    fn add(&mut self, path: &RepoPath, entry: NewEntry) -> Result<(), ObjectError> {
        if path.is_root() {
            return Err(ObjectError::Io("the root of a tree is not an entry of it".into()));
        }
        let mut plan = self;
        for name in path.components() {
            plan = plan.below.entry(name.to_owned()).or_default();
        }
        plan.own = Some(entry);
        Ok(())
    }

    fn writes_below(&self) -> bool {
        self.below.values().any(|plan| matches!(plan.own, Some(Some(_))) || plan.writes_below())
    }
}

struct Editor<'a> {
    objects: &'a dyn Objects,
    sink: &'a mut dyn ObjectSink,
}

impl Editor<'_> {
    /// The directory after the changes below it, `None` if nothing is left in it.
    fn directory(
        &mut self,
        id: Option<TreeId>,
        plan: &Plan,
    ) -> Result<Option<TreeId>, ObjectError> {
        let old = id.map(|id| self.objects.tree(id)).transpose()?;
        let old = old.as_deref().unwrap_or_default();
        let mut entries: Vec<_> =
            old.iter().filter(|entry| !plan.below.contains_key(&entry.name)).cloned().collect();
        let mut changed = false;
        for (name, plan) in &plan.below {
            let before = entry_named(old, name.as_bstr());
            let after = self.entry(name.as_bstr(), before, plan)?;
            changed |= before.map(|entry| entry.kind) != after.as_ref().map(|entry| entry.kind);
            entries.extend(after);
        }
        match id {
            _ if entries.is_empty() => Ok(None),
            Some(id) if !changed => Ok(Some(id)),
            _ => self.sink.write_tree(entries).map(Some),
        }
    }

    fn entry(
        &mut self,
        name: &BStr,
        before: Option<&TreeEntry>,
        plan: &Plan,
    ) -> Result<Option<TreeEntry>, ObjectError> {
        match plan.own {
            Some(Some(_)) if plan.writes_below() => {
                Err(ObjectError::Io(format!("`{name}` cannot be a file and a directory")))
            }
            Some(Some((kind, size))) => Ok(Some(TreeEntry { name: name.to_owned(), kind, size })),
            Some(None) => self.subdirectory(name, None, plan),
            None => match before {
                Some(entry) if !plan.writes_below() && !is_directory(entry) => {
                    Ok(Some(entry.clone()))
                }
                _ => self.subdirectory(name, before, plan),
            },
        }
    }

    fn subdirectory(
        &mut self,
        name: &BStr,
        before: Option<&TreeEntry>,
        plan: &Plan,
    ) -> Result<Option<TreeEntry>, ObjectError> {
        let id = before.and_then(|entry| match entry.kind {
            EntryKind::Directory(id) => Some(id),
            _ => None,
        });
        let tree = self.directory(id, plan)?;
        Ok(tree.map(|tree| TreeEntry {
            name: name.to_owned(),
            kind: EntryKind::Directory(tree),
            size: None,
        }))
    }
}

fn is_directory(entry: &TreeEntry) -> bool {
    matches!(entry.kind, EntryKind::Directory(_))
}
