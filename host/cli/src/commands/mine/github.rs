//! What `catena mine OWNER/NAME` asks of GitHub.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use catena_chain::RepositoryName;
use catena_mine::github::{
    self, Cache, CacheError, FetchOptions, Fetched, GITHUB, GitHub, GitHubError, GitHubProgress,
    Token,
};
use indicatif::{HumanDuration, ProgressBar};

use crate::failure::Failure;
use crate::machine::variable;
use crate::output::{Format, escaped, grouped};
use crate::watch;

/// Where GitHub is asked, and as whom.
#[derive(clap::Args)]
pub(crate) struct Server {
    /// Where GitHub's API is; `https://HOST/api/v3` for GitHub Enterprise
    #[arg(long, value_name = "URL", default_value = GITHUB)]
    api_url: String,
}

/// Variables that hold a token, the first that is set counts: those of GitHub, and
/// those of Enterprise servers.
const TOKENS: [&str; 2] = ["GITHUB_TOKEN", "GH_TOKEN"];
const ENTERPRISE_TOKENS: [&str; 2] = ["GITHUB_ENTERPRISE_TOKEN", "GH_ENTERPRISE_TOKEN"];

impl Server {
    /// Makes a client. Must be called within the runtime.
    pub(super) fn connect(&self) -> Result<GitHub, Failure> {
        let names = self.token_names();
        let token = variable(names).map(|text| Token::new(&text));
        if token.is_none() && !self.is_on_this_machine() {
            return Err(Failure::input(anyhow::anyhow!(
                "the GraphQL API of `{}` needs a token, and none of {} is set",
                self.api_url,
                names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            ))
            .with_hint(TOKEN_HINT));
        }
        GitHub::new(&self.api_url, token.as_ref()).map_err(failure)
    }

    /// Where the token for this server is. One for GitHub is shown to no other host.
    fn token_names(&self) -> &'static [&'static str] {
        let is_github = self.host() == host(GITHUB);
        if is_github || self.is_on_this_machine() { &TOKENS } else { &ENTERPRISE_TOKENS }
    }

    fn host(&self) -> Option<String> {
        host(&self.api_url)
    }

    fn is_on_this_machine(&self) -> bool {
        self.host().is_some_and(|host| matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]"))
    }
}

/// The host of an address, in lower case.
fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    Some(host.to_ascii_lowercase())
}

const TOKEN_HINT: &str = "make a token that may read public repositories under \"Developer \
    settings\" of your account there, and set that variable to it; `gh auth token` prints one too";

/// Where the cache is if nobody says.
pub(super) fn default_cache(repository: &RepositoryName) -> PathBuf {
    PathBuf::from(format!("{}.github.db", repository.short()))
}

/// Brings the cache up to date.
pub(super) fn fetch(
    server: &Server,
    repository: &RepositoryName,
    cache: &Path,
    options: &FetchOptions,
    format: Format,
) -> Result<(Cache, Fetched), Failure> {
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    runtime.block_on(async {
        let mut github = server.connect()?;
        let mut cache = open(cache)?;
        let mut watch = Watch::new(format);
        let mut tell = |step| watch.tell(step);
        let done = github::fetch(&mut github, repository, &mut cache, options, &mut tell).await;
        watch.bar.finish_and_clear();
        let done = done.map_err(failure)?;
        Ok((cache, done))
    })
}

/// Opens a cache, or begins one.
pub(super) fn open(path: &Path) -> Result<Cache, Failure> {
    Cache::open(path).map_err(|err| failure(err.into()))
}

/// What is said of it while it goes on.
pub(super) struct Watch {
    bar: ProgressBar,
    /// Where no terminal shows the bar, lines tell what takes long.
    lines: bool,
    /// When the last of them was said.
    said: Instant,
    points: String,
}

/// Between two lines that tell how far it is.
const EVERY: Duration = Duration::from_secs(10);

