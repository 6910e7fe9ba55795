//! What a session ends with.

use std::collections::BTreeMap;

use catena_model::ConversationId;
use catena_tree::{CacheUse, TreeId};
use serde::{Deserialize, Serialize};

use crate::limits::Used;

/// What a session ends with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// The worktree.
    pub worktree: TreeId,
    /// Scratch directories.
    pub scratch: TreeId,
    /// Named snapshots.
    pub snapshots: BTreeMap<String, TreeId>,
    /// What guests changed in conversations since the last exchange.
    pub edits: Vec<(ConversationId, catena_model::Edit)>,
    /// What each plugin used.
    pub used: BTreeMap<String, Used>,
    /// Most bytes that were added to the worktree at any time.
    pub workspace_bytes: u64,
    /// Most entries that were added to the worktree at any time.
    pub workspace_entries: u64,
    /// Writes that the quota refused.
    pub workspace_refused: u64,
    /// Changes that the policy refused.
    #[serde(default)]
    pub workspace_protected: u64,
    /// Most bytes of what guests wrote that were in memory at any time, snapshots
    /// included.
    #[serde(default)]
    pub workspace_memory: u64,
    /// Most bytes of it that were on disk at any time.
    #[serde(default)]
    pub workspace_spilled: u64,
    /// Most bytes of linear memory that the guests had together at any time.
    #[serde(default)]
    pub guest_memory: u64,
    /// Whether wall-clock time ended the scaffold or a program that it started, so
    /// that the same round might come to another end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
    /// Objects that the worker had at hand. A replay by another version may differ.
    #[serde(default)]
    pub cache: CacheUse,
}

impl SessionEnd {
    /// What stands where a worker was lost: what there was before, and nothing that it can
    /// be made again from.
    pub fn lost(worktree: TreeId, scratch: TreeId, snapshots: BTreeMap<String, TreeId>) -> Self {
        Self {
            worktree,
            scratch,
            snapshots,
            edits: Vec::new(),
            used: BTreeMap::new(),
            workspace_bytes: 0,
            workspace_entries: 0,
            workspace_refused: 0,
            workspace_protected: 0,
            workspace_memory: 0,
            workspace_spilled: 0,
            guest_memory: 0,
            timed_out: true,
            cache: CacheUse::default(),
        }
    }
}

/// Why a session could not be brought to its end.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The worktree can't be turned into a tree.
    #[error("can't take a snapshot of the worktree")]
    Snapshot(#[from] catena_tree::worktree::FsError),
    /// What a tool call left can't be kept, or can't be had any more.
    #[error("can't go on after a tool call: {0}")]
    Broken(String),
    /// The objects can't be handed over.
    #[error("can't hand over the snapshot's objects")]
    Objects(#[from] catena_tree::ObjectError),
}
