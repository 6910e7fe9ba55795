//! Why GitHub could not be mined, and what is waited for.

use std::path::PathBuf;
use std::time::Duration;

use catena_chain::RepositoryName;

/// Why pull requests could not be fetched from GitHub.
#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    /// The address of the API cannot be used.
    #[error("`{url}` cannot be the address of a GitHub API: {reason}")]
    Address {
        /// The address.
        url: String,
        /// Why not.
        reason: &'static str,
    },
    /// No client could be made of it.
    #[error("cannot set up the connection to GitHub: {reason}")]
    Setup {
        /// Why.
        reason: String,
    },
    /// The server does not answer.
    #[error("GitHub does not answer, after {tries} tries: {reason}")]
    Unreachable {
        /// How often it was tried.
        tries: u32,
        /// Why.
        reason: String,
    },
    /// The token is wrong, expired or revoked, or there is none.
    #[error("GitHub does not accept the token: {words}")]
    BadCredentials {
        /// GitHub's words.
        words: String,
    },
    /// The token is good, but not for this.
    #[error("the token has no scope for it: {words}")]
    Scopes {
        /// GitHub's words.
        words: String,
        /// The scopes it has.
        had: String,
    },
    /// The owner of the repository refuses it.
    #[error("GitHub refuses it: {words}")]
    Forbidden {
        /// GitHub's words.
        words: String,
        /// Where the token can be authorised, if the organisation asks for that.
        sso: Option<String>,
    },
    /// Deleted, private, or never there.
    #[error("there is no such repository, or the token may not see it")]
    NotFound,
    /// The address leads to something else.
    #[error("there is no GraphQL API at this address")]
    NoApi,
    /// The API is somewhere else.
    #[error("the API has moved to `{to}`")]
    Moved {
        /// Where.
        to: String,
    },
    /// Another status that asking again does not change.
    #[error("GitHub answered with status {status}: {words}")]
    Answered {
        /// The status.
        status: u16,
        /// GitHub's words.
        words: String,
    },
    /// The answer is not of the shape that was asked for.
    #[error("GitHub's answer is not understood: {reason}")]
    Unexpected {
        /// Why.
        reason: String,
    },
    /// Of several pull requests that were listed none can be read.
    #[error(
        "GitHub knows none of {asked} pull requests that it has listed; they are kept as they were"
    )]
    NothingLeft {
        /// How many were asked for.
        asked: usize,
    },
    /// Even the smallest request is too much.
    #[error("GitHub cannot answer for {what}, after {tries} tries: {reason}")]
    TooHeavy {
        /// What was asked for.
        what: String,
        /// How often.
        tries: u32,
        /// Why.
        reason: String,
    },
    /// Limits are met again and again.
    #[error("{why} does not end, after {tries} waits")]
    Limited {
        /// Which.
        why: Waiting,
        /// How often it was waited for.
        tries: u32,
    },
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Why a cache of GitHub's answers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The file is something else.
    #[error("`{}` is not a cache of GitHub's answers", path.display())]
    NotOne {
        /// The file.
        path: PathBuf,
    },
    /// Another version of the program made it.
    #[error("cache `{}` is of version {found}; this program reads version {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        expected: i64,
    },
    /// Another process writes it.
    #[error("cache `{}` is in use by another process", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It holds another repository, or one that was deleted and made again.
    #[error("cache `{}` is of another repository, `{holds}`", path.display())]
    OtherRepository {
        /// The file.
        path: PathBuf,
        /// What it holds.
        holds: RepositoryName,
    },
    /// A value in it cannot be.
    #[error("cache `{}` holds a wrong value: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which.
        reason: String,
    },
    /// SQLite failed.
    #[error("cache `{}` cannot be used", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The file cannot be opened.
    #[error("cannot open `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Waiting {
    /// The hour's points are used up.
    #[error("the hour's rate limit")]
    RateLimit,
    /// Too much in a short time.
    #[error("the secondary rate limit")]
    SecondaryLimit,
    /// The server did not answer, or could not.
    #[error("GitHub to recover")]
    Recovery,
}

/// How far fetching is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitHubProgress {
    /// The repository goes by another name now.
    Renamed {
        /// What was asked for.
        from: RepositoryName,
        /// What it is called.
        to: RepositoryName,
    },
    /// Pull requests are being listed.
    Listing {
        /// Listed so far.
        listed: u64,
        /// Merged pull requests of the repository.
        all: u64,
    },
    /// Pull requests are being fetched.
    Fetching {
        /// Fetched, those of earlier runs included.
        done: u64,
        /// Of so many that are wanted.
        all: u64,
    },
    /// What is left of the hour's points.
    RateLimit {
        /// Points left.
        remaining: u64,
        /// Points of an hour.
        limit: u64,
    },
    /// A pull request is left for the next time.
    SetAside {
        /// Which.
        number: u64,
        /// Why.
        reason: String,
    },
    /// A request waits.
    Waits {
        /// So long.
        wait: Duration,
        /// What for.
        why: Waiting,
    },
}
