//! Which deletion and which addition are one renamed file.
//!
//! The steps and their order are git's: equal content first, then files that
//! alone have their name on both sides, then the most similar pairs.

use std::collections::{HashMap, HashSet};

use bstr::{BStr, BString};
use bytes::Bytes;

use super::Change;
use super::similarity::{FULL, RENAMED, Spans, sizes_allow};
use crate::deadline::Deadline;
use crate::ids::BlobId;
use crate::lines::Work;
use crate::objects::{EntryKind, ObjectError, Objects};
use crate::path::RepoPath;

/// Files of equal name are taken for a rename without comparing them to others
/// from this similarity on.
const SAME_NAME: u64 = RENAMED + (FULL - RENAMED) / 2;

/// Equal contents that are looked at before one is taken.
const EQUAL_CANDIDATES: usize = 102;

/// Most similar sources that are remembered for each added file.
const CANDIDATES: usize = 4;

/// Spans of contents that are in memory at one time, at 8 bytes each.
const MOST_SPANS: usize = 16 << 20;

/// What counts as a rename.
pub(crate) struct Rules<'a> {
    /// Similarities are not computed for more pairs than the square of this.
    pub(crate) limit: usize,
    /// Whether an empty file can be renamed.
    pub(crate) empty_files: bool,
    /// The deleted files whose new place matters, where not all do.
    pub(crate) sources: Option<&'a HashSet<RepoPath>>,
    /// Guesses where the files of a directory went, by renames of equal content.
    pub(crate) guess: &'a dyn Fn(&[Rename]) -> HashMap<RepoPath, RepoPath>,
}

/// A file on one side only.
#[derive(Clone)]
pub(crate) struct Lone {
    pub(crate) path: RepoPath,
    pub(crate) kind: EntryKind,
}

/// A deleted and an added file that are one.
#[derive(Clone)]
pub(crate) struct Rename {
    pub(crate) from: Lone,
    pub(crate) to: Lone,
    /// How much of it stayed, from 0 to [`FULL`].
    pub(crate) similarity: u64,
}

/// Joins pairs of a deleted and an added file into renames.
pub(super) fn pair(
    objects: &dyn Objects,
    changes: &[Change],
    limit: usize,
    deadline: Deadline,
) -> Result<Vec<Change>, ObjectError> {
    let lone = |change: &Change, kind: Option<EntryKind>| {
        kind.map(|kind| Lone { path: change.path.clone(), kind })
    };
    let only = |side: fn(&Change) -> (Option<EntryKind>, Option<EntryKind>)| {
        let mut files: Vec<_> = changes
            .iter()
            .filter_map(|change| match side(change) {
                (Some(kind), None) => lone(change, Some(kind)),
                _ => None,
            })
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    };
    let deleted = only(|change| (change.before, change.after));
    let added = only(|change| (change.after, change.before));
    let guess = |_: &[Rename]| HashMap::new();
    let rules = Rules { limit, empty_files: true, sources: None, guess: &guess };
    let renames = detect(objects, deleted, added, &rules, Work::until(deadline))?;

    let moved: HashSet<_> =
        renames.iter().flat_map(|rename| [&rename.from.path, &rename.to.path]).collect();
    let lone_change = |change: &Change| change.before.is_none() || change.after.is_none();
    let mut found: Vec<_> = changes
        .iter()
        .filter(|change| !(lone_change(change) && moved.contains(&change.path)))
        .cloned()
        .collect();
    found.extend(renames.into_iter().map(|rename| Change {
        path: rename.to.path,
        previous_path: Some(rename.from.path),
        before: Some(rename.from.kind),
        after: Some(rename.to.kind),
        similarity: u8::try_from(rename.similarity * 100 / FULL).ok(),
    }));
    Ok(found)
}

/// Finds the renames among files that are deleted and added, both sorted by path.
/// Those by similarity are left out where finding them takes more than `work`, or
/// more memory than files that people write.
pub(crate) fn detect(
    objects: &dyn Objects,
    deleted: Vec<Lone>,
    added: Vec<Lone>,
    rules: &Rules<'_>,
    work: Work,
) -> Result<Vec<Rename>, ObjectError> {
    let files = |files: Vec<Lone>| -> Vec<File> {
        let empty = BlobId::of(b"");
        let may = |file: &Lone| {
            rules.empty_files
                || !matches!(file.kind, EntryKind::File { id, .. } | EntryKind::Symlink(id) if id == empty)
        };
        files.into_iter().filter(may).map(File::new).collect()
    };
    let mut matching =
        Matching { objects, sources: files(deleted), targets: files(added), work, spans: 0 };
    matching.by_equal_content();
    let guess = (rules.guess)(&matching.renames());
    matching.by_equal_name(rules.sources, &guess)?;
    matching.by_similarity(rules.sources, rules.limit)?;
    Ok(matching.renames())
}

