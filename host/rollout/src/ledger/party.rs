//! Who asks models in a rollout: its agent, or its judges. They pay apart.

use std::sync::Arc;

use catena_model::Account;

/// Who asks models: what they may spend, and how often they asked.
pub(super) struct Party {
    pub(super) account: Arc<Account>,
    most_turns: Option<u64>,
    pub(super) turns: Turns,
}

impl Party {
    pub(super) fn new(account: Arc<Account>, most_turns: Option<u64>) -> Self {
        Self { account, most_turns, turns: Turns::default() }
    }

    pub(super) fn add_turn(&mut self) {
        self.turns.all += 1;
        self.turns.of_stage += 1;
    }

    pub(super) fn is_out_of_turns(&self) -> bool {
        self.most_turns.is_some_and(|limit| self.turns.all >= limit)
    }
}

/// Exchanges, in all and at the stage at work.
#[derive(Clone, Copy, Default)]
pub(super) struct Turns {
    pub(super) all: u64,
    pub(super) of_stage: usize,
}
