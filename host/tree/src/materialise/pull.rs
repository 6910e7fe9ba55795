//! From the directory to a worktree.
//!
//! What is gone is removed first, so that the quota has its room again. Then
//! each file that looks different is read, whole and unchanging, and written
//! into the worktree if its content is another than before.

use bytes::Bytes;

use super::cursor::Cursor;
use super::disk::{self, Found, Moment, Read};
use super::index::{Change, Index, Known, Leaf};
use super::push::leaf_kind;
use super::scan::{self, Differences};
use super::{Materialised, Refusal, SyncReport};
use crate::objects::{EntryKind, Objects};
use crate::path::RepoPath;
use crate::worktree::{FsError, NodeKind, Worktree, WriteKind};

struct Pull<'a> {
    objects: &'a dyn Objects,
    index: &'a mut Index,
    changes: &'a mut Vec<Change>,
    cursor: Cursor<'a>,
    worktree: &'a mut Worktree,
    report: SyncReport,
    /// When this pull began to look.
    clock: Moment,
}

pub(super) fn run(place: &mut Materialised, worktree: &mut Worktree) -> SyncReport {
    let mut pull = Pull {
        objects: &*place.objects,
        index: &mut place.index,
        changes: &mut place.pending,
        cursor: Cursor::new(&place.dir),
        worktree,
        report: SyncReport::default(),
        clock: disk::now(),
    };
    match scan::differences(&mut pull.cursor, pull.index, place.limits.entries, &mut pull.report) {
        Ok(differences) => pull.take(differences),
        Err(err) => pull.report.refuse("", err.into()),
    }
    pull.report
}

