//! What GitHub answered so far, in an SQLite file that people can query too.
//!
//! Every answer is one transaction that takes its items in and says where to go
//! on, so that a process killed at any moment has lost no answer but the one
//! under way, and asks for none again that it has.

mod read;
mod tables;
mod write;

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use catena_chain::RepositoryName;
use rusqlite::{Connection as Database, OptionalExtension as _, params};

pub use read::{CachedIssue, CachedPullRequest, CachedReference, CachedRemark, RemarkPlace};

use self::tables::{APPLICATION, SINCE_1, TABLES, VERSION};
use super::documents::Connection;
use super::error::CacheError;
use super::wire;

/// How long another process may read or write the file.
const PATIENCE: Duration = Duration::from_secs(30);

/// A file with what GitHub answered of one repository.
pub struct Cache {
    database: Database,
    path: PathBuf,
    // Closed after the database: closing it would end SQLite's own locks.
    _lock: File,
}

/// What the cache knows of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedRepository {
    /// Its name now.
    pub name: RepositoryName,
    /// SPDX identifier of its licence, as GitHub sees it.
    pub license: Option<String>,
    /// Its default branch.
    pub default_branch: Option<String>,
    /// Merged pull requests that it had when it was last asked.
    pub merged: u64,
}

/// A walk through the list that is not at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sweep {
    pub(super) cursor: String,
    /// The newest update it saw, which was the first.
    pub(super) top: String,
}

/// A connection of which pages are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenPage {
    pub(super) number: u64,
    pub(super) connection: Connection,
    /// The pull request or review thread it hangs on.
    pub(super) node: String,
    pub(super) cursor: String,
}

/// A pull request that is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) number: u64,
    pub(super) id: String,
}

/// Which of the listed pull requests are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) limit: Option<u64>,
    /// Those merged at or after this time, as GitHub writes it.
    pub(super) since: Option<String>,
}

