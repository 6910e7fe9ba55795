//! A bound on how much is compared.

use crate::deadline::Deadline;

/// Steps of one piece of work, some seconds of a processor. Texts that people
/// write take a thousandth of it.
const STEPS: u64 = 3_000_000_000;

/// So many parts may use up what they get before others get less.
const SHARES: u64 = 4;

/// Steps between two looks at the clock, some milliseconds.
const LOOK: u64 = 1 << 22;

/// How many steps are left. Steps are counted, not timed: the same input runs
/// out at the same place everywhere. Work that somebody waits for also ends at a
/// [`Deadline`], and has no result then.
#[derive(Debug)]
pub(crate) struct Work {
    left: u64,
    deadline: Deadline,
    /// Steps until the next look at the clock.
    until_look: u64,
    is_late: bool,
}

impl Default for Work {
    fn default() -> Self {
        Self::until(Deadline::NEVER)
    }
}

impl Work {
    /// Work that is wanted until then.
    pub(crate) fn until(deadline: Deadline) -> Self {
        Self { left: STEPS, deadline, until_look: LOOK, is_late: false }
    }

    #[cfg(test)]
    pub(crate) fn of(steps: u64) -> Self {
        Self { left: steps, ..Self::default() }
    }

    /// Does a part of the work, such as one of many files, with no more than a
    /// share of what there was at first.
    pub(crate) fn share<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.left.min(STEPS / SHARES);
        let mut share = Self { left: before, ..*self };
        let result = part(&mut share);
        let left = self.left - (before - share.left);
        *self = Self { left: if share.is_late { 0 } else { left }, ..share };
        result
    }

    /// Takes `steps`; `false`, and nothing is left, if there are fewer or it is
    /// too late.
    pub(crate) fn take(&mut self, steps: usize) -> bool {
        let steps = steps as u64;
        if steps >= self.until_look {
            self.until_look = LOOK;
            self.is_late |= self.deadline.is_past();
        } else {
            self.until_look -= steps;
        }
        let left = if self.is_late { None } else { self.left.checked_sub(steps) };
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    /// Whether nothing is left.
    pub(crate) fn is_used_up(&self) -> bool {
        self.left == 0
    }

    /// Whether its time was up, so that what came of it is no result.
    pub(crate) fn is_late(&self) -> bool {
        self.is_late
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        STEPS - self.left
    }
}
