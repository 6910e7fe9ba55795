//! What a worktree is beyond its tree: times, identities, empty directories and
//! what counts against the quota. With both, a worktree can be made again in
//! another process so that nobody who looks at it can tell the difference.
//!
//! Only what differs from the tree as it would be read is part of a state, so
//! its size follows what was changed. It leaves open files alone: nothing that
//! is unlinked comes back.

use serde::{Deserialize, Serialize};

use super::error::FsError;
use super::listing::Listing;
use super::node::{Body, Content, Directory, Name, Node, NodeId};
use super::own::OwnBytes;
use super::time::{LogicalTime, Times};
use super::usage::WorktreeUsage;
use super::{Worktree, WorktreeOptions};
use crate::ids::TreeId;
use crate::path::RepoPath;

/// What [`Worktree::state`] says of a worktree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorktreeState {
    now: Moment,
    /// How many nodes were given a number.
    serials: u64,
    counts: Counts,
    /// What differs, directories before what is in them.
    nodes: Vec<NodeState>,
}

/// Seconds and nanoseconds.
type Moment = (i64, u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    bytes: u64,
    entries: u64,
    peak_bytes: u64,
    peak_entries: u64,
    refused_writes: u64,
    refused_changes: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    hidden_lookups: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeState {
    path: RepoPath,
    serial: u64,
    stamp: Moment,
    /// Accessed, modified, changed, created; none where all are `stamp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<[Moment; 4]>,
    /// Created by an operation, so that it counts as an entry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    added: bool,
    /// Written here, so that its bytes count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    own: bool,
    /// Of a directory: the time of its entries that nobody touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entries: Option<Moment>,
}

fn moment(time: LogicalTime) -> Moment {
    (time.seconds, time.nanoseconds)
}

fn time((seconds, nanoseconds): Moment) -> LogicalTime {
    LogicalTime { seconds, nanoseconds }
}

/// What a node would be if its entry were read from a tree.
#[derive(Clone, Copy)]
struct Expected {
    serial: u64,
    stamp: LogicalTime,
}

impl Worktree {
    /// What a snapshot taken now would leave out. It costs what was touched.
    pub fn state(&self) -> Result<WorktreeState, FsError> {
        let usage = self.usage();
        let mut nodes = Vec::new();
        let expected = Expected { serial: 1, stamp: self.base_time };
        let mut ahead = vec![(self.root, RepoPath::root(), expected)];
        while let Some((id, path, expected)) = ahead.pop() {
            let node = self.nodes.get(id)?;
            let state = describe(node, &path);
            if differs(node, &state, expected) {
                nodes.push(state);
            }
            let Body::Directory(directory) = &node.body else { continue };
            let stamp = directory.listing.stamp();
            for (name, child) in self.touched(id).into_iter().rev() {
                let serial = identity_of(node.serial, &name);
                let path = path.join(name.as_ref().into()).map_err(|_| FsError::Invalid)?;
                ahead.push((child, path, Expected { serial, stamp }));
            }
        }
        Ok(WorktreeState {
            now: moment(self.now()),
            serials: self.nodes.serials(),
            counts: Counts {
                bytes: usage.bytes,
                entries: usage.entries,
                peak_bytes: usage.peak_bytes,
                peak_entries: usage.peak_entries,
                refused_writes: usage.refused_writes,
                refused_changes: usage.refused_changes,
                hidden_lookups: usage.hidden_lookups,
            },
            nodes,
        })
    }

    /// Whether its last snapshot was `tree` and no entry was changed since.
    pub fn is_at(&self, tree: TreeId) -> bool {
        self.saved_tree(self.root).is_ok_and(|saved| saved == Some(tree))
    }

    /// Whether anything but the topmost directory is open.
    pub fn has_open_nodes(&self) -> bool {
        self.nodes.any(|id, node| node.handles > 0 && id != self.root)
    }

    /// Becomes what a worktree was whose snapshot was `tree` and whose state was
    /// `state`. What is open is closed, but for the topmost directory.
    pub fn resume(&mut self, tree: TreeId, state: &WorktreeState) -> Result<(), FsError> {
        let options = WorktreeOptions {
            base_time: self.base_time.seconds,
            quota: self.meter.quota(),
            access: self.access,
        };
        let handles = self.nodes.get(self.root)?.handles;
        let mut fresh =
            Self::new(self.objects.clone(), tree, options).spilling_to(self.spill.clone());
        fresh.base = self.base;
        fresh.policy.clone_from(&self.policy);
        for node in &state.nodes {
            fresh.resume_node(node)?;
        }
        fresh.nodes.get_mut(fresh.root)?.handles = handles;
        fresh.nodes.count_from(state.serials);
        fresh.clock.advance_to(time(state.now));
        let counts = state.counts;
        fresh.protected.set(counts.refused_changes);
        fresh.hidden_lookups = counts.hidden_lookups;
        fresh.meter.set(WorktreeUsage {
            bytes: counts.bytes,
            entries: counts.entries,
            peak_bytes: counts.peak_bytes,
            peak_entries: counts.peak_entries,
            refused_writes: counts.refused_writes,
            ..WorktreeUsage::default()
        });
        *self = fresh;
        Ok(())
    }

    fn resume_node(&mut self, state: &NodeState) -> Result<(), FsError> {
        let id = self.node_to_resume(state)?;
        let own = if state.own { Some(self.own_copy(id)?) } else { None };
        let node = self.nodes.get_mut(id)?;
        node.serial = state.serial;
        node.stamp = time(state.stamp);
        node.added = state.added;
        node.times = state.times.map(|[accessed, modified, changed, created]| {
            Box::new(Times {
                accessed: time(accessed),
                modified: time(modified),
                changed: time(changed),
                created: time(created),
            })
        });
        if let (Some(own), Some(content)) = (own, node.body.content_mut()) {
            *content = own;
        }
        if let (Some(entries), Body::Directory(directory)) = (state.entries, &mut node.body) {
            directory.listing.set_stamp(time(entries));
        }
        Ok(())
    }

    /// The node at a path. What no tree holds, an empty directory, is made.
    fn node_to_resume(&mut self, state: &NodeState) -> Result<NodeId, FsError> {
        if let Some(node) = self.any_node_at(&state.path)? {
            return Ok(node);
        }
        let (Some(parent), Some(name)) = (state.path.parent(), state.path.file_name()) else {
            return Err(FsError::Invalid);
        };
        if state.entries.is_none() {
            return Err(FsError::NoEntry);
        }
        let dir = self.any_node_at(&parent)?.ok_or(FsError::NoEntry)?;
        self.load(dir)?;
        let name = Name::from(name.to_vec());
        let stamp = time(state.stamp);
        let mut node = Node::new(Body::Directory(Directory::empty()), stamp);
        node.parent = Some(dir);
        node.name = name.clone();
        node.linked = true;
        let id = self.nodes.insert(node)?;
        // The tree ids above stay known: trees do not hold empty directories.
        self.entries_mut(dir).ok_or(FsError::NotDirectory)?.insert(name, id);
        Ok(id)
    }

    /// The content of a node as if it had been written here.
    fn own_copy(&mut self, id: NodeId) -> Result<Content, FsError> {
        let Some(Content::Stored { id: blob, .. }) = self.nodes.get(id)?.body.content() else {
            return Err(FsError::Invalid);
        };
        let blob = *blob;
        let content = self.blob(id, blob)?;
        let bytes = OwnBytes::copied(&self.spill, &content, content.len())?;
        Ok(Content::Own { bytes, saved: Some(blob), origin: None })
    }
}

fn describe(node: &Node, path: &RepoPath) -> NodeState {
    let times = node
        .times
        .as_deref()
        .map(|times| [times.accessed, times.modified, times.changed, times.created].map(moment));
    let entries = match &node.body {
        Body::Directory(directory) => Some(moment(directory.listing.stamp())),
        _ => None,
    };
    NodeState {
        path: path.clone(),
        serial: node.serial,
        stamp: moment(node.stamp),
        times,
        added: node.added,
        own: matches!(node.body.content(), Some(Content::Own { .. })),
        entries,
    }
}

fn differs(node: &Node, state: &NodeState, expected: Expected) -> bool {
    let stamp = moment(expected.stamp);
    let is_left_out = matches!(
        &node.body,
        Body::Directory(directory) if directory.saved == Some(TreeId::EMPTY)
    );
    is_left_out
        || state.serial != expected.serial
        || state.stamp != stamp
        || state.times.is_some()
        || state.added
        || state.own
        || state.entries.is_some_and(|entries| entries != stamp)
}

/// The number of an entry that was read from a tree: the same however often and
/// in whatever order entries are looked at. Numbers of what is created are
/// counted and stay below all of these.
pub(super) fn identity_of(dir: u64, name: &[u8]) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    let seed = dir.to_le_bytes().into_iter().fold(0xcbf2_9ce4_8422_2325, hash);
    name.iter().copied().fold(seed, hash) | 1 << 63
}

impl Listing {
    /// The time of entries that nobody touched.
    fn stamp(&self) -> LogicalTime {
        match self {
            Self::Unread { stamp, .. } => *stamp,
            Self::Read(entries) => entries.stamp(),
        }
    }

    fn set_stamp(&mut self, to: LogicalTime) {
        match self {
            Self::Unread { stamp, .. } => *stamp = to,
            Self::Read(entries) => entries.set_stamp(to),
        }
    }
}
