//! A bound on how much is compared.

/// Steps of one piece of work, some seconds of a processor. Texts that people
/// write take a thousandth of it.
const STEPS: u64 = 3_000_000_000;

/// So many parts may use up what they get before others get less.
const SHARES: u64 = 4;

/// How many steps are left. Steps are counted, not timed: the same input runs
/// out at the same place everywhere.
#[derive(Debug)]
pub(crate) struct Work {
    left: u64,
}

impl Default for Work {
    fn default() -> Self {
        Self { left: STEPS }
    }
}

impl Work {
    #[cfg(test)]
    pub(crate) fn of(steps: u64) -> Self {
        Self { left: steps }
    }

    /// Does a part of the work, such as one of many files, with no more than a
    /// share of what there was at first.
    pub(crate) fn share<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.left.min(STEPS / SHARES);
        let mut share = Self { left: before };
        let result = part(&mut share);
        self.left -= before - share.left;
        result
    }

    /// Takes `steps`; `false`, and nothing is left, if there are fewer.
    pub(crate) fn take(&mut self, steps: usize) -> bool {
        let left = self.left.checked_sub(steps as u64);
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    /// Whether nothing is left.
    pub(crate) fn is_used_up(&self) -> bool {
        self.left == 0
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        STEPS - self.left
    }
}
