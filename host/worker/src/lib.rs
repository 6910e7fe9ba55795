//! The process in which a rollout's guests live, and the pipe to it.
//!
//! * [`message`]: what crosses the pipe. The questions are the trait
//!   [`catena_plugin::Outside`]; there is no other way in or out.
//! * [`frame`]: how messages stand in the pipe.
//! * [`gate`]: which objects a worker may read, and what it may add.
//! * [`host`]: the host's end: starting a worker, serving it, ending it.
//! * [`compiler`]: components compiled by a worker, blocking.
//! * `handover`: the file for what guests write beyond a worker's memory.
//! * [`causes`]: errors as texts.
//! * [`process`]: the worker's end: one job, then the process ends.
//! * [`walls`]: what a worker gives up before guests run.
//!
//! A worker is this same program, started again with its standard input as the
//! pipe. It holds the overlay and the guests; the answers, the models and the
//! journal stay with the host. A worker that dies takes down its own job alone.

pub mod causes;
pub mod compiler;
pub mod frame;
pub mod gate;
mod handover;
pub mod host;
pub mod message;
pub mod process;
pub mod walls;

pub use causes::in_one_line;
pub use compiler::{CompileLimits, ConfinedCompiler};
pub use gate::Gate;
pub use host::{HostError, HostSide, Worker, WorkerCommand, WorkerError};
pub use message::{
    Attack, AttemptJob, CompileJob, Job, JobResult, JudgeJob, JudgeResult, TryJob, TryResult,
    WriteJob, WriteResult,
};
pub use walls::Walls;
