//! What differs between the three trees of a merge, path by path.

use std::collections::{BTreeMap, HashMap, HashSet};

use bstr::{BString, ByteSlice};

use super::{ConflictKind, MergeRequest};
use crate::diff::renames::Lone;
use crate::extent::Extent;
use crate::ids::TreeId;
use crate::objects::{EntryKind, ObjectError, Objects, TreeEntry};
use crate::path::RepoPath;

/// One of the three trees.
pub(super) const BASE: usize = 0;
pub(super) const OURS: usize = 1;
pub(super) const THEIRS: usize = 2;

/// The bits of both sides in a mask with one bit for each tree.
const BOTH_SIDES: u8 = 0b110;
const ALL: u8 = 0b111;

/// A file in the three trees, as far as it is there.
#[derive(Clone, Default)]
pub(super) struct Stages {
    pub(super) entries: [Option<EntryKind>; 3],
    /// The path the file has in each tree, where a rename brought it here.
    pub(super) paths: [Option<RepoPath>; 3],
    /// The pair of trees that agree, decided before renames.
    pub(super) agree: Agree,
    /// In which trees a directory is at the path.
    pub(super) directories: u8,
    /// A conflict over where the file belongs.
    pub(super) displaced: Option<ConflictKind>,
    /// Other paths that take part in the same conflict.
    pub(super) related: Vec<RepoPath>,
    /// Whether a rename has taken the file away from here.
    pub(super) left: bool,
}

/// Which trees have the same file.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Agree {
    /// No two of them.
    #[default]
    None,
    /// Ours has not changed it.
    BaseAndOurs,
    /// Theirs has not changed it.
    BaseAndTheirs,
    /// Both have changed it alike.
    OursAndTheirs,
}

/// Why a directory that is gone on one side matters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Removed {
    /// It does not: the other side added no file in it.
    Irrelevant,
    /// The other side added a file in it or above it.
    Relevant,
}

/// Deletions and additions of one side.
#[derive(Default)]
pub(super) struct Side {
    pub(super) deleted: Vec<Lone>,
    pub(super) added: Vec<Lone>,
    /// Deleted files whose new place can make a difference.
    pub(super) relevant: HashSet<RepoPath>,
    pub(super) removed: HashMap<RepoPath, Removed>,
}

/// All that differs.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) paths: BTreeMap<RepoPath, Stages>,
    /// Ours and theirs.
    pub(super) sides: [Side; 2],
}

impl Stages {
    /// One bit for each tree that has the file.
    pub(super) fn mask(&self) -> u8 {
        let bits = self.entries.iter().zip([0b001, 0b010, 0b100]);
        bits.filter(|(entry, _)| entry.is_some()).map(|(_, bit)| bit).sum()
    }

    pub(super) fn entry(&self, tree: usize) -> Option<EntryKind> {
        self.entries.get(tree).copied().flatten()
    }

    pub(super) fn set(&mut self, tree: usize, entry: Option<EntryKind>) {
        if let Some(place) = self.entries.get_mut(tree) {
            *place = entry;
        }
    }

    /// Takes over what `other` has in one tree, which is at `path` there.
    pub(super) fn take(&mut self, tree: usize, other: &Self, path: &RepoPath) {
        self.set(tree, other.entry(tree));
        if let Some(place) = self.paths.get_mut(tree) {
            *place = Some(path.clone());
        }
    }
}

pub(super) fn collect(
    objects: &dyn Objects,
    request: &MergeRequest,
) -> Result<Collected, ObjectError> {
    let trees = [Some(request.base), Some(request.ours), Some(request.theirs)];
    let ahead = vec![(RepoPath::root(), trees, 0)];
    let mut collector =
        Collector { objects, found: Collected::default(), ahead, extent: Extent::default() };
    while let Some((dir, trees, gone)) = collector.ahead.pop() {
        collector.directory(&dir, trees, gone)?;
    }
    let mut found = collector.found;
    for side in &mut found.sides {
        side.deleted.sort_by(|a, b| a.path.cmp(&b.path));
        side.added.sort_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(found)
}

struct Collector<'a> {
    objects: &'a dyn Objects,
    found: Collected,
    /// Directories that differ and are still to be looked into.
    ahead: Vec<(RepoPath, [Option<TreeId>; 3], u8)>,
    extent: Extent,
}

type Entries = [Option<EntryKind>; 3];