impl Watch {
    pub(super) fn new(format: Format) -> Self {
        let lines = format == Format::Text && !std::io::stderr().is_terminal();
        Self {
            bar: watch::bar(format, "asking GitHub"),
            lines,
            said: Instant::now(),
            points: String::new(),
        }
    }

    pub(super) fn tell(&mut self, step: GitHubProgress) {
        match step {
            GitHubProgress::Renamed { from, to } => {
                self.line(&format!("`{from}` is called `{to}` now; goes on with that"));
            }
            GitHubProgress::Listing { listed, all } => self.show("listing", listed, all),
            GitHubProgress::Fetching { done, all } => self.show("fetching", done, all),
            GitHubProgress::RateLimit { remaining, limit } => {
                self.points = format!(", {} of {} points left", grouped(remaining), grouped(limit));
            }
            GitHubProgress::SetAside { number, reason } => {
                self.line(&format!("#{number} is left for the next time: {reason}"));
            }
            GitHubProgress::Waits { wait, why } => {
                let told = format!("waits {} for {why}", HumanDuration(wait));
                if self.lines {
                    self.line(&told);
                } else {
                    self.bar.set_message(told);
                }
            }
        }
    }

    fn show(&mut self, what: &str, done: u64, all: u64) {
        if self.lines && self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            self.line(&format!("{what} {} of {}{}", grouped(done), grouped(all), self.points));
        }
        self.bar.set_message(format!("{what}{}", self.points));
        self.bar.set_length(all);
        self.bar.set_position(done);
    }

    fn line(&self, text: &str) {
        if self.lines {
            eprintln!("{}", escaped(text));
        } else {
            self.bar.println(escaped(text));
        }
    }
}

/// An error of GitHub with what to do about it.
pub(super) fn failure(error: GitHubError) -> Failure {
    use GitHubError as E;
    let hint = match &error {
        E::Address { .. } => {
            "`--api-url` takes `https://HOST/api/v3` of a GitHub Enterprise server"
        }
        E::NoApi | E::Moved { .. } => {
            "`--api-url` takes the address of the API: `https://HOST/api/v3` of a GitHub \
             Enterprise server"
        }
        E::BadCredentials { .. } => TOKEN_HINT,
        E::Scopes { .. } => {
            "give the token the scope `repo` for private repositories, `public_repo` for public ones"
        }
        E::Forbidden { sso: Some(url), .. } => {
            let hint = format!("authorise the token for the organisation at {url}");
            return Failure::input(error).with_hint(hint);
        }
        E::Forbidden { sso: None, .. } => "ask the repository's owner to admit the token",
        E::NothingLeft { .. } => {
            "look whether the token may still read the repository; the same command goes on"
        }
        E::NotFound => {
            "look at the spelling; a private repository needs a token with the scope `repo`, a \
             deleted one can only be mined from a clone with `--clone PATH --repository OWNER/NAME`"
        }
        E::Limited { .. } | E::Unreachable { .. } | E::TooHeavy { .. } => {
            let host = anyhow::Error::from(error);
            return Failure::from(host)
                .with_hint("what was fetched is kept; the same command goes on");
        }
        E::Cache(CacheError::Locked { .. }) => "wait for the other process, or stop it",
        E::Cache(CacheError::OtherRepository { .. } | CacheError::NotOne { .. }) => {
            "name another file with `--cache`"
        }
        E::Cache(CacheError::Version { .. } | CacheError::Damaged { .. }) => {
            "move the file away, and mine again"
        }
        E::Setup { .. } => "the system's certificates are needed: see `catena doctor`",
        E::Answered { .. } | E::Unexpected { .. } => {
            "please report it with what is printed above; what was fetched is kept"
        }
        E::Cache(CacheError::Sqlite { .. } | CacheError::Io { .. }) => {
            return Failure::from(anyhow::Error::from(error));
        }
    };
    Failure::input(error).with_hint(hint)
}
