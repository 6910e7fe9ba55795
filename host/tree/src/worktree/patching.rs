//! Patches on a worktree: what they read, and the edits they come to.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Worktree;
use super::error::FsError;
use super::listing::Entries;
use super::node::{Body, Content, Directory, Node, NodeId, NodeKind};
use super::own::OwnBytes;
use super::policy::Protection;
use super::time::LogicalTime;
use crate::objects::ObjectError;
use crate::patch::{Edit, FileKind, FileState, Files, submodule_content, submodule_id};
use crate::path::RepoPath;
use crate::spill::Spill;

/// The files of a worktree as a patch reads them.
pub struct WorktreeFiles<'a> {
    // Reading decodes directories, which changes the worktree but not what it shows.
    worktree: RefCell<&'a mut Worktree>,
}

/// An edit that was checked: what is to be at a path.
struct Planned<'a> {
    path: &'a RepoPath,
    body: Body,
}

impl Worktree {
    /// The worktree as [`crate::patch::edits`] reads it.
    pub fn files(&mut self) -> WorktreeFiles<'_> {
        WorktreeFiles { worktree: RefCell::new(self) }
    }

    /// Makes edits, all or none. What stands in the way of a directory or file
    /// gives way; directories that lose their last entry by a deletion go.
    pub fn apply_edits(&mut self, edits: &[Edit]) -> Result<(), FsError> {
        self.check_writable()?;
        for edit in edits {
            self.check_path(edit.path())?;
        }
        let writes = edits
            .iter()
            .filter_map(|edit| planned(edit, &self.spill))
            .collect::<Result<Vec<_>, _>>()?;
        self.check_room(&writes)?;
        let deleted = edits.iter().filter_map(|edit| match edit {
            Edit::Delete { path } => Some(path),
            Edit::Write { .. } => None,
        });
        let deleted: Vec<_> = deleted.collect();
        for path in &deleted {
            self.node_at(path)?;
        }
        let now = self.clock.tick();
        for path in &deleted {
            self.delete(path, now)?;
        }
        for write in writes {
            self.make(write, now)?;
        }
        for path in deleted {
            self.remove_empty_above(path, now)?;
        }
        Ok(())
    }

    /// Checks the quota for all writes together. Reads every directory on the
    /// way, so that nothing can fail later.
    fn check_room(&mut self, writes: &[Planned<'_>]) -> Result<(), FsError> {
        let (mut less, mut more) = (0, 0_u64);
        let mut created = BTreeSet::new();
        for Planned { path, body } in writes {
            more = more.saturating_add(body.own_len());
            if let Some(node) = self.node_at(path)? {
                less += self.nodes.get(node)?.body.own_len();
            }
            let mut current = Some((*path).clone());
            while let Some(path) = current.filter(|path| !path.is_root()) {
                if self.node_at(&path)?.is_none() {
                    created.insert(path.clone());
                }
                current = path.parent();
            }
        }
        self.meter.check(less, more, created.len() as u64)
    }

    fn delete(&mut self, path: &RepoPath, now: LogicalTime) -> Result<(), FsError> {
        let Some((dir, node)) = self.place_of(path)? else { return Ok(()) };
        if let Some(name) = path.file_name()
            && !self.is_plain_directory(node)
            && let Some(node) = self.detach(dir, name, now)
        {
            self.unlink(node, now);
        }
        Ok(())
    }

    /// Makes `path` what was planned. A file that is one already stays the same node.
    fn make(&mut self, planned: Planned<'_>, now: LogicalTime) -> Result<(), FsError> {
        let (Some(parent), Some(name)) = (planned.path.parent(), planned.path.file_name()) else {
            return Err(FsError::IsDirectory);
        };
        let dir = self.make_directories(&parent, Origin::Added, now)?;
        let len = planned.body.own_len();
        if let Some(node) = self.child(dir, name)?
            && self.kind(node)? == NodeKind::File
            && matches!(planned.body, Body::File { .. })
        {
            let node_mut = self.nodes.get_mut(node)?;
            let old = node_mut.body.own_len();
            node_mut.body = planned.body;
            node_mut.modify(now);
            self.meter.replace(old, len);
            self.mark_changed(dir);
            return Ok(());
        }
        if let Some(old) = self.detach(dir, name, now) {
            self.unlink(old, now);
        }
        let node = self.insert_added(planned.body, now)?;
        self.attach(dir, name, node, now)
    }

    /// Removes the directories above `path` that have no entry.
    fn remove_empty_above(&mut self, path: &RepoPath, now: LogicalTime) -> Result<(), FsError> {
        let mut current = path.parent();
        while let Some(dir) = current {
            let Some((parent, node)) = self.place_of(&dir)? else { return Ok(()) };
            self.load(node)?;
            let goes = self.entries(node).is_some_and(Entries::is_empty)
                && self.protection_at(&dir) == Protection::Open;
            if !goes {
                return Ok(());
            }
            if let Some(name) = dir.file_name()
                && let Some(node) = self.detach(parent, name, now)
            {
                self.unlink(node, now);
            }
            current = dir.parent();
        }
        Ok(())
    }

    /// The directory of what is at `path`, and that itself; none for the root.
    fn place_of(&mut self, path: &RepoPath) -> Result<Option<(NodeId, NodeId)>, FsError> {
        let Some(parent) = path.parent() else { return Ok(None) };
        let dir = self.node_at(&parent)?;
        Ok(dir.zip(self.node_at(path)?))
    }

    /// The directory at `path`, made with those above it where something else
    /// or nothing is there.
    pub(super) fn make_directories(
        &mut self,
        path: &RepoPath,
        origin: Origin,
        now: LogicalTime,
    ) -> Result<NodeId, FsError> {
        let mut dir = self.root;
        for name in path.components() {
            let found = self.any_child(dir, name)?.filter(|node| self.is_plain_directory(*node));
            dir = if let Some(next) = found {
                next
            } else {
                let body = Body::Directory(Directory::empty());
                let made = match origin {
                    Origin::Added => self.insert_added(body, now)?,
                    Origin::Tree => self.nodes.insert(Node::new(body, now))?,
                };
                if let Some(old) = self.detach(dir, name, now) {
                    self.unlink(old, now);
                }
                self.attach(dir, name, made, now)?;
                made
            };
        }
        self.load(dir)?;
        Ok(dir)
    }
}

