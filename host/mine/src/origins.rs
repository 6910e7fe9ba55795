//! Who wrote each line: one pass along the first parents of a branch that
//! carries the origin of every line of every text file.
//!
//! A `git blame` of each file at each pull request would read every file again
//! and again; this reads each change once. It follows renames and lines whose
//! white space alone changed. It does not follow lines that move to another
//! place or file: there they are new, as for git without `-M` and `-C`.
//!
//! What cannot be read (a missing blob, a binary or a very long file) has no
//! origins. Its lines count as older than the pass, so nobody is said to have
//! written them; they never count for the wrong one.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use bstr::ByteSlice;
use catena_tree::diff::{Change, DiffOptions, changes};
use catena_tree::lines::changed_lines;
use catena_tree::patch::is_binary;
use catena_tree::{EntryKind, ObjectError, Objects, RepoPath, TreeId};

/// Longer files have no origins: they are data or generated.
const MAX_FILE: usize = 2 << 20;

/// A line with fewer letters and digits says too little to be anybody's.
const SIGNIFICANT: usize = 3;

/// Where more pairs of lines than this stand against each other, blanks count.
const MAX_COMPARED: usize = 1 << 20;

/// Most characters of a line that is shown as an example.
const EXAMPLE: usize = 80;

/// A step of the pass, from 1. [`BEFORE`] stands for all that was there already.
pub type Step = u32;

/// Origin of a line that is older than the pass, or unknown.
pub const BEFORE: Step = 0;

/// The origins of all lines at one state of the codebase.
///
/// Holds the files that changed since the pass began; every line of any other
/// file is from [`BEFORE`].
#[derive(Default)]
pub struct Origins {
    files: HashMap<RepoPath, Vec<Run>>,
}

/// Neighbouring lines of one origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    lines: u32,
    origin: Step,
}

/// What one step did to one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStep {
    /// Where the file is; where it was if it is gone.
    pub path: RepoPath,
    /// Where it was, if it moved.
    pub previous_path: Option<RepoPath>,
    /// Significant lines that came. White space does not make a line new.
    pub added: u32,
    /// Significant lines that went.
    pub deleted: u32,
    /// Of those that went, how many each earlier step had written.
    pub touched: BTreeMap<Step, TouchedLines>,
    /// Whether its lines could be compared.
    pub content: Readable,
}

/// Lines of one earlier step that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchedLines {
    /// How many.
    pub lines: u32,
    /// The first of them, trimmed and shortened.
    pub example: String,
}

/// Whether the lines of a file could be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readable {
    /// They were.
    Lines,
    /// It is no text, or too long.
    NoText,
    /// An object is not in the clone.
    Missing,
}

impl Origins {
    /// The origins of the lines of a file, as far as they are not [`BEFORE`] to
    /// its end; empty for a file that did not change since the pass began.
    pub fn of(&self, path: &RepoPath) -> Vec<Step> {
        self.files.get(path).map_or_else(Vec::new, |runs| expand(runs, 0))
    }

    /// Carries the origins from the tree `from`, of which they are, to `to`, and
    /// says what each changed file lost and gained. New lines are from `step`.
    /// Fails only where trees cannot be read; a missing blob is noted.
    pub fn advance(
        &mut self,
        objects: &dyn Objects,
        from: TreeId,
        to: TreeId,
        step: Step,
    ) -> Result<Vec<FileStep>, ObjectError> {
        let changes = changes(objects, from, to, &DiffOptions::default())?;
        // All files are taken out before any is put back: names can be swapped.
        let mut before: Vec<Vec<Run>> = Vec::with_capacity(changes.len());
        for change in &changes {
            let path = change.previous_path.as_ref().unwrap_or(&change.path);
            before.push(self.files.remove(path).unwrap_or_default());
        }
        let mut steps = Vec::with_capacity(changes.len());
        for (change, runs) in changes.into_iter().zip(before) {
            steps.push(self.file(objects, change, &runs, step)?);
        }
        Ok(steps)
    }

    fn file(
        &mut self,
        objects: &dyn Objects,
        change: Change,
        runs: &[Run],
        step: Step,
    ) -> Result<FileStep, ObjectError> {
        let mut file = FileStep {
            path: change.path,
            previous_path: change.previous_path,
            added: 0,
            deleted: 0,
            touched: BTreeMap::new(),
            content: Readable::Lines,
        };
        let old = text(objects, change.before)?;
        let new = text(objects, change.after)?;
        let (old, new) = match (old, new) {
            (Ok(old), Ok(new)) => (old, new),
            (Err(why), _) | (_, Err(why)) => {
                file.content = why;
                return Ok(file);
            }
        };
        let lines: Vec<&[u8]> = old.lines_with_terminator().collect();
        let origins = expand(runs, lines.len());
        let text = Text { content: &old, lines: &lines, origins: &origins, step };
        let kept = text.rewrite(&new, &mut file);
        if change.after.is_some() && kept.iter().any(|origin| *origin != BEFORE) {
            self.files.insert(file.path.clone(), compress(&kept));
        }
        Ok(file)
    }
}

