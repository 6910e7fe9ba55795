//! What the directory held when it was last looked at, entry by entry.
//!
//! Like the index of git: ids of contents, and what `stat` said when they were
//! known to be right. It changes only by [`Change`]s, so that the same changes
//! read back from a file give the same index.

use std::collections::BTreeMap;

use bstr::BString;
use serde::{Deserialize, Serialize};

use super::disk::{Moment, Stat};
use crate::ids::TreeId;
use crate::objects::EntryKind;
use crate::path::RepoPath;

/// All directories that are known, by path.
pub(super) struct Index {
    directories: BTreeMap<BString, Directory>,
}

/// The entries of a directory that are known.
#[derive(Default)]
pub(super) struct Directory {
    /// The tree it equals, up to empty directories. None once something below
    /// it changed.
    tree: Option<TreeId>,
    entries: BTreeMap<BString, Known>,
}

/// What is known of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Directory,
    Leaf(Leaf),
}

/// A file, symlink or submodule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leaf {
    /// Never a directory.
    pub(super) kind: EntryKind,
    /// What it looked like when it had this content. Where it is none, only
    /// the content can tell whether it changed.
    pub(super) seen: Option<Stat>,
}

/// One step from an index to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Change {
    /// This is a directory, with the entries that are known of it.
    Directory(RepoPath),
    /// This is a file, symlink or submodule.
    Leaf(RepoPath, Leaf),
    /// Here is nothing any more.
    Gone(RepoPath),
    /// This directory equals the tree, up to what cannot be had on disk.
    Equals(RepoPath, TreeId),
    /// The directory is about to be made equal to the tree.
    Begin(TreeId),
    /// What was begun last has come to its end.
    End,
}

impl Leaf {
    /// The same, to be compared by content if it is so new that it could
    /// change again without a change of its times.
    ///
    /// `clock` was read after the entry was made, or before it was looked at.
    pub(super) fn settled(self, clock: Moment) -> Self {
        let is_settled = |stat: &Stat| stat.changed.is_well_before(clock);
        Self { seen: self.seen.filter(is_settled), ..self }
    }
}

impl Moment {
    /// Whether anything stamped at `clock` has a later stamp than this one.
    /// Kernels stamp by a clock that ticks up to every 10 ms; a file system
    /// that keeps no fractions ticks up to every 2 s.
    fn is_well_before(self, clock: Self) -> bool {
        let (seconds, nanoseconds) = if self.nanoseconds == 0 { (2, 0) } else { (0, 10_000_000) };
        let total = self.nanoseconds + nanoseconds;
        let later = Self {
            seconds: self.seconds.saturating_add(seconds + total / 1_000_000_000),
            nanoseconds: total % 1_000_000_000,
        };
        later < clock
    }
}

impl Index {
    /// Nothing is known but that there is a directory.
    pub(super) fn new() -> Self {
        Self { directories: BTreeMap::from([(BString::default(), Directory::default())]) }
    }

    /// The tree a directory is known to equal.
    pub(super) fn tree(&self, dir: &RepoPath) -> Option<TreeId> {
        self.directories.get(dir.as_bstr())?.tree
    }

