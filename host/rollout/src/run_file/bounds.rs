//! Bounds on a whole rollout and on a run: `[budget]` and `[workspace]`.

use catena_model::{Bounds, Usd};
use catena_plugin::units::ByteSize;
use catena_tree::worktree::{PathPatterns, Policy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bounds on what one rollout may consume at the model, and of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Exchanges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    /// Tokens in and out, cached ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<Usd>,
    /// Linear memory of all guests of its agent that live at one time, each of which is
    /// within its own limit too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_memory: Option<ByteSize>,
    /// Bytes of the rollout's journal, with all texts as often as they were told; 256 MiB
    /// where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<ByteSize>,
    /// Bounds on all rollouts of the run together.
    #[serde(default, skip_serializing_if = "RunBudget::is_nothing")]
    pub run: RunBudget,
}

/// Bounds on what all rollouts of a run may consume together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunBudget {
    /// Tokens in and out, cached ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<Usd>,
}

impl RunBudget {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What the run's account is bounded by.
    pub fn bounds(&self) -> Bounds {
        Bounds { tokens: self.tokens, usd: self.usd }
    }
}

impl Budget {
    /// Bytes that the rollout's journal may come to.
    pub fn most_journal(&self) -> ByteSize {
        self.journal.unwrap_or(ByteSize(256 << 20))
    }

    /// What a rollout's account is bounded by.
    pub fn bounds(&self) -> Bounds {
        Bounds { tokens: self.tokens, usd: self.usd }
    }
}

/// What an agent may add to the worktree over the tree its stage began with, and
/// which of its paths are protected from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WorkspaceUse {
    /// Bytes of files.
    pub bytes: ByteSize,
    /// Files, directories and symlinks.
    pub entries: u64,
    /// What an agent's worktree and scratch may take of a worker's memory; the rest
    /// of what is written goes to the run's disk.
    pub memory: ByteSize,
    /// Patterns, in the form of `.gitignore`, of paths that agents can't change.
    #[serde(skip_serializing_if = "PathPatterns::is_empty")]
    pub read_only: PathPatterns,
    /// Such patterns of paths that do not exist for agents.
    #[serde(skip_serializing_if = "PathPatterns::is_empty")]
    pub hidden: PathPatterns,
}

impl WorkspaceUse {
    /// What is protected from agents.
    pub fn policy(&self) -> Policy {
        Policy { read_only: self.read_only.clone(), hidden: self.hidden.clone() }
    }
}

impl Default for WorkspaceUse {
    fn default() -> Self {
        Self {
            bytes: ByteSize(256 << 20),
            entries: 50_000,
            memory: ByteSize(64 << 20),
            read_only: PathPatterns::default(),
            hidden: PathPatterns::default(),
        }
    }
}
