//! A catalogue as an SQLite file, which people can query too.
//!
//! It is written beside its place and moved there when it is whole, so that a
//! killed process leaves the old file or the new one.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Row, Transaction, params};

use super::{Catalogue, MinedCommit, MinedFile, MinedPullRequest, Touch};
use crate::clone::LandingKind;
use crate::discussion::Discussion;
use crate::origins::Readable;

mod discussion;

/// Version of the tables, kept as SQLite's `user_version`.
const VERSION: i64 = 4;

/// SQLite's `application_id`: the letters `Ctna`.
const APPLICATION: i64 = 0x4374_6e61;

const TABLES: &str = "
CREATE TABLE catalogue (
    repository TEXT NOT NULL, branch TEXT NOT NULL, tip TEXT NOT NULL, license TEXT) STRICT;
CREATE TABLE pull_request (
    number INTEGER PRIMARY KEY, merge_commit TEXT NOT NULL, base TEXT, kind TEXT NOT NULL,
    position INTEGER NOT NULL, time INTEGER NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL,
    author TEXT NOT NULL, by_bot INTEGER NOT NULL) STRICT;
CREATE TABLE pull_request_commit (
    number INTEGER NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, message TEXT NOT NULL,
    PRIMARY KEY (number, ordinal)) STRICT, WITHOUT ROWID;
CREATE TABLE file (
    number INTEGER NOT NULL, ordinal INTEGER NOT NULL, path TEXT NOT NULL, added INTEGER NOT NULL,
    deleted INTEGER NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (number, ordinal)) STRICT, WITHOUT ROWID;
CREATE TABLE touch (
    number INTEGER NOT NULL, ordinal INTEGER NOT NULL, earlier INTEGER NOT NULL,
    path TEXT NOT NULL, lines INTEGER NOT NULL, example TEXT NOT NULL,
    PRIMARY KEY (number, ordinal)) STRICT, WITHOUT ROWID;
CREATE TABLE label (
    number INTEGER NOT NULL, ordinal INTEGER NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (number, ordinal)) STRICT, WITHOUT ROWID;
CREATE TABLE remark (
    number INTEGER NOT NULL, ordinal INTEGER NOT NULL, in_review INTEGER NOT NULL, author TEXT,
    text TEXT NOT NULL, PRIMARY KEY (number, ordinal)) STRICT, WITHOUT ROWID;
CREATE TABLE closed_issue (
    number INTEGER NOT NULL, ordinal INTEGER NOT NULL, issue INTEGER NOT NULL,
    title TEXT NOT NULL, author TEXT, body TEXT NOT NULL,
    PRIMARY KEY (number, ordinal)) STRICT, WITHOUT ROWID;
CREATE TABLE citation (
    number INTEGER NOT NULL, ordinal INTEGER NOT NULL, source INTEGER NOT NULL, author TEXT,
    PRIMARY KEY (number, ordinal)) STRICT, WITHOUT ROWID;
CREATE TABLE elsewhere (number INTEGER PRIMARY KEY, branch TEXT NOT NULL) STRICT;
";

