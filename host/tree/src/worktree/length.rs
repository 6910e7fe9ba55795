//! How long paths are: every path in a worktree can be written as a [`crate::RepoPath`],
//! also those of what nobody looked at. Without that an agent could hand in what no patch
//! can be written of.

use std::collections::HashMap;

use bstr::{BStr, ByteSlice};

use super::Worktree;
use super::error::FsError;
use super::listing::Listing;
use super::node::{Body, Directory, NodeId};
use crate::ids::TreeId;
use crate::objects::{EntryKind, TreeEntry};
use crate::path::{MAX_PATH, check_entry_name};

impl Worktree {
    /// Whether a new entry can have this name in a directory.
    pub(super) fn check_length(&self, dir: NodeId, name: &BStr) -> Result<(), FsError> {
        is_short(self.length_to(dir)?.saturating_add(name.len()))
    }

    /// Whether a node can be moved to this name in a directory, with all that is below it.
    pub(super) fn check_moved_lengths(
        &self,
        node: NodeId,
        to_dir: NodeId,
        to_name: &BStr,
    ) -> Result<(), FsError> {
        let own = self.nodes.get(node)?;
        let (from_dir, from_name) = (own.parent.ok_or(FsError::NoEntry)?, own.name.len());
        let from = self.length_to(from_dir)?.saturating_add(from_name);
        let to = self.length_to(to_dir)?.saturating_add(to_name.len());
        // What could be written there can be written here, and need not be fetched.
        if to <= from {
            return Ok(());
        }
        is_short(to.saturating_add(self.longest_below(node)?))
    }

    /// Length of the path of a directory with the slash behind it; 0 for the root.
    fn length_to(&self, dir: NodeId) -> Result<usize, FsError> {
        let mut length: usize = 0;
        let mut current = Some(dir);
        while let Some(id) = current {
            let node = self.nodes.get(id)?;
            length = length.saturating_add(node.name.len() + usize::from(node.parent.is_some()));
            current = node.parent;
        }
        Ok(length)
    }

    /// Length of the longest path below a node, with its leading slash.
    fn longest_below(&self, node: NodeId) -> Result<usize, FsError> {
        let mut longest = 0;
        let mut nodes = vec![(node, 0)];
        let mut trees = Vec::new();
        while let Some((id, length)) = nodes.pop() {
            longest = longest.max(length);
            let node = self.nodes.get(id)?;
            match &node.body {
                Body::Directory(Directory { listing: Listing::Unread { tree, .. }, .. }) => {
                    trees.push((*tree, length));
                }
                Body::Directory(Directory { listing: Listing::Read(entries), .. }) => {
                    for (name, child) in entries.nodes() {
                        nodes.push((child, length + 1 + name.len()));
                    }
                    let untouched = entries.untouched().cloned();
                    longest = longest.max(go_on(untouched, length, &mut trees));
                }
                _ => {}
            }
        }
        Ok(longest.max(self.longest_in(trees)?))
    }

    /// The same in trees at these lengths, up to what is too long anyway.
    fn longest_in(&self, mut ahead: Vec<(TreeId, usize)>) -> Result<usize, FsError> {
        let mut longest = 0;
        // One tree can be in many places; the longest way to it counts.
        let mut seen: HashMap<TreeId, usize> = HashMap::new();
        while let Some((tree, length)) = ahead.pop() {
            if seen.get(&tree).is_some_and(|known| *known >= length) {
                continue;
            }
            seen.insert(tree, length);
            let entries = self.objects.tree(tree)?;
            let shown = entries.iter().filter(|it| check_entry_name(it.name.as_bstr()).is_ok());
            longest = longest.max(go_on(shown.cloned(), length, &mut ahead));
            if longest > MAX_PATH {
                break;
            }
        }
        Ok(longest)
    }
}

/// Notes the directories among entries, and returns the length of the longest entry.
fn go_on(
    entries: impl Iterator<Item = TreeEntry>,
    above: usize,
    ahead: &mut Vec<(TreeId, usize)>,
) -> usize {
    let mut longest = 0;
    for entry in entries {
        let length = above + 1 + entry.name.len();
        longest = longest.max(length);
        if let EntryKind::Directory(tree) = entry.kind {
            ahead.push((tree, length));
        }
    }
    longest
}

fn is_short(length: usize) -> Result<(), FsError> {
    if length > MAX_PATH { Err(FsError::NameTooLong) } else { Ok(()) }
}
