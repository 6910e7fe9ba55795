//! From a git tree to a worktree: touching only what differs.

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice};

use super::Worktree;
use super::error::FsError;
use super::node::{Body, Node, NodeId};
use super::patching::Origin;
use super::time::LogicalTime;
use crate::ids::TreeId;
use crate::objects::{EntryKind, TreeEntry, entry_named};
use crate::path::{RepoPath, check_entry_name};

/// One difference to remove. All are found before the first is removed, so
/// that a missing tree leaves the worktree as it was.
enum Step {
    /// Make the entry `entry.name` of a directory that of the tree.
    Put { dir: NodeId, entry: TreeEntry },
    /// Remove an entry that the tree does not have.
    Remove { dir: NodeId, name: BString },
    /// Set the executable bit of a file whose content is right.
    Mode { node: NodeId, executable: bool },
    /// A directory equals this tree once all steps are done.
    Equals { dir: NodeId, tree: TreeId },
    /// Put an entry into a directory that may have to be made.
    PutAt { parent: RepoPath, entry: TreeEntry },
}

impl Worktree {
    /// Makes the worktree, or only what is at or below `paths` where there are
    /// any, equal to a tree. Needs no blobs. What is equal already keeps its
    /// identity and its times; files that go stay readable to who has them
    /// open. Directories without any file stay.
    pub fn checkout(&mut self, tree: TreeId, paths: &[RepoPath]) -> Result<(), FsError> {
        self.check_writable()?;
        let mut steps = Vec::new();
        if paths.is_empty() {
            self.compare(self.root, tree, &mut steps)?;
        }
        for path in paths {
            let others = paths.iter().filter(|other| *other != path);
            let mut covered = others.filter(|other| path.is_at_or_below(other));
            if covered.next().is_none() {
                self.compare_at(path, tree, &mut steps)?;
            }
        }
        let now = self.clock.tick();
        let (ends, changes): (Vec<_>, Vec<_>) =
            steps.into_iter().partition(|step| matches!(step, Step::Equals { .. }));
        for step in changes.into_iter().chain(ends) {
            self.take(step, now)?;
        }
        Ok(())
    }

    /// Collects what makes a directory differ from a tree.
    fn compare(&mut self, dir: NodeId, tree: TreeId, steps: &mut Vec<Step>) -> Result<(), FsError> {
        let mut ahead = vec![(dir, tree)];
        while let Some((dir, tree)) = ahead.pop() {
            if self.saved_tree(dir)? == Some(tree) {
                continue;
            }
            self.load(dir)?;
            let wanted = self.objects.tree(tree)?;
            let mut wanted: BTreeMap<&[u8], &TreeEntry> =
                wanted.iter().map(|entry| (entry.name.as_slice(), entry)).collect();
            wanted.retain(|name, _| check_entry_name(name.as_bstr()).is_ok());
            steps.push(Step::Equals { dir, tree });
            // What is right already and was never touched need not become a node.
            let (right, wrong): (Vec<_>, Vec<_>) =
                self.untouched(dir).into_iter().partition(|entry| {
                    wanted.get(entry.name.as_slice()).is_some_and(|new| new.kind == entry.kind)
                });
            for entry in &wrong {
                self.any_child(dir, entry.name.as_ref())?;
            }
            for entry in &right {
                wanted.remove(entry.name.as_slice());
            }
            for (name, child) in self.touched(dir) {
                match wanted.remove(&*name) {
                    Some(entry) => ahead.extend(self.compare_entry(dir, child, entry, steps)),
                    None if self.holds_no_file(child) => self.stays_empty(child, steps),
                    None => steps.push(Step::Remove { dir, name: name.to_vec().into() }),
                }
            }
            let missing = wanted.into_values().cloned();
            steps.extend(missing.map(|entry| Step::Put { dir, entry }));
        }
        Ok(())
    }

    /// Notes for a directory without any file, and those below it, which tree
    /// they are: a directory above can equal a tree only if that is known.
    fn stays_empty(&self, dir: NodeId, steps: &mut Vec<Step>) {
        let mut ahead = vec![dir];
        while let Some(dir) = ahead.pop() {
            steps.push(Step::Equals { dir, tree: TreeId::EMPTY });
            ahead.extend(self.touched_nodes(dir));
        }
    }

