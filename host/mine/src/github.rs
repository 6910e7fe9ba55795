//! Pull requests as GitHub tells of them: what was discussed, not only what was
//! merged.
//!
//! [`fetch`] brings a [`Cache`] up to date: it lists what was updated since the
//! last time, then asks for those pull requests, some at once, and then for
//! further pages of what hangs on them. Where it stops does not matter, as the
//! cache knows what is left.
//!
//! * [`client`]: requests, limits, tries; [`reply`]: what an answer means;
//!   [`transport`]: one request.
//! * [`documents`]: the GraphQL documents; [`wire`]: the answers' shapes.
//! * [`survey`](fn@survey): what the choice of a repository needs to know.
//! * [`cache`]: the file. [`pace`]: how much is asked for at once.

mod cache;
mod client;
mod documents;
mod error;
mod pace;
mod reply;
mod survey;
mod transport;
mod wire;

use catena_chain::RepositoryName;
use serde_json::{Value, json};

pub use cache::{
    Cache, CachedIssue, CachedPullRequest, CachedReference, CachedRemark, CachedRepository,
    RemarkPlace,
};
pub use client::{GITHUB, GitHub};
pub use error::{CacheError, GitHubError, GitHubProgress, Waiting};
pub use survey::{Sample, Surveyed, survey};
pub use transport::Token;

use cache::{OpenPage, Scope, Sweep, Wanted};
use client::Asked;
use documents::{Connection, Operation};
use pace::Pace;

/// Pull requests on a page of the list.
const LISTED: u32 = 100;

/// Pull requests asked for at once, and items of each of their connections.
/// Most have fewer; more at once costs more of the hour's points for all.
const BATCH: (u32, u32) = (20, 30);

/// Comments of a review thread, and issues, that come with the first page.
const NESTED: u32 = 10;

/// Items on a further page.
const PAGE: u32 = 100;

/// Tries of the smallest request.
const TRIES: u32 = 5;

type Telling<'a> = &'a mut (dyn FnMut(GitHubProgress) + Send);

/// Which pull requests are fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FetchOptions {
    /// Only the newest so many, by number.
    pub limit: Option<u64>,
    /// Only those merged at or after this time, in seconds since 1970.
    pub since: Option<i64>,
}

/// What [`fetch`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Pull requests that were asked for now.
    pub fetched: u64,
    /// Those of the wanted ones that the cache has.
    pub cached: u64,
    /// Merged pull requests of the repository.
    pub merged: u64,
}

/// Brings `cache` up to date with the merged pull requests of `repository`.
///
/// What is in the cache is asked for again only if it was updated. May be
/// stopped at any time, by a kill too; the next call goes on.
pub async fn fetch(
    github: &mut GitHub,
    repository: &RepositoryName,
    cache: &mut Cache,
    options: &FetchOptions,
    progress: Telling<'_>,
) -> Result<Fetched, GitHubError> {
    let scope = Scope {
        limit: options.limit,
        since: options
            .since
            .and_then(|since| jiff::Timestamp::from_second(since).ok())
            .map(|since| since.to_string()),
    };
    let mut run = Fetcher { github, cache, progress };
    let (id, merged) = run.repository(repository).await?;
    run.list(&id, merged, &scope).await?;
    let fetched = run.pull_requests(&scope).await?;
    let cached = run.cache.in_scope_count(&scope)?;
    Ok(Fetched { fetched, cached, merged })
}

struct Fetcher<'a> {
    github: &'a mut GitHub,
    cache: &'a mut Cache,
    progress: Telling<'a>,
}

