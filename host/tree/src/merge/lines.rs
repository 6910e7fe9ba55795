//! Differences of two sequences of lines, as git has them when it merges.
//!
//! Lines are compared as numbers. The histogram algorithm matches the longest
//! run around lines that are rare in the old text, and goes on before and behind
//! it; where all common lines are too frequent for that, Myers' algorithm takes
//! over. Then every group of changed lines is pushed as far down as it goes, or
//! to where it meets a change on the other side. The outcome is that of git 2.47
//! to the line, because it decides where conflicts begin and end.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, Token};

mod compaction;

/// Lines that occur more often than this are no anchor.
const FREQUENT: u32 = 64;

/// Steps after which the rest is left to Myers' algorithm, whose work is bounded.
/// Git has no such limit; texts that people write do not come near it.
const MOST_WORK: usize = 200_000_000;

/// Lines of one text that became lines of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) before: Range<usize>,
    pub(super) after: Range<usize>,
}

/// What differs between two texts, whose lines are numbered below `numbers`.
pub(super) fn changes(before: &[Token], after: &[Token], numbers: u32) -> Vec<Change> {
    let mut histogram = Histogram::new(before, after, numbers);
    histogram.run();
    let Histogram { mut removed, mut added, .. } = histogram;
    compaction::compact(before, &mut removed, &added);
    compaction::compact(after, &mut added, &removed);
    script(&removed, &added)
}

fn script(removed: &[bool], added: &[bool]) -> Vec<Change> {
    let run = |flags: &[bool], start: usize| {
        let rest = flags.get(start..).unwrap_or_default();
        start + rest.iter().take_while(|flag| **flag).count()
    };
    let mut changes = Vec::new();
    let (mut old, mut new) = (0, 0);
    while old < removed.len() || new < added.len() {
        let (old_end, new_end) = (run(removed, old), run(added, new));
        if old_end > old || new_end > new {
            changes.push(Change { before: old..old_end, after: new..new_end });
        }
        (old, new) = (old_end + 1, new_end + 1);
    }
    changes
}

/// No line.
const NONE: usize = usize::MAX;

struct Histogram<'a> {
    before: &'a [Token],
    after: &'a [Token],
    numbers: u32,
    removed: Vec<bool>,
    added: Vec<bool>,
    /// For each number, its first line in the part of `before` that is looked at,
    /// and how many lines have it there.
    lines: Vec<(usize, u32)>,
    /// For each line of `before`, the next one of the same number.
    next: Vec<usize>,
    work: usize,
}

/// A part of both texts.
#[derive(Clone)]
struct Part {
    before: Range<usize>,
    after: Range<usize>,
}

/// What the search for a common run came to.
enum Common {
    /// The best one.
    Run(Part),
    /// No line is common.
    Nothing,
    /// Common lines are too frequent, or there was too much to do.
    Unclear,
}

/// The best run so far, and the number of times its rarest line occurs.
struct Best {
    run: Option<Part>,
    rarity: u32,
    has_common: bool,
}

impl<'a> Histogram<'a> {
    fn new(before: &'a [Token], after: &'a [Token], numbers: u32) -> Self {
        Self {
            before,
            after,
            numbers,
            removed: vec![false; before.len()],
            added: vec![false; after.len()],
            lines: vec![(NONE, 0); numbers as usize],
            next: vec![NONE; before.len()],
            work: 0,
        }
    }

    fn run(&mut self) {
        let mut waiting = vec![Part { before: 0..self.before.len(), after: 0..self.after.len() }];
        while let Some(part) = waiting.pop() {
            if part.before.is_empty() || part.after.is_empty() {
                self.mark(&part);
                continue;
            }
            match self.common_run(&part) {
                Common::Nothing => self.mark(&part),
                Common::Unclear => self.fall_back(&part),
                Common::Run(run) => {
                    waiting.push(Part {
                        before: part.before.start..run.before.start,
                        after: part.after.start..run.after.start,
                    });
                    waiting.push(Part {
                        before: run.before.end..part.before.end,
                        after: run.after.end..part.after.end,
                    });
                }
            }
        }
    }