    /// Compares one entry; returns what is to be compared one level deeper.
    fn compare_entry(
        &self,
        dir: NodeId,
        child: NodeId,
        entry: &TreeEntry,
        steps: &mut Vec<Step>,
    ) -> Option<(NodeId, TreeId)> {
        let body = self.nodes.get(child).map(|node| &node.body);
        match (body, entry.kind) {
            (Ok(Body::Directory(_)), EntryKind::Directory(tree)) => return Some((child, tree)),
            (
                Ok(Body::File { content, executable: is }),
                EntryKind::File { id, executable: wanted },
            ) if content.equals(id) => {
                if *is != wanted {
                    steps.push(Step::Mode { node: child, executable: wanted });
                }
            }
            (Ok(Body::Symlink(content)), EntryKind::Symlink(id)) if content.equals(id) => {}
            (Ok(Body::Submodule(is)), EntryKind::Submodule(wanted)) if *is == wanted => {}
            _ => steps.push(Step::Put { dir, entry: entry.clone() }),
        }
        None
    }

    /// Collects what differs at or below one path.
    fn compare_at(
        &mut self,
        path: &RepoPath,
        tree: TreeId,
        steps: &mut Vec<Step>,
    ) -> Result<(), FsError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return self.compare(self.root, tree, steps);
        };
        let wanted = self.entry_in_tree(tree, path)?;
        let dir = self.any_node_at(&parent)?.filter(|dir| self.is_plain_directory(*dir));
        let present = match dir {
            Some(dir) => self.any_child(dir, name)?.map(|node| (dir, node)),
            None => None,
        };
        match (present, wanted) {
            (Some((dir, node)), Some(entry)) => {
                if let Some((dir, tree)) = self.compare_entry(dir, node, &entry, steps) {
                    self.compare(dir, tree, steps)?;
                }
            }
            (Some((dir, node)), None) => {
                if !self.holds_no_file(node) {
                    steps.push(Step::Remove { dir, name: name.to_owned() });
                }
            }
            (None, Some(entry)) => steps.push(Step::PutAt { parent, entry }),
            (None, None) => {}
        }
        Ok(())
    }

    fn entry_in_tree(&self, tree: TreeId, path: &RepoPath) -> Result<Option<TreeEntry>, FsError> {
        let mut current = Some(tree);
        let mut found = None;
        for name in path.components() {
            let Some(tree) = current else { return Ok(None) };
            let entries = self.objects.tree(tree)?;
            found = entry_named(&entries, name).cloned();
            current = match &found {
                Some(TreeEntry { kind: EntryKind::Directory(tree), .. }) => Some(*tree),
                _ => None,
            };
        }
        Ok(found)
    }

    pub(super) fn is_plain_directory(&self, node: NodeId) -> bool {
        matches!(self.nodes.get(node).map(|node| &node.body), Ok(Body::Directory(_)))
    }

    fn take(&mut self, step: Step, now: LogicalTime) -> Result<(), FsError> {
        match step {
            Step::Put { dir, entry } => self.put(dir, &entry, now),
            Step::PutAt { parent, entry } => {
                let dir = self.make_directories(&parent, Origin::Tree, now)?;
                self.put(dir, &entry, now)
            }
            Step::Remove { dir, name } => {
                if let Some(node) = self.detach(dir, name.as_ref(), now) {
                    self.unlink(node, now);
                }
                Ok(())
            }
            Step::Mode { node, executable } => {
                let found = self.nodes.get_mut(node)?;
                if let Body::File { executable: is, .. } = &mut found.body {
                    *is = executable;
                }
                found.change(now);
                self.mark_changed_above(node);
                Ok(())
            }
            Step::Equals { dir, tree } => {
                if let Body::Directory(directory) = &mut self.nodes.get_mut(dir)?.body {
                    directory.saved = Some(tree);
                }
                Ok(())
            }
        }
    }

    fn put(&mut self, dir: NodeId, entry: &TreeEntry, now: LogicalTime) -> Result<(), FsError> {
        let node = self.nodes.insert(Node::new(Body::from_entry(entry, now), now))?;
        if let Some(old) = self.detach(dir, entry.name.as_ref(), now) {
            self.unlink(old, now);
        }
        self.attach(dir, entry.name.as_ref(), node, now)
    }
}
