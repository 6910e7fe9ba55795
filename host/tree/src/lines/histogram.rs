//! The histogram algorithm, as git has it.
//!
//! It matches the longest run around lines that are rare in the old text, and
//! goes on before and behind it; where all common lines are too frequent for
//! that, Myers' algorithm takes over.

use std::ops::Range;

use super::{Marks, Part, Work, myers, renumbered};

/// Lines that occur more often than this are no anchor.
const FREQUENT: u32 = 64;

/// Marks what differs between two lists of line numbers below `count`.
pub(super) fn mark(
    before: &[u32],
    after: &[u32],
    count: usize,
    marks: &mut Marks,
    work: &mut Work,
) {
    let mut histogram = Histogram {
        before,
        after,
        lines: vec![(NONE, 0); count],
        next: vec![NONE; before.len()],
        marks,
        work,
    };
    histogram.run();
}

/// No line.
const NONE: usize = usize::MAX;

struct Histogram<'a> {
    before: &'a [u32],
    after: &'a [u32],
    /// For each number, its first line in the part of `before` that is looked at,
    /// and how many lines have it there.
    lines: Vec<(usize, u32)>,
    /// For each line of `before`, the next one of the same number.
    next: Vec<usize>,
    marks: &'a mut Marks,
    work: &'a mut Work,
}

/// What the search for a common run came to.
enum Common {
    /// The best one.
    Run(Part),
    /// No line is common, or there is no more work to spend.
    Nothing,
    /// Common lines are too frequent.
    Unclear,
}

/// The best run so far, and the number of times its rarest line occurs.
struct Best {
    run: Option<Part>,
    rarity: u32,
    has_common: bool,
}

impl Histogram<'_> {
    fn run(&mut self) {
        let mut waiting = vec![Part { before: 0..self.before.len(), after: 0..self.after.len() }];
        while let Some(part) = waiting.pop() {
            if part.before.is_empty() || part.after.is_empty() {
                self.marks.mark(&part);
                continue;
            }
            match self.common_run(&part) {
                Common::Nothing => self.marks.mark(&part),
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

    fn fall_back(&mut self, part: &Part) {
        let before = self.before.get(part.before.clone()).unwrap_or_default();
        let after = self.after.get(part.after.clone()).unwrap_or_default();
        let ([before, after], count) = renumbered([before, after]);
        let mut marks = Marks::new(before.len(), after.len());
        myers::mark(&before, &after, count, &mut marks, self.work);
        let copy = |to: &mut [bool], range: &Range<usize>, from: &[bool]| {
            to.get_mut(range.clone()).unwrap_or_default().copy_from_slice(from);
        };
        copy(&mut self.marks.removed, &part.before, &marks.removed);
        copy(&mut self.marks.added, &part.after, &marks.added);
    }

    fn common_run(&mut self, part: &Part) -> Common {
        if !self.work.take(part.before.len() + part.after.len()) {
            return Common::Nothing;
        }
        self.index(&part.before);
        let mut best = Best { run: None, rarity: FREQUENT + 1, has_common: false };
        let mut line = part.after.start;
        while line < part.after.end && !self.work.is_used_up() {
            line = self.look_at(part, line, &mut best);
        }
        self.forget(&part.before);
        match best.run {
            Some(run) if best.rarity <= FREQUENT => Common::Run(run),
            _ if best.has_common => Common::Unclear,
            _ => Common::Nothing,
        }
    }

    /// Notes where each line of a part of `before` stands.
    fn index(&mut self, part: &Range<usize>) {
        for line in part.clone().rev() {
            let Some(number) = self.before.get(line) else { continue };
            if let (Some((first, count)), Some(next)) =
                (self.lines.get_mut(*number as usize), self.next.get_mut(line))
            {
                *next = *first;
                *first = line;
                *count += 1;
            }
        }
    }

    fn forget(&mut self, part: &Range<usize>) {
        for number in self.before.get(part.clone()).unwrap_or_default() {
            if let Some(entry) = self.lines.get_mut(*number as usize) {
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
        self.work.take(before.len());
        (Part { before, after }, rarity)
    }

    /// The first line that has a number, and how many have it.
    fn occurrences(&self, number: Option<&u32>) -> (usize, u32) {
        let known = number.and_then(|number| self.lines.get(*number as usize));
        known.copied().unwrap_or((NONE, 0))
    }
}
