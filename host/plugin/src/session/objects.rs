//! Handing the objects of final snapshots over to the host.

use std::collections::HashSet;

use catena_tree::objects::BlobContent;
use catena_tree::{EntryKind, MemoryObjects, ObjectError, Objects, TreeId};

use crate::outside::{NewObject, Outside};

/// Bytes of objects that cross at a time.
const BATCH: usize = 4 << 20;

/// Objects that the host has, by id.
pub(super) type HandedOver = HashSet<[u8; 20]>;

/// Sends every object that `held` has, that is reachable from `roots` and that
/// is not `known`, children before parents.
pub(super) fn hand_over<S: Objects>(
    held: &MemoryObjects<S>,
    outside: &dyn Outside,
    roots: &[TreeId],
    known: &mut HandedOver,
) -> Result<(), ObjectError> {
    let mut sender = Sender { held, outside, batch: Vec::new(), bytes: 0, known };
    for root in roots {
        sender.tree(*root)?;
    }
    sender.flush()
}

/// How many bytes of files [`hand_over`] would send, or a number above `most`.
pub(super) fn weight<S: Objects>(
    held: &MemoryObjects<S>,
    roots: &[TreeId],
    known: &HandedOver,
    most: u64,
) -> u64 {
    let mut bytes = 0;
    let mut ahead = roots.to_vec();
    let mut seen = HashSet::new();
    while let Some(id) = ahead.pop() {
        if bytes > most || known.contains(id.as_bytes()) || !seen.insert(*id.as_bytes()) {
            continue;
        }
        let Some(entries) = held.held_tree(id) else { continue };
        for entry in entries.iter() {
            match entry.kind {
                EntryKind::Directory(id) => ahead.push(id),
                EntryKind::File { id, .. } | EntryKind::Symlink(id) => {
                    if !known.contains(id.as_bytes()) && seen.insert(*id.as_bytes()) {
                        bytes += held.held_blob(id).map_or(0, |content| content.len());
                    }
                }
                EntryKind::Submodule(_) => {}
            }
        }
    }
    bytes
}

struct Sender<'a, S> {
    held: &'a MemoryObjects<S>,
    outside: &'a dyn Outside,
    batch: Vec<NewObject>,
    bytes: usize,
    known: &'a mut HandedOver,
}

impl<S: Objects> Sender<'_, S> {
    fn tree(&mut self, id: TreeId) -> Result<(), ObjectError> {
        if self.known.contains(id.as_bytes()) {
            return Ok(());
        }
        let Some(entries) = self.held.held_tree(id) else { return Ok(()) };
        self.known.insert(*id.as_bytes());
        for entry in entries.iter() {
            match entry.kind {
                EntryKind::Directory(id) => self.tree(id)?,
                EntryKind::File { id, .. } | EntryKind::Symlink(id) => {
                    if let Some(content) = self.held.held_blob(id)
                        && self.known.insert(*id.as_bytes())
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
