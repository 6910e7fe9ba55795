//! What a plugin is and what it may do.
//!
//! Reading order:
//!
//! * [`manifest`], [`units`]: `plugin.toml` as its author writes it.
//! * [`capability`], [`limits`]: what may be asked, what was granted, and how much of it.
//! * [`program`]: WASI commands that plugins start, and where a user's are kept.
//! * [`native`]: commands outside the sandbox, as they cross the pipe.
//! * [`network`]: requests to the network, as they cross the pipe, and the right to them.
//! * [`resolved`], [`check`]: a plugin found on disk, digested, and held against its world.
//! * [`engine`], [`compile`], [`cache`]: wasmtime as configured for untrusted code, and
//!   components as they are compiled and kept.
//! * [`outside`]: all that comes from beyond the sandbox, as one trait.
//! * [`refusals`]: what was refused to a plugin, by kind.
//! * [`session`]: the worktree, scratch and conversations that a rollout's guests share.
//! * [`judging`]: what judges may know beyond a submission.
//! * [`call`]: one call into a guest: a fresh instance with its limits set before it exists.
//! * `bounded`: how much is kept of what a guest hands over as it ends.
//! * `imports`: one file per interface a guest can reach.
//!
//! Only this crate and `catena-worker` name wasmtime. Generated types stay in here.

mod bindings;
mod bounded;
pub mod cache;
pub mod call;
pub mod capability;
pub mod check;
pub mod clock;
pub mod compile;
pub mod engine;
mod imports;
pub mod judging;
pub mod limits;
pub mod manifest;
mod meter;
pub mod native;
pub mod network;
pub mod outside;
pub mod program;
pub mod refusals;
pub mod resolved;
pub mod session;
mod state;
pub mod task;
pub mod units;
mod world;

pub use cache::{CacheError, CachedComponent, ComponentCache};
pub use call::{
    Attempt, AttemptEnd, CallFailure, Judged, ToolFailure, Tried, Written, attempt, evaluate,
    run_tool, start_and_end, try_tool, write_queries,
};
pub use capability::{Asked, Effective, Granted, WorkspaceAccess};
pub use check::{CheckError, check};
pub use compile::{CompileError, CompileHere, Compiled, Compiler, Face};
pub use engine::{Enforced, Engine};
pub use judging::{Heard, JudgeBrief, TestOutcome, TestResult};
pub use limits::{Limits, LimitsRequest, Used};
pub use manifest::{ManifestError, PluginKind, PluginManifest};
pub use native::{NativeBytes, NativeEnd, NativeOffer, NativeOutcome, NativeStart, Standing};
pub use network::{HttpAnswer, HttpEnd, HttpFailure, HttpRight, HttpStart, Origin};
pub use outside::{
    After, BeforeTool, Event, Exchange, NewObject, Outside, ToolAnswer, ToolEnd, ToolStart,
};
pub use program::{ProgramStore, ProgramTable, StoreError};
pub use refusals::Refusals;
pub use resolved::{Digest, ResolveError, ResolvedPlugin};
pub use session::{LoadedPlugin, Session, SessionStart};
pub use task::{
    BriefLeak, Carry, ChainBrief, Ending, Feedback, Finding, Queries, StageBrief, Submission, Task,
    Verdict,
};
