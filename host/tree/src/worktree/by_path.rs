//! Coarse operations by path from the root. They never follow symlinks on the
//! way, except where a function says so.

use bstr::{BStr, ByteSlice};
use bytes::Bytes;

use super::Worktree;
use super::content::Executable;
use super::edit::OnExisting;
use super::error::FsError;
use super::lookup::Metadata;
use super::node::{Body, NodeId, NodeKind};
use super::resolve::Links;
use crate::objects::EntryKind;
use crate::path::RepoPath;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The node.
    pub node: NodeId,
    /// What is known of it.
    pub metadata: Metadata,
}

/// What [`Worktree::write_file`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// A file that keeps its executable bit if it exists, else without it.
    KeepMode,
    /// A file without the executable bit.
    Regular,
    /// A file with the executable bit.
    Executable,
    /// A symlink; the bytes are its target.
    Symlink,
}

impl Worktree {
    /// What is at `path`, if anything. Needs no blob.
    pub fn entry(&mut self, path: &RepoPath) -> Result<Option<Entry>, FsError> {
        let Some(node) = self.node_at(path)? else { return Ok(None) };
        Ok(Some(Entry { node, metadata: self.metadata(node)? }))
    }

    /// The file that a path leads to, over symlinks that stay inside.
    pub fn file_at(&mut self, path: &RepoPath) -> Result<Entry, FsError> {
        if path.is_root() {
            return Err(FsError::IsDirectory);
        }
        let node = self.resolve(self.root, path.as_bstr(), Links::Follow)?.node()?;
        self.file(node)?;
        Ok(Entry { node, metadata: self.metadata(node)? })
    }

    /// The whole content of a file, unless it is on disk and over 256 MiB. Follows
    /// symlinks that stay inside.
    pub fn read_file(&mut self, path: &RepoPath) -> Result<Bytes, FsError> {
        let found = self.file_at(path)?;
        self.all_bytes(found.node)
    }

