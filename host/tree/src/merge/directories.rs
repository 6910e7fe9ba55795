//! Directories that one side renamed, and files the other side put in them.

use std::collections::{BTreeMap, HashMap};

use bstr::{BString, ByteSlice};

use super::collect::{OURS, Removed, THEIRS};
use crate::diff::renames::Rename;
use crate::path::RepoPath;

/// Where the directories of one side went.
pub(super) type Moved = BTreeMap<RepoPath, RepoPath>;

type Counts = BTreeMap<RepoPath, BTreeMap<RepoPath, usize>>;

/// For each directory that is gone and matters, the one most of its files went
/// to; and the directories where none got more than another.
pub(super) fn renamed(
    renames: &[Rename],
    removed: &HashMap<RepoPath, Removed>,
) -> (Moved, Vec<RepoPath>) {
    let mut moved = Moved::new();
    let mut split = Vec::new();
    for (old, targets) in counts(renames, removed) {
        let most = targets.values().copied().max().unwrap_or_default();
        let mut best = targets.into_iter().filter(|(_, count)| *count == most);
        match (best.next(), best.next()) {
            (Some((new, _)), None) => {
                moved.insert(old, new);
            }
            (Some(_), Some(_)) => split.push(old),
            (None, _) => {}
        }
    }
    (moved, split)
}

/// Where the directories went most of whose files were renamed so far.
pub(super) fn guess(
    renames: &[Rename],
    removed: &HashMap<RepoPath, Removed>,
) -> HashMap<RepoPath, RepoPath> {
    let best = |targets: BTreeMap<RepoPath, usize>| {
        // Of several, the first that reaches the highest count.
        targets.into_iter().rev().max_by_key(|(_, count)| *count).map(|(target, _)| target)
    };
    counts(renames, removed)
        .into_iter()
        .filter_map(|(old, targets)| Some((old, best(targets)?)))
        .collect()
}

/// Renames by directory. A rename from `a/b/c/x` to `d/b/c/x` tells of `a/b/c`,
/// `a/b` and `a`, as long as the names after them are the same.
fn counts(renames: &[Rename], removed: &HashMap<RepoPath, Removed>) -> Counts {
    let mut counts = Counts::new();
    for rename in renames {
        let mut pair = rename.from.path.parent().zip(rename.to.path.parent());
        while let Some((old, new)) = pair {
            if old == new || removed.get(&old) != Some(&Removed::Relevant) {
                break;
            }
            *counts.entry(old.clone()).or_default().entry(new.clone()).or_default() += 1;
            pair = match (old.file_name(), new.file_name()) {
                (Some(a), Some(b)) if a == b => old.parent().zip(new.parent()),
                _ => None,
            };
        }
    }
    counts
}

/// What a renamed directory means for a file of the other side.
pub(super) enum Following {
    /// It stays.
    Stays,
    /// It moves along.
    Moves(RepoPath),
    /// It should, but something is in the way.
    Blocked,
}

/// Moves files of one side along with the directories the other side renamed.
pub(super) struct Followers<'a> {
    /// Directories renamed by the other side.
    moved: &'a Moved,
    /// Directories renamed by the side of the files.
    own: &'a Moved,
    /// How many files would come to each place.
    wanted: HashMap<RepoPath, usize>,
}

impl<'a> Followers<'a> {
    pub(super) fn new<'b>(
        moved: &'a Moved,
        own: &'a Moved,
        files: impl Iterator<Item = &'b RepoPath>,
    ) -> Self {
        let mut wanted = HashMap::new();
        for path in files {
            if let Some((_, place)) = place(moved, path) {
                *wanted.entry(place).or_default() += 1;
            }
        }
        Self { moved, own, wanted }
    }

    /// What happens to `path`; `taken` says whether a place is not free.
    pub(super) fn follow(
        &self,
        path: &RepoPath,
        taken: impl FnOnce(&RepoPath) -> bool,
    ) -> Following {
        let Some((dir, place)) = place(self.moved, path) else { return Following::Stays };
        if self.own.contains_key(dir) {
            return Following::Stays;
        }
        if self.wanted.get(&place).is_some_and(|count| *count > 1) || taken(&place) {
            return Following::Blocked;
        }
        Following::Moves(place)
    }
}

/// The directory that the nearest renamed directory above `path` became, and the
/// place of `path` in it.
fn place<'a>(moved: &'a Moved, path: &RepoPath) -> Option<(&'a RepoPath, RepoPath)> {
    let mut above = path.parent();
    while let Some(dir) = above {
        if let Some(new) = moved.get(&dir) {
            let below = path.as_bstr().strip_prefix(dir.as_bstr().as_bytes())?;
            let below = below.strip_prefix(b"/").unwrap_or(below);
            let mut place = BString::from(new.as_bstr());
            if !place.is_empty() {
                place.push(b'/');
            }
            place.extend_from_slice(below);
            return Some((new, RepoPath::new(place).ok()?));
        }
        above = dir.parent();
    }
    None
}

/// A directory renamed on both sides is not followed by either.
pub(super) fn drop_common(moved: &mut [Moved; 2]) {
    let [ours, theirs] = moved;
    let common: Vec<_> = ours.keys().filter(|dir| theirs.contains_key(*dir)).cloned().collect();
    for dir in common {
        ours.remove(&dir);
        theirs.remove(&dir);
    }
}

/// The index of the other side.
pub(super) fn other(side: usize) -> usize {
    if side == OURS { THEIRS } else { OURS }
}