struct File {
    lone: Lone,
    /// The other end of the rename it was found to be part of, and its similarity.
    partner: Option<(usize, u64)>,
    spans: Content,
}

enum Content {
    Unread,
    Missing,
    Read(Spans),
}

struct Matching<'a> {
    objects: &'a dyn Objects,
    sources: Vec<File>,
    targets: Vec<File>,
    /// What comparing contents may take.
    work: Work,
    /// Spans of contents in memory.
    spans: usize,
}

/// A pair that may be a rename.
#[derive(Clone, Copy)]
struct Candidate {
    source: usize,
    target: usize,
    similarity: u64,
    same_name: bool,
}

impl Matching<'_> {
    fn by_equal_content(&mut self) {
        let mut by_id: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, source) in self.sources.iter().enumerate() {
            by_id.entry(source.lone.kind.id_hex()).or_default().push(index);
        }
        for target in 0..self.targets.len() {
            let Some(file) = self.targets.get(target) else { continue };
            let equal = by_id.get(&file.lone.kind.id_hex()).map_or(&[][..], Vec::as_slice);
            let mut free = equal
                .iter()
                .filter_map(|index| Some((*index, self.sources.get(*index)?)))
                .filter(|(_, source)| source.partner.is_none() && source.may_become(file))
                .take(EQUAL_CANDIDATES);
            let first = free.next();
            let chosen = first
                .into_iter()
                .chain(free)
                .find(|(_, source)| source.name() == file.name())
                .or(first);
            if let Some((source, _)) = chosen {
                self.join(source, target, FULL);
            }
        }
    }

    fn by_equal_name(
        &mut self,
        relevant: Option<&HashSet<RepoPath>>,
        guess: &HashMap<RepoPath, RepoPath>,
    ) -> Result<(), ObjectError> {
        let sources = unique_names(&self.sources);
        let targets = unique_names(&self.targets);
        let places: HashMap<RepoPath, usize> = self
            .targets
            .iter()
            .enumerate()
            .map(|(index, file)| (file.lone.path.clone(), index))
            .collect();
        for source in self.candidates(relevant) {
            let Some(file) = self.sources.get(source) else { continue };
            let Some(name) = file.name() else { continue };
            let target = match (sources.get(name), targets.get(name)) {
                (_, None) => None,
                (Some(Some(_)), Some(Some(target))) => Some(*target),
                _ => guessed_place(file, guess).and_then(|place| places.get(&place).copied()),
            };
            let Some(target) = target.filter(|target| self.is_free(*target)) else { continue };
            let similarity = self.similarity(source, target)?;
            if self.is_too_much() {
                break;
            }
            if similarity >= SAME_NAME {
                self.join(source, target, similarity);
            }
        }
        Ok(())
    }

    fn by_similarity(
        &mut self,
        relevant: Option<&HashSet<RepoPath>>,
        limit: usize,
    ) -> Result<(), ObjectError> {
        let sources = self.candidates(relevant);
        let targets: Vec<_> = unpaired(&self.targets).collect();
        if sources.len() * targets.len() > limit * limit {
            return Ok(());
        }
        let mut candidates = Vec::new();
        for target in targets {
            let mut best = Best::default();
            for source in &sources {
                let similarity = self.similarity(*source, target)?;
                if self.is_too_much() {
                    return Ok(());
                }
                let same_name = self.same_name(*source, target);
                best.offer(Candidate { source: *source, target, similarity, same_name });
            }
            candidates.extend(best.0.into_iter().filter(|known| known.similarity >= RENAMED));
        }
        candidates.sort_by_key(Candidate::rank);
        for candidate in candidates {
            let source = self.sources.get(candidate.source);
            if source.is_some_and(|file| file.partner.is_none()) && self.is_free(candidate.target) {
                self.join(candidate.source, candidate.target, candidate.similarity);
            }
        }
        Ok(())
    }

    /// The deleted files that have no partner and whose new place matters.
    fn candidates(&self, relevant: Option<&HashSet<RepoPath>>) -> Vec<usize> {
        let matters = |index: &usize| {
            relevant.is_none_or(|relevant| {
                self.sources.get(*index).is_some_and(|file| relevant.contains(&file.lone.path))
            })
        };
        unpaired(&self.sources).filter(matters).collect()
    }

    fn is_free(&self, target: usize) -> bool {
        self.targets.get(target).is_some_and(|file| file.partner.is_none())
    }

    fn same_name(&self, source: usize, target: usize) -> bool {
        let (source, target) = (self.sources.get(source), self.targets.get(target));
        source.is_some_and(|source| target.is_some_and(|target| source.name() == target.name()))
    }

    /// The similarity of a pair, 0 if it cannot be a rename.
    fn similarity(&mut self, source: usize, target: usize) -> Result<u64, ObjectError> {
        let (Some(source), Some(target)) =
            (self.sources.get_mut(source), self.targets.get_mut(target))
        else {
            return Ok(0);
        };
        let (EntryKind::File { id: before, .. }, EntryKind::File { id: after, .. }) =
            (source.lone.kind, target.lone.kind)
        else {
            return Ok(0);
        };
        let sizes = (self.objects.blob_size(before), self.objects.blob_size(after));
        let (Some(old), Some(new)) = (present(sizes.0)?, present(sizes.1)?) else {
            return Ok(0);
        };
        if !sizes_allow(old, new) {
            return Ok(0);
        }
        for file in [&mut *source, &mut *target] {
            if let Some(content) = file.unread(self.objects)? {
                self.work.take(content.len());
                let spans = Spans::of(&content);
                self.spans += spans.count();
                file.spans = Content::Read(spans);
            }
        }
        let similarity = match (&source.spans, &target.spans) {
            (Content::Read(before), Content::Read(after)) => {
                self.work.take(before.count() + after.count());
                before.similarity(after)
            }
            _ => 0,
        };
        if self.work.is_late() { Err(ObjectError::OutOfTime) } else { Ok(similarity) }
    }

    /// Whether comparing contents took as much as it may.
    fn is_too_much(&self) -> bool {
        self.work.is_used_up() || self.spans > MOST_SPANS
    }

    fn join(&mut self, source: usize, target: usize, similarity: u64) {
        if let Some(file) = self.sources.get_mut(source) {
            file.partner = Some((target, similarity));
        }
        if let Some(file) = self.targets.get_mut(target) {
            file.partner = Some((source, similarity));
        }
    }

    fn renames(&self) -> Vec<Rename> {
        let rename = |to: &File| {
            let (source, similarity) = to.partner?;
            let from = self.sources.get(source)?.lone.clone();
            Some(Rename { from, to: to.lone.clone(), similarity })
        };
        self.targets.iter().filter_map(rename).collect()
    }
}

