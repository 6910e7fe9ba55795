//! Where objects come from: the trait [`Objects`], its in-memory form, and what
//! a tree consists of.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use bstr::{BStr, BString};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ids::{BlobId, CommitId, TreeId};
use crate::path::{PathError, RepoPath, check_entry_name};
use crate::spill::{SpillError, Spilled};

mod edited;

pub use edited::EditedContent;

/// Why an object could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The source does not have it. In a partial clone that is normal for blobs.
    #[error("object `{0}` is missing from the object database (a partial clone lacks blobs)")]
    Missing(String),
    /// The object is there but is not what it should be.
    #[error("object `{id}` is not a readable {expected}: {reason}")]
    Malformed {
        /// Its id.
        id: String,
        /// What it should have been.
        expected: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The rollout was never given a tree that contains the object.
    #[error("object `{0}` is not one this rollout may read")]
    Refused(String),
    /// The content is more than what is done with it can take.
    #[error("`{path}` has {size} bytes, more than the {limit} of a file in a patch")]
    TooLarge {
        /// Where it is.
        path: RepoPath,
        /// Its size.
        size: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// More is to be listed than is: one tree can be in so many places that no memory
    /// has room for their paths.
    #[error("more than {limit} {what} are to be looked at")]
    TooMany {
        /// The most that are.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// A patch would be longer than it may be.
    #[error("the patch would have more than {limit} bytes")]
    TooLong {
        /// The most that it may have.
        limit: usize,
    },
    /// The time for the work was up ([`crate::Deadline`]).
    #[error("the time for it was up")]
    OutOfTime,
    /// Reading or writing failed.
    #[error("object database: {0}")]
    Io(String),
}

/// What an entry of a tree is, with the id of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EntryKind {
    /// A directory.
    Directory(TreeId),
    /// A regular file.
    File {
        /// Its content.
        id: BlobId,
        /// Whether the executable bit is set.
        executable: bool,
    },
    /// A symbolic link; the blob holds its target.
    Symlink(BlobId),
    /// A submodule, pinned to a commit of another repository.
    Submodule(CommitId),
}

impl EntryKind {
    /// The mode as git writes it, such as `100644`.
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Directory(_) => "040000",
            Self::File { executable: false, .. } => "100644",
            Self::File { executable: true, .. } => "100755",
            Self::Symlink(_) => "120000",
            Self::Submodule(_) => "160000",
        }
    }

    /// Hexadecimal id of the content.
    pub fn id_hex(&self) -> String {
        gix::ObjectId::from(self.id_bytes()).to_string()
    }

    fn id_bytes(&self) -> [u8; 20] {
        match self {
            Self::Directory(id) => *id.as_bytes(),
            Self::File { id, .. } | Self::Symlink(id) => *id.as_bytes(),
            Self::Submodule(id) => *id.as_bytes(),
        }
    }
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeEntry {
    /// Name in its directory. Any bytes but `/` and NUL.
    pub name: BString,
    /// What it is.
    pub kind: EntryKind,
    /// Size of the blob in bytes, where the source knows it.
    pub size: Option<u64>,
}

/// Bytes of content that are read or hashed at a time.
const CHUNK: u64 = 1 << 20;

/// The content of a blob, wherever it lies. A clone shares it.
#[derive(Clone)]
pub enum BlobContent {
    /// In memory.
    Memory(Bytes),
    /// On disk.
    Spilled(Spilled),
    /// In memory, most of it shared with other content.
    Edited(Arc<EditedContent>),
}

impl BlobContent {
    /// Bytes of content.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Spilled(spilled) => spilled.len(),
            Self::Edited(edited) => edited.len() as u64,
        }
    }

    /// Whether there is no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads up to `len` bytes; fewer at the end, none behind it.
    pub fn read(&self, offset: u64, len: u64) -> Result<Bytes, SpillError> {
        match self {
            Self::Memory(bytes) => Ok(bytes.slice(clamp(bytes.len(), offset, len))),
            Self::Spilled(spilled) => spilled.read(offset, len),
            Self::Edited(edited) => Ok(edited.read(offset, len)),
        }
    }

    /// All of it, in memory.
    pub fn bytes(&self) -> Result<Bytes, SpillError> {
        self.read(0, u64::MAX)
    }

    /// The content piece by piece, none of them large.
    pub fn chunks(&self) -> impl Iterator<Item = Result<Bytes, SpillError>> + '_ {
        let starts = (0..self.len().div_ceil(CHUNK)).map(|chunk| chunk * CHUNK);
        starts.map(|start| self.read(start, CHUNK))
    }

    /// The id that git gives it. Reads what lies on disk.
    pub fn id(&self) -> Result<BlobId, ObjectError> {
        if let Self::Memory(bytes) = self {
            return Ok(BlobId::of(bytes));
        }
        let mut hasher = BlobHasher::new(self.len());
        for chunk in self.chunks() {
            hasher.update(&chunk?);
        }
        hasher.finish()
    }
}

