//! What the cache tells of pull requests.

use std::collections::BTreeMap;

use rusqlite::Row;

use super::{Cache, CacheError};

/// Where a remark stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemarkPlace {
    /// Under the pull request.
    Comment,
    /// In the summary of a review.
    Review,
    /// On a line, in a review thread.
    Thread,
}

impl RemarkPlace {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Comment => "comment",
            Self::Review => "review",
            Self::Thread => "thread",
        }
    }
}

/// A pull request of which all is known that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedPullRequest {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its description.
    pub body: String,
    /// When it was merged, as GitHub writes it.
    pub merged_at: Option<String>,
    /// Who opened it; nobody where the account was deleted.
    pub author: Option<String>,
    /// Whether GitHub knows the author as a program.
    pub by_bot: bool,
    /// The branch it was merged into.
    pub base_branch: String,
    /// The commit that landed it.
    pub merge_commit: Option<String>,
    /// Its labels.
    pub labels: Vec<String>,
    /// Its commits, oldest first: id and message.
    pub commits: Vec<(String, String)>,
    /// Comments, reviews and remarks on lines.
    pub remarks: Vec<CachedRemark>,
    /// Issues it closed.
    pub issues: Vec<CachedIssue>,
    /// Places that mention it.
    pub references: Vec<CachedReference>,
}

/// Something said under a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedRemark {
    /// Where.
    pub place: RemarkPlace,
    /// By whom; nobody where the account was deleted.
    pub author: Option<String>,
    /// Whether GitHub knows the author as a program.
    pub by_bot: bool,
    /// What.
    pub body: String,
}

/// An issue that a pull request closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedIssue {
    /// The repository it is of.
    pub repository: String,
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Who opened it.
    pub author: Option<String>,
    /// Its description.
    pub body: String,
}

/// A mention of a pull request in another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedReference {
    /// The pull request that mentions it.
    pub from: u64,
    /// Who wrote the mention.
    pub actor: Option<String>,
    /// Whether merging that one was to close this one.
    pub closes: bool,
}

impl Cache {
    /// Pull requests of which all is known, by number.
    pub fn pull_requests(&mut self) -> Result<Vec<CachedPullRequest>, CacheError> {
        let mut found: BTreeMap<u64, CachedPullRequest> = self
            .rows(
                "SELECT number, title, body, merged_at, author, author_kind, base_branch,
                     merge_commit
                 FROM pull_request
                 WHERE fetched_at IS NOT NULL AND NOT gone
                     AND number NOT IN (SELECT number FROM open_page)",
                pull_request,
            )?
            .into_iter()
            .collect();
        let labels = "SELECT number, name FROM label ORDER BY number, ordinal";
        self.spread(labels, |row| row.get(1), &mut found, |it| &mut it.labels)?;
        let commits =
            "SELECT number, id, message FROM pull_request_commit ORDER BY number, ordinal";
        let pair = |row: &Row<'_>| Ok((row.get(1)?, row.get(2)?));
        self.spread(commits, pair, &mut found, |it| &mut it.commits)?;
        let remarks = "SELECT number, place, author, author_kind, body FROM remark
                       ORDER BY number, created_at, place, thread, ordinal";
        self.spread(remarks, remark, &mut found, |it| &mut it.remarks)?;
        let issues = "SELECT number,
                          CASE WHEN repository IN (SELECT name FROM former_name)
                              THEN (SELECT name FROM repository) ELSE repository END,
                          issue, title, author, body
                      FROM closing_issue ORDER BY number, ordinal";
        self.spread(issues, issue, &mut found, |it| &mut it.issues)?;
        let references = "SELECT number, source, actor, closes FROM cross_reference
                          WHERE source_kind = 'pull-request'
                              AND (source_repository = (SELECT name FROM repository)
                                  OR source_repository IN (SELECT name FROM former_name))
                          ORDER BY number, ordinal";
        self.spread(references, reference, &mut found, |it| &mut it.references)?;
        Ok(found.into_values().collect())
    }

    fn rows<T>(
        &mut self,
        query: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<(u64, T)>, CacheError> {
        self.with(|transaction| {
            let mut statement = transaction.prepare(query)?;
            let rows = statement.query_map([], |row| Ok((unsigned(row, 0)?, read(row)?)))?;
            rows.collect()
        })
    }

    /// Puts what a query finds under the pull requests it belongs to.
    fn spread<T>(
        &mut self,
        query: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        found: &mut BTreeMap<u64, CachedPullRequest>,
        list: impl Fn(&mut CachedPullRequest) -> &mut Vec<T>,
    ) -> Result<(), CacheError> {
        for (number, item) in self.rows(query, read)? {
            if let Some(pull_request) = found.get_mut(&number) {
                list(pull_request).push(item);
            }
        }
        Ok(())
    }
}

fn pull_request(row: &Row<'_>) -> rusqlite::Result<CachedPullRequest> {
    Ok(CachedPullRequest {
        number: unsigned(row, 0)?,
        title: row.get(1)?,
        body: row.get(2)?,
        merged_at: row.get(3)?,
        author: row.get(4)?,
        by_bot: is_bot(row, 5)?,
        base_branch: row.get(6)?,
        merge_commit: row.get(7)?,
        labels: Vec::new(),
        commits: Vec::new(),
        remarks: Vec::new(),
        issues: Vec::new(),
        references: Vec::new(),
    })
}

fn remark(row: &Row<'_>) -> rusqlite::Result<CachedRemark> {
    let place = match row.get::<_, String>(1)?.as_str() {
        "review" => RemarkPlace::Review,
        "thread" => RemarkPlace::Thread,
        _ => RemarkPlace::Comment,
    };
    Ok(CachedRemark { place, author: row.get(2)?, by_bot: is_bot(row, 3)?, body: row.get(4)? })
}

fn issue(row: &Row<'_>) -> rusqlite::Result<CachedIssue> {
    Ok(CachedIssue {
        repository: row.get(1)?,
        number: unsigned(row, 2)?,
        title: row.get(3)?,
        author: row.get(4)?,
        body: row.get(5)?,
    })
}

fn reference(row: &Row<'_>) -> rusqlite::Result<CachedReference> {
    Ok(CachedReference { from: unsigned(row, 1)?, actor: row.get(2)?, closes: row.get(3)? })
}

fn is_bot(row: &Row<'_>, column: usize) -> rusqlite::Result<bool> {
    Ok(row.get::<_, Option<String>>(column)?.as_deref() == Some("bot"))
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}