/// The content of a text file, empty where there is none.
fn text(
    objects: &dyn Objects,
    kind: Option<EntryKind>,
) -> Result<Result<bytes::Bytes, Readable>, ObjectError> {
    let id = match kind {
        None => return Ok(Ok(bytes::Bytes::new())),
        Some(EntryKind::File { id, .. }) => id,
        Some(_) => return Ok(Err(Readable::NoText)),
    };
    match objects.blob(id) {
        Ok(content) if content.len() > MAX_FILE || is_binary(&content) => Ok(Err(Readable::NoText)),
        Ok(content) => Ok(Ok(content)),
        Err(ObjectError::Missing(_)) => Ok(Err(Readable::Missing)),
        Err(err) => Err(err),
    }
}

/// A text with the origins of its lines, about to be changed.
struct Text<'a> {
    content: &'a [u8],
    lines: &'a [&'a [u8]],
    origins: &'a [Step],
    step: Step,
}

impl Text<'_> {
    /// The origins of the lines of `new`.
    fn rewrite(&self, new: &[u8], file: &mut FileStep) -> Vec<Step> {
        let lines: Vec<&[u8]> = new.lines_with_terminator().collect();
        let mut kept = Vec::with_capacity(lines.len());
        let mut done = 0;
        for change in changed_lines(self.content, new) {
            kept.extend(self.origins.get(done..change.before.start).unwrap_or_default());
            let came = lines.get(change.after.clone()).unwrap_or_default();
            self.replace(change.before.clone(), came, &mut kept, file);
            done = change.before.end;
        }
        kept.extend(self.origins.get(done..).unwrap_or_default());
        kept
    }

    /// Lines of the old text give way to `came`. A line that differs from one of
    /// them in white space alone keeps its origin.
    fn replace(
        &self,
        went: Range<usize>,
        came: &[&[u8]],
        kept: &mut Vec<Step>,
        file: &mut FileStep,
    ) {
        let mut next = went.start;
        let comparable = went.len().saturating_mul(came.len()) <= MAX_COMPARED;
        for line in came {
            let ahead = if comparable { next..went.end } else { 0..0 };
            let same = ahead
                .into_iter()
                .find(|at| self.lines.get(*at).is_some_and(|old| equal_but_for_blanks(old, line)));
            let Some(at) = same else {
                kept.push(self.step);
                file.added += u32::from(is_significant(line));
                continue;
            };
            self.lose(next..at, file);
            kept.push(self.origins.get(at).copied().unwrap_or(BEFORE));
            next = at + 1;
        }
        self.lose(next..went.end, file);
    }

    fn lose(&self, went: Range<usize>, file: &mut FileStep) {
        for at in went {
            let (Some(line), Some(origin)) = (self.lines.get(at), self.origins.get(at)) else {
                continue;
            };
            if !is_significant(line) {
                continue;
            }
            file.deleted += 1;
            if *origin == BEFORE {
                continue;
            }
            let touched = file
                .touched
                .entry(*origin)
                .or_insert_with(|| TouchedLines { lines: 0, example: example(line) });
            touched.lines += 1;
        }
    }
}

fn is_significant(line: &[u8]) -> bool {
    let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
    line.iter().filter(is_word).take(SIGNIFICANT).count() == SIGNIFICANT
}

/// Blank lines are equal to none: they would tie unrelated lines together.
fn equal_but_for_blanks(a: &[u8], b: &[u8]) -> bool {
    let words = |line: &'_ [u8]| line.iter().any(|byte| !byte.is_ascii_whitespace());
    let solid = |byte: &&u8| !byte.is_ascii_whitespace();
    words(a) && a.iter().filter(solid).eq(b.iter().filter(solid))
}

fn example(line: &[u8]) -> String {
    line.to_str_lossy().trim().chars().take(EXAMPLE).collect()
}

/// One origin a line; what the runs do not cover is from [`BEFORE`].
fn expand(runs: &[Run], lines: usize) -> Vec<Step> {
    let mut origins = Vec::with_capacity(lines);
    for run in runs {
        origins.extend(std::iter::repeat_n(run.origin, run.lines as usize));
    }
    origins.resize(lines.max(origins.len()), BEFORE);
    origins
}

fn compress(origins: &[Step]) -> Vec<Run> {
    origins
        .chunk_by(|a, b| a == b)
        .filter_map(|same| {
            let lines = u32::try_from(same.len()).ok()?;
            Some(Run { lines, origin: *same.first()? })
        })
        .collect()
}
