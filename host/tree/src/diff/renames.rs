//! Which deletion and which addition are one renamed file.
//!
//! The steps and their order are git's: equal content first, then files that
//! alone have their name on both sides, then the most similar pairs.

use std::collections::HashMap;

use bstr::BString;

use super::Change;
use super::similarity::{FULL, RENAMED, Spans, sizes_allow};
use crate::objects::{EntryKind, ObjectError, Objects};

/// Similarities are not computed for more pairs than the square of this.
const LIMIT: usize = 1000;

/// Files of equal name are taken for a rename without comparing them to others
/// from this similarity on.
const SAME_NAME: u64 = RENAMED + (FULL - RENAMED) / 2;

/// Equal contents that are looked at before one is taken.
const EQUAL_CANDIDATES: usize = 102;

/// Most similar sources that are remembered for each added file.
const CANDIDATES: usize = 4;

/// Joins pairs of a deleted and an added file into renames.
pub(super) fn pair(
    objects: &dyn Objects,
    mut changes: Vec<Change>,
) -> Result<Vec<Change>, ObjectError> {
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    let (sources, rest): (Vec<_>, Vec<_>) =
        changes.into_iter().partition(|change| change.after.is_none());
    let (targets, mut others): (Vec<_>, Vec<_>) =
        rest.into_iter().partition(|change| change.before.is_none());
    let mut matching = Matching {
        objects,
        sources: sources.into_iter().map(File::deleted).collect(),
        targets: targets.into_iter().map(File::added).collect(),
    };
    matching.by_equal_content();
    matching.by_equal_name()?;
    matching.by_similarity()?;
    others.extend(matching.finish());
    Ok(others)
}

/// A file that is on one side only.
struct File {
    change: Change,
    kind: Option<EntryKind>,
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
            let Some(kind) = source.kind else { continue };
            by_id.entry(kind.id_hex()).or_default().push(index);
        }
        for target in 0..self.targets.len() {
            let Some(file) = self.targets.get(target) else { continue };
            let Some(kind) = file.kind else { continue };
            let equal = by_id.get(&kind.id_hex()).map_or(&[][..], Vec::as_slice);
            let mut free = equal
                .iter()
                .filter_map(|index| Some((*index, self.sources.get(*index)?)))
                .filter(|(_, source)| source.partner.is_none() && source.may_become(kind))
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

    fn by_equal_name(&mut self) -> Result<(), ObjectError> {
        let sources = unique_names(&self.sources);
        let targets = unique_names(&self.targets);
        let mut pairs: Vec<_> = sources
            .iter()
            .filter_map(|(name, source)| Some(((*source)?, (*targets.get(name)?)?)))
            .collect();
        pairs.sort_unstable();
        for (source, target) in pairs {
            let similarity = self.similarity(source, target)?;
            if similarity >= SAME_NAME {
                self.join(source, target, similarity);
            }
        }
        Ok(())
    }

    fn by_similarity(&mut self) -> Result<(), ObjectError> {
        let sources: Vec<_> = unpaired(&self.sources).collect();
        let targets: Vec<_> = unpaired(&self.targets).collect();
        if sources.len() * targets.len() > LIMIT * LIMIT {
            return Ok(());
        }
        let mut candidates = Vec::new();
        for target in targets {
            let mut best = Vec::new();
            for source in &sources {
                let similarity = self.similarity(*source, target)?;
                if similarity >= RENAMED {
                    let same_name = self.same_name(*source, target);
                    best.push(Candidate { source: *source, target, similarity, same_name });
                }
            }
            best.sort_by_key(Candidate::rank);
            best.truncate(CANDIDATES);
            candidates.extend(best);
        }
        candidates.sort_by_key(Candidate::rank);
        for candidate in candidates {
            let free = |files: &[File], index| {
                files.get(index).is_some_and(|file: &File| file.partner.is_none())
            };
            if free(&self.sources, candidate.source) && free(&self.targets, candidate.target) {
                self.join(candidate.source, candidate.target, candidate.similarity);
            }
        }
        Ok(())
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
        let (Some(EntryKind::File { id: before, .. }), Some(EntryKind::File { id: after, .. })) =
            (source.kind, target.kind)
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
        match (source.spans(self.objects)?, target.spans(self.objects)?) {
            (Some(before), Some(after)) => Ok(before.similarity(after)),
            _ => Ok(0),
        }
    }

    fn join(&mut self, source: usize, target: usize, similarity: u64) {
        if let Some(file) = self.sources.get_mut(source) {
            file.partner = Some((target, similarity));
        }
        if let Some(file) = self.targets.get_mut(target) {
            file.partner = Some((source, similarity));
        }
    }

    fn finish(self) -> Vec<Change> {
        let Self { sources, targets, .. } = self;
        let renamed = |file: File| {
            let mut change = file.change;
            if let Some((source, similarity)) = file.partner
                && let Some(source) = sources.get(source)
            {
                change.previous_path = Some(source.change.path.clone());
                change.before = source.kind;
                change.similarity = u8::try_from(similarity * 100 / FULL).ok();
            }
            change
        };
        let mut changes: Vec<_> = targets.into_iter().map(renamed).collect();
        let deleted = sources.into_iter().filter(|file| file.partner.is_none());
        changes.extend(deleted.map(|file| file.change));
        changes
    }
}

impl Candidate {
    /// Sorts the best first.
    fn rank(&self) -> (std::cmp::Reverse<u64>, bool) {
        (std::cmp::Reverse(self.similarity), !self.same_name)
    }
}

impl File {
    fn deleted(change: Change) -> Self {
        Self { kind: change.before, change, partner: None, spans: Content::Unread }
    }

    fn added(change: Change) -> Self {
        Self { kind: change.after, change, partner: None, spans: Content::Unread }
    }

    fn name(&self) -> Option<&bstr::BStr> {
        self.change.path.file_name()
    }

    /// Whether a file of this kind can be the same file renamed: a regular file
    /// stays one, and anything else keeps its mode.
    fn may_become(&self, kind: EntryKind) -> bool {
        let regular = |kind| matches!(kind, EntryKind::File { .. });
        self.kind.is_some_and(|own| (regular(own) && regular(kind)) || own.mode() == kind.mode())
    }

    /// The spans of its content, `None` if that is missing.
    fn spans(&mut self, objects: &dyn Objects) -> Result<Option<&Spans>, ObjectError> {
        if let (Content::Unread, Some(EntryKind::File { id, .. })) = (&self.spans, self.kind) {
            self.spans = match present(objects.blob(id))? {
                Some(content) => Content::Read(Spans::of(&content)),
                None => Content::Missing,
            };
        }
        match &self.spans {
            Content::Read(spans) => Ok(Some(spans)),
            Content::Unread | Content::Missing => Ok(None),
        }
    }
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
