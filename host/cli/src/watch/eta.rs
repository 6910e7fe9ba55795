//! How long what was begun may still take, by what it took so far.

use std::time::Duration;

/// Stages of the rollouts that were begun.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    begun: u64,
    ended: u64,
}

impl Pace {
    /// A rollout of so many stages was begun.
    pub(super) fn begin(&mut self, stages: u32) {
        self.begun += u64::from(stages);
    }

    /// A stage ended.
    pub(super) fn stage_ended(&mut self) {
        self.ended += 1;
    }

    /// A rollout ended after so many of its stages; the others do not come.
    pub(super) fn end(&mut self, stages: u32, after: u32) {
        self.begun -= u64::from(stages.saturating_sub(after)).min(self.begun);
    }

    /// A rollout begins again.
    pub(super) fn forget(&mut self, stages: u32, after: u32) {
        self.begun -= u64::from(stages).min(self.begun);
        self.ended -= u64::from(after).min(self.ended);
    }

    /// What the stages that have not ended take, if they take as long as those
    /// that have. Unknown before one has.
    pub(super) fn left(&self, elapsed: Duration) -> Option<Duration> {
        let open = self.begun.saturating_sub(self.ended);
        if self.ended == 0 || open == 0 {
            return None;
        }
        let millis = u64::try_from(elapsed.as_millis()).ok()?;
        Some(Duration::from_millis(millis.saturating_mul(open) / self.ended))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_the_stages_that_ended() {
        let mut pace = Pace::default();
        pace.begin(3);
        pace.begin(3);
        assert_eq!(pace.left(Duration::from_secs(10)), None);
        pace.stage_ended();
        pace.stage_ended();
        assert_eq!(pace.left(Duration::from_secs(10)), Some(Duration::from_secs(20)));
        // The first was rejected at its second stage.
        pace.end(3, 2);
        assert_eq!(pace.left(Duration::from_secs(10)), Some(Duration::from_secs(15)));
    }
}