    /// What is known of a path.
    pub(super) fn get(&self, path: &RepoPath) -> Option<Known> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Some(Known::Directory);
        };
        self.directories.get(parent.as_bstr())?.entries.get(name).copied()
    }

    /// The entry of a directory, without copying paths.
    pub(super) fn entries(&self, dir: &RepoPath) -> Option<&BTreeMap<BString, Known>> {
        Some(&self.directories.get(dir.as_bstr())?.entries)
    }

    /// The directories at and below `dir`, those above before those below.
    pub(super) fn directories_at(&self, dir: &RepoPath) -> Vec<RepoPath> {
        let own = self.directories.contains_key(dir.as_bstr()).then(|| dir.clone());
        let below = self.below(dir).filter_map(|path| RepoPath::new(path.clone()).ok());
        own.into_iter().chain(below).collect()
    }

    /// Takes a step.
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Directory(path) => {
                if self.get(path) != Some(Known::Directory) {
                    self.forget(path);
                    self.put(path, Known::Directory);
                    self.directories.insert(path.as_bstr().to_owned(), Directory::default());
                }
            }
            Change::Leaf(path, leaf) => match self.get(path) {
                Some(Known::Leaf(old)) if old.kind == leaf.kind => self.refresh(path, *leaf),
                _ => {
                    self.forget(path);
                    self.put(path, Known::Leaf(*leaf));
                }
            },
            Change::Gone(path) => self.forget(path),
            Change::Equals(path, tree) => {
                if let Some(directory) = self.directories.get_mut(path.as_bstr()) {
                    directory.tree = Some(*tree);
                }
            }
            Change::Begin(_) | Change::End => {}
        }
    }

    /// The changes that make this index out of a new one.
    pub(super) fn as_changes(&self) -> impl Iterator<Item = Change> {
        let entries = self.directories.iter().flat_map(|(dir, directory)| {
            let path = move |name: &BString| {
                let dir = RepoPath::new(dir.clone()).ok()?;
                dir.join(name.as_ref()).ok()
            };
            directory.entries.iter().filter_map(move |(name, known)| match known {
                Known::Directory => path(name).map(Change::Directory),
                Known::Leaf(leaf) => Some(Change::Leaf(path(name)?, *leaf)),
            })
        });
        let trees = self.directories.iter().filter_map(|(dir, directory)| {
            Some(Change::Equals(RepoPath::new(dir.clone()).ok()?, directory.tree?))
        });
        entries.chain(trees)
    }

    fn put(&mut self, path: &RepoPath, known: Known) {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
        if let Some(directory) = self.directories.get_mut(parent.as_bstr()) {
            directory.entries.insert(name.to_owned(), known);
        }
        self.mark_changed(Some(parent));
    }

    /// Notes a new look of an entry of the same content.
    fn refresh(&mut self, path: &RepoPath, leaf: Leaf) {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
        if let Some(directory) = self.directories.get_mut(parent.as_bstr())
            && let Some(known) = directory.entries.get_mut(name)
        {
            *known = Known::Leaf(leaf);
        }
    }

    fn forget(&mut self, path: &RepoPath) {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
        let Some(directory) = self.directories.get_mut(parent.as_bstr()) else { return };
        let Some(known) = directory.entries.remove(name) else { return };
        if known == Known::Directory {
            self.directories.remove(path.as_bstr());
            let below: Vec<_> = self.below(path).cloned().collect();
            for path in below {
                self.directories.remove(&path);
            }
        }
        self.mark_changed(Some(parent));
    }

    fn below(&self, dir: &RepoPath) -> impl Iterator<Item = &BString> {
        let mut start = dir.as_bstr().to_owned();
        start.push(b'/');
        let start = if dir.is_root() { BString::from("\0") } else { start };
        let is_root = dir.is_root();
        let below = self.directories.range(start.clone()..).map(|(path, _)| path);
        below.take_while(move |path| is_root || path.starts_with(&start))
    }

    fn mark_changed(&mut self, dir: Option<RepoPath>) {
        let mut current = dir;
        while let Some(dir) = current {
            if let Some(directory) = self.directories.get_mut(dir.as_bstr()) {
                directory.tree = None;
            }
            current = dir.parent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RepoPath {
        RepoPath::new(text).unwrap()
    }

    fn leaf(byte: u8) -> Leaf {
        Leaf { kind: EntryKind::File { id: [byte; 20].into(), executable: false }, seen: None }
    }

    #[test]
    fn index_read_back_from_its_changes_is_the_same() {
        let mut index = Index::new();
        for change in [
            Change::Directory(path("a")),
            Change::Directory(path("a/b")),
            Change::Leaf(path("a/b/c"), leaf(1)),
            Change::Leaf(path("a-b"), leaf(2)),
            Change::Equals(path("a/b"), [7; 20].into()),
            Change::Equals(path("a"), [8; 20].into()),
            Change::Directory(path("gone")),
            Change::Leaf(path("gone/x"), leaf(3)),
            Change::Gone(path("gone")),
        ] {
            index.apply(&change);
        }
        let mut again = Index::new();
        index.as_changes().for_each(|change| again.apply(&change));
        assert!(index.as_changes().eq(again.as_changes()));
        assert_eq!(again.tree(&path("a/b")), Some([7; 20].into()));
        assert_eq!(again.get(&path("gone/x")), None);
    }

    #[test]
    fn change_below_makes_the_trees_above_unknown() {
        let mut index = Index::new();
        index.apply(&Change::Directory(path("a")));
        index.apply(&Change::Leaf(path("a/x"), leaf(1)));
        index.apply(&Change::Equals(path("a"), [7; 20].into()));
        index.apply(&Change::Equals(RepoPath::root(), [8; 20].into()));
        index.apply(&Change::Leaf(path("a/x"), leaf(1)));
        assert_eq!(index.tree(&RepoPath::root()), Some([8; 20].into()), "only looked at again");
        index.apply(&Change::Leaf(path("a/x"), leaf(2)));
        assert_eq!((index.tree(&path("a")), index.tree(&RepoPath::root())), (None, None));
    }

    #[test]
    fn entry_as_new_as_the_clock_is_compared_by_content() {
        let at = |seconds, nanoseconds| Moment { seconds, nanoseconds };
        let is_settled = |changed, clock| {
            let stat = Stat { size: 0, modified: changed, changed, inode: 1, mode: 0 };
            Leaf { seen: Some(stat), ..leaf(1) }.settled(clock).seen.is_some()
        };
        assert!(is_settled(at(100, 5), at(101, 0)));
        assert!(!is_settled(at(100, 995_000_000), at(101, 0)), "one tick of a kernel");
        assert!(!is_settled(at(100, 5), at(99, 0)), "the clock was put back");
        assert!(!is_settled(at(100, 0), at(101, 0)), "a file system without fractions");
        assert!(is_settled(at(100, 0), at(103, 0)));
    }
}
