//! Three-way merge of texts by lines, with the outcome of `git merge-tree` to
//! the byte, conflict markers included. (`git merge-file` has other defaults.)
//!
//! Changes of both sides that touch or overlap are a conflict, unless they are
//! the same. What both sides of a conflict have in common is taken out of it
//! again, except for up to three lines between two conflicts, which join them.

use std::ops::Range;

use crate::lines::{ChangedLines, Numbering, Text, Work, merge_changes, merge_changes_of_parts};

/// Conflicts with no more lines between them are one.
const JOINING: usize = 3;

/// What to do about lines in conflict.
#[derive(Debug, Clone, Copy)]
pub(super) enum OnConflict<'a> {
    /// Both sides between markers.
    Mark {
        /// Letters of a marker.
        marker_size: usize,
        /// What stands behind the first and the last marker.
        labels: [&'a [u8]; 2],
    },
    /// Ours, then theirs.
    Union,
}

/// The result of a merge.
pub(super) struct MergedText {
    pub(super) content: Vec<u8>,
    /// Whether no lines were in conflict.
    pub(super) clean: bool,
}

/// Merges what `ours` and `theirs` made of `base`.
pub(super) fn merge(
    base: &[u8],
    ours: &[u8],
    theirs: &[u8],
    on_conflict: OnConflict<'_>,
    work: &mut Work,
) -> MergedText {
    let mut numbering = Numbering::default();
    let base = numbering.text(base);
    let [ours, theirs] = [ours, theirs].map(|content| numbering.text_beside(content, &base));
    let count = numbering.count();
    let by_us = merge_changes(base.numbers(), ours.numbers(), count, work);
    let by_them = merge_changes(base.numbers(), theirs.numbers(), count, work);
    let first_of_base = base.line(0);
    let mut merger = Merger { ours, theirs, regions: Vec::new(), first_of_base };
    merger.collect(&by_us, &by_them);
    merger.refine(work);
    merger.join();
    merger.write(on_conflict)
}

/// Whether a line of a text ends in CR LF; `None` if that cannot be told.
fn has_carriage_return(text: &Text<'_>, line: usize) -> Option<bool> {
    let found = text.line(line)?;
    let line = if found.ends_with(b"\n") { found } else { text.line(line.checked_sub(1)?)? };
    Some(line.ends_with(b"\r\n"))
}

/// Whose lines a region of the result has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Ours,
    Theirs,
    Conflict,
    /// In conflict by place, but equal.
    Same,
}

/// A part of the result that is not as in both sides.
#[derive(Debug, Clone)]
struct Region {
    taken: Taken,
    ours: Range<usize>,
    theirs: Range<usize>,
}

struct Merger<'a> {
    ours: Text<'a>,
    theirs: Text<'a>,
    regions: Vec<Region>,
    first_of_base: Option<&'a [u8]>,
}

