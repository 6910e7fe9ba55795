//! What a directory holds. Its tree is decoded when it is first looked at, and
//! an entry becomes a node when it is first touched, so that a worktree costs
//! memory for what is used of it and not for what lies beside that.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use bstr::BStr;

use super::Worktree;
use super::error::FsError;
use super::node::{Body, Directory, Name, Node, NodeId};
use super::state::identity_of;
use super::time::LogicalTime;
use crate::ids::TreeId;
use crate::objects::{EntryKind, TreeEntry};
use crate::path::check_entry_name;

pub(super) enum Listing {
    /// Not looked at yet; its entries will carry the time `stamp`.
    Unread {
        tree: TreeId,
        stamp: LogicalTime,
    },
    Read(Entries),
}

/// The entries of a directory.
pub(super) struct Entries {
    /// The tree it was read from, in git's order, shared with whoever else read it.
    base: Arc<[TreeEntry]>,
    stamp: LogicalTime,
    /// What differs from `base` or was touched; none where a name is gone.
    touched: BTreeMap<Name, Option<NodeId>>,
}

impl Entries {
    /// No entries.
    pub(super) fn empty() -> Self {
        Self::read(Arc::from([]), LogicalTime::default())
    }

    fn read(mut base: Arc<[TreeEntry]>, stamp: LogicalTime) -> Self {
        // Git itself refuses to write other trees, but reads them.
        if !base.is_sorted_by(|a, b| git_order(a, b).is_le()) {
            let mut sorted = base.to_vec();
            sorted.sort_by(git_order);
            base = sorted.into();
        }
        Self { base, stamp, touched: BTreeMap::new() }
    }

    /// The entry `name` of the base, whether or not it is still there.
    fn in_base(&self, name: &[u8]) -> Option<&TreeEntry> {
        let as_file = self.base.binary_search_by(|entry| sort_key(entry).cmp(bytes(name)));
        let found = as_file.or_else(|_| {
            let directory = || bytes(name).chain(std::iter::once(b'/'));
            self.base.binary_search_by(|entry| sort_key(entry).cmp(directory()))
        });
        // An entry `a/` is the directory `a`, unlike the file of that impossible name.
        let entry = self.base.get(found.ok()?)?;
        (entry.name == name && can_show(entry)).then_some(entry)
    }

    pub(super) fn stamp(&self) -> LogicalTime {
        self.stamp
    }

    pub(super) fn set_stamp(&mut self, stamp: LogicalTime) {
        self.stamp = stamp;
    }

    /// What became a node, in order of names.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (&Name, NodeId)> {
        self.touched.iter().filter_map(|(name, node)| node.map(|node| (name, node)))
    }

    /// What nobody touched, in git's order.
    pub(super) fn untouched(&self) -> impl Iterator<Item = &TreeEntry> {
        let is_untouched = |entry: &&TreeEntry| !self.touched.contains_key(entry.name.as_slice());
        self.base.iter().filter(|entry| can_show(entry)).filter(is_untouched)
    }

    /// Once all entries are nodes, the base says nothing more.
    fn forget_base(&mut self) {
        if !self.base.is_empty() {
            self.base = Arc::from([]);
            self.touched.retain(|_, node| node.is_some());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes().next().is_none() && self.untouched().next().is_none()
    }

    /// Links a node under a name that is free.
    pub(super) fn insert(&mut self, name: Name, node: NodeId) {
        self.touched.insert(name, Some(node));
    }

    /// Unlinks a name; the node, if it had become one.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<NodeId> {
        if self.in_base(name).is_some() {
            return self.touched.insert(Name::from(name), None).flatten();
        }
        self.touched.remove(name).flatten()
    }
}

impl Worktree {
    /// The entry `name` of a directory, if there is one that is not hidden.
    pub(super) fn child(&mut self, dir: NodeId, name: &BStr) -> Result<Option<NodeId>, FsError> {
        let Some(node) = self.any_child(dir, name)? else { return Ok(None) };
        let is_hidden = self.is_hidden(dir, name, self.kind(node)?);
        Ok((!is_hidden).then_some(node))
    }

    /// The same for somebody who looks for it, which is counted where it is hidden.
    pub(super) fn looked_up(
        &mut self,
        dir: NodeId,
        name: &BStr,
    ) -> Result<Option<NodeId>, FsError> {
        let Some(node) = self.any_child(dir, name)? else { return Ok(None) };
        if !self.is_hidden(dir, name, self.kind(node)?) {
            return Ok(Some(node));
        }
        self.hidden_lookups = self.hidden_lookups.saturating_add(1);
        Ok(None)
    }

