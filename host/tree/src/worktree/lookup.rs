//! Finding and describing nodes, and keeping count of who uses them.

use bstr::{BStr, BString, ByteSlice};

use super::Worktree;
use super::error::FsError;
use super::node::{Body, Content, NodeId, NodeKind};
use super::time::{LogicalTime, SetTime, Times};
use crate::path::MAX_NAME;

/// What is known of a node without reading its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: NodeKind,
    /// Bytes of a file or of a symlink's target; 0 for a directory and where
    /// neither the tree nor the object source knows.
    pub size: u64,
    /// Whether the executable bit is set; always on a directory.
    pub executable: bool,
    /// When it was read; only [`Worktree::set_times`] changes it.
    pub accessed: LogicalTime,
    /// When its content changed.
    pub modified: LogicalTime,
    /// When anything about it changed.
    pub changed: LogicalTime,
    /// When it came to be.
    pub created: LogicalTime,
    /// Stands for the node as device and inode number do; never used again.
    pub identity: (u64, u64),
    /// Hard links: 1, and 0 once it is unlinked.
    pub links: u64,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// Any bytes but `/` and NUL; not always UTF-8.
    pub name: BString,
    /// The entry itself.
    pub node: NodeId,
    /// What it is.
    pub kind: NodeKind,
}

/// The only device there is; a mount table may tell worktrees apart by its own.
const DEVICE: u64 = 1;

impl Worktree {
    /// The entry `name` of a directory. Symlinks are not followed.
    pub fn lookup(&mut self, dir: NodeId, name: &BStr) -> Result<NodeId, FsError> {
        check_searched_name(name)?;
        self.looked_up(dir, name)?.ok_or(FsError::NoEntry)
    }

    /// Keeps a node valid until [`Worktree::close`], even when it is unlinked.
    pub fn open(&mut self, node: NodeId) -> Result<(), FsError> {
        let node = self.nodes.get_mut(node)?;
        node.handles = node.handles.checked_add(1).ok_or(FsError::Busy)?;
        Ok(())
    }

    /// Undoes one [`Worktree::open`]. A node that is unlinked and open no more is gone.
    pub fn close(&mut self, id: NodeId) -> Result<(), FsError> {
        let node = self.nodes.get_mut(id)?;
        node.handles = node.handles.checked_sub(1).ok_or(FsError::BadDescriptor)?;
        if node.handles > 0 {
            return Ok(());
        }
        if let Some(Content::Stored { held, .. }) = node.body.content_mut() {
            *held = None;
        }
        if node.linked {
            self.hold_as_edit(id);
        } else {
            self.free(id);
        }
        Ok(())
    }

    /// Describes a node. A missing blob shows as size 0, so that one hole in a
    /// partial clone does not end a walk; fails only for a node that is gone.
    pub fn metadata(&mut self, id: NodeId) -> Result<Metadata, FsError> {
        let size = self.size_of(id)?.unwrap_or(0);
        let node = self.nodes.get(id)?;
        let times = node.times();
        let kind = node.body.kind();
        let executable = match node.body {
            Body::File { executable, .. } => executable,
            _ => kind == NodeKind::Directory,
        };
        Ok(Metadata {
            kind,
            size,
            executable,
            accessed: times.accessed,
            modified: times.modified,
            changed: times.changed,
            created: times.created,
            identity: (DEVICE, node.serial),
            links: u64::from(node.linked),
        })
    }

    /// What a node is.
    pub fn kind(&self, id: NodeId) -> Result<NodeKind, FsError> {
        Ok(self.nodes.get(id)?.body.kind())
    }

    /// The entries of a directory, sorted bytewise, without `.` and `..`.
    /// A submodule has none.
    pub fn read_dir(&mut self, dir: NodeId) -> Result<Vec<DirEntry>, FsError> {
        self.load(dir)?;
        if !self.nodes.get(dir)?.linked {
            return Err(FsError::NoEntry);
        }
        let mut entries = Vec::new();
        for (name, node) in self.all_children(dir)? {
            let kind = self.nodes.get(node)?.body.kind();
            if !self.is_hidden(dir, name.as_bstr(), kind) {
                entries.push(DirEntry { name: name.to_vec().into(), node, kind });
            }
        }
        Ok(entries)
    }

    /// Sets times of access and modification. They are no part of a snapshot.
    pub fn set_times(
        &mut self,
        id: NodeId,
        accessed: SetTime,
        modified: SetTime,
    ) -> Result<(), FsError> {
        self.check_change(id)?;
        let old = self.nodes.get(id)?.times();
        if (accessed, modified) == (SetTime::Keep, SetTime::Keep) {
            return Ok(());
        }
        let now = self.clock.tick();
        self.nodes.get_mut(id)?.set_times(Times {
            accessed: accessed.apply(old.accessed, now),
            modified: modified.apply(old.modified, now),
            changed: now,
            created: old.created,
        });
        Ok(())
    }

    /// Size of a file or a symlink's target, unless nobody knows.
    pub(super) fn size_of(&mut self, id: NodeId) -> Result<Option<u64>, FsError> {
        let Some(content) = self.nodes.get(id)?.body.content() else { return Ok(None) };
        let Content::Stored { id: blob, size: None, .. } = content else {
            return Ok(content.known_size());
        };
        let found = self.objects.blob_size(*blob).ok();
        if let Some(Content::Stored { size, .. }) = self.nodes.get_mut(id)?.body.content_mut() {
            *size = found;
        }
        Ok(found)
    }

    /// Where a node is, for messages and bounds; of an unlinked node its last name.
    pub(super) fn path_of(&self, id: NodeId) -> BString {
        let mut names = Vec::new();
        let mut current = self.nodes.get(id);
        while let Ok(node) = current {
            names.push(&node.name);
            let Some(parent) = node.parent else { break };
            current = self.nodes.get(parent);
        }
        names.reverse();
        let below_root = names.iter().filter(|name| !name.is_empty());
        bstr::join("/", below_root).into()
    }
}

/// Checks a name that is only looked for: it may be one that cannot exist.
pub(super) fn check_searched_name(name: &BStr) -> Result<(), FsError> {
    if name.is_empty() || name == "." || name == ".." || name.find_byteset(b"/\0").is_some() {
        return Err(FsError::Invalid);
    }
    if name.len() > MAX_NAME {
        return Err(FsError::NameTooLong);
    }
    Ok(())
}
