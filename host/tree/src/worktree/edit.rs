//! Changing directories: creating, removing, renaming.

use bstr::{BStr, ByteSlice};

use super::Worktree;
use super::error::FsError;
use super::lookup::check_searched_name;
use super::node::{Body, Content, Directory, Name, Node, NodeId, NodeKind};
use super::own::OwnBytes;
use super::time::LogicalTime;
use crate::path::{MAX_PATH, check_entry_name};

/// What to do when the name of a file to create is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExisting {
    /// Take the file that is there.
    Open,
    /// Fail with [`FsError::Exists`].
    Refuse,
}

impl Worktree {
    /// Creates an empty file.
    pub fn create_file(
        &mut self,
        dir: NodeId,
        name: &BStr,
        on_existing: OnExisting,
    ) -> Result<NodeId, FsError> {
        check_searched_name(name)?;
        if let Some(node) = self.child(dir, name)? {
            return match (on_existing, self.kind(node)?) {
                (OnExisting::Refuse, _) => Err(FsError::Exists),
                (OnExisting::Open, NodeKind::File) => Ok(node),
                (OnExisting::Open, NodeKind::Directory) => Err(FsError::IsDirectory),
                (OnExisting::Open, NodeKind::Symlink) => Err(FsError::TooManyLinks),
            };
        }
        let content = self.own(Vec::new());
        self.create(dir, name, Body::File { content, executable: false })
    }

    /// Creates an empty directory.
    pub fn create_dir(&mut self, dir: NodeId, name: &BStr) -> Result<NodeId, FsError> {
        self.create(dir, name, Body::Directory(Directory::empty()))
    }

    /// Creates a symlink. Its target is not looked at.
    pub fn symlink(&mut self, dir: NodeId, name: &BStr, target: &BStr) -> Result<NodeId, FsError> {
        if target.contains(&0) {
            return Err(FsError::Invalid);
        }
        if target.is_empty() {
            return Err(FsError::NoEntry);
        }
        if target.len() > MAX_PATH {
            return Err(FsError::NameTooLong);
        }
        let content = self.own(target.to_vec());
        self.create(dir, name, Body::Symlink(content))
    }

    /// Removes a file or symlink. Who has it open can go on using it.
    pub fn remove_file(&mut self, dir: NodeId, name: &BStr) -> Result<(), FsError> {
        let node = self.removable(dir, name)?;
        if self.kind(node)? == NodeKind::Directory {
            return Err(FsError::IsDirectory);
        }
        self.remove_child(dir, name)
    }

    /// Removes an empty directory.
    pub fn remove_dir(&mut self, dir: NodeId, name: &BStr) -> Result<(), FsError> {
        let node = self.removable(dir, name)?;
        if self.kind(node)? != NodeKind::Directory {
            return Err(FsError::NotDirectory);
        }
        self.check_empty(node)?;
        self.remove_child(dir, name)
    }

    /// Moves an entry, over a file or an empty directory where there is one,
    /// with the rules of rename(2).
    pub fn rename(
        &mut self,
        from_dir: NodeId,
        from_name: &BStr,
        to_dir: NodeId,
        to_name: &BStr,
    ) -> Result<(), FsError> {
        let node = self.removable(from_dir, from_name)?;
        self.load(to_dir)?;
        self.check_insert(to_dir, to_name)?;
        if self.is_at_or_above(node, to_dir) {
            return Err(FsError::Invalid);
        }
        if let Some(target) = self.child(to_dir, to_name)? {
            if target == node {
                return Ok(());
            }
            if self.is_at_or_above(target, from_dir) {
                return Err(FsError::NotEmpty);
            }
            self.check_replace(node, target)?;
        }
        self.check_move(node, to_dir, to_name)?;
        self.check_moved_lengths(node, to_dir, to_name)?;
        let now = self.clock.tick();
        self.detach(from_dir, from_name, now);
        if let Some(target) = self.detach(to_dir, to_name, now) {
            self.inherit(node, target);
            self.unlink(target, now);
        }
        self.attach(to_dir, to_name, node, now)?;
        self.nodes.get_mut(node)?.change(now);
        Ok(())
    }

    /// Programs write a new file and rename it over the old one: what it was made
    /// of is then what the old one was.
    fn inherit(&mut self, node: NodeId, target: NodeId) {
        let origin = self.file(target).ok().and_then(Content::origin);
        if let Ok(Body::File { content: Content::Own { origin: own @ None, .. }, .. }) =
            self.nodes.get_mut(node).map(|node| &mut node.body)
        {
            *own = origin;
            self.hold_as_edit(node);
        }
    }

    fn create(&mut self, dir: NodeId, name: &BStr, body: Body) -> Result<NodeId, FsError> {
        self.check_writable()?;
        check_searched_name(name)?;
        if self.child(dir, name)?.is_some() {
            return Err(FsError::Exists);
        }
        self.check_insert(dir, name)?;
        self.check_length(dir, name)?;
        self.meter.check(0, body.own_len(), 1)?;
        let now = self.clock.tick();
        let id = self.insert_added(body, now)?;
        self.attach(dir, name, id, now)?;
        Ok(id)
    }

    /// Content that is written here.
    pub(super) fn own(&self, bytes: Vec<u8>) -> Content {
        Content::own(OwnBytes::new(&self.spill, bytes))
    }

