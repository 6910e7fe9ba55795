//! Decides every path of the merged tree.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Included, Unbounded};

use bstr::{BStr, BString, ByteSlice};

use super::collect::{Agree, BASE, OURS, Stages, THEIRS};
use super::content::{Contents, Markers};
use super::{ConflictKind, MergeError};
use crate::objects::EntryKind;
use crate::path::RepoPath;

/// The files of the merged tree that differ in one of the trees, and what is in conflict.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) files: BTreeMap<RepoPath, EntryKind>,
    pub(super) disagreements: Vec<Disagreement>,
}

/// A path in conflict.
pub(super) struct Disagreement {
    pub(super) path: RepoPath,
    pub(super) kind: ConflictKind,
    /// All paths that take part, on either side and in the merged tree.
    pub(super) involved: BTreeSet<RepoPath>,
}

pub(super) fn settle(
    contents: &Contents<'_>,
    paths: &BTreeMap<RepoPath, Stages>,
) -> Result<Settled, MergeError> {
    let mut settler = Settler { contents, paths, settled: Settled::default() };
    // Backwards, so that it is known what is left of a directory when a file
    // wants its place.
    for (path, stages) in paths.iter().rev() {
        if !stages.left {
            settler.path(path, stages)?;
        }
    }
    Ok(settler.settled)
}

struct Settler<'a> {
    contents: &'a Contents<'a>,
    paths: &'a BTreeMap<RepoPath, Stages>,
    settled: Settled,
}

/// What becomes of a path.
struct Fate {
    entry: Option<EntryKind>,
    conflict: Option<ConflictKind>,
}

impl Settler<'_> {
    fn path(&mut self, path: &RepoPath, stages: &Stages) -> Result<(), MergeError> {
        if stages.mask() == 0 || (stages.mask() == 1 && stages.displaced.is_some()) {
            return Ok(());
        }
        let in_the_way = self.is_directory(path);
        let different = stages.mask() >= 0b110
            && stages.agree == Agree::None
            && stages.entry(OURS).map(file_type) != stages.entry(THEIRS).map(file_type);
        if different {
            self.different_types(path, stages, in_the_way);
            return Ok(());
        }
        let fate = self.fate(path, stages)?;
        let Some(entry) = fate.entry else { return Ok(()) };
        if in_the_way {
            // The side that has the file here has no directory here.
            let side = if stages.directories & 0b010 != 0 { THEIRS } else { OURS };
            let moved = self.free_path(path, side);
            self.disagree(&moved, path, stages, fate.conflict.unwrap_or(ConflictKind::Type));
            self.settled.files.insert(moved, entry);
            return Ok(());
        }
        if let Some(kind) = fate.conflict {
            self.disagree(path, path, stages, kind);
        }
        self.settled.files.insert(path.clone(), entry);
        Ok(())
    }

    fn fate(&self, path: &RepoPath, stages: &Stages) -> Result<Fate, MergeError> {
        let (ours, theirs) = (stages.entry(OURS), stages.entry(THEIRS));
        let agreed = match stages.agree {
            Agree::BaseAndOurs => Some(theirs),
            Agree::BaseAndTheirs | Agree::OursAndTheirs => Some(ours),
            Agree::None => None,
        };
        if let Some(entry) = agreed {
            return Ok(Fate { entry, conflict: stages.displaced });
        }
        let fate = match stages.mask() {
            0b110 | 0b111 => {
                let merged = self.contents.merge(path, stages, Markers::Plain)?;
                let disagreement = match (ours, stages.entry(BASE)) {
                    (Some(EntryKind::Submodule(_)), _) => ConflictKind::Submodule,
                    (_, None) => ConflictKind::AddAdd,
                    _ => ConflictKind::Content,
                };
                let unclean = merged.is_some_and(|merged| !merged.clean);
                Fate {
                    entry: merged.map(|merged| merged.entry),
                    conflict: stages.displaced.or(unclean.then_some(disagreement)),
                }
            }
            0b011 | 0b101 => {
                let kind = stages.displaced.unwrap_or(ConflictKind::ModifyDelete);
                Fate { entry: ours.or(theirs), conflict: Some(kind) }
            }
            0b010 | 0b100 => Fate { entry: ours.or(theirs), conflict: stages.displaced },
            _ => Fate { entry: None, conflict: None },
        };
        Ok(fate)
    }

    /// A file on one side and, say, a symlink on the other: a regular file gets
    /// another name, and if neither is one, both do.
    fn different_types(&mut self, path: &RepoPath, stages: &Stages, in_the_way: bool) {
        let regular = |entry| matches!(entry, Some(EntryKind::File { .. }));
        let (ours, theirs) = (regular(stages.entry(OURS)), regular(stages.entry(THEIRS)));
        for (side, moves) in [(OURS, ours || !theirs), (THEIRS, !ours)] {
            let place = if moves || in_the_way { self.free_path(path, side) } else { path.clone() };
            self.disagree(&place, path, stages, ConflictKind::Type);
            if let Some(entry) = stages.entry(side) {
                self.settled.files.insert(place, entry);
            }
        }
    }

    fn disagree(&mut self, shown: &RepoPath, path: &RepoPath, stages: &Stages, kind: ConflictKind) {
        let mut involved: BTreeSet<_> = stages.related.iter().cloned().collect();
        involved.extend([shown.clone(), path.clone()]);
        self.settled.disagreements.push(Disagreement { path: shown.clone(), kind, involved });
    }

    /// Whether a file is below `path` in the merged tree. A path that is a file
    /// in one tree has nothing below it in another that is not collected.
    fn is_directory(&self, path: &RepoPath) -> bool {
        let below = [path.as_bstr().as_bytes(), b"/"].concat();
        let below = BStr::new(&below);
        let mut from = self.settled.files.range::<BStr, _>((Included(below), Unbounded));
        from.next().is_some_and(|(file, _)| file.as_bstr().starts_with(below))
    }

    /// A path that no tree uses, made of `path` and the label of its side.
    fn free_path(&self, path: &RepoPath, side: usize) -> RepoPath {
        let labels = &self.contents.request.labels;
        let label = if side == OURS { &labels.ours } else { &labels.theirs };
        let suffix: String =
            label.chars().map(|c| if c == '/' || c == '\0' { '_' } else { c }).collect();
        let mut name = BString::from(path.as_bstr());
        name.extend_from_slice(format!("~{suffix}").as_bytes());
        let stem = name.clone();
        for number in 0.. {
            if let Ok(free) = RepoPath::new(name.clone())
                && !self.paths.contains_key(&free)
                && !self.settled.files.contains_key(&free)
            {
                return free;
            }
            name = stem.clone();
            name.extend_from_slice(format!("_{number}").as_bytes());
        }
        path.clone()
    }
}

/// What an entry is, without its content.
fn file_type(entry: EntryKind) -> &'static str {
    entry.mode().get(..3).unwrap_or_default()
}
