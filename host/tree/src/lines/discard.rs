//! Which lines Myers' algorithm gets to see: those of the middle that the other
//! text has too. Lines that it has very often are left out as well where they
//! stand among lines that it does not have.

use std::ops::Range;

use super::{Marks, myers};

/// A line is frequent if the other text has it as many times as about the root of
/// its own length, and from this many times on at any length.
const FREQUENT: usize = 1024;

/// Lines that are looked at on each side of a frequent line.
const NEIGHBOURS: usize = 100;

/// A frequent line stays if more than one in so many around it are frequent.
const SHARE: usize = 4;

/// The lines that are compared. All others are marked, or equal at both ends.
pub(super) struct Kept {
    pub(super) before: Side,
    pub(super) after: Side,
}

/// The lines of one text.
#[derive(Default)]
pub(super) struct Side {
    pub(super) numbers: Vec<u32>,
    /// Which line of the text each is.
    places: Vec<usize>,
}

/// What is known of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Matches {
    Never,
    Sometimes,
    Often,
}

impl Kept {
    /// Marks the lines that are left out.
    pub(super) fn new(before: &[u32], after: &[u32], count: usize, marks: &mut Marks) -> Self {
        let lead = before.iter().zip(after).take_while(|(old, new)| old == new).count();
        let rest = before.len().min(after.len()) - lead;
        let ends = before.iter().rev().zip(after.iter().rev());
        let tail = ends.take(rest).take_while(|(old, new)| old == new).count();
        let occurrences = [before, after].map(|lines| {
            let mut occurrences = vec![0_usize; count];
            for number in lines {
                if let Some(entry) = occurrences.get_mut(*number as usize) {
                    *entry += 1;
                }
            }
            occurrences
        });
        let [in_before, in_after] = &occurrences;
        Self {
            before: Side::new(before, lead..before.len() - tail, in_after, &mut marks.removed),
            after: Side::new(after, lead..after.len() - tail, in_before, &mut marks.added),
        }
    }

    /// Marks kept lines from one up to before another in both texts.
    pub(super) fn mark(&self, old: (i64, i64), new: (i64, i64), marks: &mut Marks) {
        self.before.mark(old, &mut marks.removed);
        self.after.mark(new, &mut marks.added);
    }
}

impl Side {
    fn new(lines: &[u32], middle: Range<usize>, others: &[usize], marks: &mut [bool]) -> Self {
        let many = myers::root(lines.len()).min(FREQUENT);
        let matches = |number: &u32| match others.get(*number as usize) {
            None | Some(0) => Matches::Never,
            Some(times) if *times >= many => Matches::Often,
            Some(_) => Matches::Sometimes,
        };
        let middle_lines = lines.get(middle.clone()).unwrap_or_default();
        let known: Vec<_> = middle_lines.iter().map(matches).collect();
        let mut side = Self::default();
        for (place, (number, matches)) in middle_lines.iter().zip(&known).enumerate() {
            let stays = match matches {
                Matches::Never => false,
                Matches::Sometimes => true,
                Matches::Often => !stands_among_strangers(&known, place),
            };
            if stays {
                side.numbers.push(*number);
                side.places.push(middle.start + place);
            } else if let Some(mark) = marks.get_mut(middle.start + place) {
                *mark = true;
            }
        }
        side
    }

    fn mark(&self, (start, end): (i64, i64), marks: &mut [bool]) {
        let range = usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
        for place in self.places.get(range).unwrap_or_default() {
            if let Some(mark) = marks.get_mut(*place) {
                *mark = true;
            }
        }
    }
}

/// Whether most lines around a frequent one, up to the next that is neither
/// frequent nor missing, are missing in the other text.
fn stands_among_strangers(known: &[Matches], place: usize) -> bool {
    let (before, after) = known.split_at(place);
    let count = |lines: &mut dyn Iterator<Item = &Matches>| {
        let mut found = (0, 1);
        for matches in lines.take(NEIGHBOURS) {
            match matches {
                Matches::Never => found.0 += 1,
                Matches::Often => found.1 += 1,
                Matches::Sometimes => break,
            }
        }
        found
    };
    let (missing, frequent) = count(&mut before.iter().rev());
    if missing == 0 {
        return false;
    }
    let behind = count(&mut after.iter().skip(1));
    if behind.0 == 0 {
        return false;
    }
    let (missing, frequent) = (missing + behind.0, frequent + behind.1);
    frequent * SHARE < frequent + missing
}
