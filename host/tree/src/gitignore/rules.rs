//! The patterns of one `.gitignore` file, and what reading and matching them may take.
//!
//! Who writes the patterns also makes the paths, so both can be chosen to take for
//! ever. What is done is counted before it is done, in steps and not in time, so that
//! the answer is the same on every machine.

use bstr::{BStr, ByteSlice};
use gix::glob::Pattern;
use gix::glob::pattern::{Case, Mode as PatternMode};
use gix::glob::wildmatch::Mode;

use super::PathKind;

/// Most bytes of `.gitignore` files that are read of one tree.
const MOST_BYTES: u64 = 1 << 20;

/// Most patterns that are read of one tree.
const MOST_PATTERNS: usize = 10_000;

/// Most steps that are made. One is a comparison of names, or some hundred of bytes.
const MOST_STEPS: u64 = 50_000_000;

/// Comparisons of bytes that count as a step.
const BYTES_OF_STEP: u64 = 256;

/// Entries of a directory among which one is looked up in a step.
const ENTRIES_OF_STEP: usize = 16;

/// What may still be done for the rules of a tree.
pub(super) struct Effort {
    bytes: u64,
    patterns: usize,
    steps: u64,
}

impl Effort {
    /// For the rules of a tree.
    pub(super) fn of_tree() -> Self {
        Self { bytes: MOST_BYTES, patterns: MOST_PATTERNS, steps: MOST_STEPS }
    }

    /// For rules of the user's own.
    pub(super) fn endless() -> Self {
        Self { bytes: u64::MAX, patterns: usize::MAX, steps: u64::MAX }
    }

    /// Takes `steps`, if they are left. Once they are not, none are.
    fn spend(&mut self, steps: u64) -> bool {
        let left = self.steps.checked_sub(steps);
        self.steps = left.unwrap_or_default();
        left.is_some()
    }

    /// Whether one of so many entries may be looked up.
    pub(super) fn may_look_up(&mut self, entries: usize) -> bool {
        self.spend(1 + (entries / ENTRIES_OF_STEP) as u64)
    }

    /// Whether what is known of the directory at `path` may be looked at.
    pub(super) fn may_look_at(&mut self, path: &BStr) -> bool {
        self.spend(1 + path.len() as u64 / BYTES_OF_STEP)
    }

    /// Whether a file of so many bytes may be read.
    pub(super) fn may_read(&mut self, bytes: u64) -> bool {
        match self.bytes.checked_sub(bytes) {
            Some(left) => self.bytes = left,
            None => return false,
        }
        true
    }

    fn may_match(&mut self, pattern: &Pattern, text: &BStr) -> bool {
        self.spend(1 + cost(pattern, text) / BYTES_OF_STEP)
    }
}

/// The patterns of one file, in its order.
pub(super) struct Rules(Vec<Pattern>);

/// What a pattern says of a path that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ignored,
    /// A pattern with `!`.
    Kept,
}

/// There are more patterns than are read.
pub(super) struct TooManyPatterns;

impl Rules {
    /// The patterns in these lines. As with git, a line that makes no sense matches
    /// nothing.
    pub(super) fn parse(lines: &[u8], effort: &mut Effort) -> Result<Self, TooManyPatterns> {
        let mut patterns = Vec::new();
        for (pattern, _, _) in gix::ignore::parse(lines, false) {
            effort.patterns = effort.patterns.checked_sub(1).ok_or(TooManyPatterns)?;
            patterns.push(pattern);
        }
        Ok(Self(patterns))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the last pattern that matches says; nothing once the effort is used up.
    pub(super) fn verdict(
        &self,
        path: &BStr,
        kind: PathKind,
        effort: &mut Effort,
    ) -> Option<Verdict> {
        let name_at = path.rfind_byte(b'/').map(|slash| slash + 1);
        let name = path.get(name_at.unwrap_or_default()..).unwrap_or_default().as_bstr();
        let is_directory = Some(kind == PathKind::Directory);
        for pattern in self.0.iter().rev() {
            if !effort.may_match(pattern, if is_of_names(pattern) { name } else { path }) {
                return None;
            }
            let mode = Mode::NO_MATCH_SLASH_LITERAL;
            let case = Case::Sensitive;
            if pattern.matches_repo_relative_path(path, name_at, is_directory, case, mode) {
                let is_kept = pattern.is_negative();
                return Some(if is_kept { Verdict::Kept } else { Verdict::Ignored });
            }
        }
        None
    }
}

/// Whether a pattern is held against the last name of a path alone.
fn is_of_names(pattern: &Pattern) -> bool {
    pattern.mode.contains(PatternMode::NO_SUB_DIR) && !pattern.mode.contains(PatternMode::ABSOLUTE)
}

/// Most bytes that are compared to match a pattern.
///
/// A star tries every place that is left for what follows it, and no other star tries
/// them again. Only a `**` in front of something is tried in two ways that don't know
/// of each other, and at each directory.
fn cost(pattern: &Pattern, text: &BStr) -> u64 {
    let Some(literal) = pattern.first_wildcard_pos.and_then(|end| pattern.text.get(..end)) else {
        return 0;
    };
    let is_end = pattern.mode.contains(PatternMode::ENDS_WITH) && !text.contains(&b'/');
    if is_end || !text.starts_with(literal) {
        return 0;
    }
    let all = (pattern.text.len() as u64).saturating_mul(text.len() as u64);
    let doubled = pattern.text.trim_end_with(|c| c == '*').find_iter("**").count();
    if doubled == 0 {
        return all;
    }
    let directories = text.find_iter("/").count() as u64 + 1;
    let ways = u32::try_from(doubled).ok().and_then(|doubled| 1_u64.checked_shl(doubled));
    all.saturating_mul(directories).saturating_mul(ways.unwrap_or(u64::MAX))
}