impl Fetcher<'_> {
    /// Finds the repository; gives its id and the number of merged pull requests.
    async fn repository(&mut self, name: &RepositoryName) -> Result<(String, u64), GitHubError> {
        let (owner, short) = name.as_str().split_once('/').unwrap_or_default();
        let variables = json!({"owner": owner, "name": short});
        let mut tries = 0;
        let answer: wire::RepositoryAnswer = loop {
            match self.github.ask(documents::REPOSITORY, &variables, self.progress).await? {
                Asked::Answer(answer) => break answer,
                Asked::TooHeavy(reason) => self.again(&mut tries, name.as_str(), reason).await?,
            }
        };
        let found = answer.repository.ok_or(GitHubError::NotFound)?;
        if !found.name_with_owner.eq_ignore_ascii_case(name.as_str()) {
            let to = found.name_with_owner.parse().map_err(|_| GitHubError::Unexpected {
                reason: format!("`{}` is no name of a repository", found.name_with_owner),
            })?;
            (self.progress)(GitHubProgress::Renamed { from: name.clone(), to });
        }
        self.cache.set_repository(&found)?;
        Ok((found.id, found.pull_requests.total_count))
    }

    async fn list(&mut self, id: &str, all: u64, scope: &Scope) -> Result<(), GitHubError> {
        let until = self.cache.listed_until()?;
        if let (Some(limit), None) = (scope.limit, &until) {
            return self.list_newest(id, limit, all).await;
        }
        let (walk, floor) = match (&until, &scope.since) {
            (None, Some(since)) => (format!("since {since}"), Some(since.clone())),
            (until, _) => ("all".to_owned(), until.clone()),
        };
        let started = self.cache.sweep(&walk)?;
        let was_started = started.is_some();
        self.walk(id, all, &walk, floor.as_deref(), started).await?;
        if was_started {
            // What was updated since that walk began is above where it began.
            let floor = self.cache.listed_until()?.or(floor);
            self.walk(id, all, &walk, floor.as_deref(), None).await?;
        }
        Ok(())
    }

    /// Walks through the list from the newest update down to `floor`.
    async fn walk(
        &mut self,
        id: &str,
        all: u64,
        scope: &str,
        floor: Option<&str>,
        started: Option<Sweep>,
    ) -> Result<(), GitHubError> {
        let order = json!({"field": "UPDATED_AT", "direction": "DESC"});
        let mut at = started;
        loop {
            let after = at.as_ref().map(|at| at.cursor.as_str());
            let page = self.listing(id, &order, LISTED, after).await?;
            let newest = page.items().next().map(|first| first.updated_at.clone());
            let top = at.map(|at| at.top).or(newest).unwrap_or_default();
            let below = |listed: &wire::Listed| {
                floor.is_some_and(|floor| listed.updated_at.as_str() < floor)
            };
            let done = page.items().any(below);
            let next = page.next().filter(|_| !done);
            at = next.map(|cursor| Sweep { cursor: cursor.to_owned(), top: top.clone() });
            let complete = at.is_none() && scope == "all" && !top.is_empty();
            let complete = complete.then_some(top.as_str());
            self.cache.store_listing(scope, &page, at.as_ref(), complete)?;
            let listed = self.cache.listed()?;
            (self.progress)(GitHubProgress::Listing { listed, all });
            if at.is_none() {
                return Ok(());
            }
        }
    }

    /// Lists the newest pull requests alone, where no list was ever complete.
    async fn list_newest(&mut self, id: &str, limit: u64, all: u64) -> Result<(), GitHubError> {
        let order = json!({"field": "CREATED_AT", "direction": "DESC"});
        let (mut left, mut after) = (limit, None::<String>);
        while left > 0 {
            let size = u32::try_from(left).unwrap_or(LISTED).min(LISTED);
            let page = self.listing(id, &order, size, after.as_deref()).await?;
            self.cache.store_listing("newest", &page, None, None)?;
            left = left.saturating_sub(page.items().count() as u64);
            (self.progress)(GitHubProgress::Listing { listed: limit - left, all: limit.min(all) });
            after = page.next().map(str::to_owned);
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn listing(
        &mut self,
        id: &str,
        order: &Value,
        size: u32,
        after: Option<&str>,
    ) -> Result<wire::Page<wire::Listed>, GitHubError> {
        let variables = |size| json!({"id": id, "order": order, "size": size, "after": after});
        let what = "the list of pull requests";
        let answer: wire::NodeAnswer<wire::ListingPage> =
            self.one(documents::PAGE_OF_LISTING, Pace::new(1, size), variables, what).await?;
        Ok(answer.node.ok_or(GitHubError::NotFound)?.pull_requests)
    }

    /// Asks for one thing, in ever smaller pages if need be.
    async fn one<T: serde::de::DeserializeOwned>(
        &mut self,
        operation: Operation,
        mut pace: Pace,
        variables: impl Fn(u32) -> Value,
        what: &str,
    ) -> Result<T, GitHubError> {
        let mut tries = 0;
        loop {
            let asked = variables(pace.size);
            match self.github.ask(operation, &asked, self.progress).await? {
                Asked::Answer(answer) => return Ok(answer),
                Asked::TooHeavy(reason) if !pace.shrink() => {
                    self.again(&mut tries, what, reason).await?;
                }
                Asked::TooHeavy(_) => {}
            }
        }
    }

    /// Waits before the smallest request is tried again, or gives up.
    async fn again(
        &mut self,
        tries: &mut u32,
        what: &str,
        reason: String,
    ) -> Result<(), GitHubError> {
        *tries += 1;
        if *tries == TRIES {
            return Err(GitHubError::TooHeavy { what: what.to_owned(), tries: TRIES, reason });
        }
        client::pause(*tries, self.progress).await;
        Ok(())
    }

    /// Fetches what is wanted and not there. Gives the number.
    async fn pull_requests(&mut self, scope: &Scope) -> Result<u64, GitHubError> {
        self.open_pages().await?;
        let wanted = self.cache.wanted(scope)?;
        let all = self.cache.in_scope_count(scope)?;
        let mut left = wanted.as_slice();
        let mut pace = Pace::new(BATCH.0, BATCH.1);
        let mut tries = 0;
        loop {
            (self.progress)(GitHubProgress::Fetching { done: all - left.len() as u64, all });
            if left.is_empty() {
                return Ok(wanted.len() as u64);
            }
            let (batch, rest) = left.split_at(left.len().min(pace.batch as usize));
            match self.batch(batch, pace.size).await? {
                Asked::Answer(()) => {
                    (left, tries) = (rest, 0);
                    pace.answered();
                    self.open_pages().await?;
                }
                Asked::TooHeavy(reason) if !pace.shrink() => {
                    let what = batch.first().map(|wanted| format!("#{}", wanted.number));
                    self.again(&mut tries, &what.unwrap_or_default(), reason).await?;
                }
                Asked::TooHeavy(_) => {}
            }
        }
    }

    async fn batch(&mut self, batch: &[Wanted], size: u32) -> Result<Asked<()>, GitHubError> {
        let ids: Vec<&str> = batch.iter().map(|wanted| wanted.id.as_str()).collect();
        let variables = json!({"ids": ids, "size": size, "nested": NESTED.min(size)});
        let asked = self.github.ask(documents::PULL_REQUESTS, &variables, self.progress).await?;
        let answer: wire::NodesAnswer = match asked {
            Asked::Answer(answer) => answer,
            Asked::TooHeavy(reason) => return Ok(Asked::TooHeavy(reason)),
        };
        let fits = |(wanted, found): (&Wanted, &Option<wire::PullRequest>)| {
            found.as_ref().is_none_or(|found| found.number == wanted.number)
        };
        if answer.nodes.len() != batch.len() || !batch.iter().zip(&answer.nodes).all(fits) {
            let reason = "other pull requests than those asked for".to_owned();
            return Err(GitHubError::Unexpected { reason });
        }
        if batch.len() > 1 && answer.nodes.iter().all(Option::is_none) {
            return Err(GitHubError::NothingLeft { asked: batch.len() });
        }
        self.cache.store_pull_requests(batch, &answer.nodes)?;
        Ok(Asked::Answer(()))
    }

    /// Fetches the pages that are left of what was fetched.
    async fn open_pages(&mut self) -> Result<(), GitHubError> {
        while let Some(page) = self.cache.open_page()? {
            let what = format!("the {} of #{}", page.connection.word(), page.number);
            let variables = |size: u32| {
                let mut variables = json!({"id": page.node, "size": size, "after": page.cursor});
                if page.connection == Connection::Threads
                    && let Some(variables) = variables.as_object_mut()
                {
                    // A page of threads with all their comments would be heavy.
                    variables.insert("size".to_owned(), json!(size.min(BATCH.1)));
                    variables.insert("nested".to_owned(), json!(NESTED.min(size)));
                }
                variables
            };
            let (operation, pace) = (page.connection.more(), Pace::new(1, PAGE));
            if page.connection == Connection::ThreadComments {
                let answer: wire::NodeAnswer<wire::ThreadComments> =
                    self.one(operation, pace, variables, &what).await?;
                let comments = answer.node.map(|thread| thread.comments);
                self.store_thread_page(&page, comments)?;
            } else {
                let answer: wire::NodeAnswer<wire::Connections> =
                    self.one(operation, pace, variables, &what).await?;
                // One that has gone has no more pages.
                self.cache.store_page(&page, &answer.node.unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn store_thread_page(
        &mut self,
        page: &OpenPage,
        comments: Option<wire::Page<wire::Remark>>,
    ) -> Result<(), GitHubError> {
        match comments {
            Some(comments) => self.cache.store_thread_page(page, &comments)?,
            None => self.cache.store_page(page, &wire::Connections::default())?,
        }
        Ok(())
    }
}
