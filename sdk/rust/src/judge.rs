//! Judges: they score a submission, apart from the agent.

pub use crate::bindings::imports::catena::plugin::judging::{
    Judgement, Setting, TestOutcome, TestResult, describe, heard, interface, keep, kept,
    report_tests, round, tests,
};
pub use crate::bindings::judge_plugin::exports::catena::plugin::judge::{
    Finding, JudgeError, Submission, Verdict,
};
use crate::{
    bindings::judge_plugin::exports::catena::plugin::judge::Guest, config::ConfigError,
    model::ModelError, process::ProcessError, workspace::WorkspaceError,
};

/// A judge plugin. [`export_judge!`](crate::export_judge) makes a type with this
/// trait the one the host calls.
///
/// Where `workspace` is granted for reading, the sealed snapshots are mounted at
/// `/base`, `/candidate` and `/reference`. Granted for writing too, the judge has
/// a worktree of its own, which the programs that it starts see in their place.
pub trait Judge {
    /// Judges one submission. Every call gets a fresh instance.
    fn evaluate(submission: Submission) -> Result<Verdict, JudgeError>;
}

impl<T: Judge> Guest for T {
    fn evaluate(submission: Submission) -> Result<Verdict, JudgeError> {
        T::evaluate(submission)
    }
}

/// Makes a type with [`Judge`](crate::Judge) the plugin's judge.
#[macro_export]
macro_rules! export_judge {
    ($judge:ident) => {
        $crate::bindings::judge_plugin::export_judge_plugin!(
            $judge with_types_in $crate::bindings::judge_plugin
        );
    };
}

impl From<ConfigError> for JudgeError {
    fn from(err: ConfigError) -> Self {
        Self::InvalidConfig(err.to_string())
    }
}

impl From<ModelError> for JudgeError {
    fn from(err: ModelError) -> Self {
        Self::NoVerdict(err.to_string())
    }
}

impl From<ProcessError> for JudgeError {
    fn from(err: ProcessError) -> Self {
        Self::NoVerdict(err.to_string())
    }
}

impl From<WorkspaceError> for JudgeError {
    fn from(err: WorkspaceError) -> Self {
        Self::NoVerdict(err.to_string())
    }
}

impl From<std::io::Error> for JudgeError {
    fn from(err: std::io::Error) -> Self {
        Self::NoVerdict(err.to_string())
    }
}
