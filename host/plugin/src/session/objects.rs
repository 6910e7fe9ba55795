//! Handing the objects of final snapshots over to the host.

use std::collections::HashSet;

use catena_tree::objects::BlobContent;
use catena_tree::{EntryKind, MemoryObjects, ObjectError, Objects, TreeId};

use crate::outside::{NewObject, Outside};

/// Bytes of objects that cross at a time.
const BATCH: usize = 4 << 20;

/// Sends every object that `held` has and that is reachable from `roots`,
/// children before parents.
pub(super) fn hand_over<S: Objects>(
    held: &MemoryObjects<S>,
    outside: &dyn Outside,
    roots: &[TreeId],
) -> Result<(), ObjectError> {
    let mut sender = Sender { held, outside, batch: Vec::new(), bytes: 0, sent: HashSet::new() };
    for root in roots {
        sender.tree(*root)?;
    }
    sender.flush()
}

struct Sender<'a, S> {
    held: &'a MemoryObjects<S>,
    outside: &'a dyn Outside,
    batch: Vec<NewObject>,
    bytes: usize,
    sent: HashSet<[u8; 20]>,
}

impl<S: Objects> Sender<'_, S> {
    fn tree(&mut self, id: TreeId) -> Result<(), ObjectError> {
        let Some(entries) = self.held.held_tree(id) else { return Ok(()) };
        if !self.sent.insert(*id.as_bytes()) {
            return Ok(());
        }
        for entry in entries.iter() {
            match entry.kind {
                EntryKind::Directory(id) => self.tree(id)?,
                EntryKind::File { id, .. } | EntryKind::Symlink(id) => {
                    if let Some(content) = self.held.held_blob(id)
                        && self.sent.insert(*id.as_bytes())
                    {
                        self.blob(&content)?;
                    }
                }
                EntryKind::Submodule(_) => {}
            }
        }
        self.send(entries.len() * 64, NewObject::Tree(entries.to_vec()))
    }

    fn blob(&mut self, content: &BlobContent) -> Result<(), ObjectError> {
        if content.len() <= BATCH as u64 {
            let bytes = content.bytes()?;
            return self.send(bytes.len(), NewObject::Blob(bytes));
        }
        self.send(0, NewObject::LargeBlob(content.len()))?;
        for chunk in content.chunks() {
            let chunk = chunk?;
            self.send(chunk.len(), NewObject::Part(chunk))?;
        }
        Ok(())
    }

    fn send(&mut self, bytes: usize, object: NewObject) -> Result<(), ObjectError> {
        self.bytes += bytes;
        self.batch.push(object);
        if self.bytes >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ObjectError> {
        self.bytes = 0;
        match std::mem::take(&mut self.batch) {
            batch if batch.is_empty() => Ok(()),
            batch => self.outside.put(batch),
        }
    }
}
