//! From a tree to the directory.
//!
//! Trees are compared with the index, directory by directory, so equal ones
//! cost nothing. Files are made where there is nothing; what has to go before
//! is compared with what the index knows of it, and stays if it differs.

mod in_the_way;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use bstr::{BStr, ByteSlice as _};
use bytes::Bytes;
use cap_std::fs::Dir;

use self::in_the_way::InTheWay;
use super::cursor::Cursor;
use super::disk::{self, Found, Source, as_path};
use super::index::{Change, Index, Known, Leaf};
use super::{BlobFiles, Materialised, Refusal, Refused, SyncLimits, SyncReport, joined};
use crate::ids::TreeId;
use crate::objects::{EntryKind, ObjectError, Objects, TreeEntry};
use crate::path::RepoPath;

/// How often a name that others take again is freed.
const ATTEMPTS: usize = 3;

/// Whether a push is the first of its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    First,
    /// It was begun before and cut off.
    Repeated,
}

/// What came of a push.
pub(super) struct Pushed {
    pub(super) report: SyncReport,
    /// The first path whose object could not be had.
    pub(super) unread: Option<Refused>,
}

struct Push<'a> {
    occasion: Occasion,
    objects: &'a dyn Objects,
    blobs: Option<&'a BlobFiles>,
    index: &'a mut Index,
    changes: &'a mut Vec<Change>,
    cursor: Cursor<'a>,
    report: SyncReport,
    unread: Option<Refused>,
    /// What may still be made.
    left: SyncLimits,
    /// Directories that do not equal their tree because something was refused.
    failed: BTreeSet<RepoPath>,
}

pub(super) fn run(place: &mut Materialised, tree: TreeId, occasion: Occasion) -> Pushed {
    let mut push = Push {
        occasion,
        objects: &*place.objects,
        blobs: place.blobs.as_ref(),
        index: &mut place.index,
        changes: &mut place.pending,
        cursor: Cursor::new(&place.dir),
        report: SyncReport::default(),
        unread: None,
        left: place.limits,
        failed: BTreeSet::new(),
    };
    push.everything(tree);
    let clock = disk::now();
    let pushed = Pushed { report: push.report, unread: push.unread };
    // What was made just now could change again without a change of its times.
    let unsettled = |change: &Change| match change {
        Change::Leaf(path, leaf) => {
            let settled = leaf.settled(clock);
            let is_current = place.index.get(path) == Some(Known::Leaf(*leaf));
            (is_current && settled != *leaf).then(|| Change::Leaf(path.clone(), settled))
        }
        _ => None,
    };
    let unsettled: Vec<_> = place.pending.iter().filter_map(unsettled).collect();
    for change in unsettled {
        place.note(change);
    }
    pushed
}

