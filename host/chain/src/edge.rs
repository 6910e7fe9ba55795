//! Why one stage is said to depend on another.

use catena_tree::CommitId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::StageId;
use crate::schema;

/// A later stage refers to an earlier one. An edge is as good as its evidence,
/// so all of it is kept. A clone alone sees few of them (about 5 % on scipy,
/// where most references stand in comments), and their absence means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// The stage that refers.
    pub from: StageId,
    /// The earlier stage it refers to.
    pub to: StageId,
    /// Where this was seen; at least one.
    #[schemars(length(min = 1))]
    pub evidence: Vec<Evidence>,
}

/// One place that speaks for an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// What kind of dependency the place tells of.
    pub kind: EdgeKind,
    /// Where it stands.
    pub place: Place,
    /// Who wrote it, where that is known and not the author of the later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The words or lines in question, shortened.
    pub excerpt: String,
}

/// Kinds of dependency.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeKind {
    /// Repairs what the earlier one did.
    Fixes,
    /// Takes the earlier one back.
    Reverts,
    /// Replaces the earlier one.
    Supersedes,
    /// Says that it continues the earlier one.
    FollowsUp,
    /// Cites the earlier one without saying why.
    Mentions,
    /// Changes lines that the earlier one wrote.
    TouchesLinesOf,
}

/// Where evidence stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Place {
    /// The title of the later pull request.
    Title,
    /// The description of the later pull request.
    Body,
    /// The message of the merge or squash commit.
    MergeMessage,
    /// The message of one of its commits.
    CommitMessage {
        /// Which.
        #[schemars(schema_with = "schema::object_id")]
        commit: CommitId,
    },
    /// A comment under it.
    Comment,
    /// A review of it, or a remark on one of its lines.
    Review,
    /// A comment or review under the earlier pull request, which names the later.
    UnderEarlier,
    /// An issue that the later pull request closed.
    Issue {
        /// Its number.
        issue: u64,
    },
    /// GitHub's list of where the earlier pull request is mentioned.
    CrossReference,
    /// Lines of a file, by blame.
    Lines {
        /// The file at the later pull request's base.
        path: String,
    },
}
