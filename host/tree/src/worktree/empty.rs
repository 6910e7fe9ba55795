//! Directories that no tree holds, as a list that can go beside one.

use std::collections::BTreeSet;

use super::Worktree;
use super::error::FsError;
use super::node::Body;
use crate::ids::TreeId;
use crate::path::RepoPath;

impl Worktree {
    /// Directories without any entry, sorted. It costs what was touched.
    pub fn empty_directories(&self) -> Result<Vec<RepoPath>, FsError> {
        let mut empty = Vec::new();
        let mut ahead = vec![(self.root, RepoPath::root())];
        while let Some((id, path)) = ahead.pop() {
            let Body::Directory(directory) = &self.nodes.get(id)?.body else { continue };
            let touched = self.touched(id);
            let holds_others = match self.entries(id) {
                Some(entries) => entries.untouched().next().is_some(),
                None => directory.saved != Some(TreeId::EMPTY),
            };
            if touched.is_empty() && !holds_others && !path.is_root() {
                empty.push(path.clone());
            }
            for (name, child) in touched {
                ahead.push((child, path.join(name.as_ref().into()).map_err(|_| FsError::Invalid)?));
            }
        }
        empty.sort();
        Ok(empty)
    }

    /// Makes these directories and removes other ones that are empty. What is in
    /// the way of one stays.
    pub fn set_empty_directories(&mut self, wanted: &[RepoPath]) -> Result<(), FsError> {
        let wanted: BTreeSet<&RepoPath> = wanted.iter().collect();
        let is_wanted = |path: &RepoPath| wanted.iter().any(|one| one.is_at_or_below(path));
        for unwanted in self.empty_directories()? {
            let mut path = unwanted;
            while !path.is_root() && !is_wanted(&path) && self.remove(&path).is_ok() {
                match path.parent() {
                    Some(parent) if self.is_empty_directory(&parent)? => path = parent,
                    _ => break,
                }
            }
        }
        for path in wanted {
            match self.create_dirs(path) {
                Ok(_) | Err(FsError::NotDirectory | FsError::Exists) => {}
                Err(err) => return Err(err),
            }
        }
        Ok(())
    }

    fn is_empty_directory(&mut self, path: &RepoPath) -> Result<bool, FsError> {
        let Some(entry) = self.entry(path)? else { return Ok(false) };
        Ok(self.is_plain_directory(entry.node) && self.read_dir(entry.node)?.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::objects::{MemoryObjects, NoObjects};
    use crate::worktree::WorktreeOptions;

    fn paths(texts: &[&str]) -> Vec<RepoPath> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn empty_directories_go_from_one_worktree_to_another() {
        let objects = Arc::new(MemoryObjects::new(NoObjects));
        let mut one = Worktree::new(objects.clone(), TreeId::EMPTY, WorktreeOptions::default());
        for path in paths(&["build/a", "build/b", "kept"]) {
            one.create_dirs(&path).unwrap();
        }
        let tree = one.snapshot(&mut &*objects).unwrap();
        assert_eq!(tree, TreeId::EMPTY);
        let found = one.empty_directories().unwrap();
        assert_eq!(found, paths(&["build/a", "build/b", "kept"]));

        let mut other = Worktree::new(objects, TreeId::EMPTY, WorktreeOptions::default());
        other.create_dirs(&"gone/below".parse().unwrap()).unwrap();
        other.create_dirs(&"kept".parse().unwrap()).unwrap();
        other.set_empty_directories(&found).unwrap();
        assert_eq!(other.empty_directories().unwrap(), found);
        assert_eq!(other.walk(&RepoPath::root()).unwrap().len(), 4);
    }
}
