//! What is asked of plugins and what they answer, as plain data of our own.
//! The generated types of the same meaning stay inside this crate.

use catena_tree::RepoPath;
use serde::{Deserialize, Serialize};

/// How a stage's worktree came about, as a scaffold is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carry {
    /// Nothing was carried.
    Fresh,
    /// Upstream did not change in between.
    Clean,
    /// Upstream's changes were merged into the agent's code.
    Merged,
    /// Some did not merge: path and kind.
    Conflicted(Vec<(RepoPath, String)>),
}

/// What the judge let the agent know about the round before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// 0 to 1.
    pub score: f64,
    /// The score that would have been enough.
    pub threshold: f64,
    /// The judge's words.
    pub text: String,
}

/// One round at one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Counted from 1.
    pub stage: u32,
    /// Stages of the chain.
    pub stages: u32,
    /// Counted from 1.
    pub round: u32,
    /// Most rounds there can be.
    pub rounds: u32,
    /// What the whole chain is about.
    pub overview: String,
    /// What this stage asks for.
    pub query: String,
    /// Names that the code must offer.
    pub interface: Vec<String>,
    /// How the worktree came about.
    pub carry: Carry,
    /// Present from round 2 on.
    pub feedback: Option<Feedback>,
}

/// How an agent ended its round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It says that it is done.
    Submitted,
    /// A limit the scaffold keeps itself was reached.
    LimitReached(String),
    /// It stopped without claiming to be done.
    GaveUp(String),
    /// A way this version has no case for.
    Other(String),
}

/// What is to be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Counted from 1.
    pub stage: u32,
    /// Stages of the chain.
    pub stages: u32,
    /// What the whole chain is about.
    pub overview: String,
    /// What the stage asks for.
    pub query: String,
    /// From the tree the stage began with to the agent's.
    #[serde(with = "serde_bytes")]
    pub candidate_patch: Vec<u8>,
    /// From the stage's base to the human tree.
    #[serde(with = "serde_bytes")]
    pub reference_patch: Vec<u8>,
}

/// One thing a judge found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Short and lower-case.
    pub category: String,
    /// The file it is about.
    pub path: Option<String>,
    /// In words.
    pub text: String,
}

/// A judge's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// 0 to 1.
    pub score: f64,
    /// What it found.
    pub findings: Vec<Finding>,
    /// For the agent.
    pub feedback: String,
    /// For people.
    pub rationale: String,
}

/// A chain that queries are to be written for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainBrief {
    /// Such as `owner/name`.
    pub repository: String,
    /// Its pull requests, in order.
    pub stages: Vec<StageBrief>,
    /// What the last try gave away; empty on the first one.
    pub leaks: Vec<BriefLeak>,
}

/// One pull request of a [`ChainBrief`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageBrief {
    /// Its title.
    pub title: String,
    /// Its description.
    pub body: String,
    /// Messages of its commits, oldest first.
    pub commit_messages: Vec<String>,
    /// With all git headers.
    #[serde(with = "serde_bytes")]
    pub reference_patch: Vec<u8>,
    /// Names that may be told.
    pub interface: Vec<String>,
}

/// What the last try of a writer gave away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BriefLeak {
    /// Counted from 1; 0 is the overview.
    pub stage: u32,
    /// Such as `identifier`.
    pub kind: String,
    /// The words that give it away.
    pub excerpt: String,
}

/// What a writer wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queries {
    /// What the whole chain is about.
    pub overview: String,
    /// One for each stage, in order.
    pub stages: Vec<String>,
}
