//! What a judge may know beyond the submission, and what it tells of tests, as plain
//! data of our own. Nothing here reaches an agent.

use serde::{Deserialize, Serialize};

use crate::call::Judged;

/// Most tests that one judge can tell of.
pub const MAX_TESTS: usize = 20_000;

/// Bytes that a judge keeps for later rounds at most.
pub const MAX_NOTE: usize = 4 << 20;

/// What a judge may ask.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JudgeBrief {
    /// Which try at the stage this is, counted from 1.
    pub round: u32,
    /// Names that the stage's own tests call.
    pub interface: Vec<String>,
    /// The judges heard before in this round.
    pub heard: Vec<Heard>,
    /// What they told of tests.
    pub tests: Vec<TestResult>,
}

/// A judge that was heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// The plugin's name.
    pub judge: String,
    /// What it said.
    pub judged: Judged,
}

/// How a test ended on one tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestOutcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was skipped.
    Skipped,
    /// It is not there, or did not come to run.
    Missing,
    /// A way this version has no case for.
    Other(String),
}

/// One test on the three trees of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// As its runner names it.
    pub name: String,
    /// On the tree the stage began with.
    pub base: TestOutcome,
    /// On the submission.
    pub candidate: TestOutcome,
    /// On the human tree.
    pub reference: TestOutcome,
}
