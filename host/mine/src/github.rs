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

use std::collections::HashSet;

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

/// Tries of one pull request before it is left for the next time.
const TRIES_OF_ONE: u32 = 3;

/// Pull requests that GitHub can't answer for, one after the other, from which on it
/// is GitHub that is down.
const MOST_SET_ASIDE: u32 = 4;

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
    /// Those that GitHub could not answer for. They are asked for again next time.
    pub set_aside: u64,
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
    let (set_aside, in_a_row) = (HashSet::new(), 0);
    let mut run = Fetcher { github, cache, progress, set_aside, in_a_row };
    let (id, merged) = run.repository(repository).await?;
    run.list(&id, merged, &scope).await?;
    let fetched = run.pull_requests(&scope).await?;
    let cached = run.cache.in_scope_count(&scope)?;
    let set_aside = run.set_aside.len() as u64;
    Ok(Fetched { fetched, cached: cached.saturating_sub(set_aside), merged, set_aside })
}

struct Fetcher<'a> {
    github: &'a mut GitHub,
    cache: &'a mut Cache,
    progress: Telling<'a>,
    /// What is left for the next time.
    set_aside: HashSet<u64>,
    /// How many of them were set aside since the last answer.
    in_a_row: u32,
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
                Asked::LostPlace => return Err(lost_place(name.as_str())),
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
        let mut floor = floor;
        let mut is_whole = started.is_none();
        let mut pages = self.walk(id, all, &walk, floor.as_deref(), started).await?;
        // What was updated while a list of several pages was read has moved to its top,
        // and what was read moved down: the list is read again until it is of one piece.
        while pages > 1 || !is_whole {
            is_whole = true;
            floor = self.cache.listed_until()?.or(floor);
            pages = self.walk(id, all, &walk, floor.as_deref(), None).await?;
        }
        Ok(())
    }

    /// Walks through the list from the newest update down to `floor`. Gives the number
    /// of pages.
    async fn walk(
        &mut self,
        id: &str,
        all: u64,
        scope: &str,
        floor: Option<&str>,
        started: Option<Sweep>,
    ) -> Result<u32, GitHubError> {
        let order = json!({"field": "UPDATED_AT", "direction": "DESC"});
        let mut at = started;
        let mut pages = 0;
        loop {
            let after = at.as_ref().map(|at| at.cursor.as_str());
            let Some(page) = self.listing(id, &order, LISTED, after).await? else {
                if at.is_none() {
                    return Err(lost_place("the list of pull requests"));
                }
                self.cache.end_sweep(scope)?;
                at = None;
                continue;
            };
            pages += 1;
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
                return Ok(pages);
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
            let page = page.ok_or_else(|| lost_place("the list of pull requests"))?;
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

    /// A page of the list; `None` if GitHub does not know the place `after` any more.
    async fn listing(
        &mut self,
        id: &str,
        order: &Value,
        size: u32,
        after: Option<&str>,
    ) -> Result<Option<wire::Page<wire::Listed>>, GitHubError> {
        let variables = |size| json!({"id": id, "order": order, "size": size, "after": after});
        let what = "the list of pull requests";
        let pace = Pace::new(1, size);
        let asked = self.one(documents::PAGE_OF_LISTING, pace, variables, TRIES).await?;
        let answer: wire::NodeAnswer<wire::ListingPage> = match asked {
            Asked::Answer(answer) => answer,
            Asked::LostPlace => return Ok(None),
            Asked::TooHeavy(reason) => return Err(too_heavy(what, TRIES, reason)),
        };
        Ok(Some(answer.node.ok_or(GitHubError::NotFound)?.pull_requests))
    }

    /// Asks for one thing, in ever smaller pages if need be, and the smallest several
    /// times.
    async fn one<T: serde::de::DeserializeOwned>(
        &mut self,
        operation: Operation,
        mut pace: Pace,
        variables: impl Fn(u32) -> Value,
        most: u32,
    ) -> Result<Asked<T>, GitHubError> {
        let mut tries = 0;
        loop {
            let asked = variables(pace.size);
            match self.github.ask(operation, &asked, self.progress).await? {
                Asked::TooHeavy(reason) if !pace.shrink() => {
                    tries += 1;
                    if tries == most {
                        return Ok(Asked::TooHeavy(reason));
                    }
                    client::pause(tries, self.progress).await;
                }
                Asked::TooHeavy(_) => {}
                done => return Ok(done),
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
            return Err(too_heavy(what, TRIES, reason));
        }
        client::pause(*tries, self.progress).await;
        Ok(())
    }

    /// Leaves a pull request for the next time. Several in a row are an outage.
    fn set_aside(&mut self, number: u64, reason: String) -> Result<(), GitHubError> {
        self.in_a_row += 1;
        if self.in_a_row == MOST_SET_ASIDE {
            return Err(too_heavy(&format!("#{number}"), TRIES_OF_ONE, reason));
        }
        self.cache.set_aside(number, &reason)?;
        self.set_aside.insert(number);
        (self.progress)(GitHubProgress::SetAside { number, reason });
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
                    (left, tries, self.in_a_row) = (rest, 0, 0);
                    pace.answered();
                    self.open_pages().await?;
                }
                Asked::TooHeavy(reason) if !pace.shrink() => {
                    tries += 1;
                    if tries < TRIES_OF_ONE {
                        client::pause(tries, self.progress).await;
                    } else if let Some(wanted) = batch.first() {
                        self.set_aside(wanted.number, reason)?;
                        (left, tries) = (rest, 0);
                    }
                }
                Asked::TooHeavy(_) => {}
                Asked::LostPlace => return Err(lost_place("pull requests")),
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
            Asked::LostPlace => return Ok(Asked::LostPlace),
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
        while let Some(page) = self.cache.open_page(&self.set_aside)? {
            let stored = if page.connection == Connection::ThreadComments {
                let asked: Asked<wire::NodeAnswer<wire::ThreadComments>> =
                    self.further(&page).await?;
                match asked {
                    Asked::Answer(answer) => {
                        let comments = answer.node.map(|thread| thread.comments);
                        Asked::Answer(self.store_thread_page(&page, comments)?)
                    }
                    Asked::TooHeavy(reason) => Asked::TooHeavy(reason),
                    Asked::LostPlace => Asked::LostPlace,
                }
            } else {
                let asked: Asked<wire::NodeAnswer<wire::Connections>> = self.further(&page).await?;
                match asked {
                    Asked::Answer(answer) => {
                        // One that has gone has no more pages.
                        let connections = answer.node.unwrap_or_default();
                        Asked::Answer(self.cache.store_page(&page, &connections)?)
                    }
                    Asked::TooHeavy(reason) => Asked::TooHeavy(reason),
                    Asked::LostPlace => Asked::LostPlace,
                }
            };
            match stored {
                Asked::Answer(()) => self.in_a_row = 0,
                Asked::TooHeavy(reason) => {
                    let word = page.connection.word();
                    self.set_aside(page.number, format!("its {word}: {reason}"))?;
                }
                // All of it is fetched anew the next time.
                Asked::LostPlace => {
                    self.cache.forget(page.number)?;
                    let word = page.connection.word();
                    self.set_aside(page.number, format!("the place in its {word} is lost"))?;
                }
            }
        }
        Ok(())
    }

    async fn further<T: serde::de::DeserializeOwned>(
        &mut self,
        page: &OpenPage,
    ) -> Result<Asked<T>, GitHubError> {
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
        self.one(page.connection.more(), Pace::new(1, PAGE), variables, TRIES_OF_ONE).await
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

fn too_heavy(what: &str, tries: u32, reason: String) -> GitHubError {
    GitHubError::TooHeavy { what: what.to_owned(), tries, reason }
}

fn lost_place(what: &str) -> GitHubError {
    GitHubError::Unexpected { reason: format!("a lost place where {what} begins") }
}
