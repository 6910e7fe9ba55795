//! GitHub's answers as they come over the wire.
//!
//! Fields are optional where GitHub's schema says so: the account behind a
//! comment may be deleted, and a connection may be withheld.

use serde::Deserialize;

/// The body of an answer.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    pub(super) data: Option<T>,
    #[serde(default)]
    pub(super) errors: Vec<Complaint>,
}

/// One entry of `errors`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Complaint {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) path: Vec<serde_json::Value>,
    pub(super) extensions: Option<Extensions>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Extensions {
    pub(super) code: Option<String>,
}

/// What is left of the hour's points.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateLimit {
    pub(super) limit: u64,
    pub(super) cost: u64,
    pub(super) remaining: u64,
    /// As GitHub writes times.
    pub(super) reset_at: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RepositoryAnswer {
    pub(super) repository: Option<Repository>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Repository {
    pub(super) id: String,
    pub(super) name_with_owner: String,
    pub(super) license_info: Option<License>,
    pub(super) default_branch_ref: Option<Named>,
    pub(super) pull_requests: Count,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct License {
    pub(super) spdx_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Count {
    pub(super) total_count: u64,
}

/// An answer whose root is one object found by its id.
#[derive(Debug, Deserialize)]
pub(super) struct NodeAnswer<T> {
    pub(super) node: Option<T>,
}

/// An answer whose root is many objects found by their ids.
#[derive(Debug, Deserialize)]
pub(super) struct NodesAnswer {
    pub(super) nodes: Vec<Option<PullRequest>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListingPage {
    pub(super) pull_requests: Page<Listed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) number: u64,
    pub(super) updated_at: String,
    pub(super) merged_at: Option<String>,
}

/// One page of a connection.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    pub(super) page_info: PageInfo,
    #[serde(default = "Option::default")]
    pub(super) nodes: Option<Vec<Option<T>>>,
}

impl<T> Page<T> {
    /// Its items; what is withheld is left out.
    pub(super) fn items(&self) -> impl Iterator<Item = &T> {
        self.nodes.iter().flatten().flatten()
    }

    /// Where the next page begins, if there is one.
    pub(super) fn next(&self) -> Option<&str> {
        self.page_info.end_cursor.as_deref().filter(|_| self.page_info.has_next_page)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    pub(super) has_next_page: bool,
    pub(super) end_cursor: Option<String>,
}

/// Somebody, or a program.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Who {
    #[serde(rename = "__typename")]
    pub(super) kind: String,
    pub(super) login: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PullRequest {
    pub(super) id: String,
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) created_at: String,
    pub(super) updated_at: String,
    pub(super) merged_at: Option<String>,
    pub(super) author: Option<Who>,
    pub(super) base_ref_name: String,
    pub(super) head_ref_oid: String,
    pub(super) merge_commit: Option<Oid>,
    #[serde(flatten)]
    pub(super) connections: Connections,
}

/// The connections of a pull request, as far as a query asks for them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Connections {
    pub(super) labels: Option<Page<Named>>,
    pub(super) commits: Option<Page<CommitItem>>,
    pub(super) files: Option<Page<File>>,
    pub(super) comments: Option<Page<Remark>>,
    pub(super) reviews: Option<Page<Remark>>,
    pub(super) review_threads: Option<Page<Thread>>,
    pub(super) closing_issues_references: Option<Page<Issue>>,
    pub(super) timeline_items: Option<Page<Reference>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Oid {
    pub(super) oid: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct CommitItem {
    pub(super) commit: Commit,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Commit {
    pub(super) oid: String,
    pub(super) message: String,
    pub(super) author: Option<GitActor>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct GitActor {
    pub(super) name: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub(super) path: String,
    pub(super) additions: i64,
    pub(super) deletions: i64,
    pub(super) change_type: String,
}

/// A comment, a review, or a comment of a review thread.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remark {
    pub(super) id: String,
    pub(super) author: Option<Who>,
    pub(super) created_at: String,
    /// Of a review alone.
    pub(super) state: Option<String>,
    pub(super) body: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Thread {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) comments: Page<Remark>,
}

/// A further page of a review thread.
#[derive(Debug, Deserialize)]
pub(super) struct ThreadComments {
    pub(super) comments: Page<Remark>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Issue {
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) author: Option<Who>,
    pub(super) repository: InRepository,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InRepository {
    pub(super) name_with_owner: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reference {
    pub(super) id: String,
    pub(super) actor: Option<Who>,
    pub(super) created_at: String,
    pub(super) will_close_target: bool,
    pub(super) source: Source,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Source {
    #[serde(rename = "__typename")]
    pub(super) kind: String,
    pub(super) number: u64,
    pub(super) repository: InRepository,
}