/// Why a catalogue could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// There is no such file, or it is no catalogue.
    #[error("`{}` is not a catalogue of pull requests", path.display())]
    NotOne {
        /// The file.
        path: PathBuf,
    },
    /// Another version of the program made it.
    #[error(
        "catalogue `{}` is of version {found}; this program reads version {VERSION}: mine again",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// A value in it cannot be.
    #[error("catalogue `{}` holds a wrong value: {reason}; mine again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which.
        reason: String,
    },
    /// SQLite failed.
    #[error("catalogue `{}` cannot be used", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// It could not be put into its place.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Catalogue {
    /// Writes the catalogue, replacing what was there.
    pub fn save(&self, path: &Path) -> Result<(), CatalogueError> {
        let failed = |source| CatalogueError::Sqlite { path: path.to_owned(), source };
        let io = |source| CatalogueError::Write { path: path.to_owned(), source };
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        // As readable as any other file of the user.
        let file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(dir.unwrap_or(Path::new(".")))
            .map_err(io)?;
        let mut connection = Connection::open(file.path()).map_err(failed)?;
        self.write(&mut connection).map_err(failed)?;
        connection.close().map_err(|(_, source)| failed(source))?;
        file.as_file().sync_all().map_err(io)?;
        file.persist(path).map_err(|err| io(err.error))?;
        Ok(())
    }

    fn write(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        // The file is moved into place when it is whole: no journal is needed.
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "application_id", APPLICATION)?;
        connection.pragma_update(None, "user_version", VERSION)?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.execute(
            "INSERT INTO catalogue VALUES (?, ?, ?, ?)",
            params![self.repository.as_str(), self.branch, self.tip.to_string(), self.license],
        )?;
        for pull_request in &self.pull_requests {
            write_pull_request(&transaction, pull_request)?;
        }
        for (number, branch) in &self.elsewhere {
            let row = params![signed(*number), branch];
            transaction.execute("INSERT INTO elsewhere VALUES (?, ?)", row)?;
        }
        transaction.commit()
    }

    /// Reads a catalogue.
    pub fn load(path: &Path) -> Result<Self, CatalogueError> {
        let not_one = |_| CatalogueError::NotOne { path: path.to_owned() };
        let failed = |source| CatalogueError::Sqlite { path: path.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(not_one)?;
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        if number("application_id").map_err(not_one)? != APPLICATION {
            return Err(CatalogueError::NotOne { path: path.to_owned() });
        }
        let found = number("user_version").map_err(failed)?;
        if found != VERSION {
            return Err(CatalogueError::Version { path: path.to_owned(), found });
        }
        let rows = Rows::read(&connection).map_err(failed)?;
        rows.assemble().map_err(|reason| CatalogueError::Damaged { path: path.to_owned(), reason })
    }
}

fn write_pull_request(
    transaction: &Transaction<'_>,
    pull_request: &MinedPullRequest,
) -> rusqlite::Result<()> {
    let number = signed(pull_request.number);
    let mut insert = transaction
        .prepare_cached("INSERT INTO pull_request VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    insert.execute(params![
        number,
        pull_request.commit.to_string(),
        pull_request.base.map(|base| base.to_string()),
        pull_request.kind.word(),
        pull_request.position.cast_signed(),
        pull_request.time,
        pull_request.title,
        pull_request.body,
        pull_request.author,
        pull_request.discussion.by_bot,
    ])?;
    discussion::write(transaction, number, &pull_request.discussion)?;
    let mut insert =
        transaction.prepare_cached("INSERT INTO pull_request_commit VALUES (?, ?, ?, ?)")?;
    for (ordinal, commit) in pull_request.commits.iter().enumerate() {
        let id = commit.id.to_string();
        insert.execute(params![number, ordinal.cast_signed(), id, commit.message])?;
    }
    let mut insert = transaction.prepare_cached("INSERT INTO file VALUES (?, ?, ?, ?, ?, ?)")?;
    for (ordinal, file) in pull_request.files.iter().enumerate() {
        let content = content_name(file.content);
        let ordinal = ordinal.cast_signed();
        insert.execute(params![number, ordinal, file.path, file.added, file.deleted, content])?;
    }
    let mut insert = transaction.prepare_cached("INSERT INTO touch VALUES (?, ?, ?, ?, ?, ?)")?;
    for (ordinal, touch) in pull_request.touches.iter().enumerate() {
        let (ordinal, earlier) = (ordinal.cast_signed(), signed(touch.number));
        insert.execute(params![
            number,
            ordinal,
            earlier,
            touch.path,
            touch.lines,
            touch.example
        ])?;
    }
    Ok(())
}

/// Numbers of pull requests as SQLite holds them; they are far below its limit.
fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// The tables as they were read, before anything is made of them.
struct Rows {
    head: (String, String, String, Option<String>),
    discussions: BTreeMap<u64, Discussion>,
    pull_requests: Vec<PullRequestRow>,
    commits: BTreeMap<u64, Vec<(String, String)>>,
    files: BTreeMap<u64, Vec<(MinedFile, String)>>,
    touches: BTreeMap<u64, Vec<Touch>>,
    elsewhere: BTreeMap<u64, String>,
}

struct PullRequestRow {
    number: u64,
    commit: String,
    kind: String,
    position: usize,
    time: i64,
    title: String,
    body: String,
    author: String,
    by_bot: bool,
    base: Option<String>,
}