impl Pull<'_> {
    fn take(&mut self, differences: Differences) {
        for (path, leaf) in differences.gone {
            self.remove_leaf(&path, leaf);
        }
        for path in differences.gone_directories {
            self.remove_directory(path);
        }
        for path in differences.new_directories {
            self.make_directory(path);
        }
        for (path, found) in differences.suspects {
            if let Err(reason) = self.suspect(&path, found) {
                // Only the content can tell from now on.
                if let Some(Known::Leaf(leaf)) = self.index.get(&path) {
                    self.note(Change::Leaf(path.clone(), Leaf { seen: None, ..leaf }));
                }
                self.report.refuse(path.as_bstr(), reason);
            }
        }
    }

    fn remove_leaf(&mut self, path: &RepoPath, leaf: Leaf) {
        let removed = match self.worktree.entry(path) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => self
                .check_overwritten(path, Some(leaf.kind))
                .and_then(|()| self.worktree.remove(path)),
            Err(err) => Err(err),
        };
        match removed {
            Ok(()) => {
                self.note(Change::Gone(path.clone()));
                self.report.removed.push(path.clone());
            }
            Err(err) => {
                self.note(Change::Leaf(path.clone(), Leaf { seen: None, ..leaf }));
                self.report.refuse(path.as_bstr(), Refusal::Worktree(err));
            }
        }
    }

    /// Removes a directory unless the worktree has files of its own in it.
    fn remove_directory(&mut self, path: RepoPath) {
        let removed = match self.worktree.entry(&path) {
            Ok(Some(entry)) if entry.metadata.kind == NodeKind::Directory => {
                match self.worktree.read_dir(entry.node) {
                    Ok(entries) if entries.is_empty() => self.worktree.remove(&path),
                    Ok(_) => Ok(()),
                    Err(err) => Err(err),
                }
            }
            Ok(_) => Ok(()),
            Err(err) => Err(err),
        };
        match removed {
            Ok(()) => {
                let is_empty =
                    self.index.entries(&path).is_none_or(std::collections::BTreeMap::is_empty);
                if is_empty {
                    self.note(Change::Gone(path));
                }
            }
            Err(err) => self.report.refuse(path.as_bstr(), Refusal::Worktree(err)),
        }
    }

    fn make_directory(&mut self, path: RepoPath) {
        let made = self.make_way(&path).and_then(|()| self.worktree.create_dirs(&path));
        match made {
            Ok(_) => self.note(Change::Directory(path)),
            Err(err) => self.report.refuse(path.as_bstr(), Refusal::Worktree(err)),
        }
    }

    /// Takes what looks different, if it is.
    fn suspect(&mut self, path: &RepoPath, found: Found) -> Result<(), Refusal> {
        let Some((content, found)) = self.read(path, found)? else { return Ok(()) };
        let Some(kind) = leaf_kind(found, &content) else { return Ok(()) };
        let (Found::File(stat) | Found::Symlink(stat)) = found else { return Ok(()) };
        let known = match self.index.get(path) {
            Some(Known::Leaf(leaf)) => Some(leaf.kind),
            _ => None,
        };
        if known != Some(kind) {
            self.write(path, known, kind, &content).map_err(Refusal::Worktree)?;
            self.report.changed.push(path.clone());
        }
        let leaf = Leaf { kind, seen: Some(stat) }.settled(self.clock);
        self.note(Change::Leaf(path.clone(), leaf));
        Ok(())
    }

    /// The content of a suspect; none if there is nothing to take any more.
    fn read(&mut self, path: &RepoPath, found: Found) -> Result<Option<(Bytes, Found)>, Refusal> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        let room = match found {
            Found::File(stat) => {
                if !self.may_be_as_known(path, stat.size) {
                    self.worktree.check_fits(path, stat.size).map_err(Refusal::Worktree)?;
                }
                stat.size
            }
            Found::Directory => return self.submodule(path).map(|()| None),
            Found::Symlink(_) | Found::Special(_) => 0,
        };
        let dir = self.cursor.enter(&parent)?;
        let read = match found {
            Found::File(_) => disk::read_file(dir, name, room)?,
            _ => disk::read_link(dir, name)?,
        };
        match read {
            Read::Content(content, stat) => {
                let found = match found {
                    Found::File(_) => Found::File(stat),
                    _ => Found::Symlink(stat),
                };
                Ok(Some((content, found)))
            }
            Read::Replaced if disk::look(dir, name)?.is_none() => {
                self.vanished(path);
                Ok(None)
            }
            Read::Replaced | Read::TooLarge | Read::Unsteady => Err(Refusal::Unsteady),
        }
    }

    /// Whether a file has the size of its last known content, which costs no room.
    fn may_be_as_known(&self, path: &RepoPath, size: u64) -> bool {
        match self.index.get(path) {
            Some(Known::Leaf(Leaf { kind: EntryKind::File { id, .. }, .. })) => {
                self.objects.blob_size(id).is_ok_and(|known| known == size)
            }
            _ => false,
        }
    }

    /// Takes a removal that was met between looking and reading.
    fn vanished(&mut self, path: &RepoPath) {
        if let Some(Known::Leaf(leaf)) = self.index.get(path) {
            self.remove_leaf(path, leaf);
        }
    }

    /// A submodule's directory is as it should be when it is empty.
    fn submodule(&mut self, path: &RepoPath) -> Result<(), Refusal> {
        let listing = disk::list(self.cursor.enter(path)?, 1)?;
        let is_empty = listing.is_some_and(|listing| listing.is_empty());
        if is_empty { Ok(()) } else { Err(Refusal::InSubmodule) }
    }

    fn write(
        &mut self,
        path: &RepoPath,
        known: Option<EntryKind>,
        kind: EntryKind,
        content: &Bytes,
    ) -> Result<(), FsError> {
        if self.worktree.holds(path, Some(kind))? {
            return Ok(());
        }
        self.check_overwritten(path, known)?;
        if let Some(parent) = path.parent() {
            self.make_way(&parent)?;
        }
        if let Some(entry) = self.worktree.entry(path)?
            && entry.metadata.kind == NodeKind::Directory
        {
            self.worktree.remove(path)?;
        }
        let kind = match kind {
            EntryKind::File { executable: true, .. } => WriteKind::Executable,
            EntryKind::Symlink(_) => WriteKind::Symlink,
            _ => WriteKind::Regular,
        };
        self.worktree.write_file(path, content, kind)
    }

    /// Removes files of the worktree where a directory is to be.
    fn make_way(&mut self, dir: &RepoPath) -> Result<(), FsError> {
        let mut above = Vec::new();
        let mut current = Some(dir.clone());
        while let Some(path) = current.filter(|path| !path.is_root()) {
            current = path.parent();
            above.push(path);
        }
        for path in above.into_iter().rev() {
            match self.worktree.entry(&path)? {
                Some(entry) if entry.metadata.kind == NodeKind::Directory => {}
                Some(_) => {
                    self.report.overwritten.push(path.clone());
                    self.worktree.remove(&path)?;
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Reports a path whose state in the worktree is not the one last synced.
    fn check_overwritten(
        &mut self,
        path: &RepoPath,
        known: Option<EntryKind>,
    ) -> Result<(), FsError> {
        if !self.worktree.holds(path, known)? {
            self.report.overwritten.push(path.clone());
        }
        Ok(())
    }

    fn note(&mut self, change: Change) {
        self.index.apply(&change);
        self.changes.push(change);
    }
}
