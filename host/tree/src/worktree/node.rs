//! Nodes of a worktree and the arena that holds them.

use std::sync::Arc;

use super::error::FsError;
use super::listing::{Entries, Listing};
use super::own::OwnBytes;
use super::time::{LogicalTime, Times};
use crate::ids::{BlobId, CommitId, TreeId};
use crate::objects::{BlobContent, EntryKind, TreeEntry};

/// A file, directory or symlink of one worktree. It stays the same through
/// renames, and is valid while the node is linked or open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    slot: u32,
    generation: u32,
}

/// What a node is to those who look at it; a submodule is a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// A name, shared by a directory and its entry.
pub(super) type Name = Arc<[u8]>;

/// A node with what the worktree knows of it.
pub(super) struct Node {
    /// Unique in the worktree for all time.
    pub(super) serial: u64,
    /// The directory it is linked in; none for the root and for what is unlinked.
    pub(super) parent: Option<NodeId>,
    /// Its name there.
    pub(super) name: Name,
    pub(super) linked: bool,
    pub(super) handles: u32,
    /// Created by an operation, so that it counts against the quota.
    pub(super) added: bool,
    /// All four times where `times` is empty.
    pub(super) stamp: LogicalTime,
    pub(super) times: Option<Box<Times>>,
    pub(super) body: Body,
}

pub(super) enum Body {
    File { content: Content, executable: bool },
    Directory(Directory),
    Symlink(Content),
    Submodule(CommitId),
}

/// A directory and the id of its tree while that is known.
pub(super) struct Directory {
    pub(super) listing: Listing,
    /// The tree this directory equals. None once something below it changed;
    /// then it is none in every directory above as well.
    pub(super) saved: Option<TreeId>,
}

/// The bytes of a file or the target of a symlink.
pub(super) enum Content {
    /// In the object source.
    Stored {
        id: BlobId,
        size: Option<u64>,
        /// Kept while the node is open.
        held: Option<BlobContent>,
    },
    /// Written here; the id is known once it was part of a snapshot.
    Own {
        bytes: OwnBytes,
        saved: Option<BlobId>,
        /// The blob it was made of, if any.
        origin: Option<BlobId>,
    },
}

impl Content {
    pub(super) fn own(bytes: OwnBytes) -> Self {
        Self::Own { bytes, saved: None, origin: None }
    }

    /// The blob it is or was made of.
    pub(super) fn origin(&self) -> Option<BlobId> {
        match self {
            Self::Stored { id, .. } => Some(*id),
            Self::Own { origin, .. } => *origin,
        }
    }

    /// Bytes that count against the quota.
    pub(super) fn own_len(&self) -> u64 {
        match self {
            Self::Stored { .. } => 0,
            Self::Own { bytes, .. } => bytes.len(),
        }
    }

    /// The size, unless the object source must be asked.
    pub(super) fn known_size(&self) -> Option<u64> {
        match self {
            Self::Stored { size, .. } => *size,
            Self::Own { bytes, .. } => Some(bytes.len()),
        }
    }

    /// Whether it is the content of the blob `id`. Content that can't be read is not.
    pub(super) fn equals(&self, id: BlobId) -> bool {
        match self {
            Self::Stored { id: own, .. } => *own == id,
            Self::Own { saved: Some(saved), .. } => *saved == id,
            Self::Own { bytes, saved: None, .. } => bytes.id().is_ok_and(|own| own == id),
        }
    }
}

impl Body {
    /// What an entry of a tree looks like before anything touched it.
    pub(super) fn from_entry(entry: &TreeEntry, stamp: LogicalTime) -> Self {
        let stored = |id| Content::Stored { id, size: entry.size, held: None };
        match entry.kind {
            EntryKind::Directory(tree) => Self::Directory(Directory::unread(tree, stamp)),
            EntryKind::File { id, executable } => Self::File { content: stored(id), executable },
            EntryKind::Symlink(id) => Self::Symlink(stored(id)),
            EntryKind::Submodule(commit) => Self::Submodule(commit),
        }
    }

    pub(super) fn kind(&self) -> NodeKind {
        match self {
            Self::File { .. } => NodeKind::File,
            Self::Directory(_) | Self::Submodule(_) => NodeKind::Directory,
            Self::Symlink(_) => NodeKind::Symlink,
        }
    }

    pub(super) fn content(&self) -> Option<&Content> {
        match self {
            Self::File { content, .. } | Self::Symlink(content) => Some(content),
            Self::Directory(_) | Self::Submodule(_) => None,
        }
    }

