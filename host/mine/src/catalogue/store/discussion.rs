//! The tables of what was said.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use super::{grouped, number};
use crate::discussion::{Citation, ClosedIssue, Discussion, Remark};

pub(super) fn write(
    transaction: &Transaction<'_>,
    number: i64,
    discussion: &Discussion,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached("INSERT INTO label VALUES (?, ?, ?)")?;
    for (ordinal, label) in (0_i64..).zip(&discussion.labels) {
        insert.execute(params![number, ordinal, label])?;
    }
    let mut insert = transaction.prepare_cached("INSERT INTO remark VALUES (?, ?, ?, ?, ?)")?;
    for (ordinal, Remark { in_review, author, text }) in (0_i64..).zip(&discussion.remarks) {
        insert.execute(params![number, ordinal, in_review, author, text])?;
    }
    let mut insert =
        transaction.prepare_cached("INSERT INTO closed_issue VALUES (?, ?, ?, ?, ?, ?)")?;
    for (ordinal, issue) in (0_i64..).zip(&discussion.issues) {
        let ClosedIssue { number: issue, title, author, body } = issue;
        insert.execute(params![number, ordinal, issue.cast_signed(), title, author, body])?;
    }
    let mut insert = transaction.prepare_cached("INSERT INTO citation VALUES (?, ?, ?, ?)")?;
    for (ordinal, Citation { from, author }) in (0_i64..).zip(&discussion.cited_by) {
        insert.execute(params![number, ordinal, from.cast_signed(), author])?;
    }
    Ok(())
}

pub(super) fn read(connection: &Connection) -> rusqlite::Result<BTreeMap<u64, Discussion>> {
    let mut found: BTreeMap<u64, Discussion> = BTreeMap::new();
    let labels =
        grouped(connection, "SELECT number, name FROM label ORDER BY number, ordinal", |row| {
            row.get(1)
        })?;
    for (number, labels) in labels {
        found.entry(number).or_default().labels = labels;
    }
    let remarks = grouped(
        connection,
        "SELECT number, in_review, author, text FROM remark ORDER BY number, ordinal",
        |row| Ok(Remark { in_review: row.get(1)?, author: row.get(2)?, text: row.get(3)? }),
    )?;
    for (number, remarks) in remarks {
        found.entry(number).or_default().remarks = remarks;
    }
    let issues = grouped(
        connection,
        "SELECT number, issue, title, author, body FROM closed_issue ORDER BY number, ordinal",
        |row| {
            let (title, author, body) = (row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(ClosedIssue { number: number(row, 1)?, title, author, body })
        },
    )?;
    for (number, issues) in issues {
        found.entry(number).or_default().issues = issues;
    }
    let citations = grouped(
        connection,
        "SELECT number, source, author FROM citation ORDER BY number, ordinal",
        |row| Ok(Citation { from: number(row, 1)?, author: row.get(2)? }),
    )?;
    for (number, cited_by) in citations {
        found.entry(number).or_default().cited_by = cited_by;
    }
    Ok(found)
}
