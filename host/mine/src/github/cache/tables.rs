//! The tables of a cache. Each change to them is a new version.

/// Version of the tables, kept as SQLite's `user_version`.
pub(super) const VERSION: i64 = 2;

/// SQLite's `application_id`: the letters `CtnG`.
pub(super) const APPLICATION: i64 = 0x4374_6e47;

/// Times are texts as GitHub writes them, `2024-05-06T07:08:09Z`, which sort as
/// the times do.
pub(super) const TABLES: &str = "
CREATE TABLE former_name (name TEXT PRIMARY KEY COLLATE NOCASE) STRICT;
CREATE TABLE set_aside (number INTEGER PRIMARY KEY, reason TEXT NOT NULL) STRICT;
CREATE TABLE repository (
    id TEXT NOT NULL, name TEXT NOT NULL, license TEXT, default_branch TEXT,
    merged INTEGER NOT NULL, listed_until TEXT) STRICT;
CREATE TABLE sweep (scope TEXT NOT NULL, cursor TEXT NOT NULL, top TEXT NOT NULL) STRICT;
CREATE TABLE pull_request (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, listed_at TEXT NOT NULL, merged_at TEXT,
    fetched_at TEXT, gone INTEGER NOT NULL DEFAULT 0, title TEXT, body TEXT, created_at TEXT,
    author TEXT, author_kind TEXT, base_branch TEXT, head_commit TEXT, merge_commit TEXT) STRICT;
CREATE TABLE open_page (
    number INTEGER NOT NULL, connection TEXT NOT NULL, node TEXT NOT NULL, cursor TEXT NOT NULL,
    PRIMARY KEY (number, connection, node)) STRICT, WITHOUT ROWID;
CREATE TABLE label (
    number INTEGER NOT NULL, ordinal INTEGER NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (number, ordinal)) STRICT, WITHOUT ROWID;
CREATE TABLE pull_request_commit (
    number INTEGER NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, message TEXT NOT NULL,
    author TEXT, PRIMARY KEY (number, ordinal)) STRICT, WITHOUT ROWID;
CREATE TABLE changed_file (
    number INTEGER NOT NULL, ordinal INTEGER NOT NULL, path TEXT NOT NULL, added INTEGER NOT NULL,
    deleted INTEGER NOT NULL, change TEXT NOT NULL,
    PRIMARY KEY (number, ordinal)) STRICT, WITHOUT ROWID;
CREATE TABLE thread (
    number INTEGER NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, path TEXT NOT NULL,
    PRIMARY KEY (number, ordinal)) STRICT, WITHOUT ROWID;
CREATE TABLE remark (
    number INTEGER NOT NULL, place TEXT NOT NULL, thread TEXT NOT NULL, ordinal INTEGER NOT NULL,
    id TEXT NOT NULL, author TEXT, author_kind TEXT, created_at TEXT NOT NULL, state TEXT,
    body TEXT NOT NULL, PRIMARY KEY (number, place, thread, ordinal)) STRICT, WITHOUT ROWID;
CREATE TABLE closing_issue (
    number INTEGER NOT NULL, ordinal INTEGER NOT NULL, repository TEXT NOT NULL,
    issue INTEGER NOT NULL, title TEXT NOT NULL, author TEXT, body TEXT NOT NULL,
    PRIMARY KEY (number, ordinal)) STRICT, WITHOUT ROWID;
CREATE TABLE cross_reference (
    number INTEGER NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, actor TEXT,
    created_at TEXT NOT NULL, closes INTEGER NOT NULL, source_kind TEXT NOT NULL,
    source_repository TEXT NOT NULL, source INTEGER NOT NULL,
    PRIMARY KEY (number, ordinal)) STRICT, WITHOUT ROWID;
";

/// What version 1 has not.
pub(super) const SINCE_1: &str = "
CREATE TABLE former_name (name TEXT PRIMARY KEY COLLATE NOCASE) STRICT;
CREATE TABLE set_aside (number INTEGER PRIMARY KEY, reason TEXT NOT NULL) STRICT;
";
