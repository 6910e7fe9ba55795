//! The tree a stage starts from.
//!
//! The paper writes `S_init(t) = B_t ⊕ Δτ_(t-1)`. `B_t` already holds the human
//! merge of stage t-1, so the agent's patch would meet the human answer there.
//! ⊕ is read as a replay of what upstream did in between onto the agent's code:
//! a three-way merge with the human tree of stage t-1 as its base.

use catena_chain::Stage;
use catena_tree::merge::{Conflict, ConflictPolicy, Labels, MergeError, MergeRequest, merge};
use catena_tree::{ObjectDatabase, RepoPath, TreeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the tree of a stage comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CarryMode {
    /// The agent's own code, with upstream's changes merged in.
    #[default]
    Carried,
    /// The base of the stage; conversation and scratch go on.
    Oracle,
    /// The base of the stage, with a new conversation and empty scratch.
    Isolated,
}

/// Why the tree of a stage could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// The merge failed; with a missing object, because the clone is partial.
    #[error("can't carry the agent's code into stage `{stage}`")]
    Merge {
        /// The stage.
        stage: String,
        /// Why.
        source: MergeError,
    },
}

/// How the tree of a stage came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "carry", rename_all = "kebab-case")]
pub enum CarryRecord {
    /// The stage's base, as nothing is carried into it.
    Fresh {
        /// The tree, which is `B_t`.
        tree: TreeId,
    },
    /// A three-way merge.
    Merge {
        /// The human tree of the stage before, `H_(t-1)`.
        base: TreeId,
        /// The agent's tree, `A_(t-1)`.
        ours: TreeId,
        /// The base of the stage, `B_t`.
        theirs: TreeId,
        /// The result.
        tree: TreeId,
        /// Paths on which both sides disagree; none when it merged.
        conflicts: Vec<Conflict>,
        /// Paths where resolving a conflict brought content of `B_t`, and with
        /// it perhaps the human answer of the stage before, to the agent.
        carry_leaks_reference: Vec<RepoPath>,
    },
}

impl CarryRecord {
    /// The tree the stage starts from.
    pub fn tree(&self) -> TreeId {
        match self {
            Self::Fresh { tree } | Self::Merge { tree, .. } => *tree,
        }
    }

    /// The paths on which the merge disagreed.
    pub fn conflicts(&self) -> &[Conflict] {
        match self {
            Self::Fresh { .. } => &[],
            Self::Merge { conflicts, .. } => conflicts,
        }
    }

    /// One word for tables: `fresh`, `clean`, `merged` or `conflict`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Fresh { .. } => "fresh",
            Self::Merge { conflicts, .. } if !conflicts.is_empty() => "conflict",
            Self::Merge { base, theirs, .. } if base == theirs => "clean",
            Self::Merge { .. } => "merged",
        }
    }
}

/// What the agent left behind at a stage.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// The agent's accepted tree.
    pub tree: TreeId,
}

/// Makes the tree of `stage` from what the agent left at the stage before, if
/// anything is carried at all.
pub fn carry(
    database: &ObjectDatabase,
    stage: &Stage,
    left: Option<Left<'_>>,
    policy: ConflictPolicy,
    union: &[String],
) -> Result<CarryRecord, CarryError> {
    let Some(left) = left else {
        return Ok(CarryRecord::Fresh { tree: stage.base.tree });
    };
    let request = MergeRequest {
        base: left.stage.human,
        ours: left.tree,
        theirs: stage.base.tree,
        policy,
        labels: Labels { ours: "yours".to_owned(), theirs: "upstream".to_owned() },
        union: union.to_vec(),
    };
    let merged = merge(database, &request)
        .map_err(|source| CarryError::Merge { stage: stage.id.to_string(), source })?;
    Ok(CarryRecord::Merge {
        base: request.base,
        ours: request.ours,
        theirs: request.theirs,
        tree: merged.tree,
        conflicts: merged.conflicts,
        carry_leaks_reference: merged.from_theirs,
    })
}