/// Whether an entry was written here or came from a tree; only the former count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Added,
    Tree,
}

fn planned<'e>(edit: &'e Edit, spill: &Arc<Spill>) -> Option<Result<Planned<'e>, FsError>> {
    let Edit::Write { path, content, kind } = edit else { return None };
    let own = || OwnBytes::of(spill, content).map(Content::own);
    let body = match kind {
        FileKind::Regular => own().map(|content| Body::File { content, executable: false }),
        FileKind::Executable => own().map(|content| Body::File { content, executable: true }),
        FileKind::Symlink => own().map(Body::Symlink),
        FileKind::Submodule => submodule_id(content).map(Body::Submodule).ok_or(FsError::Invalid),
    };
    Some(body.map(|body| Planned { path, body }))
}

impl Files for WorktreeFiles<'_> {
    fn read(&self, path: &RepoPath) -> Result<Option<FileState>, ObjectError> {
        let mut worktree = self.worktree.borrow_mut();
        let Some(node) = worktree.node_at(path).map_err(to_object_error)? else { return Ok(None) };
        let kind = match worktree.nodes.get(node).map(|node| &node.body) {
            Ok(Body::File { executable: false, .. }) => FileKind::Regular,
            Ok(Body::File { executable: true, .. }) => FileKind::Executable,
            Ok(Body::Symlink(_)) => FileKind::Symlink,
            Ok(Body::Submodule(commit)) => {
                let content = submodule_content(*commit);
                return Ok(Some(FileState { content, kind: FileKind::Submodule }));
            }
            Ok(Body::Directory(_)) | Err(_) => return Ok(None),
        };
        let content = worktree.all_bytes(node).map_err(to_object_error)?;
        Ok(Some(FileState { content, kind }))
    }

    fn files_below(&self, dir: &RepoPath) -> Result<Vec<RepoPath>, ObjectError> {
        let mut worktree = self.worktree.borrow_mut();
        let node = worktree.node_at(dir).map_err(to_object_error)?;
        if !node.is_some_and(|node| worktree.is_plain_directory(node)) {
            return Ok(Vec::new());
        }
        let mut files = worktree.walk(dir).map_err(to_object_error)?;
        files.retain(|(_, kind)| *kind != NodeKind::Directory);
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }
}

fn to_object_error(err: FsError) -> ObjectError {
    match err {
        FsError::MissingObject { object, .. } => ObjectError::Missing(object),
        FsError::Io { object } => ObjectError::Io(object),
        other => ObjectError::Io(other.to_string()),
    }
}