    /// Everything in the part is changed.
    fn mark(&mut self, part: &Part) {
        let all = |flags: &mut [bool], range: &Range<usize>| {
            flags.get_mut(range.clone()).unwrap_or_default().fill(true);
        };
        all(&mut self.removed, &part.before);
        all(&mut self.added, &part.after);
    }

    fn fall_back(&mut self, part: &Part) {
        let before = self.before.get(part.before.clone()).unwrap_or_default();
        let after = self.after.get(part.after.clone()).unwrap_or_default();
        let mut diff = Diff::default();
        diff.compute_with(Algorithm::Myers, before, after, self.numbers);
        let moved = |range: Range<u32>, start: usize| {
            start + range.start as usize..start + range.end as usize
        };
        let hunks: Vec<_> = diff.hunks().collect();
        for hunk in hunks {
            self.mark(&Part {
                before: moved(hunk.before, part.before.start),
                after: moved(hunk.after, part.after.start),
            });
        }
    }

    fn common_run(&mut self, part: &Part) -> Common {
        self.work += part.before.len() + part.after.len();
        if self.work > MOST_WORK {
            return Common::Unclear;
        }
        self.index(&part.before);
        let mut best = Best { run: None, rarity: FREQUENT + 1, has_common: false };
        let mut line = part.after.start;
        while line < part.after.end {
            line = self.look_at(part, line, &mut best);
        }
        self.forget(&part.before);
        match best.run {
            Some(run) => Common::Run(run),
            None if best.has_common => Common::Unclear,
            None => Common::Nothing,
        }
    }

    /// Notes where each line of a part of `before` stands.
    fn index(&mut self, part: &Range<usize>) {
        for line in part.clone().rev() {
            let Some(number) = self.before.get(line) else { continue };
            if let (Some((first, count)), Some(next)) =
                (self.lines.get_mut(number.0 as usize), self.next.get_mut(line))
            {
                *next = *first;
                *first = line;
                *count += 1;
            }
        }
    }

    fn forget(&mut self, part: &Range<usize>) {
        for number in self.before.get(part.clone()).unwrap_or_default() {
            if let Some(entry) = self.lines.get_mut(number.0 as usize) {
                *entry = (NONE, 0);
            }
        }
    }

    /// Weighs all runs through one line of `after`; the line to look at next.
    fn look_at(&mut self, part: &Part, line: usize, best: &mut Best) -> usize {
        let (first, count) = self.occurrences(self.after.get(line));
        let mut next_line = line + 1;
        if count == 0 {
            return next_line;
        }
        best.has_common = true;
        if count > best.rarity {
            return next_line;
        }
        let mut start = first;
        while start != NONE {
            let (run, rarity) = self.grow(part, start, line, count);
            next_line = next_line.max(run.after.end);
            let longest = best.run.as_ref().map_or(1, |best| best.before.len());
            if longest < run.before.len() || rarity < best.rarity {
                best.rarity = rarity;
                best.run = Some(run.clone());
            }
            // Other lines of the run would only lead to it again.
            while start != NONE && start < run.before.end {
                start = self.next.get(start).copied().unwrap_or(NONE);
            }
        }
        next_line
    }

    /// The longest run through a pair of equal lines, and the rarity of its rarest line.
    fn grow(&mut self, part: &Part, old: usize, new: usize, count: u32) -> (Part, u32) {
        let (mut before, mut after) = (old..old + 1, new..new + 1);
        let mut rarity = count;
        while before.start > part.before.start
            && after.start > part.after.start
            && self.before.get(before.start - 1) == self.after.get(after.start - 1)
        {
            before.start -= 1;
            after.start -= 1;
            rarity = rarity.min(self.occurrences(self.before.get(before.start)).1);
        }
        while before.end < part.before.end
            && after.end < part.after.end
            && self.before.get(before.end) == self.after.get(after.end)
        {
            rarity = rarity.min(self.occurrences(self.before.get(before.end)).1);
            before.end += 1;
            after.end += 1;
        }
        self.work += before.len();
        (Part { before, after }, rarity)
    }

    /// The first line that has a number, and how many have it.
    fn occurrences(&self, number: Option<&Token>) -> (usize, u32) {
        let known = number.and_then(|number| self.lines.get(number.0 as usize));
        known.copied().unwrap_or((NONE, 0))
    }
}
