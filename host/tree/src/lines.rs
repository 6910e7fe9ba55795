//! Which lines of a text became which lines of another: the one place that
//! compares texts, for patches, merges and the origins of lines.
//!
//! Lines are compared as numbers. Two ways of comparing, both with the outcome of
//! git 2.47 to the line: [`changed_lines`] is `git diff` (Myers' algorithm, then
//! changes are moved to where they read best), and [`merge_changes`] is what
//! `git merge-tree` does (the histogram algorithm, changes as far down as they
//! go). The algorithms take their steps from a [`Work`]; where that runs out, what
//! was not compared counts as changed, which is always a right answer.

use std::collections::HashMap;
use std::ops::Range;

use bstr::ByteSlice;

mod compaction;
mod discard;
mod histogram;
mod indent;
mod myers;
mod numbers;
mod work;

#[cfg(test)]
mod tests;

pub(crate) use self::numbers::{Numbering, Text, common_end, common_start};
pub(crate) use self::work::Work;

use self::compaction::Preference;

/// Lines of a text that is compared at most. A number takes memory, whatever
/// the length of its line.
const MOST_LINES: usize = 1 << 20;

/// Whether a text has more lines than are compared.
pub(crate) fn are_too_many(text: &[u8]) -> bool {
    text.len() > MOST_LINES && text.find_iter(b"\n").nth(MOST_LINES).is_some()
}

/// Neighbouring lines of the old text that gave way to lines of the new one.
/// One of the two ranges may be empty, not both. Counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedLines {
    /// Lines of the old text that went.
    pub before: Range<usize>,
    /// Lines of the new text that came.
    pub after: Range<usize>,
}

/// The places in which `old` and `new` differ, in order, as `git diff` finds
/// them. Lines end with `\n`, which belongs to them.
///
/// Work is bounded: two texts of more than a million lines, or of some 100,000 that are
/// a mix of the same few, may show more changes than there are.
pub fn changed_lines(old: &[u8], new: &[u8]) -> Vec<ChangedLines> {
    if are_too_many(old) || are_too_many(new) {
        let count = |text: &[u8]| text.lines_with_terminator().count();
        return vec![ChangedLines { before: 0..count(old), after: 0..count(new) }];
    }
    let mut numbering = Numbering::default();
    let old = numbering.text(old);
    let new = numbering.text_beside(new, &old);
    diff_changes(&old, &new, numbering.count(), &mut Work::default())
}

/// [`changed_lines`] of texts whose lines are numbered below `count`.
pub(crate) fn diff_changes(
    old: &Text<'_>,
    new: &Text<'_>,
    count: usize,
    work: &mut Work,
) -> Vec<ChangedLines> {
    let mut marks = Marks::new(old.len(), new.len());
    myers::mark(old.numbers(), new.numbers(), count, &mut marks, work);
    let Marks { mut removed, mut added } = marks;
    compaction::compact(old.numbers(), &mut removed, &added, &Preference::ReadsBest(old), work);
    compaction::compact(new.numbers(), &mut added, &removed, &Preference::ReadsBest(new), work);
    script(&removed, &added)
}

/// What differs between two lists of line numbers below `count`, as git has it
/// when it merges.
pub(crate) fn merge_changes(
    before: &[u32],
    after: &[u32],
    count: usize,
    work: &mut Work,
) -> Vec<ChangedLines> {
    let mut marks = Marks::new(before.len(), after.len());
    histogram::mark(before, after, count, &mut marks, work);
    let Marks { mut removed, mut added } = marks;
    compaction::compact(before, &mut removed, &added, &Preference::Lowest, work);
    compaction::compact(after, &mut added, &removed, &Preference::Lowest, work);
    script(&removed, &added)
}

/// [`merge_changes`] of parts of numbered texts. Their lines get numbers of their
/// own, so that many small parts do not cost as much as many large ones.
pub(crate) fn merge_changes_of_parts(
    before: &[u32],
    after: &[u32],
    work: &mut Work,
) -> Vec<ChangedLines> {
    let ([before, after], count) = renumbered([before, after]);
    merge_changes(&before, &after, count, work)
}

/// Parts of numbered texts with numbers of their own, and how many those are.
fn renumbered(parts: [&[u32]; 2]) -> ([Vec<u32>; 2], usize) {
    let mut known = HashMap::new();
    let numbers = parts.map(|numbers| {
        let number = |number: &u32| {
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            *known.entry(*number).or_insert(next)
        };
        numbers.iter().map(number).collect()
    });
    (numbers, known.len())
}

/// Which lines of the old text went and which of the new one came.
struct Marks {
    removed: Vec<bool>,
    added: Vec<bool>,
}

impl Marks {
    fn new(before: usize, after: usize) -> Self {
        Self { removed: vec![false; before], added: vec![false; after] }
    }

    /// Everything in the part is changed.
    fn mark(&mut self, part: &Part) {
        let all = |flags: &mut [bool], range: &Range<usize>| {
            flags.get_mut(range.clone()).unwrap_or_default().fill(true);
        };
        all(&mut self.removed, &part.before);
        all(&mut self.added, &part.after);
    }
}

/// A part of both texts.
#[derive(Debug, Clone)]
struct Part {
    before: Range<usize>,
    after: Range<usize>,
}

fn script(removed: &[bool], added: &[bool]) -> Vec<ChangedLines> {
    let run = |flags: &[bool], start: usize| {
        let rest = flags.get(start..).unwrap_or_default();
        start + rest.iter().take_while(|flag| **flag).count()
    };
    let mut changes = Vec::new();
    let (mut old, mut new) = (0, 0);
    while old < removed.len() || new < added.len() {
        let (old_end, new_end) = (run(removed, old), run(added, new));
        if old_end > old || new_end > new {
            changes.push(ChangedLines { before: old..old_end, after: new..new_end });
        }
        (old, new) = (old_end + 1, new_end + 1);
    }
    changes
}
