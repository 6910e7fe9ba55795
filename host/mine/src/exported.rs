//! Pull requests out of files that other programs exported from GitHub's API.
//!
//! Reads a list of pull requests as REST has them (`gh api --paginate
//! repos/OWNER/NAME/pulls?state=closed`) or as `gh pr list --json …` prints them.
//! What a file does not have is unknown, and not an error: REST's list has no
//! comments, only their number.

use std::path::Path;

use catena_chain::{ReadError, read};
use serde::{Deserialize, Deserializer};

use crate::github::{CachedIssue, CachedPullRequest, CachedRemark, RemarkPlace};

/// Reads an exported list. Pull requests that were not merged are left out.
pub fn load(path: &Path, repository: &str) -> Result<Vec<CachedPullRequest>, ReadError> {
    let exported: Vec<Exported> = read::json_file(path)?;
    let merged = exported.into_iter().filter(|it| it.merged_at.is_some());
    Ok(merged.map(|it| it.into_cached(repository)).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exported {
    number: u64,
    #[serde(default)]
    title: String,
    #[serde(default, deserialize_with = "or_empty")]
    body: String,
    #[serde(alias = "merged_at")]
    merged_at: Option<String>,
    #[serde(alias = "user")]
    author: Option<Account>,
    base_ref_name: Option<String>,
    base: Option<Branch>,
    merge_commit: Option<Oid>,
    #[serde(rename = "merge_commit_sha")]
    merge_commit_sha: Option<String>,
    #[serde(default)]
    labels: Vec<Label>,
    #[serde(default)]
    commits: ListOrCount<Commit>,
    #[serde(default)]
    comments: ListOrCount<Said>,
    #[serde(default)]
    reviews: ListOrCount<Said>,
    #[serde(default)]
    closing_issues_references: Vec<Issue>,
}

#[derive(Deserialize)]
struct Account {
    login: String,
    #[serde(default)]
    is_bot: bool,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(rename = "ref")]
    name: String,
}

#[derive(Deserialize)]
struct Oid {
    oid: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commit {
    oid: String,
    #[serde(default)]
    message_headline: String,
    #[serde(default)]
    message_body: String,
}

#[derive(Deserialize)]
struct Said {
    #[serde(alias = "user")]
    author: Option<Account>,
    #[serde(default, deserialize_with = "or_empty")]
    body: String,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    #[serde(default)]
    title: String,
}

/// REST tells how many there are where `gh` lists them.
#[derive(Deserialize)]
#[serde(untagged)]
enum ListOrCount<T> {
    List(Vec<T>),
    Count(#[expect(dead_code, reason = "read only to be told from a list")] u64),
}

impl<T> Default for ListOrCount<T> {
    fn default() -> Self {
        Self::Count(0)
    }
}

impl<T> ListOrCount<T> {
    fn items(self) -> Vec<T> {
        match self {
            Self::List(items) => items,
            Self::Count(_) => Vec::new(),
        }
    }
}

impl Account {
    fn is_bot(&self) -> bool {
        self.is_bot || self.kind.as_deref() == Some("Bot")
    }
}

impl Exported {
    fn into_cached(self, repository: &str) -> CachedPullRequest {
        let commit = |commit: Commit| {
            let message = format!("{}\n\n{}", commit.message_headline, commit.message_body);
            (commit.oid, message.trim_end().to_owned())
        };
        let issue = |issue: Issue| CachedIssue {
            repository: repository.to_owned(),
            number: issue.number,
            title: issue.title,
            author: None,
            body: String::new(),
        };
        let comments = self.comments.items().into_iter();
        let reviews = self.reviews.items().into_iter();
        let base = self.base.map(|base| base.name);
        CachedPullRequest {
            number: self.number,
            title: self.title,
            body: self.body,
            merged_at: self.merged_at,
            by_bot: self.author.as_ref().is_some_and(Account::is_bot),
            author: self.author.map(|author| author.login),
            base_branch: self.base_ref_name.or(base).unwrap_or_default(),
            merge_commit: self.merge_commit.map(|commit| commit.oid).or(self.merge_commit_sha),
            labels: self.labels.into_iter().map(|label| label.name).collect(),
            commits: self.commits.items().into_iter().map(commit).collect(),
            remarks: comments
                .map(|said| said.into_remark(RemarkPlace::Comment))
                .chain(reviews.map(|said| said.into_remark(RemarkPlace::Review)))
                .collect(),
            issues: self.closing_issues_references.into_iter().map(issue).collect(),
            references: Vec::new(),
        }
    }
}

impl Said {
    fn into_remark(self, place: RemarkPlace) -> CachedRemark {
        CachedRemark {
            place,
            by_bot: self.author.as_ref().is_some_and(Account::is_bot),
            author: self.author.map(|author| author.login),
            body: self.body,
        }
    }
}

/// An empty text in the place of `null`, which REST has for an empty description.
fn or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Vec<CachedPullRequest> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pulls.json");
        std::fs::write(&path, text).unwrap();
        load(&path, "owner/name").unwrap()
    }

    #[test]
    fn both_shapes_of_exports_are_read() {
        let rest = loaded(
            r#"[
                {"number": 5, "title": "Five", "body": null, "merged_at": "2024-05-02T00:00:00Z",
                 "user": {"login": "dependabot[bot]", "type": "Bot"}, "base": {"ref": "main"},
                 "merge_commit_sha": "abc", "comments": 3, "commits": 2},
                {"number": 6, "title": "Closed", "merged_at": null}
            ]"#,
        );
        let [five] = &rest[..] else { panic!("{rest:?}") };
        assert_eq!((five.number, five.by_bot, five.body.as_str()), (5, true, ""));
        assert_eq!(five.merge_commit.as_deref(), Some("abc"));
        assert_eq!(five.base_branch, "main");
        let listed = loaded(
            r#"[{"number": 7, "title": "Seven", "body": "b", "mergedAt": "2024-05-02T00:00:00Z",
                 "author": {"login": "ann", "is_bot": false}, "baseRefName": "main",
                 "mergeCommit": {"oid": "def"}, "labels": [{"name": "bug"}],
                 "commits": [{"oid": "1", "messageHeadline": "One", "messageBody": ""}],
                 "comments": [{"author": {"login": "rob"}, "body": "see #5"}],
                 "reviews": [{"author": {"login": "rob"}, "body": "", "state": "APPROVED"}],
                 "closingIssuesReferences": [{"number": 2}]}]"#,
        );
        let [seven] = &listed[..] else { panic!("{listed:?}") };
        assert_eq!(seven.commits, [("1".to_owned(), "One".to_owned())]);
        assert_eq!(seven.remarks.len(), 2);
        assert_eq!(seven.issues[0].number, 2);
    }
}