impl Merger<'_> {
    /// Puts the changes of both sides in order.
    fn collect(&mut self, by_us: &[ChangedLines], by_them: &[ChangedLines]) {
        let (mut us, mut them) = (by_us.iter().peekable(), by_them.iter().peekable());
        let (mut our_shift, mut their_shift) = (Shift::default(), Shift::default());
        loop {
            match (us.peek().copied(), them.peek().copied()) {
                (Some(ours), theirs)
                    if theirs.is_none_or(|theirs| ours.before.end < theirs.before.start) =>
                {
                    let theirs = their_shift.apply(&ours.before);
                    self.add(Taken::Ours, ours.after.clone(), theirs);
                    our_shift.pass(ours);
                    us.next();
                }
                (ours, Some(theirs))
                    if ours.is_none_or(|ours| theirs.before.end < ours.before.start) =>
                {
                    let ours = our_shift.apply(&theirs.before);
                    self.add(Taken::Theirs, ours, theirs.after.clone());
                    their_shift.pass(theirs);
                    them.next();
                }
                (Some(ours), Some(theirs)) => {
                    if !self.are_equal(ours, theirs) {
                        let (our_lines, their_lines) = widened(ours, theirs);
                        self.add(Taken::Conflict, our_lines, their_lines);
                    }
                    let (our_end, their_end) = (ours.before.end, theirs.before.end);
                    if our_end >= their_end {
                        their_shift.pass(theirs);
                        them.next();
                    }
                    if their_end >= our_end {
                        our_shift.pass(ours);
                        us.next();
                    }
                }
                (None, _) | (_, None) => return,
            }
        }
    }

    fn are_equal(&self, ours: &ChangedLines, theirs: &ChangedLines) -> bool {
        ours.before == theirs.before
            && self.ours.numbers().get(ours.after.clone())
                == self.theirs.numbers().get(theirs.after.clone())
    }

    /// Adds a region, or widens the last one if it reaches this one.
    fn add(&mut self, taken: Taken, ours: Range<usize>, theirs: Range<usize>) {
        match self.regions.last_mut() {
            Some(last) if ours.start <= last.ours.end || theirs.start <= last.theirs.end => {
                if last.taken != taken {
                    last.taken = Taken::Conflict;
                }
                last.ours.end = ours.end;
                last.theirs.end = theirs.end;
            }
            _ => self.regions.push(Region { taken, ours, theirs }),
        }
    }

    /// Takes out of conflicts what both sides have alike.
    fn refine(&mut self, work: &mut Work) {
        let mut refined = Vec::with_capacity(self.regions.len());
        for mut region in std::mem::take(&mut self.regions) {
            if region.taken != Taken::Conflict || region.ours.is_empty() || region.theirs.is_empty()
            {
                refined.push(region);
                continue;
            }
            let found = self.differences(&region, work);
            if found.is_empty() {
                region.taken = Taken::Same;
                refined.push(region);
                continue;
            }
            let moved = |range: Range<usize>, start: usize| start + range.start..start + range.end;
            refined.extend(found.into_iter().map(|change| Region {
                taken: Taken::Conflict,
                ours: moved(change.before, region.ours.start),
                theirs: moved(change.after, region.theirs.start),
            }));
        }
        self.regions = refined;
    }

    /// What differs between both sides of a conflict.
    fn differences(&self, region: &Region, work: &mut Work) -> Vec<ChangedLines> {
        let ours = self.ours.numbers().get(region.ours.clone()).unwrap_or_default();
        let theirs = self.theirs.numbers().get(region.theirs.clone()).unwrap_or_default();
        merge_changes_of_parts(ours, theirs, work)
    }

    /// Joins conflicts that have next to nothing between them.
    fn join(&mut self) {
        self.regions.dedup_by(|next, last| {
            let joins = next.taken == Taken::Conflict
                && last.taken == Taken::Conflict
                && next.ours.start.saturating_sub(last.ours.end) <= JOINING;
            if joins {
                last.ours.end = next.ours.end;
                last.theirs.end = next.theirs.end;
            }
            joins
        });
    }

    fn write(&self, on_conflict: OnConflict<'_>) -> MergedText {
        let mut out = Vec::with_capacity(self.ours.bytes(&(0..self.ours.len())).len());
        let mut clean = true;
        let mut written = 0;
        for region in &self.regions {
            if region.taken == Taken::Same {
                continue;
            }
            out.extend_from_slice(self.ours.bytes(&(written..region.ours.start)));
            written = region.ours.end;
            let ours = self.ours.bytes(&region.ours);
            let theirs = self.theirs.bytes(&region.theirs);
            match (region.taken, on_conflict) {
                (Taken::Ours | Taken::Same, _) => out.extend_from_slice(ours),
                (Taken::Theirs, _) => out.extend_from_slice(theirs),
                (Taken::Conflict, OnConflict::Union) => {
                    out.extend_from_slice(ours);
                    end_line(&mut out, ours, self.line_end(region));
                    out.extend_from_slice(theirs);
                }
                (Taken::Conflict, OnConflict::Mark { marker_size, labels: [our, their] }) => {
                    clean = false;
                    let end = self.line_end(region);
                    marker(&mut out, b'<', marker_size, our, end);
                    out.extend_from_slice(ours);
                    end_line(&mut out, ours, end);
                    marker(&mut out, b'=', marker_size, b"", end);
                    out.extend_from_slice(theirs);
                    end_line(&mut out, theirs, end);
                    marker(&mut out, b'>', marker_size, their, end);
                }
            }
        }
        out.extend_from_slice(self.ours.bytes(&(written..self.ours.len())));
        MergedText { content: out, clean }
    }

    /// How lines end where a region stands: with a carriage return if the base
    /// begins so and neither side says otherwise there.
    fn line_end(&self, region: &Region) -> &'static [u8] {
        let ours = has_carriage_return(&self.ours, region.ours.start.saturating_sub(1));
        let theirs = has_carriage_return(&self.theirs, region.theirs.start.saturating_sub(1));
        let base = self.first_of_base.is_some_and(|line| line.ends_with(b"\r\n"));
        if base && ours != Some(false) && theirs != Some(false) { b"\r\n" } else { b"\n" }
    }
}

/// How far a side is ahead of the base.
#[derive(Default)]
struct Shift {
    base: usize,
    side: usize,
}

impl Shift {
    fn pass(&mut self, change: &ChangedLines) {
        (self.base, self.side) = (change.before.end, change.after.end);
    }

    /// Lines of the base behind the last change, as lines of the side.
    fn apply(&self, base: &Range<usize>) -> Range<usize> {
        let moved = |line: usize| self.side + line.saturating_sub(self.base);
        moved(base.start)..moved(base.end)
    }
}

/// The lines of both sides that stand for all base lines of either change.
fn widened(ours: &ChangedLines, theirs: &ChangedLines) -> (Range<usize>, Range<usize>) {
    let start = ours.before.start.min(theirs.before.start);
    let end = ours.before.end.max(theirs.before.end);
    let wide = |change: &ChangedLines| {
        let lead = change.before.start - start;
        change.after.start.saturating_sub(lead)..change.after.end + (end - change.before.end)
    };
    (wide(ours), wide(theirs))
}

/// Ends the last line of `text` if it does not end.
fn end_line(out: &mut Vec<u8>, text: &[u8], end: &[u8]) {
    if !text.is_empty() && !text.ends_with(b"\n") {
        out.extend_from_slice(end);
    }
}

fn marker(out: &mut Vec<u8>, letter: u8, size: usize, label: &[u8], end: &[u8]) {
    out.resize(out.len() + size, letter);
    if !label.is_empty() {
        out.push(b' ');
        out.extend_from_slice(label);
    }
    out.extend_from_slice(end);
}