/// The part of `offset..offset + len` that lies within `size` bytes.
pub(crate) fn clamp(size: usize, offset: u64, len: u64) -> Range<usize> {
    let within = |at: u64| usize::try_from(at).map_or(size, |at| at.min(size));
    within(offset)..within(offset.saturating_add(len))
}

impl From<SpillError> for ObjectError {
    fn from(err: SpillError) -> Self {
        Self::Io(err.to_string())
    }
}

/// Computes the id of a blob that comes in pieces.
pub(crate) struct BlobHasher(gix::hash::Hasher);

impl BlobHasher {
    /// For a blob of `len` bytes.
    pub(crate) fn new(len: u64) -> Self {
        let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
        hasher.update(&gix::objs::encode::loose_header(gix::objs::Kind::Blob, len));
        Self(hasher)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Result<BlobId, ObjectError> {
        self.0.try_finalize().map(BlobId::from).map_err(|err| ObjectError::Io(err.to_string()))
    }
}

/// A source of trees and blobs. Cheap to share; every call may do I/O.
pub trait Objects: Send + Sync {
    /// The entries of a tree in git's order.
    fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError>;

    /// The content of a blob.
    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError>;

    /// The content of a blob that need not all be in memory.
    fn content(&self, id: BlobId) -> Result<BlobContent, ObjectError> {
        self.blob(id).map(BlobContent::Memory)
    }

    /// The size of a blob in bytes.
    fn blob_size(&self, id: BlobId) -> Result<u64, ObjectError> {
        Ok(self.blob(id)?.len() as u64)
    }
}

/// A place for new objects.
pub trait ObjectSink {
    /// Stores a blob and returns its id.
    fn write_blob(&mut self, content: Bytes) -> Result<BlobId, ObjectError>;

    /// Stores a blob that need not all be in memory.
    fn write_content(&mut self, content: BlobContent) -> Result<BlobId, ObjectError> {
        self.write_blob(content.bytes()?)
    }

    /// Stores a tree with these entries, in any order, and returns its id.
    /// The subtrees and blobs must be known or come before a reader needs them.
    fn write_tree(&mut self, entries: Vec<TreeEntry>) -> Result<TreeId, ObjectError>;
}

/// Sorts entries as git does and encodes them as the content of a tree object.
/// Names are checked, so what comes from a guest cannot smuggle in `..` or `.git`.
pub fn encode_tree(entries: &mut [TreeEntry]) -> Result<Vec<u8>, PathError> {
    entries.sort_by(git_order);
    let mut content = Vec::with_capacity(entries.len() * 40);
    for entry in entries.iter() {
        check_entry_name(entry.name.as_ref())?;
        let mode = entry.kind.mode();
        content.extend_from_slice(mode.strip_prefix('0').unwrap_or(mode).as_bytes());
        content.push(b' ');
        content.extend_from_slice(&entry.name);
        content.push(0);
        content.extend_from_slice(&entry.kind.id_bytes());
    }
    Ok(content)
}

/// Git compares a directory as if its name ended in `/`.
fn git_order(a: &TreeEntry, b: &TreeEntry) -> Ordering {
    fn key(entry: &TreeEntry) -> impl Iterator<Item = u8> + '_ {
        let slash = matches!(entry.kind, EntryKind::Directory(_)).then_some(b'/');
        entry.name.iter().copied().chain(slash)
    }
    key(a).cmp(key(b))
}

/// Objects kept in memory over another source: what a worker or a test has
/// made and not handed over yet.
pub struct MemoryObjects<S> {
    below: S,
    held: RwLock<Held>,
}

#[derive(Default)]
struct Held {
    trees: HashMap<TreeId, Arc<[TreeEntry]>>,
    blobs: HashMap<BlobId, BlobContent>,
    /// Bytes of the blobs.
    bytes: u64,
    /// Bytes that were left when unreachable objects were let go.
    retained: u64,
}

/// Bytes of blobs that may come in before it is worth looking for unreachable ones.
const GROWTH: u64 = 32 << 20;

/// The source without any object but the empty tree.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObjects;

impl Objects for NoObjects {
    fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        if id == TreeId::EMPTY {
            Ok(Arc::from([]))
        } else {
            Err(ObjectError::Missing(id.to_string()))
        }
    }

    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        Err(ObjectError::Missing(id.to_string()))
    }
}