    /// Makes a node that counts against the quota, which was checked before.
    pub(super) fn insert_added(&mut self, body: Body, now: LogicalTime) -> Result<NodeId, FsError> {
        let bytes = body.own_len();
        let mut node = Node::new(body, now);
        node.added = true;
        let id = self.nodes.insert(node)?;
        self.meter.replace(0, bytes);
        self.meter.add_entry();
        Ok(id)
    }

    /// The entry to take away, if it may be.
    fn removable(&mut self, dir: NodeId, name: &BStr) -> Result<NodeId, FsError> {
        self.check_writable()?;
        check_searched_name(name)?;
        let node = self.child(dir, name)?.ok_or(FsError::NoEntry)?;
        self.check_place(dir, name)?;
        Ok(node)
    }

    /// Whether a new entry may come to this place: the one point that knows
    /// where nothing can be put.
    pub(super) fn check_insert(&self, dir: NodeId, name: &BStr) -> Result<(), FsError> {
        let node = self.nodes.get(dir)?;
        match node.body {
            Body::Directory(_) if !node.linked => Err(FsError::NoEntry),
            Body::Directory(_) => {
                check_entry_name(name)?;
                self.check_place(dir, name)
            }
            Body::Submodule(_) => Err(FsError::NotPermitted),
            Body::File { .. } | Body::Symlink(_) => Err(FsError::NotDirectory),
        }
    }

    /// Whether `node` may take the place of `target`.
    fn check_replace(&mut self, node: NodeId, target: NodeId) -> Result<(), FsError> {
        match (self.kind(node)?, self.kind(target)?) {
            (NodeKind::Directory, NodeKind::Directory) => self.check_empty(target),
            (NodeKind::Directory, _) => Err(FsError::NotDirectory),
            (_, NodeKind::Directory) => Err(FsError::IsDirectory),
            _ => Ok(()),
        }
    }

    fn check_empty(&mut self, dir: NodeId) -> Result<(), FsError> {
        self.load(dir)?;
        match self.entries(dir) {
            Some(entries) if !entries.is_empty() => Err(FsError::NotEmpty),
            _ => Ok(()),
        }
    }

    /// Whether `dir` is `node` or lies below it.
    fn is_at_or_above(&self, node: NodeId, dir: NodeId) -> bool {
        let mut current = Some(dir);
        while let Some(id) = current {
            if id == node {
                return true;
            }
            current = self.nodes.get(id).ok().and_then(|at| at.parent);
        }
        false
    }

    fn remove_child(&mut self, dir: NodeId, name: &BStr) -> Result<(), FsError> {
        let now = self.clock.tick();
        let node = self.detach(dir, name, now).ok_or(FsError::NoEntry)?;
        self.unlink(node, now);
        Ok(())
    }

    /// Takes a name out of a directory that was loaded.
    pub(super) fn detach(&mut self, dir: NodeId, name: &BStr, now: LogicalTime) -> Option<NodeId> {
        let node = self.entries_mut(dir)?.remove(name.as_bytes())?;
        let parent = self.nodes.get_mut(dir).ok()?;
        parent.modify(now);
        self.mark_changed(dir);
        Some(node)
    }

    /// Puts a node into a directory that was loaded, where the name is free.
    pub(super) fn attach(
        &mut self,
        dir: NodeId,
        name: &BStr,
        node: NodeId,
        now: LogicalTime,
    ) -> Result<(), FsError> {
        let name = Name::from(name.as_bytes());
        if let Some(entries) = self.entries_mut(dir) {
            entries.insert(name.clone(), node);
        }
        let parent = self.nodes.get_mut(dir)?;
        parent.modify(now);
        let child = self.nodes.get_mut(node)?;
        child.parent = Some(dir);
        child.name = name;
        child.linked = true;
        self.mark_changed(dir);
        Ok(())
    }

    /// Marks a node and all below it as unlinked, and frees what is not open.
    pub(super) fn unlink(&mut self, node: NodeId, now: LogicalTime) {
        let mut ahead = vec![node];
        while let Some(id) = ahead.pop() {
            ahead.extend(self.touched_nodes(id));
            let Ok(node) = self.nodes.get_mut(id) else { continue };
            node.parent = None;
            node.linked = false;
            if node.handles == 0 {
                self.free(id);
            } else {
                node.change(now);
                if let Body::Directory(directory) = &mut node.body {
                    *directory = Directory::empty();
                }
            }
        }
    }

    /// Gives back what an unlinked node held.
    pub(super) fn free(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.remove(id) {
            self.meter.replace(node.body.own_len(), 0);
            if node.added {
                self.meter.remove_entry();
            }
        }
    }

    /// Forgets the tree ids of a directory and of those above it.
    pub(super) fn mark_changed(&mut self, dir: NodeId) {
        let mut current = Some(dir);
        while let Some(id) = current {
            let Ok(node) = self.nodes.get_mut(id) else { return };
            if let Body::Directory(directory) = &mut node.body
                && directory.saved.take().is_none()
            {
                return;
            }
            current = node.parent;
        }
    }

    /// The same for the directory an entry is in.
    pub(super) fn mark_changed_above(&mut self, node: NodeId) {
        if let Ok(Node { parent: Some(dir), .. }) = self.nodes.get(node) {
            self.mark_changed(*dir);
        }
    }
}
