//! Brings the versions of renamed files together under one path.

use std::collections::BTreeMap;

use super::collect::{Agree, BASE, Collected, OURS, Side, Stages, THEIRS};
use super::content::{Contents, Markers};
use super::directories::{self, Followers, Following, Moved, other};
use super::{Conflict, ConflictKind, MergeError};
use crate::diff::renames::{Lone, Rename, Rules, detect};
use crate::lines::Work;
use crate::objects::EntryKind;
use crate::patch::find;
use crate::path::RepoPath;

/// Git's `merge.renameLimit`.
const LIMIT: usize = 7000;

/// A rename and the side that made it.
#[derive(Clone)]
struct Move {
    from: RepoPath,
    to: RepoPath,
    side: usize,
}

/// Applies the renames of both sides to the collected paths. Returns conflicts
/// that no path of the result shows.
pub(super) fn apply(
    contents: &Contents<'_>,
    collected: &mut Collected,
) -> Result<Vec<Conflict>, MergeError> {
    let [ours, theirs] = &collected.sides;
    let renames = [renames(contents, ours)?, renames(contents, theirs)?];
    let mut conflicts = Vec::new();
    let mut moved = [Moved::new(), Moved::new()];
    for ((side, renames), moved) in collected.sides.iter().zip(&renames).zip(&mut moved) {
        let (found, split) = directories::renamed(renames, &side.removed);
        *moved = found;
        let kind = ConflictKind::Directory;
        conflicts.extend(split.into_iter().map(|path| Conflict { path, kind }));
    }
    directories::drop_common(&mut moved);
    let mut all = Vec::new();
    for (side, renames) in [OURS, THEIRS].into_iter().zip(renames) {
        let files = side_files(collected, side, renames);
        all.extend(follow(contents, collected, side, files, &moved, &mut conflicts)?);
    }
    all.sort_by(|a, b| a.from.cmp(&b.from));
    let mut merger = Merger { contents, paths: &mut collected.paths };
    for group in all.chunk_by(|a, b| a.from == b.from) {
        match group {
            [first, second] => merger.both(first, second)?,
            group => {
                for change in group {
                    merger.one(change)?;
                }
            }
        }
    }
    Ok(conflicts)
}

fn renames(contents: &Contents<'_>, side: &Side) -> Result<Vec<Rename>, MergeError> {
    let guess = |renames: &[Rename]| directories::guess(renames, &side.removed);
    let rules =
        Rules { limit: LIMIT, empty_files: false, sources: Some(&side.relevant), guess: &guess };
    let work = Work::default();
    Ok(detect(contents.db, side.deleted.clone(), side.added.clone(), &rules, work)?)
}

/// A file that a side added, perhaps by a rename.
struct NewFile {
    /// Where it was, if it was renamed.
    from: Option<RepoPath>,
    at: RepoPath,
}

fn side_files(collected: &Collected, side: usize, renames: Vec<Rename>) -> Vec<NewFile> {
    let mut sources: BTreeMap<RepoPath, RepoPath> =
        renames.into_iter().map(|rename| (rename.to.path, rename.from.path)).collect();
    let added = collected.sides.get(side - 1).map_or(&[][..], |side| side.added.as_slice());
    added
        .iter()
        .map(|Lone { path, .. }| NewFile { from: sources.remove(path), at: path.clone() })
        .collect()
}

/// Lets new files of one side follow the directories that the other renamed.
fn follow(
    contents: &Contents<'_>,
    collected: &mut Collected,
    side: usize,
    files: Vec<NewFile>,
    moved: &[Moved; 2],
    conflicts: &mut Vec<Conflict>,
) -> Result<Vec<Move>, MergeError> {
    let [ours, theirs] = moved;
    let (own, others) = if side == OURS { (ours, theirs) } else { (theirs, ours) };
    let followers = Followers::new(others, own, files.iter().map(|file| &file.at));
    let mut found = Vec::new();
    for file in files {
        let mut failed = None;
        let following = followers.follow(&file.at, |place| {
            is_taken(contents, collected, side, file.from.as_ref(), place).unwrap_or_else(|err| {
                failed = Some(err);
                true
            })
        });
        if let Some(err) = failed {
            return Err(err);
        }
        let to = match following {
            Following::Stays => file.at,
            Following::Blocked => {
                let kind = ConflictKind::Directory;
                conflicts.push(Conflict { path: file.at.clone(), kind });
                file.at
            }
            Following::Moves(place) => {
                relocate(collected, side, &file.at, &place);
                place
            }
        };
        found.extend(file.from.map(|from| Move { from, to, side }));
    }
    Ok(found)
}

/// Whether the side has something at `place`, or both have the same there.
fn is_taken(
    contents: &Contents<'_>,
    collected: &Collected,
    side: usize,
    from: Option<&RepoPath>,
    place: &RepoPath,
) -> Result<bool, MergeError> {
    let bit = 1_u8 << side;
    if let Some(stages) = collected.paths.get(place) {
        let mask = stages.mask();
        return Ok((mask | stages.directories) & bit != 0 || (mask & 1 != 0 && from != Some(place)));
    }
    let tree = if side == OURS { contents.request.ours } else { contents.request.theirs };
    Ok(find(contents.db, tree, place)?.is_some())
}