impl Rows {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let head = connection.query_row(
            "SELECT repository, branch, tip, license FROM catalogue",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?;
        let elsewhere = connection
            .prepare("SELECT number, branch FROM elsewhere")?
            .query_map([], |row| Ok((number(row, 0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            head,
            discussions: discussion::read(connection)?,
            pull_requests: pull_requests(connection)?,
            commits: grouped(
                connection,
                "SELECT number, id, message FROM pull_request_commit ORDER BY number, ordinal",
                |row| Ok((row.get(1)?, row.get(2)?)),
            )?,
            files: grouped(
                connection,
                "SELECT number, path, added, deleted, content FROM file ORDER BY number, ordinal",
                |row| {
                    let (path, added, deleted) = (row.get(1)?, row.get(2)?, row.get(3)?);
                    let content = Readable::Lines;
                    Ok((MinedFile { path, added, deleted, content }, row.get(4)?))
                },
            )?,
            touches: grouped(
                connection,
                "SELECT number, earlier, path, lines, example FROM touch ORDER BY number, ordinal",
                |row| {
                    let (path, lines, example) = (row.get(2)?, row.get(3)?, row.get(4)?);
                    Ok(Touch { number: number(row, 1)?, path, lines, example })
                },
            )?,
            elsewhere,
        })
    }

    fn assemble(mut self) -> Result<Catalogue, String> {
        let (repository, branch, tip, license) = self.head;
        let mut mined = Vec::with_capacity(self.pull_requests.len());
        for row in self.pull_requests {
            let mut discussion = self.discussions.remove(&row.number).unwrap_or_default();
            discussion.by_bot = row.by_bot;
            let commits = self.commits.remove(&row.number).unwrap_or_default();
            let files = self.files.remove(&row.number).unwrap_or_default();
            mined.push(MinedPullRequest {
                number: row.number,
                commit: parse(&row.commit)?,
                base: row.base.as_deref().map(parse).transpose()?,
                kind: kind(&row.kind)?,
                position: row.position,
                time: row.time,
                title: row.title,
                body: row.body,
                author: row.author,
                commits: commits
                    .into_iter()
                    .map(|(id, message)| Ok(MinedCommit { id: parse(&id)?, message }))
                    .collect::<Result<_, String>>()?,
                files: files
                    .into_iter()
                    .map(|(file, name)| Ok(MinedFile { content: content(&name)?, ..file }))
                    .collect::<Result<_, String>>()?,
                touches: self.touches.remove(&row.number).unwrap_or_default(),
                discussion,
            });
        }
        Ok(Catalogue {
            repository: parse(&repository)?,
            license,
            branch,
            tip: parse(&tip)?,
            pull_requests: mined,
            elsewhere: self.elsewhere,
        })
    }
}

fn pull_requests(connection: &Connection) -> rusqlite::Result<Vec<PullRequestRow>> {
    let columns = "number, merge_commit, kind, position, time, title, body, author, by_bot, base";
    let query = format!("SELECT {columns} FROM pull_request ORDER BY position, number");
    let mut statement = connection.prepare(&query)?;
    let rows = statement.query_map([], |row| {
        Ok(PullRequestRow {
            number: number(row, 0)?,
            commit: row.get(1)?,
            kind: row.get(2)?,
            position: row.get::<_, i64>(3)?.cast_unsigned().try_into().unwrap_or(usize::MAX),
            time: row.get(4)?,
            title: row.get(5)?,
            body: row.get(6)?,
            author: row.get(7)?,
            by_bot: row.get(8)?,
            base: row.get(9)?,
        })
    })?;
    rows.collect()
}

/// The rows of a query by the number in their first column.
fn grouped<T>(
    connection: &Connection,
    query: &str,
    mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<BTreeMap<u64, Vec<T>>> {
    let mut groups: BTreeMap<u64, Vec<T>> = BTreeMap::new();
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        groups.entry(number(row, 0)?).or_default().push(read(row)?);
    }
    Ok(groups)
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|err| format!("`{text}`: {err}"))
}

fn kind(name: &str) -> Result<LandingKind, String> {
    let found = LandingKind::ALL.into_iter().find(|kind| kind.word() == name);
    found.ok_or_else(|| format!("`{name}` is no way to land a pull request"))
}

fn content_name(content: Readable) -> &'static str {
    match content {
        Readable::Lines => "lines",
        Readable::NoText => "no-text",
        Readable::Missing => "missing",
    }
}

fn content(name: &str) -> Result<Readable, String> {
    match name {
        "lines" => Ok(Readable::Lines),
        "no-text" => Ok(Readable::NoText),
        "missing" => Ok(Readable::Missing),
        other => Err(format!("`{other}` says nothing of a file's content")),
    }
}
