//! What differs between the directory and the index, without reading files.

use std::collections::BTreeSet;
use std::io;

use bstr::{BStr, BString, ByteSlice as _};

use super::cursor::Cursor;
use super::disk::{self, Found};
use super::index::{Index, Known, Leaf};
use super::{Refusal, SyncReport, joined};
use crate::objects::EntryKind;
use crate::path::{PathError, RepoPath};

/// Differences, each list in an order in which it can be taken.
#[derive(Default)]
pub(super) struct Differences {
    /// Files, symlinks and submodules that are gone.
    pub(super) gone: Vec<(RepoPath, Leaf)>,
    /// Directories that are gone, those below before those above.
    pub(super) gone_directories: Vec<RepoPath>,
    /// Directories that are new, those above before those below.
    pub(super) new_directories: Vec<RepoPath>,
    /// Files and symlinks that look different, or have to be compared by content.
    pub(super) suspects: Vec<(RepoPath, Found)>,
}

/// Looks at every entry below the directory. Fails only if the topmost
/// directory itself cannot be listed.
pub(super) fn differences(
    cursor: &mut Cursor<'_>,
    index: &Index,
    most: u64,
    report: &mut SyncReport,
) -> io::Result<Differences> {
    let mut left = most;
    let mut scan = Scan { index, report, found: Differences::default(), ahead: Vec::new() };
    scan.ahead.push(RepoPath::root());
    while let Some(dir) = scan.ahead.pop() {
        match cursor.enter(&dir).and_then(|dir| disk::list(dir, left)) {
            Ok(Some(listing)) => {
                left -= listing.len() as u64;
                scan.directory(&dir, &listing);
            }
            // What was not looked at is neither changed nor gone.
            Ok(None) => {
                scan.report.refuse(dir.as_bstr(), Refusal::TooMuch);
            }
            Err(err) if dir.is_root() => return Err(err),
            Err(err) => scan.report.refuse(dir.as_bstr(), err.into()),
        }
    }
    Ok(scan.found)
}

struct Scan<'a> {
    index: &'a Index,
    report: &'a mut SyncReport,
    found: Differences,
    ahead: Vec<RepoPath>,
}

impl Scan<'_> {
    fn directory(&mut self, dir: &RepoPath, listing: &[(BString, Found)]) {
        let index = self.index;
        let known = index.entries(dir);
        let mut met = 0;
        for (name, found) in listing {
            let entry = known.and_then(|known| known.get(name.as_bstr())).copied();
            met += usize::from(entry.is_some());
            if !is_unchanged(entry, *found) {
                self.entry(dir, name.as_bstr(), entry, *found);
            }
        }
        let Some(known) = known.filter(|known| known.len() != met) else { return };
        let names: BTreeSet<&BStr> = listing.iter().map(|(name, _)| name.as_bstr()).collect();
        for (name, entry) in known {
            if !names.contains(name.as_bstr())
                && let Ok(path) = dir.join(name.as_ref())
            {
                self.gone(&path, *entry);
            }
        }
    }

    fn entry(&mut self, dir: &RepoPath, name: &BStr, known: Option<Known>, found: Found) {
        let path = match dir.join(name) {
            Ok(path) => path,
            Err(err) => {
                let reason = match err {
                    PathError::GitDirectory(_) => Refusal::GitDirectory,
                    _ => Refusal::TooLong,
                };
                return self.report.refuse(joined(dir, name), reason);
            }
        };
        match (found, known) {
            (Found::Directory, Some(Known::Leaf(Leaf { kind: EntryKind::Submodule(_), .. }))) => {
                // It is an empty directory; whether it is empty is seen later.
                self.found.suspects.push((path, found));
            }
            (Found::Directory, _) => {
                match known {
                    Some(Known::Directory) => {}
                    Some(leaf) => {
                        self.gone(&path, leaf);
                        self.found.new_directories.push(path.clone());
                    }
                    None => self.found.new_directories.push(path.clone()),
                }
                self.ahead.push(path);
            }
            (Found::File(_) | Found::Symlink(_), _) => {
                match known {
                    Some(Known::Directory) => self.gone(&path, Known::Directory),
                    Some(leaf) if is_submodule(leaf) => self.gone(&path, leaf),
                    _ => {}
                }
                self.found.suspects.push((path, found));
            }
            (Found::Special(what), _) => {
                self.report.refuse(path.as_bstr(), Refusal::Special(what));
                if let Some(known) = known {
                    self.gone(&path, known);
                }
            }
        }
    }

    /// Notes that what is known at `path` and below is gone.
    fn gone(&mut self, path: &RepoPath, known: Known) {
        match known {
            Known::Leaf(leaf) => self.found.gone.push((path.clone(), leaf)),
            Known::Directory => {
                for dir in self.index.directories_at(path).into_iter().rev() {
                    for (name, known) in self.index.entries(&dir).into_iter().flatten() {
                        if let (Known::Leaf(leaf), Ok(path)) = (known, dir.join(name.as_ref())) {
                            self.found.gone.push((path, *leaf));
                        }
                    }
                    self.found.gone_directories.push(dir);
                }
            }
        }
    }
}

/// Whether an entry is as it is known, with certainty and without reading it.
fn is_unchanged(known: Option<Known>, found: Found) -> bool {
    match (known, found) {
        (Some(Known::Leaf(leaf)), Found::File(stat)) => {
            matches!(leaf.kind, EntryKind::File { .. }) && leaf.seen == Some(stat)
        }
        (Some(Known::Leaf(leaf)), Found::Symlink(stat)) => {
            matches!(leaf.kind, EntryKind::Symlink(_)) && leaf.seen == Some(stat)
        }
        _ => false,
    }
}

fn is_submodule(known: Known) -> bool {
    matches!(known, Known::Leaf(Leaf { kind: EntryKind::Submodule(_), .. }))
}
