//! How many rollouts were left after each condition.

use std::collections::BTreeMap;

use crate::manifest::FunnelStep;
use crate::select::Reason;

/// Counts of rollouts by what became of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Funnel {
    fell: BTreeMap<Reason, u64>,
    used: u64,
}

impl Funnel {
    pub(super) fn fell(&mut self, reason: Reason) {
        *self.fell.entry(reason).or_default() += 1;
    }

    pub(super) fn used(&mut self) {
        self.used += 1;
    }

    /// The steps, in the order in which conditions are asked.
    pub(super) fn steps(&self) -> Vec<FunnelStep> {
        let mut left = self.used + self.fell.values().sum::<u64>();
        let mut steps = vec![FunnelStep { reason: None, out: 0, left }];
        for (reason, out) in &self.fell {
            left -= out;
            steps.push(FunnelStep { reason: Some(*reason), out: *out, left });
        }
        steps
    }
}
