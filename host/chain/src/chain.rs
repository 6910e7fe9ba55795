//! A chain, its stages, and what is known of the pull request behind a stage.

use catena_tree::{CommitId, TreeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::edge::Edge;
use crate::id::{ChainId, PatchDigest, StageId};
use crate::leak::Leak;
use crate::schema;

/// Dependent pull requests of one repository, oldest merge first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Unique in the file.
    pub id: ChainId,
    /// What the whole chain is about, for the agent. May be empty.
    #[serde(default)]
    pub overview: String,
    /// At least one, in merge order.
    #[schemars(length(min = 1))]
    pub stages: Vec<Stage>,
    /// Why the stages are said to belong together, as far as it is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<Edge>,
    /// What the overview gives away of any stage, all tries to avoid it over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<Leak>,
}

/// One merged pull request as a task: from `base` to `human`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Unique in the chain.
    pub id: StageId,
    /// The pull request, if the stage stands for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequest>,
    /// The merge or squash commit on the target branch.
    #[schemars(schema_with = "schema::object_id")]
    pub merge: CommitId,
    /// The state before it (`B_t`).
    pub base: Base,
    /// The tree of `merge` (`H_t`).
    #[schemars(schema_with = "schema::object_id")]
    pub human: TreeId,
    /// Committer time of `merge` in seconds since 1970.
    pub time: i64,
    /// What is known of the patch from `base` to `human`. Its text is never
    /// stored; [`Stage::reference_patch`] recomputes it.
    pub reference_patch: ReferencePatch,
    /// What the agent is asked for at this stage. May be empty in a file that
    /// a query writer has yet to see; a run refuses such a stage.
    #[serde(default)]
    pub query: String,
    /// Names that the stage's hidden tests call and that may therefore be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interface: Vec<String>,
    /// What the query gives away, all tries to avoid it over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<Leak>,
}

/// The state of the target branch before a pull request was merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The first parent of the merge or squash commit, or of the first of several
    /// commits that landed the pull request.
    #[schemars(schema_with = "schema::object_id")]
    pub commit: CommitId,
    /// Its tree.
    #[schemars(schema_with = "schema::object_id")]
    pub tree: TreeId,
    /// How many commits of the branch landed the pull request: more than one after a
    /// rebase.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1))]
    pub commits: u32,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_one(commits: &u32) -> bool {
    *commits == 1
}

/// What is known of a pull request. A clone alone knows little of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    /// Its number in the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its description; empty where unknown.
    #[serde(default)]
    pub body: String,
    /// Who opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When it was merged, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_at: Option<i64>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Issues of the repository that it closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closes: Vec<Issue>,
    /// Messages of its own commits, oldest first. A squashed one has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commit_messages: Vec<String>,
}

/// An issue that a pull request closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    /// Its number in the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its description; empty where unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

/// What is known of the patch from a stage's base to its human tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ReferencePatch {
    /// It could be computed, and applied to the base it gives the human tree.
    Available {
        /// SHA-256 of its bytes.
        sha256: PatchDigest,
        /// Its length.
        bytes: u64,
        /// Files it touches; a rename counts once.
        files: u64,
        /// Lines it adds.
        added: u64,
        /// Lines it takes away.
        deleted: u64,
    },
    /// The clone lacks objects that the patch needs, which is normal for blobs
    /// in a partial clone. The stage can still be started and carried.
    MissingObjects {
        /// Hexadecimal ids of those that were looked for in vain.
        objects: Vec<String>,
    },
}

impl Chain {
    /// The stage named `id`.
    pub fn stage(&self, id: &StageId) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.id == *id)
    }
}

impl ReferencePatch {
    /// Whether the patch could be computed where the file was made.
    pub fn is_available(&self) -> bool {
        matches!(self, Self::Available { .. })
    }
}
