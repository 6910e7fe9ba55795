//! Where a group of changed lines could stand in several places, the one git
//! prefers: beside a change of the other text, otherwise as it is asked.

use super::{Text, Work, indent};

/// Where a group of changed lines goes that faces no change of the other text.
pub(super) enum Preference<'a> {
    /// As far down as it can.
    Lowest,
    /// To where it begins and ends with the indentation of the text.
    ReadsBest(&'a Text<'a>),
}

/// Moves the groups of changed lines in one text. `changed` and `others` say
/// which lines of the text and of the other one are changed.
pub(super) fn compact(
    lines: &[u32],
    changed: &mut [bool],
    others: &[bool],
    preference: &Preference<'_>,
    work: &mut Work,
) {
    let mut text = Groups { lines, changed, work };
    let (mut group, mut other) = (Group::first(text.changed), Group::first(others));
    loop {
        if !group.is_empty() {
            text.settle(&mut group, &mut other, others, preference);
        }
        // Both texts have as many groups, empty ones between unchanged lines included.
        if !group.next(text.changed) || !other.next(others) {
            return;
        }
    }
}

/// A run of changed lines, empty between two unchanged ones.
#[derive(Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
}

struct Groups<'a> {
    lines: &'a [u32],
    changed: &'a mut [bool],
    work: &'a mut Work,
}

impl Group {
    fn first(changed: &[bool]) -> Self {
        Self { start: 0, end: run_end(changed, 0) }
    }

    fn is_empty(self) -> bool {
        self.start == self.end
    }

    fn len(self) -> usize {
        self.end - self.start
    }

    /// Goes to the next group; `false` if there is none.
    fn next(&mut self, changed: &[bool]) -> bool {
        if self.end >= changed.len() {
            return false;
        }
        self.start = self.end + 1;
        self.end = run_end(changed, self.start);
        true
    }

    fn previous(&mut self, changed: &[bool]) {
        if let Some(end) = self.start.checked_sub(1) {
            self.end = end;
            self.start = run_start(changed, end);
        }
    }
}

impl Groups<'_> {
    /// Moves a group to its place, and `other` to the group that faces it.
    fn settle(
        &mut self,
        group: &mut Group,
        other: &mut Group,
        others: &[bool],
        preference: &Preference<'_>,
    ) {
        let mut meets;
        let mut highest;
        let mut size;
        loop {
            size = group.len();
            while self.slide_up(group) {
                other.previous(others);
            }
            highest = group.end;
            meets = !other.is_empty();
            while self.slide_down(group) {
                other.next(others);
                meets |= !other.is_empty();
            }
            // A slide may have joined it with the next group.
            if group.len() == size || self.work.is_used_up() {
                break;
            }
        }
        if group.end == highest {
            return;
        }
        let end = match preference {
            _ if meets => None,
            Preference::Lowest => return,
            Preference::ReadsBest(text) => Some(indent::best_end(text, highest, group.end, size)),
        };
        let is_there = |group: &Group, other: &Group| match end {
            Some(end) => group.end <= end,
            None => !other.is_empty(),
        };
        while !is_there(group, other) && self.slide_up(group) {
            other.previous(others);
        }
    }

    fn slide_up(&mut self, group: &mut Group) -> bool {
        let Some(above) = group.start.checked_sub(1) else { return false };
        if self.lines.get(above) != self.lines.get(group.end - 1) || !self.work.take(1) {
            return false;
        }
        self.set(above, true);
        self.set(group.end - 1, false);
        group.start = run_start(self.changed, above);
        group.end -= 1;
        true
    }

    fn slide_down(&mut self, group: &mut Group) -> bool {
        if group.end >= self.lines.len()
            || self.lines.get(group.start) != self.lines.get(group.end)
            || !self.work.take(1)
        {
            return false;
        }
        self.set(group.start, false);
        self.set(group.end, true);
        group.start += 1;
        group.end = run_end(self.changed, group.end + 1);
        true
    }

    fn set(&mut self, line: usize, changed: bool) {
        if let Some(flag) = self.changed.get_mut(line) {
            *flag = changed;
        }
    }
}

fn run_end(changed: &[bool], start: usize) -> usize {
    start + changed.get(start..).unwrap_or_default().iter().take_while(|flag| **flag).count()
}

fn run_start(changed: &[bool], end: usize) -> usize {
    end - changed.get(..end).unwrap_or_default().iter().rev().take_while(|flag| **flag).count()
}
