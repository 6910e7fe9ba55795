//! Myers' algorithm in linear space with git's shortcuts, which give up the
//! shortest script where finding it would take long.
//!
//! The search for a way through a box of both texts starts at two opposite
//! corners. A diagonal is the distance of a line of the old text from the one of the
//! new text beside it; per diagonal it is known how far one gets with so many
//! changes. Where both searches meet the box is split, and so are its parts.

use super::discard::Kept;
use super::{Marks, Work};

/// A run of so many equal lines is a sign of the right way.
const LONG_RUN: i64 = 20;

/// Changes from which on a promising way is taken without looking for the best.
const IMPATIENT: i64 = 256;

/// How many times further than the number of changes a promising way must get.
const PROMISING: i64 = 4;

/// Fewest changes after which the furthest way is taken, whatever it is.
const ENOUGH: i64 = 256;

/// Behind every line.
const FAR: i64 = i64::MAX;

/// Marks what differs between two lists of line numbers below `count`.
pub(super) fn mark(
    before: &[u32],
    after: &[u32],
    count: usize,
    marks: &mut Marks,
    work: &mut Work,
) {
    let kept = Kept::new(before, after, count, marks);
    let (old, new) = (&kept.before.numbers, &kept.after.numbers);
    let diagonals = old.len() + new.len() + 3;
    let mut search = Search {
        old,
        new,
        forward: Diagonals::new(diagonals, new.len()),
        backward: Diagonals::new(diagonals, new.len()),
        enough: ENOUGH.max(signed(root(diagonals))),
        work,
    };
    let whole = Area { old: (0, signed(old.len())), new: (0, signed(new.len())), is_exact: false };
    let mut waiting = vec![whole];
    while let Some(mut area) = waiting.pop() {
        search.shrink(&mut area);
        if area.is_flat() || search.work.is_used_up() {
            kept.mark(area.old, area.new, marks);
            continue;
        }
        let split = search.split(&area);
        waiting.push(Area {
            old: (area.old.0, split.old),
            new: (area.new.0, split.new),
            is_exact: split.is_exact_before,
        });
        waiting.push(Area {
            old: (split.old, area.old.1),
            new: (split.new, area.new.1),
            is_exact: split.is_exact_behind,
        });
    }
}

/// About the square root, as a power of two.
pub(super) fn root(number: usize) -> usize {
    let digits = usize::BITS - number.leading_zeros();
    1 << digits.div_ceil(2)
}

/// Lines behind and before each other have differences of either sign.
fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(FAR)
}

/// Lines of both texts, from one up to before another.
#[derive(Clone, Copy)]
struct Area {
    old: (i64, i64),
    new: (i64, i64),
    /// Whether no shortcut may be taken.
    is_exact: bool,
}

impl Area {
    fn is_flat(&self) -> bool {
        self.old.0 == self.old.1 || self.new.0 == self.new.1
    }
}

/// Where an area is cut in two, and whether no shortcuts may be taken in its parts.
struct Split {
    old: i64,
    new: i64,
    is_exact_before: bool,
    is_exact_behind: bool,
}

/// The furthest line of the old text per diagonal.
struct Diagonals {
    lines: Vec<i64>,
    zero: i64,
}

impl Diagonals {
    fn new(count: usize, new: usize) -> Self {
        Self { lines: vec![0; count], zero: signed(new) + 1 }
    }

    fn get(&self, diagonal: i64) -> i64 {
        let place = usize::try_from(diagonal + self.zero).ok();
        place.and_then(|place| self.lines.get(place)).copied().unwrap_or(0)
    }

    fn set(&mut self, diagonal: i64, line: i64) {
        let place = usize::try_from(diagonal + self.zero).ok();
        if let Some(entry) = place.and_then(|place| self.lines.get_mut(place)) {
            *entry = line;
        }
    }
}

/// The diagonals that a search has reached.
struct Reach {
    middle: i64,
    lowest: i64,
    highest: i64,
}

impl Reach {
    fn at(middle: i64) -> Self {
        Self { middle, lowest: middle, highest: middle }
    }