impl Push<'_> {
    fn everything(&mut self, tree: TreeId) {
        let mut visited = Vec::new();
        let mut ahead = vec![(RepoPath::root(), tree)];
        while let Some((dir, tree)) = ahead.pop() {
            if self.index.tree(&dir) == Some(tree) {
                continue;
            }
            let entries = match self.objects.tree(tree) {
                Ok(entries) => entries,
                Err(err) => {
                    self.refuse_unread(&dir, &err);
                    continue;
                }
            };
            visited.push((dir.clone(), tree));
            let wanted = self.wanted(&dir, &entries);
            self.clear(&dir, &wanted);
            for (path, entry) in wanted.values() {
                if self.left.entries == 0 {
                    self.refuse(&dir, Refusal::TooMuch);
                    break;
                }
                match entry.kind {
                    EntryKind::Directory(tree) => {
                        if self.make_directory(path) {
                            ahead.push((path.clone(), tree));
                        }
                    }
                    _ => self.put(path, entry),
                }
            }
        }
        for (dir, tree) in visited {
            if !self.failed.contains(&dir) && self.index.get(&dir) == Some(Known::Directory) {
                self.note(Change::Equals(dir, tree));
            }
        }
    }

    /// Counts an entry that is to be made; false where there is no room for it.
    fn has_room(&mut self, bytes: usize) -> bool {
        let left = self.left.entries.checked_sub(1);
        let Some((entries, bytes)) = left.zip(self.left.bytes.checked_sub(bytes as u64)) else {
            return false;
        };
        self.left = SyncLimits { entries, bytes };
        true
    }

    /// The entries of a tree that can be had on disk, by name.
    fn wanted<'t>(
        &mut self,
        dir: &RepoPath,
        entries: &'t [TreeEntry],
    ) -> BTreeMap<&'t BStr, (RepoPath, &'t TreeEntry)> {
        let mut wanted = BTreeMap::new();
        for entry in entries {
            match dir.join(entry.name.as_ref()) {
                Ok(path) => drop(wanted.insert(entry.name.as_bstr(), (path, entry))),
                // No worktree shows such a name either, so the directory equals its tree.
                Err(err) => {
                    let path = joined(dir, entry.name.as_ref());
                    self.report.refuse(path, Refusal::Object(err.to_string()));
                }
            }
        }
        wanted
    }

    /// Removes what is known and not wanted.
    fn clear(&mut self, dir: &RepoPath, wanted: &BTreeMap<&BStr, (RepoPath, &TreeEntry)>) {
        let Some(entries) = self.index.entries(dir) else { return };
        let goes = |name: &BStr| !wanted.contains_key(name);
        let gone: Vec<(RepoPath, Known)> = entries
            .iter()
            .filter(|(name, _)| goes(name.as_bstr()))
            .filter_map(|(name, known)| Some((dir.join(name.as_ref()).ok()?, *known)))
            .collect();
        for (path, known) in gone {
            match known {
                Known::Leaf(leaf) => {
                    self.remove_leaf(&path, leaf);
                }
                // Git keeps no empty directories, so a tree cannot mean them.
                Known::Directory if !self.holds_leaves(&path) => {}
                Known::Directory => {
                    self.remove_directory(&path);
                }
            }
        }
    }

    fn holds_leaves(&self, dir: &RepoPath) -> bool {
        let is_leaf = |known: &Known| matches!(known, Known::Leaf(_));
        self.index
            .directories_at(dir)
            .iter()
            .any(|dir| self.index.entries(dir).is_some_and(|entries| entries.values().any(is_leaf)))
    }

    /// Removes what is known below a directory, and the directories this
    /// leaves empty. Whether nothing is left.
    fn remove_directory(&mut self, dir: &RepoPath) -> bool {
        for below in self.index.directories_at(dir).into_iter().rev() {
            let leaves: Vec<(RepoPath, Leaf)> = self
                .index
                .entries(&below)
                .into_iter()
                .flatten()
                .filter_map(|(name, known)| match known {
                    Known::Leaf(leaf) => Some((below.join(name.as_ref()).ok()?, *leaf)),
                    Known::Directory => None,
                })
                .collect();
            for (path, leaf) in leaves {
                self.remove_leaf(&path, leaf);
            }
            let removed = self.parent(&below).and_then(|(dir, name)| dir.remove_dir(as_path(name)));
            // Where something else is by now, there is no directory either.
            if removed.is_ok() || removed.is_err_and(|err| disk::is_replaced(&err)) {
                self.cursor.leave(&below);
                self.note(Change::Gone(below));
            }
        }
        self.index.get(dir).is_none()
    }

    /// Removes a leaf as it is known. Whether its name is free.
    fn remove_leaf(&mut self, path: &RepoPath, leaf: Leaf) -> bool {
        let removed = match self.in_the_way(path, Some(leaf), None) {
            Ok(InTheWay::Nothing | InTheWay::Same(_)) => Ok(()),
            // A directory that took its place is no leaf.
            Ok(InTheWay::Expendable(Found::Directory)) if !is_submodule(leaf.kind) => Ok(()),
            Ok(InTheWay::Expendable(found)) => self.unlink(path, found),
            Ok(InTheWay::Foreign) => return self.refuse(path, Refusal::NotPulled),
            Err(err) => Err(err),
        };
        match removed {
            Ok(()) => {
                self.note(Change::Gone(path.clone()));
                self.report.removed.push(path.clone());
                true
            }
            Err(err) => self.refuse(path, err.into()),
        }
    }

    /// Makes a directory, or takes over the one that is there. Whether it is there.
    fn make_directory(&mut self, path: &RepoPath) -> bool {
        match self.index.get(path) {
            Some(Known::Directory) => return true,
            Some(Known::Leaf(leaf))
                if !is_submodule(leaf.kind) && !self.remove_leaf(path, leaf) =>
            {
                return false;
            }
            _ => {}
        }
        if !self.has_room(0) {
            return self.refuse(path, Refusal::TooMuch);
        }
        match self.directory_on_disk(path) {
            Ok(true) => {
                self.note(Change::Directory(path.clone()));
                true
            }
            Ok(false) => self.refuse(path, Refusal::NotPulled),
            Err(err) => self.refuse(path, err.into()),
        }
    }

    fn directory_on_disk(&mut self, path: &RepoPath) -> io::Result<bool> {
        let (dir, name) = self.parent(path)?;
        match dir.create_dir(as_path(name)) {
            Ok(()) => Ok(true),
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {
                Ok(disk::look(dir, name)? == Some(Found::Directory))
            }
            Err(err) => Err(err),
        }
    }

    /// Makes a file, symlink or submodule.
    fn put(&mut self, path: &RepoPath, entry: &TreeEntry) {
        let known = match self.index.get(path) {
            Some(Known::Leaf(leaf)) if leaf.kind == entry.kind => return,
            Some(Known::Leaf(leaf)) => Some(leaf),
            Some(Known::Directory) => {
                if !self.remove_directory(path) {
                    self.refuse(path, Refusal::NotPulled);
                    return;
                }
                None
            }
            None => None,
        };
        let content = match entry.kind {
            EntryKind::File { id, .. } | EntryKind::Symlink(id) => self.objects.blob(id),
            EntryKind::Directory(_) | EntryKind::Submodule(_) => Ok(Bytes::new()),
        };
        let content = match content {
            Ok(content) => content,
            Err(err) => return self.refuse_unread(path, &err),
        };
        if !self.has_room(content.len()) {
            self.refuse(path, Refusal::TooMuch);
            return;
        }
        match self.replace(path, known, entry.kind, &content) {
            Ok(Ok(leaf)) => {
                self.note(Change::Leaf(path.clone(), leaf));
                self.report.changed.push(path.clone());
            }
            Ok(Err(reason)) => drop(self.refuse(path, reason)),
            Err(err) => drop(self.refuse(path, err.into())),
        }
    }

    fn replace(
        &mut self,
        path: &RepoPath,
        known: Option<Leaf>,
        kind: EntryKind,
        content: &[u8],
    ) -> io::Result<Result<Leaf, Refusal>> {
        let mut is_free = known.is_none();
        for _ in 0..ATTEMPTS {
            if is_free {
                match self.create(path, kind, content) {
                    Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {}
                    created => return created.map(Ok),
                }
            }
            match self.in_the_way(path, known, Some((kind, content)))? {
                InTheWay::Nothing => {}
                InTheWay::Same(leaf) => return Ok(Ok(leaf)),
                InTheWay::Expendable(found) => {
                    self.unlink(path, found)?;
                    // Should there be nothing new, a pull must not take that for a removal.
                    self.note(Change::Gone(path.clone()));
                }
                InTheWay::Foreign => return Ok(Err(Refusal::NotPulled)),
            }
            is_free = true;
        }
        Ok(Err(Refusal::Unsteady))
    }

    fn create(&mut self, path: &RepoPath, kind: EntryKind, content: &[u8]) -> io::Result<Leaf> {
        let shared = match kind {
            EntryKind::File { id, .. } => self.blobs.and_then(|blobs| blobs.file(id, content)),
            _ => None,
        };
        let (dir, name) = self.parent(path)?;
        let seen = match kind {
            EntryKind::File { executable, .. } => {
                let source = match &shared {
                    Some(file) => Source::Shared(file, content),
                    None => Source::Bytes(content),
                };
                let mode = if executable { 0o777 } else { 0o666 };
                Some(disk::create_file(dir, name, &source, mode)?)
            }
            EntryKind::Symlink(_) => disk::create_symlink(dir, name, content.as_bstr())?,
            EntryKind::Directory(_) | EntryKind::Submodule(_) => {
                dir.create_dir(as_path(name))?;
                None
            }
        };
        Ok(Leaf { kind, seen })
    }

    fn unlink(&mut self, path: &RepoPath, found: Found) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        let removed = match found {
            Found::Directory => dir.remove_dir(as_path(name)),
            _ => dir.remove_file(as_path(name)),
        };
        match removed {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// The open directory of a path, and its name there.
    fn parent<'p>(&mut self, path: &'p RepoPath) -> io::Result<(&Dir, &'p BStr)> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok((self.cursor.enter(&parent)?, name)),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn note(&mut self, change: Change) {
        self.index.apply(&change);
        self.changes.push(change);
    }

    /// Leaves a path as it is because its object cannot be had.
    fn refuse_unread(&mut self, path: &RepoPath, err: &ObjectError) {
        let reason = Refusal::Object(err.to_string());
        self.unread
            .get_or_insert_with(|| Refused { path: path.as_bstr().into(), reason: reason.clone() });
        self.refuse(path, reason);
    }

    /// Leaves a path as it is; false, as what callers then answer.
    fn refuse(&mut self, path: &RepoPath, reason: Refusal) -> bool {
        self.report.refuse(path.as_bstr(), reason);
        self.fail(path);
        false
    }

    /// Notes that neither `path` nor what is above it equals its tree.
    fn fail(&mut self, path: &RepoPath) {
        let mut current = Some(path.clone());
        while let Some(path) = current {
            current = path.parent();
            self.failed.insert(path);
        }
    }
}

/// What a file or symlink of this content is in a tree.
pub(super) fn leaf_kind(found: Found, content: &[u8]) -> Option<EntryKind> {
    let id = crate::ids::BlobId::of(content);
    match found {
        Found::File(stat) => Some(EntryKind::File { id, executable: stat.is_executable() }),
        Found::Symlink(_) => Some(EntryKind::Symlink(id)),
        Found::Directory | Found::Special(_) => None,
    }
}

fn is_submodule(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::Submodule(_))
}
