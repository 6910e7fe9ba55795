//! What a session begins with.

use std::collections::BTreeMap;

use catena_model::{Conversation, ConversationId, ModelInfo};
use catena_tree::TreeId;
use catena_tree::worktree::Policy;
use serde::{Deserialize, Serialize};

/// The human answer, as a control may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The human tree.
    pub tree: TreeId,
    /// The patch from the stage's base, or why there is none.
    pub patch: Result<serde_bytes::ByteBuf, String>,
}

/// What a session begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionStart {
    /// The worktree.
    pub worktree: TreeId,
    /// What the stage's worktree was at its beginning.
    pub stage_start: TreeId,
    /// Scratch directories, as one tree with `tmp` and `home`.
    pub scratch: TreeId,
    /// Named snapshots.
    pub snapshots: BTreeMap<String, TreeId>,
    /// The conversation handed to the scaffold.
    pub conversation: ConversationId,
    /// What it holds.
    pub history: Conversation,
    /// The first id for conversations that guests open.
    pub next_conversation: u32,
    /// The model, where the run gives one.
    pub model: Option<ModelInfo>,
    /// The human answer, for controls.
    pub reference: Option<Reference>,
    /// Unix time at which the logical clock starts.
    pub time: i64,
    /// Seed of the guests' random numbers.
    pub seed: u64,
    /// Bytes that may be added to the worktree; the scratch has the same again.
    pub quota_bytes: u64,
    /// Entries that may be added to the worktree; the scratch has the same again.
    pub quota_entries: u64,
    /// Which paths of the worktree guests may not change or not see.
    pub policy: Policy,
    /// Bytes that worktree and scratch may have in memory before what guests write
    /// goes to disk.
    pub memory: u64,
    /// Bytes of linear memory that all guests that live at one time may have together,
    /// each within its own limit.
    pub guest_memory: u64,
}

impl SessionStart {
    /// A session on one tree, with an empty conversation and nothing granted from
    /// beyond the sandbox: no model, no human answer. 1 GiB and 100,000 entries may
    /// be added.
    pub fn on(tree: TreeId) -> Self {
        Self {
            worktree: tree,
            stage_start: tree,
            scratch: TreeId::EMPTY,
            snapshots: BTreeMap::new(),
            conversation: ConversationId(0),
            history: Conversation::default(),
            next_conversation: 1,
            model: None,
            reference: None,
            time: 1_700_000_000,
            seed: 0,
            quota_bytes: 1 << 30,
            quota_entries: 100_000,
            policy: Policy::default(),
            memory: 64 << 20,
            guest_memory: u64::MAX,
        }
    }
}