    /// The entry `name` of a directory, hidden or not.
    pub(super) fn any_child(
        &mut self,
        dir: NodeId,
        name: &BStr,
    ) -> Result<Option<NodeId>, FsError> {
        self.load(dir)?;
        let Some(entries) = self.entries(dir) else { return Ok(None) };
        if let Some(known) = entries.touched.get(&**name) {
            return Ok(*known);
        }
        let stamp = entries.stamp;
        let Some(entry) = entries.in_base(name).cloned() else { return Ok(None) };
        self.touch(dir, &entry, stamp).map(Some)
    }

    /// All entries of a directory as nodes, in order of names.
    pub(super) fn all_children(&mut self, dir: NodeId) -> Result<Vec<(Name, NodeId)>, FsError> {
        self.load(dir)?;
        let Some(entries) = self.entries(dir) else { return Ok(Vec::new()) };
        let stamp = entries.stamp;
        for entry in self.untouched(dir) {
            self.touch(dir, &entry, stamp)?;
        }
        if let Some(entries) = self.entries_mut(dir) {
            entries.forget_base();
        }
        Ok(self.touched(dir))
    }

    /// The entries of a directory that became nodes, in order of names.
    pub(super) fn touched(&self, dir: NodeId) -> Vec<(Name, NodeId)> {
        let nodes = self.entries(dir).into_iter().flat_map(Entries::nodes);
        nodes.map(|(name, node)| (name.clone(), node)).collect()
    }

    /// The same without their names.
    pub(super) fn touched_nodes(&self, dir: NodeId) -> Vec<NodeId> {
        let nodes = self.entries(dir).into_iter().flat_map(Entries::nodes);
        nodes.map(|(_, node)| node).collect()
    }

    /// The other entries of a directory that was loaded, in git's order.
    pub(super) fn untouched(&self, dir: NodeId) -> Vec<TreeEntry> {
        self.entries(dir).into_iter().flat_map(Entries::untouched).cloned().collect()
    }

    /// The entries of a directory that was loaded.
    pub(super) fn entries(&self, dir: NodeId) -> Option<&Entries> {
        match &self.nodes.get(dir).ok()?.body {
            Body::Directory(Directory { listing: Listing::Read(entries), .. }) => Some(entries),
            _ => None,
        }
    }

    pub(super) fn entries_mut(&mut self, dir: NodeId) -> Option<&mut Entries> {
        match &mut self.nodes.get_mut(dir).ok()?.body {
            Body::Directory(Directory { listing: Listing::Read(entries), .. }) => Some(entries),
            _ => None,
        }
    }

    /// Decodes a directory unless that was done before.
    pub(super) fn load(&mut self, dir: NodeId) -> Result<(), FsError> {
        let (tree, stamp) = match &self.nodes.get(dir)?.body {
            Body::Directory(directory) => match directory.listing {
                Listing::Unread { tree, stamp } => (tree, stamp),
                Listing::Read(_) => return Ok(()),
            },
            Body::Submodule(_) => return Ok(()),
            Body::File { .. } | Body::Symlink(_) => return Err(FsError::NotDirectory),
        };
        let base = self.objects.tree(tree).map_err(|err| FsError::at(self.path_of(dir), err))?;
        if let Body::Directory(directory) = &mut self.nodes.get_mut(dir)?.body {
            directory.listing = Listing::Read(Entries::read(base, stamp));
        }
        Ok(())
    }

    /// Makes an entry of the base a node.
    fn touch(
        &mut self,
        dir: NodeId,
        entry: &TreeEntry,
        stamp: LogicalTime,
    ) -> Result<NodeId, FsError> {
        let name = Name::from(entry.name.as_slice());
        let mut node = Node::new(Body::from_entry(entry, stamp), stamp);
        node.parent = Some(dir);
        node.name = name.clone();
        node.linked = true;
        node.serial = identity_of(self.nodes.get(dir)?.serial, &name);
        let id = self.nodes.insert_numbered(node)?;
        if let Some(entries) = self.entries_mut(dir) {
            entries.insert(name, id);
        }
        Ok(id)
    }
}

/// A tree made elsewhere may hold names that no worktree shows, such as `.git`.
/// They are hidden, and gone once their directory changes.
fn can_show(entry: &TreeEntry) -> bool {
    check_entry_name(entry.name.as_ref()).is_ok()
}

fn bytes(name: &[u8]) -> impl Iterator<Item = u8> + '_ {
    name.iter().copied()
}

/// Git sorts a directory as if its name ended in a slash.
fn sort_key(entry: &TreeEntry) -> impl Iterator<Item = u8> + '_ {
    let slash = matches!(entry.kind, EntryKind::Directory(_)).then_some(b'/');
    bytes(&entry.name).chain(slash)
}

fn git_order(a: &TreeEntry, b: &TreeEntry) -> Ordering {
    sort_key(a).cmp(sort_key(b))
}