    /// One diagonal more on both sides, one less where the area ends. What lies
    /// just outside can't be where a way comes from.
    fn widen(&mut self, area: &Area, lines: &mut Diagonals, outside: i64) {
        if self.lowest > area.old.0 - area.new.1 {
            self.lowest -= 1;
            lines.set(self.lowest - 1, outside);
        } else {
            self.lowest += 1;
        }
        if self.highest < area.old.1 - area.new.0 {
            self.highest += 1;
            lines.set(self.highest + 1, outside);
        } else {
            self.highest -= 1;
        }
    }

    fn holds(&self, diagonal: i64) -> bool {
        (self.lowest..=self.highest).contains(&diagonal)
    }

    /// Every second diagonal, from the highest down.
    fn diagonals(&self) -> impl Iterator<Item = i64> + use<> {
        let (lowest, highest) = (self.lowest, self.highest);
        (0..).map(move |step| highest - 2 * step).take_while(move |diagonal| *diagonal >= lowest)
    }
}

/// What one round of a search found.
enum Round {
    /// The other search.
    Met(i64, i64),
    /// Nothing yet, but a long run of equal lines.
    LongRun,
    Nothing,
}

struct Search<'a> {
    old: &'a [u32],
    new: &'a [u32],
    forward: Diagonals,
    backward: Diagonals,
    enough: i64,
    work: &'a mut Work,
}