    /// Makes `path` a file or symlink with this content, with the directories
    /// above it. A file that exists stays the same node; a file and a symlink
    /// replace each other.
    pub fn write_file(
        &mut self,
        path: &RepoPath,
        bytes: &[u8],
        kind: WriteKind,
    ) -> Result<(), FsError> {
        self.check_writable()?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(FsError::IsDirectory);
        };
        let existing = self.node_at(path)?;
        let before = existing.map(|node| self.kind(node)).transpose()?;
        if before == Some(NodeKind::Directory) {
            return Err(FsError::IsDirectory);
        }
        let less = match existing {
            Some(node) => self.nodes.get(node)?.body.own_len(),
            None => 0,
        };
        let missing = self.missing_directories(path)?;
        self.meter.check(less, bytes.len() as u64, missing)?;
        let dir = self.create_dirs(&parent)?;
        if before.is_some_and(|before| (before == NodeKind::Symlink) || kind == WriteKind::Symlink)
        {
            self.remove_file(dir, name)?;
        }
        if kind == WriteKind::Symlink {
            return self.symlink(dir, name, bytes.as_bstr()).map(|_| ());
        }
        let node = self.create_file(dir, name, OnExisting::Open)?;
        self.replace_content(node, bytes)?;
        match kind {
            WriteKind::Regular => self.set_executable(node, Executable::No),
            WriteKind::Executable => self.set_executable(node, Executable::Yes),
            WriteKind::KeepMode | WriteKind::Symlink => Ok(()),
        }
    }

    /// Removes what is at `path`, with everything below it.
    pub fn remove(&mut self, path: &RepoPath) -> Result<(), FsError> {
        self.check_writable()?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(FsError::Busy);
        };
        let node = self.node_at(path)?.ok_or(FsError::NoEntry)?;
        self.check_gone(node)?;
        let dir = self.node_at(&parent)?.ok_or(FsError::NoEntry)?;
        let now = self.clock.tick();
        if let Some(node) = self.detach(dir, name, now) {
            self.unlink(node, now);
        }
        Ok(())
    }

    /// Everything below a directory, directories as well, sorted bytewise by
    /// path; of anything else just that.
    pub fn walk(&mut self, below: &RepoPath) -> Result<Vec<(RepoPath, NodeKind)>, FsError> {
        let start = self.node_at(below)?.ok_or(FsError::NoEntry)?;
        let kind = self.kind(start)?;
        if kind != NodeKind::Directory {
            return Ok(vec![(below.clone(), kind)]);
        }
        let mut found = Vec::new();
        let mut ahead = vec![(start, below.clone())];
        while let Some((dir, path)) = ahead.pop() {
            for entry in self.read_dir(dir)? {
                let path = path.join(entry.name.as_ref())?;
                if entry.kind == NodeKind::Directory {
                    ahead.push((entry.node, path.clone()));
                }
                found.push((path, entry.kind));
            }
        }
        found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// Creates the directories along `path` that are missing.
    pub fn create_dirs(&mut self, path: &RepoPath) -> Result<NodeId, FsError> {
        let mut dir = self.root;
        for name in path.components() {
            dir = match self.child(dir, name)? {
                Some(next) => next,
                None => self.create_dir(dir, name)?,
            };
        }
        self.load(dir)?;
        Ok(dir)
    }

    /// Whether `path` is this file, symlink or submodule, or nothing for none.
    /// Costs the size of a file that was written and not part of a snapshot.
    pub(crate) fn holds(
        &mut self,
        path: &RepoPath,
        kind: Option<EntryKind>,
    ) -> Result<bool, FsError> {
        let Some(node) = self.node_at(path)? else { return Ok(kind.is_none()) };
        Ok(match (&self.nodes.get(node)?.body, kind) {
            (
                Body::File { content, executable },
                Some(EntryKind::File { id, executable: wanted }),
            ) => *executable == wanted && content.equals(id),
            (Body::Symlink(content), Some(EntryKind::Symlink(id))) => content.equals(id),
            (Body::Submodule(commit), Some(EntryKind::Submodule(wanted))) => *commit == wanted,
            _ => false,
        })
    }

    /// Checks that the quota allows `path` to hold `len` bytes.
    pub(crate) fn check_fits(&mut self, path: &RepoPath, len: u64) -> Result<(), FsError> {
        let less = match self.node_at(path)? {
            Some(node) => self.nodes.get(node)?.body.own_len(),
            None => 0,
        };
        self.meter.check(less, len, 0)
    }

    /// The node at `path`, if there is one that is not hidden.
    pub(super) fn node_at(&mut self, path: &RepoPath) -> Result<Option<NodeId>, FsError> {
        self.find(path, Self::looked_up)
    }

    /// The node at `path`, hidden or not.
    pub(super) fn any_node_at(&mut self, path: &RepoPath) -> Result<Option<NodeId>, FsError> {
        self.find(path, Self::any_child)
    }

    fn find(
        &mut self,
        path: &RepoPath,
        child: fn(&mut Self, NodeId, &BStr) -> Result<Option<NodeId>, FsError>,
    ) -> Result<Option<NodeId>, FsError> {
        let mut node = self.root;
        for name in path.components() {
            if self.kind(node)? != NodeKind::Directory {
                return Ok(None);
            }
            match child(self, node, name)? {
                Some(next) => node = next,
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    /// How many entries writing `path` would create, itself included. Fails
    /// where they cannot be created.
    fn missing_directories(&mut self, path: &RepoPath) -> Result<u64, FsError> {
        let mut dir = Some(self.root);
        let mut missing = 0;
        for name in path.components() {
            let Some(current) = dir else {
                missing += 1;
                continue;
            };
            dir = self.child(current, name)?;
            if dir.is_none() {
                self.check_insert(current, name)?;
                missing += 1;
            }
        }
        Ok(missing)
    }

    fn replace_content(&mut self, node: NodeId, bytes: &[u8]) -> Result<(), FsError> {
        self.truncate(node, 0)?;
        self.write(node, 0, bytes)
    }
}