impl Collector<'_> {
    /// `gone` follows directories that only one side still has: the bit of that
    /// side, or [`ALL`] once it was seen to add a file in one of them.
    fn directory(
        &mut self,
        dir: &RepoPath,
        trees: [Option<TreeId>; 3],
        gone: u8,
    ) -> Result<(), ObjectError> {
        let mut names: BTreeMap<BString, Entries> = BTreeMap::new();
        for (index, entry) in self.differing(trees)? {
            let entries = names.entry(entry.name).or_default();
            if let Some(place) = entries.get_mut(index) {
                *place = Some(entry.kind);
            }
        }
        let adds = |entries: &Entries| gone != 0 && mask(entries, is_file) == gone;
        let gone = if names.values().any(adds) { ALL } else { gone };
        for (name, entries) in names {
            let [base, ours, theirs] = entries;
            if base == ours && base == theirs {
                continue;
            }
            let path = dir.join(name.as_bstr()).map_err(|err| ObjectError::Malformed {
                id: trees.iter().flatten().next().map_or_else(String::new, ToString::to_string),
                expected: "tree",
                reason: err.to_string(),
            })?;
            self.extent.add_path(&path)?;
            self.entry(dir, path, entries, gone);
        }
        Ok(())
    }

    /// The entries of each tree, without those that all three have alike. Most
    /// are, and stand beside each other in the order of trees.
    fn differing(
        &mut self,
        trees: [Option<TreeId>; 3],
    ) -> Result<Vec<(usize, TreeEntry)>, ObjectError> {
        let mut lists = Vec::new();
        for tree in trees {
            lists.push(tree.map(|tree| self.objects.tree(tree)).transpose()?);
        }
        let entries = lists.iter().flatten().map(|list| list.len()).sum();
        self.extent.add_directory(entries)?;
        let mut rests = lists.iter().map(|list| list.as_deref().unwrap_or_default());
        let mut rests = [(); 3].map(|()| rests.next().unwrap_or_default());
        // In a malformed tree with a name twice, the last entry counts.
        let is_twice = |list: &[TreeEntry]| {
            list.windows(2).any(|pair| matches!(pair, [a, b] if a.name == b.name))
        };
        let are_plain = !rests.iter().any(|list| is_twice(list));
        let mut found = Vec::new();
        loop {
            let firsts = rests.map(<[TreeEntry]>::first);
            let Some(least) = firsts.iter().flatten().map(|entry| &entry.name).min() else {
                return Ok(found);
            };
            let [base, ours, theirs] = firsts.map(|first| first.filter(|it| it.name == *least));
            let kind = |entry: Option<&TreeEntry>| entry.map(|entry| entry.kind);
            let are_alike = are_plain && kind(base) == kind(ours) && kind(base) == kind(theirs);
            for (index, entry) in [base, ours, theirs].into_iter().enumerate() {
                let (Some(entry), Some(rest)) = (entry, rests.get_mut(index)) else { continue };
                *rest = rest.get(1..).unwrap_or_default();
                if !are_alike {
                    found.push((index, entry.clone()));
                }
            }
        }
    }

    fn entry(&mut self, dir: &RepoPath, path: RepoPath, entries: Entries, gone: u8) {
        let directories = mask(&entries, is_directory);
        let below = match directories {
            0b011 | 0b101 if gone != ALL => directories & BOTH_SIDES,
            _ => gone,
        };
        self.removed_directory(&path, directories, below);
        if directories != 0 {
            self.ahead.push((path.clone(), entries.map(tree_of), below));
        }
        self.file(dir, path, entries.map(file_of), directories, gone);
    }

    fn removed_directory(&mut self, path: &RepoPath, directories: u8, gone: u8) {
        if directories & 0b001 == 0 {
            return;
        }
        let removed = if gone == ALL { Removed::Relevant } else { Removed::Irrelevant };
        for (side, bit) in self.found.sides.iter_mut().zip([0b010, 0b100]) {
            if directories & bit == 0 {
                side.removed.insert(path.clone(), removed);
            }
        }
    }

    fn file(&mut self, dir: &RepoPath, path: RepoPath, files: Entries, directories: u8, gone: u8) {
        let stages =
            Stages { entries: files, agree: agreement(files), directories, ..Stages::default() };
        let mask = stages.mask();
        if mask == 0 {
            return;
        }
        let [ours, theirs] = &mut self.found.sides;
        if gone == ALL && mask == 0b010 {
            theirs.removed.insert(dir.clone(), Removed::Relevant);
        } else if gone == ALL && mask == 0b100 {
            ours.removed.insert(dir.clone(), Removed::Relevant);
        }
        let [base, _, _] = files;
        for (index, side) in [(OURS, ours), (THEIRS, theirs)] {
            match (base, stages.entry(index)) {
                (Some(kind), None) => {
                    if stages.agree == Agree::None || gone == ALL {
                        side.relevant.insert(path.clone());
                    }
                    side.deleted.push(Lone { path: path.clone(), kind });
                }
                (None, Some(kind)) => side.added.push(Lone { path: path.clone(), kind }),
                _ => {}
            }
        }
        self.found.paths.insert(path, stages);
    }
}

fn agreement([base, ours, theirs]: Entries) -> Agree {
    if base.is_some() && base == ours {
        Agree::BaseAndOurs
    } else if base.is_some() && base == theirs {
        Agree::BaseAndTheirs
    } else if ours.is_some() && ours == theirs {
        Agree::OursAndTheirs
    } else {
        Agree::None
    }
}

fn mask(entries: &Entries, is: fn(EntryKind) -> bool) -> u8 {
    let bits = entries.iter().zip([0b001, 0b010, 0b100]);
    bits.filter(|(entry, _)| entry.is_some_and(is)).map(|(_, bit)| bit).sum()
}

fn is_directory(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::Directory(_))
}

fn is_file(kind: EntryKind) -> bool {
    !is_directory(kind)
}

fn tree_of(entry: Option<EntryKind>) -> Option<TreeId> {
    match entry {
        Some(EntryKind::Directory(id)) => Some(id),
        _ => None,
    }
}

fn file_of(entry: Option<EntryKind>) -> Option<EntryKind> {
    entry.filter(|kind| is_file(*kind))
}