impl<S: Objects> MemoryObjects<S> {
    /// An empty layer over `below`.
    pub fn new(below: S) -> Self {
        Self { below, held: RwLock::default() }
    }

    /// Adds a blob.
    pub fn insert_blob(&self, content: Bytes) -> BlobId {
        let id = BlobId::of(&content);
        self.keep(id, BlobContent::Memory(content));
        id
    }

    fn keep(&self, id: BlobId, content: BlobContent) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.bytes += content.len();
        if let Some(old) = held.blobs.insert(id, content) {
            held.bytes -= old.len();
        }
    }

    /// Adds a tree with these entries, in any order.
    pub fn insert_tree(&self, mut entries: Vec<TreeEntry>) -> Result<TreeId, PathError> {
        let id = TreeId::of(&encode_tree(&mut entries)?);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.trees.insert(id, entries.into());
        Ok(id)
    }
}

impl<S> MemoryObjects<S> {
    /// Whether so much came in since the last [`MemoryObjects::retain_reachable`]
    /// that another one is worth its time.
    pub fn has_grown(&self) -> bool {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.bytes > held.retained.saturating_mul(2).saturating_add(GROWTH)
    }

    /// Lets go of every object that is not reachable from `roots`.
    pub fn retain_reachable(&self, roots: impl IntoIterator<Item = TreeId>) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let (mut trees, mut blobs) = (HashSet::new(), HashSet::new());
        let mut ahead: Vec<TreeId> = roots.into_iter().collect();
        while let Some(id) = ahead.pop() {
            let Some(entries) = held.trees.get(&id).filter(|_| trees.insert(id)) else { continue };
            for entry in entries.iter() {
                match entry.kind {
                    EntryKind::Directory(id) => ahead.push(id),
                    EntryKind::File { id, .. } | EntryKind::Symlink(id) => {
                        blobs.insert(id);
                    }
                    EntryKind::Submodule(_) => {}
                }
            }
        }
        held.trees.retain(|id, _| trees.contains(id));
        held.blobs.retain(|id, _| blobs.contains(id));
        held.bytes = held.blobs.values().map(BlobContent::len).sum();
        held.retained = held.bytes;
    }

    /// The entries of a tree that this layer itself holds.
    pub fn held_tree(&self, id: TreeId) -> Option<Arc<[TreeEntry]>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.trees.get(&id).cloned()
    }

    /// The content of a blob that this layer itself holds.
    pub fn held_blob(&self, id: BlobId) -> Option<BlobContent> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.blobs.get(&id).cloned()
    }
}

impl<S: Objects> Objects for MemoryObjects<S> {
    fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        match held.trees.get(&id) {
            Some(entries) => Ok(entries.clone()),
            None => self.below.tree(id),
        }
    }

    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        match self.held_blob(id) {
            Some(content) => Ok(content.bytes()?),
            None => self.below.blob(id),
        }
    }

    fn content(&self, id: BlobId) -> Result<BlobContent, ObjectError> {
        match self.held_blob(id) {
            Some(content) => Ok(content),
            None => self.below.content(id),
        }
    }

    fn blob_size(&self, id: BlobId) -> Result<u64, ObjectError> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        match held.blobs.get(&id) {
            Some(content) => Ok(content.len()),
            None => self.below.blob_size(id),
        }
    }
}

impl<S: Objects> ObjectSink for &MemoryObjects<S> {
    fn write_blob(&mut self, content: Bytes) -> Result<BlobId, ObjectError> {
        Ok(self.insert_blob(content))
    }

    fn write_content(&mut self, content: BlobContent) -> Result<BlobId, ObjectError> {
        let id = content.id()?;
        self.keep(id, content);
        Ok(id)
    }

    fn write_tree(&mut self, entries: Vec<TreeEntry>) -> Result<TreeId, ObjectError> {
        self.insert_tree(entries).map_err(|err| ObjectError::Io(err.to_string()))
    }
}

impl<T: Objects + ?Sized> Objects for Arc<T> {
    fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        (**self).tree(id)
    }

    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        (**self).blob(id)
    }

    fn content(&self, id: BlobId) -> Result<BlobContent, ObjectError> {
        (**self).content(id)
    }

    fn blob_size(&self, id: BlobId) -> Result<u64, ObjectError> {
        (**self).blob_size(id)
    }
}

/// The entry named `name`, if the tree has one.
pub fn entry_named<'a>(entries: &'a [TreeEntry], name: &BStr) -> Option<&'a TreeEntry> {
    entries.iter().find(|entry| entry.name == name)
}