fn relocate(collected: &mut Collected, side: usize, from: &RepoPath, to: &RepoPath) {
    let entry = collected.paths.get_mut(from).and_then(|stages| {
        let entry = stages.entry(side);
        stages.set(side, None);
        stages.agree = Agree::None;
        entry
    });
    if collected.paths.get(from).is_some_and(|stages| stages.mask() == 0) {
        collected.paths.remove(from);
    }
    let stages = collected.paths.entry(to.clone()).or_default();
    stages.set(side, entry);
    if let Some(path) = stages.paths.get_mut(side) {
        *path = Some(from.clone());
    }
    stages.agree = Agree::None;
    stages.displaced = Some(ConflictKind::Directory);
    stages.related.push(from.clone());
}

struct Merger<'a> {
    contents: &'a Contents<'a>,
    paths: &'a mut BTreeMap<RepoPath, Stages>,
}

impl Merger<'_> {
    /// Both sides have renamed the same file.
    fn both(&mut self, ours: &Move, theirs: &Move) -> Result<(), MergeError> {
        let Some(source) = self.paths.get(&ours.from).cloned() else { return Ok(()) };
        if ours.to == theirs.to {
            // Both have the same name now, so that markers need not tell it.
            self.change(&ours.to, |stages| stages.set(BASE, source.entry(BASE)));
            self.change(&ours.from, |stages| stages.left = true);
            return Ok(());
        }
        let mut three = Stages::default();
        three.take(BASE, &source, &ours.from);
        for (index, change) in [(OURS, ours), (THEIRS, theirs)] {
            if let Some(stages) = self.paths.get(&change.to) {
                three.take(index, stages, &change.to);
            }
        }
        let merged = self.contents.merge(&ours.from, &three, Markers::Nested)?;
        for change in [ours, theirs] {
            let related = [&ours.from, &ours.to, &theirs.to].map(Clone::clone);
            self.change(&change.to, |stages| {
                if let Some(merged) = merged.filter(|merged| merged.clean || !merged.kept_ours) {
                    stages.set(change.side, Some(merged.entry));
                }
                stages.displaced = Some(ConflictKind::Rename);
                stages.related.extend(related);
            });
        }
        self.change(&ours.from, |stages| stages.displaced = Some(ConflictKind::Rename));
        Ok(())
    }

    /// One side has renamed a file; the other has changed, deleted or kept it.
    fn one(&mut self, change: &Move) -> Result<(), MergeError> {
        let (Some(source), Some(target)) =
            (self.paths.get(&change.from).cloned(), self.paths.get(&change.to).cloned())
        else {
            return Ok(());
        };
        if source.left {
            return Ok(());
        }
        let other = other(change.side);
        let deleted = source.mask() == 1;
        let collides = target.entry(other).is_some();
        let regular = |entry| matches!(entry, Some(EntryKind::File { .. }));
        let type_changed =
            !deleted && regular(source.entry(other)) != regular(target.entry(change.side));
        let related = [change.from.clone(), change.to.clone()];
        self.change(&change.to, |stages| stages.related.extend(related));
        if type_changed {
            // The other side put something else where the file was: that stays. If
            // it also has a file where this one came to be, it has moved it there too.
            self.change(&change.to, |stages| stages.take(BASE, &source, &change.from));
            self.change(&change.from, |stages| stages.set(BASE, None));
            return Ok(());
        }
        if collides && !deleted {
            self.merge_into_collision(change, &source, &target)?;
        } else if collides {
            self.displace(&change.to, ConflictKind::Rename);
        } else {
            self.change(&change.to, |stages| stages.take(BASE, &source, &change.from));
            if deleted {
                self.displace(&change.to, ConflictKind::ModifyDelete);
            } else {
                self.change(&change.to, |stages| stages.take(other, &source, &change.from));
            }
        }
        self.change(&change.from, |stages| stages.left = true);
        Ok(())
    }

    /// The place of a renamed file is taken on the other side: the renamed file is
    /// merged first, and its result meets what is there.
    fn merge_into_collision(
        &mut self,
        change: &Move,
        source: &Stages,
        target: &Stages,
    ) -> Result<(), MergeError> {
        let mut three = Stages::default();
        three.take(BASE, source, &change.from);
        three.take(other(change.side), source, &change.from);
        three.take(change.side, target, &change.to);
        if let Some(merged) = self.contents.merge(&change.from, &three, Markers::Nested)? {
            self.change(&change.to, |stages| stages.set(change.side, Some(merged.entry)));
        }
        Ok(())
    }

    fn displace(&mut self, path: &RepoPath, kind: ConflictKind) {
        self.change(path, |stages| stages.displaced = Some(kind));
    }

    fn change(&mut self, path: &RepoPath, change: impl FnOnce(&mut Stages)) {
        if let Some(stages) = self.paths.get_mut(path) {
            change(stages);
        }
    }
}
