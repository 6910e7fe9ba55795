//! How much was left after each condition.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Reason;

/// How many rollouts, stages or samples were left after a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunnelStep {
    /// What was asked, by the reason of those that fell out. The first step, all
    /// that there were, has none.
    pub reason: Option<Reason>,
    /// How many fell out.
    pub out: u64,
    /// How many were left.
    pub left: u64,
}

/// Counts by what became of each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Funnel {
    fell: BTreeMap<Reason, u64>,
    used: u64,
}

impl Funnel {
    pub(crate) fn fell(&mut self, reason: Reason) {
        *self.fell.entry(reason).or_default() += 1;
    }

    pub(crate) fn used(&mut self) {
        self.used += 1;
    }

    /// Counts one that fell out for this reason, or was used.
    pub(crate) fn add(&mut self, reason: Option<Reason>) {
        match reason {
            Some(reason) => self.fell(reason),
            None => self.used(),
        }
    }

    /// The steps, in the order in which conditions are asked.
    pub(crate) fn steps(&self) -> Vec<FunnelStep> {
        let mut left = self.used + self.fell.values().sum::<u64>();
        let mut steps = vec![FunnelStep { reason: None, out: 0, left }];
        for (reason, out) in &self.fell {
            left -= out;
            steps.push(FunnelStep { reason: Some(*reason), out: *out, left });
        }
        steps
    }
}
