//! One agent over one chain: stages, carry, rounds, judging, journal.
//!
//! Reading order:
//!
//! * [`run_file`]: `run.toml`, which says everything about a run.
//! * [`models`]: the models that it names.
//! * [`run`]: a run on disk, and carrying it out.
//! * [`carry`]: the tree a stage starts from.
//! * [`rollout`], `stage`: one agent over one chain.
//! * `job`: what is done in a worker, and what it means when that is lost.
//! * `serve`: what the host does for a rollout's workers, from the journal or live,
//!   and `native`, where that is a command outside the sandbox.
//! * `judging`: what judges make of a submission; `stored`, of one that is there already;
//!   [`agreement`]: how far judges agree.
//! * [`journal`], [`record`]: what is written down before anybody acts on it.
//! * [`summary`]: a rollout as its journal tells it, and [`history`] what was said in it.
//!
//! The invariant: a rollout is a function of its plan and of the answers in its
//! journal. Resuming runs it again against the journal and goes on live.

pub mod agreement;
mod asking;
pub mod carry;
mod conversations;
pub mod durable;
pub mod estimate;
pub mod history;
mod job;
pub mod journal;
mod judging;
mod ledger;
pub mod models;
mod native;
mod network;
mod places;
pub mod progress;
pub mod record;
pub mod rollout;
pub mod run;
pub mod run_file;
pub mod secrets;
mod serve;
mod stage;
pub mod stop;
mod stored;
pub mod summary;

pub use carry::{CarryError, CarryMode, CarryRecord};
pub use history::{Histories, History, Said, Strand, Turn};
pub use journal::{Journal, JournalError};
pub use models::{ModelAccess, ModelUseError};
pub use progress::{Progress, ProgressEvent};
pub use record::{Record, RolloutEnd, RolloutId, StageOutcome};
pub use run::{Run, RunError, RunOptions, Uncalibrated, Unpinned, Verified};
pub use run_file::{RunFile, RunFileError};
pub use stop::Stop;
pub use summary::{RolloutSummary, StageSummary};