/// The best candidates for one added file, in the order of git: a better one takes
/// the place of the worst, also of one that is no rename. Which of two equal ones
/// is first decides who is renamed.
#[derive(Default)]
struct Best(Vec<Candidate>);

impl Best {
    fn offer(&mut self, candidate: Candidate) {
        if self.0.len() < CANDIDATES {
            self.0.push(candidate);
            return;
        }
        let worst = self.0.iter_mut().rev().max_by_key(|known| known.rank());
        if let Some(worst) = worst.filter(|worst| candidate.rank() < worst.rank()) {
            *worst = candidate;
        }
    }
}

impl Candidate {
    /// Sorts the best first.
    fn rank(&self) -> (std::cmp::Reverse<u64>, bool) {
        (std::cmp::Reverse(self.similarity), !self.same_name)
    }
}

impl File {
    fn new(lone: Lone) -> Self {
        Self { lone, partner: None, spans: Content::Unread }
    }

    fn name(&self) -> Option<&BStr> {
        self.lone.path.file_name()
    }

    /// Whether this file can be the other one renamed: a regular file stays one,
    /// and anything else keeps its mode.
    fn may_become(&self, other: &Self) -> bool {
        let regular = |file: &Self| matches!(file.lone.kind, EntryKind::File { .. });
        (regular(self) && regular(other)) || self.lone.kind.mode() == other.lone.kind.mode()
    }

    /// Its content, where that is there and was not read yet.
    fn unread(&mut self, objects: &dyn Objects) -> Result<Option<Bytes>, ObjectError> {
        let (Content::Unread, EntryKind::File { id, .. }) = (&self.spans, self.lone.kind) else {
            return Ok(None);
        };
        let content = present(objects.blob(id))?;
        if content.is_none() {
            self.spans = Content::Missing;
        }
        Ok(content)
    }
}

/// Where a file went if it moved as its directory is guessed to have moved.
fn guessed_place(file: &File, guess: &HashMap<RepoPath, RepoPath>) -> Option<RepoPath> {
    let dir = guess.get(&file.lone.path.parent()?)?;
    dir.join(file.name()?).ok()
}

fn unpaired(files: &[File]) -> impl Iterator<Item = usize> {
    files.iter().enumerate().filter(|(_, file)| file.partner.is_none()).map(|(index, _)| index)
}

/// Names of files without a partner; `None` where several have the name.
fn unique_names(files: &[File]) -> HashMap<BString, Option<usize>> {
    let mut names = HashMap::new();
    for index in unpaired(files) {
        let Some(name) = files.get(index).and_then(File::name) else { continue };
        names.entry(name.to_owned()).and_modify(|unique| *unique = None).or_insert(Some(index));
    }
    names
}

fn present<T>(found: Result<T, ObjectError>) -> Result<Option<T>, ObjectError> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(ObjectError::Missing(_)) => Ok(None),
        Err(err) => Err(err),
    }
}
