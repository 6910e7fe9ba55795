//! From a worktree to a git tree.

use super::Worktree;
use super::error::FsError;
use super::node::{Body, Content, Directory, NodeId};
use crate::ids::{BlobId, TreeId};
use crate::objects::{EntryKind, ObjectSink, TreeEntry};

impl Worktree {
    /// Writes what changed since the last snapshot and returns the tree of the
    /// worktree. Empty directories are not part of it. Without changes it costs
    /// nothing; all snapshots of a worktree must go to the same object database.
    pub fn snapshot(&mut self, sink: &mut dyn ObjectSink) -> Result<TreeId, FsError> {
        // Parents come before their children, so the reverse writes subtrees first.
        let changed = self.changed_directories();
        for dir in changed.iter().rev() {
            let entries = self.entries_to_write(*dir, sink)?;
            let is_needed = !entries.is_empty() || *dir == self.root;
            let tree = if is_needed { sink.write_tree(entries)? } else { TreeId::EMPTY };
            if let Body::Directory(directory) = &mut self.nodes.get_mut(*dir)?.body {
                directory.saved = Some(tree);
            }
        }
        self.saved_tree(self.root)?.ok_or(FsError::NotDirectory)
    }

    /// Directories that differ from every known tree, parents first.
    fn changed_directories(&self) -> Vec<NodeId> {
        let mut changed = Vec::new();
        let mut ahead = vec![self.root];
        while let Some(id) = ahead.pop() {
            if let Ok(Body::Directory(Directory { saved: None, .. })) =
                self.nodes.get(id).map(|node| &node.body)
            {
                changed.push(id);
                ahead.extend(self.touched_nodes(id));
            }
        }
        changed
    }

    fn entries_to_write(
        &mut self,
        dir: NodeId,
        sink: &mut dyn ObjectSink,
    ) -> Result<Vec<TreeEntry>, FsError> {
        let mut entries = self.untouched(dir);
        entries.retain(holds_files);
        for child in self.touched_nodes(dir) {
            let Some(kind) = self.entry_kind(child, sink)? else { continue };
            let node = self.nodes.get(child)?;
            let size = node.body.content().and_then(Content::known_size);
            entries.push(TreeEntry { name: node.name.to_vec().into(), kind, size });
        }
        Ok(entries)
    }

    /// What a node is in a tree; none for a directory without files.
    fn entry_kind(
        &mut self,
        id: NodeId,
        sink: &mut dyn ObjectSink,
    ) -> Result<Option<EntryKind>, FsError> {
        let kind = match &mut self.nodes.get_mut(id)?.body {
            Body::File { content, executable } => {
                EntryKind::File { id: save(content, sink)?, executable: *executable }
            }
            Body::Symlink(content) => EntryKind::Symlink(save(content, sink)?),
            Body::Submodule(commit) => EntryKind::Submodule(*commit),
            Body::Directory(directory) => {
                let tree = directory.saved.filter(|tree| *tree != TreeId::EMPTY);
                return Ok(tree.map(EntryKind::Directory));
            }
        };
        Ok(Some(kind))
    }

    /// Whether a snapshot would leave a node out: a directory without any file.
    pub(super) fn holds_no_file(&self, node: NodeId) -> bool {
        let mut ahead = vec![node];
        while let Some(id) = ahead.pop() {
            match self.nodes.get(id).map(|node| &node.body) {
                Ok(Body::Directory(directory)) if directory.saved == Some(TreeId::EMPTY) => {}
                Ok(Body::Directory(_)) => match self.entries(id) {
                    Some(entries) if entries.untouched().any(holds_files) => return false,
                    Some(entries) => ahead.extend(entries.nodes().map(|(_, node)| node)),
                    None => return false,
                },
                _ => return false,
            }
        }
        true
    }

    /// The tree a directory is known to equal.
    pub(super) fn saved_tree(&self, dir: NodeId) -> Result<Option<TreeId>, FsError> {
        match &self.nodes.get(dir)?.body {
            Body::Directory(directory) => Ok(directory.saved),
            _ => Ok(None),
        }
    }
}

fn holds_files(entry: &TreeEntry) -> bool {
    entry.kind != EntryKind::Directory(TreeId::EMPTY)
}

fn save(content: &mut Content, sink: &mut dyn ObjectSink) -> Result<BlobId, FsError> {
    match content {
        Content::Stored { id, .. } | Content::Own { saved: Some(id), .. } => Ok(*id),
        Content::Own { bytes, saved, .. } => {
            let id = sink.write_content(bytes.share())?;
            *saved = Some(id);
            Ok(id)
        }
    }
}
