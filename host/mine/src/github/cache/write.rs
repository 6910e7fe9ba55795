//! Rows of the cache out of GitHub's answers.
//!
//! Every function works within its caller's transaction.

use rusqlite::{Transaction, params};

use super::OpenPage;
use super::RemarkPlace;
use crate::github::documents::Connection;
use crate::github::wire::{self, Page, Who};

/// Everything that hangs on a pull request.
const DEPENDENT: [&str; 8] = [
    "open_page",
    "label",
    "pull_request_commit",
    "changed_file",
    "thread",
    "remark",
    "closing_issue",
    "cross_reference",
];

pub(super) fn repository(
    transaction: &Transaction<'_>,
    found: &wire::Repository,
) -> rusqlite::Result<()> {
    let license = found.license_info.as_ref().and_then(|license| license.spdx_id.as_deref());
    // What GitHub writes where it found a licence and does not know it.
    let license = license.filter(|license| *license != "NOASSERTION");
    let branch = found.default_branch_ref.as_ref().map(|branch| branch.name.as_str());
    let merged = found.pull_requests.total_count.cast_signed();
    let row = params![found.name_with_owner, license, branch, merged, found.id];
    let update = "UPDATE repository SET name = ?1, license = ?2, default_branch = ?3, merged = ?4
                  WHERE id = ?5";
    if transaction.execute(update, row)? == 0 {
        transaction.execute("INSERT INTO repository VALUES (?5, ?1, ?2, ?3, ?4, NULL)", row)?;
    }
    Ok(())
}

pub(super) fn listed(transaction: &Transaction<'_>, listed: &wire::Listed) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO pull_request (number, id, listed_at, merged_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (number) DO UPDATE SET id = excluded.id, merged_at = excluded.merged_at,
             listed_at = max(listed_at, excluded.listed_at)",
    )?;
    let number = listed.number.cast_signed();
    insert.execute(params![number, listed.id, listed.updated_at, listed.merged_at])?;
    Ok(())
}

/// Marks a pull request as gone. What is known of it stays.
pub(super) fn gone(transaction: &Transaction<'_>, number: u64) -> rusqlite::Result<()> {
    let update = "UPDATE pull_request SET gone = 1, fetched_at = listed_at WHERE number = ?";
    transaction.execute(update, [number.cast_signed()])?;
    Ok(())
}

fn clear(transaction: &Transaction<'_>, number: u64) -> rusqlite::Result<()> {
    for table in DEPENDENT {
        let delete = format!("DELETE FROM {table} WHERE number = ?");
        transaction.prepare_cached(&delete)?.execute([number.cast_signed()])?;
    }
    Ok(())
}

pub(super) fn pull_request(
    transaction: &Transaction<'_>,
    found: &wire::PullRequest,
) -> rusqlite::Result<()> {
    clear(transaction, found.number)?;
    let (author, author_kind) = who(found.author.as_ref());
    let mut update = transaction.prepare_cached(
        "UPDATE pull_request SET gone = 0, fetched_at = ?2, merged_at = ?3,
             title = ?4, body = ?5, created_at = ?6, author = ?7, author_kind = ?8,
             base_branch = ?9, head_commit = ?10, merge_commit = ?11
         WHERE number = ?1",
    )?;
    update.execute(params![
        found.number.cast_signed(),
        found.updated_at,
        found.merged_at,
        found.title,
        found.body,
        found.created_at,
        author,
        author_kind,
        found.base_ref_name,
        found.head_ref_oid,
        found.merge_commit.as_ref().map(|commit| &commit.oid),
    ])?;
    connections(transaction, found.number, &found.id, &found.connections)
}

/// Takes the items of all connections that are there, and opens those of which
/// pages are left.
pub(super) fn connections(
    transaction: &Transaction<'_>,
    number: u64,
    node: &str,
    found: &wire::Connections,
) -> rusqlite::Result<()> {
    let each = Each { transaction, number, node };
    each.page(Connection::Labels, found.labels.as_ref(), |row, label| row.label(&label.name))?;
    each.page(Connection::Commits, found.commits.as_ref(), |row, item| row.commit(&item.commit))?;
    each.page(Connection::Files, found.files.as_ref(), Each::file)?;
    each.page(Connection::Comments, found.comments.as_ref(), |row, remark| {
        row.remark(RemarkPlace::Comment, "", remark)
    })?;
    each.page(Connection::Reviews, found.reviews.as_ref(), |row, remark| {
        row.remark(RemarkPlace::Review, "", remark)
    })?;
    each.page(Connection::Threads, found.review_threads.as_ref(), Each::thread)?;
    each.page(Connection::Issues, found.closing_issues_references.as_ref(), Each::issue)?;
    each.page(Connection::References, found.timeline_items.as_ref(), Each::reference)
}

/// Takes the comments of a review thread.
pub(super) fn thread_comments(
    transaction: &Transaction<'_>,
    number: u64,
    thread: &str,
    comments: &Page<wire::Remark>,
) -> rusqlite::Result<()> {
    let each = Each { transaction, number, node: thread };
    each.page(Connection::ThreadComments, Some(comments), |row, remark| {
        row.remark(RemarkPlace::Thread, thread, remark)
    })
}