impl Search<'_> {
    fn are_equal(&self, old: i64, new: i64) -> bool {
        let line = |lines: &[u32], line: i64| {
            usize::try_from(line).ok().and_then(|line| lines.get(line)).copied()
        };
        let old = line(self.old, old);
        old.is_some() && old == line(self.new, new)
    }

    /// Leaves out what is equal at both ends.
    fn shrink(&self, area: &mut Area) {
        while !area.is_flat() && self.are_equal(area.old.0, area.new.0) {
            area.old.0 += 1;
            area.new.0 += 1;
        }
        while !area.is_flat() && self.are_equal(area.old.1 - 1, area.new.1 - 1) {
            area.old.1 -= 1;
            area.new.1 -= 1;
        }
    }

    fn split(&mut self, area: &Area) -> Split {
        let mut forward = Reach::at(area.old.0 - area.new.0);
        let mut backward = Reach::at(area.old.1 - area.new.1);
        self.forward.set(forward.middle, area.old.0);
        self.backward.set(backward.middle, area.old.1);
        let is_odd = (forward.middle - backward.middle) % 2 != 0;
        let meet = |(old, new)| Split { old, new, is_exact_before: true, is_exact_behind: true };
        let mut cost = 0;
        loop {
            cost += 1;
            forward.widen(area, &mut self.forward, -1);
            let goal = is_odd.then_some(&backward);
            let first = self.go_forward(area, &forward, goal);
            if let Round::Met(old, new) = first {
                return meet((old, new));
            }
            backward.widen(area, &mut self.backward, FAR);
            let goal = (!is_odd).then_some(&forward);
            let second = self.go_backward(area, &backward, goal);
            if let Round::Met(old, new) = second {
                return meet((old, new));
            }
            if area.is_exact && !self.work.is_used_up() {
                continue;
            }
            let has_run = matches!(first, Round::LongRun) || matches!(second, Round::LongRun);
            if has_run && cost > IMPATIENT {
                if let Some((old, new)) = self.promising_forward(area, &forward, cost) {
                    return Split { old, new, is_exact_before: true, is_exact_behind: false };
                }
                if let Some((old, new)) = self.promising_backward(area, &backward, cost) {
                    return Split { old, new, is_exact_before: false, is_exact_behind: true };
                }
            }
            if cost >= self.enough || self.work.is_used_up() {
                return self.furthest(area, &forward, &backward);
            }
        }
    }

    /// One change more from the beginning of the area.
    fn go_forward(&mut self, area: &Area, reach: &Reach, goal: Option<&Reach>) -> Round {
        let mut round = Round::Nothing;
        let mut steps = 0;
        for diagonal in reach.diagonals() {
            let (below, above) = (self.forward.get(diagonal - 1), self.forward.get(diagonal + 1));
            let start = if below >= above { below + 1 } else { above };
            let mut old = start;
            while old < area.old.1
                && old - diagonal < area.new.1
                && self.are_equal(old, old - diagonal)
            {
                old += 1;
            }
            steps += old - start + 1;
            if old - start > LONG_RUN {
                round = Round::LongRun;
            }
            self.forward.set(diagonal, old);
            if goal.is_some_and(|goal| goal.holds(diagonal)) && self.backward.get(diagonal) <= old {
                round = Round::Met(old, old - diagonal);
                break;
            }
        }
        self.work.take(usize::try_from(steps).unwrap_or(usize::MAX));
        round
    }

    /// One change more from the end of the area.
    fn go_backward(&mut self, area: &Area, reach: &Reach, goal: Option<&Reach>) -> Round {
        let mut round = Round::Nothing;
        let mut steps = 0;
        for diagonal in reach.diagonals() {
            let (below, above) = (self.backward.get(diagonal - 1), self.backward.get(diagonal + 1));
            let start = if below < above { below } else { above - 1 };
            let mut old = start;
            while old > area.old.0
                && old - diagonal > area.new.0
                && self.are_equal(old - 1, old - diagonal - 1)
            {
                old -= 1;
            }
            steps += start - old + 1;
            if start - old > LONG_RUN {
                round = Round::LongRun;
            }
            self.backward.set(diagonal, old);
            if goal.is_some_and(|goal| goal.holds(diagonal)) && old <= self.forward.get(diagonal) {
                round = Round::Met(old, old - diagonal);
                break;
            }
        }
        self.work.take(usize::try_from(steps).unwrap_or(usize::MAX));
        round
    }

    /// The way from the beginning that got furthest for its changes and ends
    /// with a long run of equal lines.
    fn promising_forward(&self, area: &Area, reach: &Reach, cost: i64) -> Option<(i64, i64)> {
        let mut best = (PROMISING * cost, None);
        for diagonal in reach.diagonals() {
            let old = self.forward.get(diagonal);
            let new = old - diagonal;
            let reached = (old - area.old.0) + (new - area.new.0) - (diagonal - reach.middle).abs();
            let is_inside = area.old.0 + LONG_RUN <= old
                && old < area.old.1
                && area.new.0 + LONG_RUN <= new
                && new < area.new.1;
            if reached > best.0
                && is_inside
                && (1..=LONG_RUN).all(|back| self.are_equal(old - back, new - back))
            {
                best = (reached, Some((old, new)));
            }
        }
        best.1
    }

    /// The same from the end.
    fn promising_backward(&self, area: &Area, reach: &Reach, cost: i64) -> Option<(i64, i64)> {
        let mut best = (PROMISING * cost, None);
        for diagonal in reach.diagonals() {
            let old = self.backward.get(diagonal);
            let new = old - diagonal;
            let reached = (area.old.1 - old) + (area.new.1 - new) - (diagonal - reach.middle).abs();
            let is_inside = area.old.0 < old
                && old <= area.old.1 - LONG_RUN
                && area.new.0 < new
                && new <= area.new.1 - LONG_RUN;
            if reached > best.0
                && is_inside
                && (0..LONG_RUN).all(|on| self.are_equal(old + on, new + on))
            {
                best = (reached, Some((old, new)));
            }
        }
        best.1
    }

    /// The end of the way that got furthest from either corner.
    fn furthest(&self, area: &Area, forward: &Reach, backward: &Reach) -> Split {
        let mut first = (-1, -1);
        for diagonal in forward.diagonals() {
            let old = self.forward.get(diagonal).min(area.old.1);
            let (old, new) = if area.new.1 < old - diagonal {
                (area.new.1 + diagonal, area.new.1)
            } else {
                (old, old - diagonal)
            };
            if first.0 < old + new {
                first = (old + new, old);
            }
        }
        let mut last = (FAR, FAR);
        for diagonal in backward.diagonals() {
            let old = self.backward.get(diagonal).max(area.old.0);
            let (old, new) = if old - diagonal < area.new.0 {
                (area.new.0 + diagonal, area.new.0)
            } else {
                (old, old - diagonal)
            };
            if old + new < last.0 {
                last = (old + new, old);
            }
        }
        if area.old.1 + area.new.1 - last.0 < first.0 - (area.old.0 + area.new.0) {
            let (sum, old) = first;
            Split { old, new: sum - old, is_exact_before: true, is_exact_behind: false }
        } else {
            let (sum, old) = last;
            Split { old, new: sum - old, is_exact_before: false, is_exact_behind: true }
        }
    }
}
