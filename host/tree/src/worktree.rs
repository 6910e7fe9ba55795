//! The overlay an agent works in: a base tree with changed entries in memory.
//!
//! A [`Worktree`] costs nothing to open: directories are decoded when they are
//! first touched, blobs read when they are first needed. It behaves as a POSIX
//! filesystem by node, so that an open file survives rename and removal, and it
//! turns into a git tree in time proportional to what changed.
//!
//! Reading order: `node` and `listing` (what is held), `lookup` and `resolve` (finding it),
//! `content` and `own` (files), `edit` (directories), `at` (both by path, as system calls),
//! `by_path` and `patching` (coarse calls), `snapshot` and `checkout` (to and
//! from trees), `state` (what trees leave out), `usage` (quota), `time`.
//!
//! It leaves locking to its callers, and caching of objects across worktrees to
//! the object source. Its invariant: a directory whose tree id is known equals
//! that tree, up to empty directories, which git does not keep.

mod at;
mod by_path;
mod checkout;
mod content;
mod edit;
mod empty;
mod error;
mod length;
mod listing;
mod lookup;
mod node;
mod own;
mod patching;
mod policy;
mod resolve;
mod snapshot;
mod state;
mod time;
mod usage;

use std::cell::Cell;
use std::sync::Arc;

pub use self::at::{Create, OnOpen, OpenOptions, Openable};
pub use self::by_path::{Entry, WriteKind};
pub use self::content::{Executable, MAX_FILE};
pub use self::edit::OnExisting;
pub use self::error::FsError;
pub use self::lookup::{DirEntry, Metadata};
pub use self::node::{NodeId, NodeKind};
pub use self::patching::WorktreeFiles;
pub use self::policy::{PathPatterns, Policy, Protection};
pub use self::resolve::{Links, Place, Resolved};
pub use self::state::WorktreeState;
pub use self::time::{LogicalTime, SetTime};
pub use self::usage::{Quota, WorktreeUsage};

use self::node::{Arena, Body, Directory, Node};
use self::time::Clock;
use self::usage::Meter;
use crate::ids::{BlobId, TreeId};
use crate::objects::{BlobContent, Objects};
use crate::spill::Spill;

/// Whether a worktree can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Every change fails with [`FsError::ReadOnly`].
    ReadOnly,
    /// It can.
    #[default]
    ReadWrite,
}

/// How a worktree behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorktreeOptions {
    /// Time of the entries of the base, in seconds since 1970.
    pub base_time: i64,
    /// How much may be added.
    pub quota: Quota,
    /// Whether anything may be changed.
    pub access: Access,
}

/// A base tree with changed entries in memory.
pub struct Worktree {
    objects: Arc<dyn Objects>,
    base: TreeId,
    base_time: LogicalTime,
    access: Access,
    policy: Option<Arc<Policy>>,
    /// Changes that the policy refused.
    protected: Cell<u64>,
    /// Looks for what the policy hides.
    hidden_lookups: u64,
    nodes: Arena,
    root: NodeId,
    clock: Clock,
    meter: Meter,
    /// Where content goes that is written.
    spill: Arc<Spill>,
    /// The blob read last, for readers that do not open what they read.
    recent: Option<(BlobId, BlobContent)>,
}

impl Worktree {
    /// A worktree equal to the tree `base`. Reads nothing.
    pub fn new(objects: Arc<dyn Objects>, base: TreeId, options: WorktreeOptions) -> Self {
        let time = LogicalTime::from_seconds(options.base_time);
        let mut node = Node::new(Body::Directory(Directory::unread(base, time)), time);
        node.linked = true;
        let (nodes, root) = Arena::with_root(node);
        Self {
            objects,
            base,
            base_time: time,
            access: options.access,
            policy: None,
            protected: Cell::new(0),
            hidden_lookups: 0,
            nodes,
            root,
            clock: Clock::starting_at(time),
            meter: Meter::new(options.quota),
            spill: Spill::unlimited(),
            recent: None,
        }
    }

    /// Keeps what is written within a budget of memory, which others may share,
    /// and puts the rest on disk. For a worktree that nothing was written to.
    #[must_use]
    pub fn spilling_to(mut self, spill: Arc<Spill>) -> Self {
        self.spill = spill;
        self
    }

    /// The tree it began with.
    pub fn base(&self) -> TreeId {
        self.base
    }

    /// The topmost directory, which is always there.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// What was added over the base.
    pub fn usage(&self) -> WorktreeUsage {
        WorktreeUsage {
            refused_changes: self.protected.get(),
            hidden_lookups: self.hidden_lookups,
            ..self.meter.usage(&self.spill)
        }
    }

    /// The time of the latest change, or of the base if there was none.
    pub fn now(&self) -> LogicalTime {
        self.clock.now()
    }

    /// Moves the time forward, so that changes before and after are seconds
    /// apart for programs that compare whole seconds. Never moves it back.
    pub fn advance_time(&mut self, to: LogicalTime) {
        self.clock.advance_to(to);
    }
}

#[cfg(test)]
pub(crate) mod tests;