/// Strikes a page off those that are left. Says whether it was among them.
pub(super) fn close_page(transaction: &Transaction<'_>, page: &OpenPage) -> rusqlite::Result<bool> {
    let mut delete = transaction.prepare_cached(
        "DELETE FROM open_page WHERE number = ? AND connection = ? AND node = ? AND cursor = ?",
    )?;
    let (number, connection) = (page.number.cast_signed(), page.connection.word());
    Ok(delete.execute(params![number, connection, page.node, page.cursor])? > 0)
}

/// Rows of one pull request.
struct Each<'a> {
    transaction: &'a Transaction<'a>,
    number: u64,
    /// What the connections hang on.
    node: &'a str,
}

impl Each<'_> {
    fn page<T>(
        &self,
        connection: Connection,
        page: Option<&Page<T>>,
        insert: impl Fn(&Self, &T) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let Some(page) = page else { return Ok(()) };
        page.items().try_for_each(|item| insert(self, item))?;
        let Some(cursor) = page.next() else { return Ok(()) };
        self.execute(
            "INSERT INTO open_page VALUES (?1, ?2, ?3, ?4)",
            params![self.number(), connection.word(), self.node, cursor],
        )
    }

    fn number(&self) -> i64 {
        self.number.cast_signed()
    }

    fn execute(&self, statement: &str, row: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<()> {
        self.transaction.prepare_cached(statement)?.execute(row)?;
        Ok(())
    }

    fn label(&self, name: &str) -> rusqlite::Result<()> {
        self.execute(
            "INSERT INTO label SELECT ?1, ifnull(max(ordinal) + 1, 0), ?2
             FROM label WHERE number = ?1",
            params![self.number(), name],
        )
    }

    fn commit(&self, commit: &wire::Commit) -> rusqlite::Result<()> {
        let author = commit.author.as_ref().and_then(|author| author.name.as_deref());
        self.execute(
            "INSERT INTO pull_request_commit SELECT ?1, ifnull(max(ordinal) + 1, 0), ?2, ?3, ?4
             FROM pull_request_commit WHERE number = ?1",
            params![self.number(), commit.oid, commit.message, author],
        )
    }

    fn file(&self, file: &wire::File) -> rusqlite::Result<()> {
        let change = file.change_type.to_lowercase();
        self.execute(
            "INSERT INTO changed_file SELECT ?1, ifnull(max(ordinal) + 1, 0), ?2, ?3, ?4, ?5
             FROM changed_file WHERE number = ?1",
            params![self.number(), file.path, file.additions, file.deletions, change],
        )
    }

    fn remark(
        &self,
        place: RemarkPlace,
        thread: &str,
        remark: &wire::Remark,
    ) -> rusqlite::Result<()> {
        let (author, kind) = who(remark.author.as_ref());
        let state = remark.state.as_ref().map(|state| state.to_lowercase());
        let (created_at, body) = (&remark.created_at, &remark.body);
        self.execute(
            "INSERT INTO remark SELECT ?1, ?2, ?3, ifnull(max(ordinal) + 1, 0),
                 ?4, ?5, ?6, ?7, ?8, ?9
             FROM remark WHERE number = ?1 AND place = ?2 AND thread = ?3",
            params![
                self.number(),
                place.word(),
                thread,
                remark.id,
                author,
                kind,
                created_at,
                state,
                body
            ],
        )
    }

    fn thread(&self, thread: &wire::Thread) -> rusqlite::Result<()> {
        self.execute(
            "INSERT INTO thread SELECT ?1, ifnull(max(ordinal) + 1, 0), ?2, ?3
             FROM thread WHERE number = ?1",
            params![self.number(), thread.id, thread.path],
        )?;
        thread_comments(self.transaction, self.number, &thread.id, &thread.comments)
    }

    fn issue(&self, issue: &wire::Issue) -> rusqlite::Result<()> {
        let (author, _) = who(issue.author.as_ref());
        let (repository, number) = (&issue.repository.name_with_owner, issue.number.cast_signed());
        self.execute(
            "INSERT INTO closing_issue SELECT ?1, ifnull(max(ordinal) + 1, 0), ?2, ?3, ?4, ?5, ?6
             FROM closing_issue WHERE number = ?1",
            params![self.number(), repository, number, issue.title, author, issue.body],
        )
    }

    fn reference(&self, reference: &wire::Reference) -> rusqlite::Result<()> {
        let (actor, _) = who(reference.actor.as_ref());
        let source = &reference.source;
        let kind = if source.kind == "PullRequest" { "pull-request" } else { "issue" };
        self.execute(
            "INSERT INTO cross_reference SELECT ?1, ifnull(max(ordinal) + 1, 0),
                 ?2, ?3, ?4, ?5, ?6, ?7, ?8
             FROM cross_reference WHERE number = ?1",
            params![
                self.number(),
                reference.id,
                actor,
                reference.created_at,
                reference.will_close_target,
                kind,
                source.repository.name_with_owner,
                source.number.cast_signed(),
            ],
        )
    }
}

/// Name and kind of an account; neither of one that was deleted.
fn who(who: Option<&Who>) -> (Option<&str>, Option<&'static str>) {
    let kind = who.map(|who| if who.kind == "Bot" { "bot" } else { "person" });
    (who.map(|who| who.login.as_str()), kind)
}