impl Cache {
    /// Opens a cache, or begins one where there is no file.
    pub fn open(path: &Path) -> Result<Self, CacheError> {
        let io = |source| CacheError::Io { path: path.to_owned(), source };
        // What a private repository's people said is for the user alone.
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true).mode(0o600);
        let lock = options.open(path).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(CacheError::Locked { path: path.to_owned() });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(io(source)),
        }
        let failed = |source| CacheError::Sqlite { path: path.to_owned(), source };
        let database = Database::open(path).map_err(failed)?;
        database.busy_timeout(PATIENCE).map_err(failed)?;
        let mut cache = Self { database, path: path.to_owned(), _lock: lock };
        cache.prepare()?;
        // Who reads the file meanwhile waits for nobody and holds nobody up, and an answer is
        // on the disk after one write. Where a file system has no shared memory, as on a
        // network, SQLite stays with its other journal.
        cache.database.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        Ok(cache)
    }

    fn prepare(&mut self) -> Result<(), CacheError> {
        let not_one = |_| CacheError::NotOne { path: self.path.clone() };
        let number = |name| {
            let read = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            self.database.pragma_query_value(None, name, read)
        };
        let tables = "SELECT count(*) FROM sqlite_schema";
        let tables: i64 = self.database.query_row(tables, [], |row| row.get(0)).map_err(not_one)?;
        let (application, found) =
            (number("application_id").map_err(not_one)?, number("user_version").map_err(not_one)?);
        if tables == 0 && application == 0 {
            return self.with(begin);
        }
        if application != APPLICATION {
            return Err(CacheError::NotOne { path: self.path.clone() });
        }
        if found == 1 {
            return self.with(|transaction| {
                transaction.execute_batch(SINCE_1)?;
                transaction.pragma_update(None, "user_version", VERSION)
            });
        }
        if found != VERSION {
            let path = self.path.clone();
            return Err(CacheError::Version { path, found, expected: VERSION });
        }
        Ok(())
    }

    /// What is known of the repository; nothing in a new cache.
    pub fn repository(&mut self) -> Result<Option<CachedRepository>, CacheError> {
        let query = "SELECT name, license, default_branch, merged FROM repository";
        let found = self.with(|transaction| {
            let read = |row: &rusqlite::Row<'_>| {
                let name: String = row.get(0)?;
                Ok((name, row.get(1)?, row.get(2)?, row.get::<_, i64>(3)?.cast_unsigned()))
            };
            transaction.query_row(query, [], read).optional()
        })?;
        let Some((name, license, default_branch, merged)) = found else { return Ok(None) };
        let name = name.parse().map_err(|_| self.damaged(format!("`{name}` is no repository")))?;
        Ok(Some(CachedRepository { name, license, default_branch, merged }))
    }

    /// Takes note of what the repository is. Refuses another than it holds.
    pub(super) fn set_repository(&mut self, found: &wire::Repository) -> Result<(), CacheError> {
        let known: Option<(String, String)> = self.with(|transaction| {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            transaction.query_row("SELECT id, name FROM repository", [], read).optional()
        })?;
        if let Some((_, name)) = known.as_ref().filter(|(id, _)| *id != found.id) {
            let holds =
                name.parse().map_err(|_| self.damaged(format!("`{name}` is no repository")))?;
            return Err(CacheError::OtherRepository { path: self.path.clone(), holds });
        }
        let former = known.map(|(_, name)| name).filter(|name| *name != found.name_with_owner);
        self.with(|transaction| {
            if let Some(former) = former {
                transaction.execute("INSERT OR IGNORE INTO former_name VALUES (?)", [former])?;
            }
            write::repository(transaction, found)
        })
    }

    /// The newest update of which the list is complete.
    pub(super) fn listed_until(&mut self) -> Result<Option<String>, CacheError> {
        self.with(|transaction| {
            let query = "SELECT listed_until FROM repository";
            transaction.query_row(query, [], |row| row.get(0)).optional().map(Option::flatten)
        })
    }

    /// The unfinished walk of this scope.
    pub(super) fn sweep(&mut self, scope: &str) -> Result<Option<Sweep>, CacheError> {
        self.with(|transaction| {
            let query = "SELECT cursor, top FROM sweep WHERE scope = ?";
            let read =
                |row: &rusqlite::Row<'_>| Ok(Sweep { cursor: row.get(0)?, top: row.get(1)? });
            transaction.query_row(query, [scope], read).optional()
        })
    }

    /// How many pull requests are listed.
    pub(super) fn listed(&mut self) -> Result<u64, CacheError> {
        self.count("SELECT count(*) FROM pull_request")
    }

    /// Takes a page of the list in. The walk goes on at `next`; without one it
    /// is at its end, and `complete` says what the list is complete up to then.
    pub(super) fn store_listing(
        &mut self,
        scope: &str,
        page: &wire::Page<wire::Listed>,
        next: Option<&Sweep>,
        complete: Option<&str>,
    ) -> Result<(), CacheError> {
        self.with(|transaction| {
            for listed in page.items() {
                write::listed(transaction, listed)?;
            }
            transaction.execute("DELETE FROM sweep WHERE scope = ?", [scope])?;
            if let Some(Sweep { cursor, top }) = next {
                let row = params![scope, cursor, top];
                transaction.execute("INSERT INTO sweep VALUES (?, ?, ?)", row)?;
            }
            if let Some(until) = complete {
                transaction.execute("UPDATE repository SET listed_until = ?", [until])?;
            }
            Ok(())
        })
    }

    /// Pull requests that are not fetched, or were updated since; newest first.
    pub(super) fn wanted(&mut self, scope: &Scope) -> Result<Vec<Wanted>, CacheError> {
        let query = format!(
            "SELECT number, id FROM {IN_SCOPE} WHERE fetched_at IS NULL OR fetched_at < listed_at
             ORDER BY number DESC"
        );
        self.in_scope(&query, scope, |row| {
            Ok(Wanted { number: row.get::<_, i64>(0)?.cast_unsigned(), id: row.get(1)? })
        })
    }

    /// How many pull requests are wanted, fetched or not.
    pub(super) fn in_scope_count(&mut self, scope: &Scope) -> Result<u64, CacheError> {
        let query = format!("SELECT count(*) FROM {IN_SCOPE}");
        let counts = self.in_scope(&query, scope, |row| row.get::<_, i64>(0))?;
        Ok(counts.first().copied().unwrap_or_default().cast_unsigned())
    }

    /// The first connection of which pages are left, but for those of pull requests
    /// that are set aside.
    pub(super) fn open_page(
        &mut self,
        set_aside: &HashSet<u64>,
    ) -> Result<Option<OpenPage>, CacheError> {
        let found: Option<(i64, String, String, String)> = self.with(|transaction| {
            let query = "SELECT number, connection, node, cursor FROM open_page
                         ORDER BY number DESC, connection, node";
            let mut statement = transaction.prepare_cached(query)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let number: i64 = row.get(0)?;
                if !set_aside.contains(&number.cast_unsigned()) {
                    return Ok(Some((number, row.get(1)?, row.get(2)?, row.get(3)?)));
                }
            }
            Ok(None)
        })?;
        let Some((number, word, node, cursor)) = found else { return Ok(None) };
        let connection = Connection::ALL.into_iter().find(|it| it.word() == word);
        let connection =
            connection.ok_or_else(|| self.damaged(format!("`{word}` is no connection")))?;
        Ok(Some(OpenPage { number: number.cast_unsigned(), connection, node, cursor }))
    }

    /// Takes pull requests in, each in the place of what was known of it. One that
    /// GitHub has no longer, or withholds, is marked as gone.
    pub(super) fn store_pull_requests(
        &mut self,
        asked: &[Wanted],
        answered: &[Option<wire::PullRequest>],
    ) -> Result<(), CacheError> {
        self.with(|transaction| {
            for (wanted, found) in asked.iter().zip(answered) {
                match found {
                    Some(found) => {
                        write::pull_request(transaction, found)?;
                        let delete = "DELETE FROM set_aside WHERE number = ?";
                        transaction.execute(delete, [found.number.cast_signed()])?;
                    }
                    None => write::gone(transaction, wanted.number)?,
                }
            }
            Ok(())
        })
    }

    /// Takes note of why GitHub could not answer for a pull request.
    pub(super) fn set_aside(&mut self, number: u64, reason: &str) -> Result<(), CacheError> {
        self.with(|transaction| {
            let row = params![number.cast_signed(), reason];
            transaction.execute("INSERT OR REPLACE INTO set_aside VALUES (?, ?)", row).map(drop)
        })
    }

    /// Forgets that a pull request was fetched, so that it is fetched anew.
    pub(super) fn forget(&mut self, number: u64) -> Result<(), CacheError> {
        self.with(|transaction| {
            let number = number.cast_signed();
            transaction.execute("DELETE FROM open_page WHERE number = ?", [number])?;
            let update = "UPDATE pull_request SET fetched_at = NULL WHERE number = ?";
            transaction.execute(update, [number]).map(drop)
        })
    }

    /// Ends a walk from which it can't be gone on.
    pub(super) fn end_sweep(&mut self, scope: &str) -> Result<(), CacheError> {
        self.with(|transaction| {
            transaction.execute("DELETE FROM sweep WHERE scope = ?", [scope]).map(drop)
        })
    }

    /// Takes a further page in, unless it is in already.
    pub(super) fn store_page(
        &mut self,
        page: &OpenPage,
        connections: &wire::Connections,
    ) -> Result<(), CacheError> {
        self.with(|transaction| {
            if write::close_page(transaction, page)? {
                write::connections(transaction, page.number, &page.node, connections)?;
            }
            Ok(())
        })
    }

    /// Takes a further page of a review thread in, unless it is in already.
    pub(super) fn store_thread_page(
        &mut self,
        page: &OpenPage,
        comments: &wire::Page<wire::Remark>,
    ) -> Result<(), CacheError> {
        self.with(|transaction| {
            if write::close_page(transaction, page)? {
                write::thread_comments(transaction, page.number, &page.node, comments)?;
            }
            Ok(())
        })
    }

    /// Runs statements as one transaction.
    fn with<T>(
        &mut self,
        act: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, CacheError> {
        let path = &self.path;
        let failed = |source| CacheError::Sqlite { path: path.clone(), source };
        let transaction = self.database.transaction().map_err(failed)?;
        let done = act(&transaction).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(done)
    }

    fn count(&mut self, query: &str) -> Result<u64, CacheError> {
        let count =
            self.with(|transaction| transaction.query_row(query, [], |row| row.get::<_, i64>(0)))?;
        Ok(count.cast_unsigned())
    }

    fn in_scope<T>(
        &mut self,
        query: &str,
        scope: &Scope,
        read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, CacheError> {
        let limit = scope.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        self.with(|transaction| {
            let mut statement = transaction.prepare(query)?;
            let rows = statement.query_map(params![scope.since, limit], read)?;
            rows.collect()
        })
    }

    fn damaged(&self, reason: String) -> CacheError {
        CacheError::Damaged { path: self.path.clone(), reason }
    }
}

/// The newest pull requests that a [`Scope`] takes in; a negative limit is none.
const IN_SCOPE: &str = "(SELECT * FROM pull_request
    WHERE ?1 IS NULL OR merged_at >= ?1 ORDER BY number DESC LIMIT ?2)";

fn begin(transaction: &rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_of_a_cache_holds_up_nobody_and_sees_one_state() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache.db");
        let mut cache = Cache::open(&path).unwrap();
        cache.set_aside(1, "too large").unwrap();
        let reader = Database::open(&path).unwrap();
        let count = || {
            let query = "SELECT count(*) FROM set_aside";
            reader.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(count(), 1);
        cache.set_aside(2, "too large").unwrap();
        assert_eq!(count(), 1);
        reader.execute_batch("END").unwrap();
        assert_eq!(count(), 2);
    }

    #[test]
    fn closed_cache_is_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache.db");
        Cache::open(&path).unwrap().set_aside(1, "too large").unwrap();
        let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(Cache::open(&path).unwrap().count("SELECT count(*) FROM set_aside").unwrap(), 1);
    }
}