    pub(super) fn content_mut(&mut self) -> Option<&mut Content> {
        match self {
            Self::File { content, .. } | Self::Symlink(content) => Some(content),
            Self::Directory(_) | Self::Submodule(_) => None,
        }
    }

    pub(super) fn own_len(&self) -> u64 {
        self.content().map_or(0, Content::own_len)
    }
}

impl Directory {
    pub(super) fn unread(tree: TreeId, stamp: LogicalTime) -> Self {
        Self { listing: Listing::Unread { tree, stamp }, saved: Some(tree) }
    }

    pub(super) fn empty() -> Self {
        Self { listing: Listing::Read(Entries::empty()), saved: Some(TreeId::EMPTY) }
    }
}

impl Node {
    pub(super) fn new(body: Body, stamp: LogicalTime) -> Self {
        Self {
            serial: 0,
            parent: None,
            name: Name::from([]),
            linked: false,
            handles: 0,
            added: false,
            stamp,
            times: None,
            body,
        }
    }

    pub(super) fn times(&self) -> Times {
        self.times.as_deref().copied().unwrap_or_else(|| Times::all(self.stamp))
    }

    /// Notes a change of the content at `time`.
    pub(super) fn modify(&mut self, time: LogicalTime) {
        self.set_times(Times { modified: time, changed: time, ..self.times() });
    }

    /// Notes a change of anything but the content at `time`.
    pub(super) fn change(&mut self, time: LogicalTime) {
        self.set_times(Times { changed: time, ..self.times() });
    }

    pub(super) fn set_times(&mut self, times: Times) {
        self.times = Some(Box::new(times));
    }
}

/// All nodes. Slots of freed nodes are used again under a new generation.
pub(super) struct Arena {
    slots: Vec<Slot>,
    free: Vec<u32>,
    serials: u64,
}

struct Slot {
    generation: u32,
    node: Option<Node>,
}

impl Arena {
    /// An arena that holds one node.
    pub(super) fn with_root(mut root: Node) -> (Self, NodeId) {
        root.serial = 1;
        let slot = Slot { generation: 0, node: Some(root) };
        let arena = Self { slots: vec![slot], free: Vec::new(), serials: 1 };
        (arena, NodeId { slot: 0, generation: 0 })
    }

    /// Takes in a node. Fails after 2^32 nodes at a time.
    pub(super) fn insert(&mut self, mut node: Node) -> Result<NodeId, FsError> {
        self.serials += 1;
        node.serial = self.serials;
        self.insert_numbered(node)
    }

    /// The same for a node that has its number already.
    pub(super) fn insert_numbered(&mut self, node: Node) -> Result<NodeId, FsError> {
        if let Some(number) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(number as usize)
        {
            slot.node = Some(node);
            return Ok(NodeId { slot: number, generation: slot.generation });
        }
        let number = u32::try_from(self.slots.len()).map_err(|_| FsError::Quota)?;
        self.slots.push(Slot { generation: 0, node: Some(node) });
        Ok(NodeId { slot: number, generation: 0 })
    }

    /// How many nodes were given a number of their own.
    pub(super) fn serials(&self) -> u64 {
        self.serials
    }

    /// Goes on counting from `serials`.
    pub(super) fn count_from(&mut self, serials: u64) {
        self.serials = serials;
    }

    /// Whether there is a node that `is_it` takes.
    pub(super) fn any(&self, is_it: impl Fn(NodeId, &Node) -> bool) -> bool {
        let slots = (0..).zip(&self.slots);
        slots.into_iter().any(|(number, slot)| {
            let id = NodeId { slot: number, generation: slot.generation };
            slot.node.as_ref().is_some_and(|node| is_it(id, node))
        })
    }

    pub(super) fn get(&self, id: NodeId) -> Result<&Node, FsError> {
        let slot = self.slots.get(id.slot as usize).filter(|slot| slot.generation == id.generation);
        slot.and_then(|slot| slot.node.as_ref()).ok_or(FsError::BadDescriptor)
    }

    pub(super) fn get_mut(&mut self, id: NodeId) -> Result<&mut Node, FsError> {
        let slot = self.slots.get_mut(id.slot as usize);
        let slot = slot.filter(|slot| slot.generation == id.generation);
        slot.and_then(|slot| slot.node.as_mut()).ok_or(FsError::BadDescriptor)
    }

    pub(super) fn remove(&mut self, id: NodeId) -> Option<Node> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let node = slot.node.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.slot);
        Some(node)
    }
}
