//! What a run tells while it goes on. Nothing depends on anybody listening.

use catena_model::{Usage, Waiting};

use crate::record::{RolloutEnd, RolloutId, StageOutcome};

/// Something a watcher may want to show.
#[derive(Debug, Clone, PartialEq)]
pub enum ProgressEvent {
    /// A rollout began or is gone on with.
    RolloutStarted {
        /// Stages of its chain.
        stages: u32,
    },
    /// A round began.
    RoundStarted {
        /// Counted from 1.
        stage: u32,
        /// Counted from 1.
        round: u32,
    },
    /// An exchange with the model waits.
    Waits(Waiting),
    /// It waits so long that it gave its worker back.
    Parked,
    /// The model took a turn.
    Turn {
        /// What it took.
        usage: Usage,
    },
    /// A tool call ended.
    ToolCall {
        /// Which tool.
        tool: String,
    },
    /// A stage ended.
    StageEnded {
        /// Counted from 1.
        stage: u32,
        /// How.
        outcome: StageOutcome,
    },
    /// It ended by no fault of its own and is gone on with.
    Retried {
        /// What happened.
        reason: String,
    },
    /// A rollout ended.
    RolloutEnded {
        /// How.
        end: RolloutEnd,
    },
}

/// Somebody who watches a run.
pub trait Progress: Send + Sync {
    /// Is told of an event. Called from the run's own tasks, so it must be quick.
    fn tell(&self, rollout: &RolloutId, event: ProgressEvent);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn tell(&self, _rollout: &RolloutId, _event: ProgressEvent) {}
}
