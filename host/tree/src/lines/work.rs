//! A bound on how much is compared.

/// Steps of one piece of work, some seconds of a processor. Texts that people
/// write take a thousandth of it.
const STEPS: u64 = 3_000_000_000;

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
