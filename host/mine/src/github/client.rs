//! Requests to GitHub, one after the other: waits for limits, tries again what
//! did not come through, and gives back what must be asked for in smaller pieces.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::documents::Operation;
use super::error::{GitHubError, GitHubProgress, Waiting};
use super::reply::{self, Reply};
use super::transport::{TIMEOUT, Token, Transport, TransportError};
use super::wire::RateLimit;

/// Where GitHub's own API is.
pub const GITHUB: &str = "https://api.github.com";

/// Waits for a limit that does not end.
const WAITS: u32 = 7;

/// Tries of what does not come through, which is a quarter of an hour of an outage.
const TRIES: u32 = 20;

/// The longest wait before another try, but for limits.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// A way to one GitHub.
pub struct GitHub {
    transport: Transport,
    budget: Option<RateLimit>,
    /// By how much the server's clock is ahead of ours.
    ahead: SignedDuration,
}

/// What came of a request.
pub(super) enum Asked<T> {
    /// What was asked for.
    Answer(T),
    /// It must be asked for in smaller pieces.
    TooHeavy(String),
    /// The place in a list from which it was to go on is none any more.
    LostPlace,
}

#[derive(Deserialize)]
struct WithBudget<T> {
    #[serde(flatten)]
    data: T,
    #[serde(rename = "rateLimit")]
    budget: Option<RateLimit>,
}

impl GitHub {
    /// Makes a client of the API at `url`: [`GITHUB`], or `https://HOST/api/v3` of
    /// GitHub Enterprise. Sends nothing yet. Must be called within a Tokio runtime.
    pub fn new(url: &str, token: Option<&Token>) -> Result<Self, GitHubError> {
        Ok(Self {
            transport: Transport::new(url, token)?,
            budget: None,
            ahead: SignedDuration::ZERO,
        })
    }

    /// Asks for something until there is an answer or none is to be had.
    pub(super) async fn ask<T: DeserializeOwned>(
        &mut self,
        operation: Operation,
        variables: &Value,
        progress: &mut (dyn FnMut(GitHubProgress) + Send),
    ) -> Result<Asked<T>, GitHubError> {
        let (mut waits, mut silences) = (0, 0);
        loop {
            self.wait_for_points(progress).await;
            let reply = match self.send(operation, variables).await {
                Ok(Reply::Down(reason)) | Err(reason) => {
                    silences += 1;
                    if silences == TRIES {
                        return Err(GitHubError::Unreachable { tries: TRIES, reason });
                    }
                    pause(silences, progress).await;
                    continue;
                }
                Ok(reply) => reply,
            };
            match reply {
                Reply::Data(WithBudget { data, budget }) => {
                    if let Some(RateLimit { remaining, limit, .. }) = &budget {
                        let (remaining, limit) = (*remaining, *limit);
                        progress(GitHubProgress::RateLimit { remaining, limit });
                    }
                    self.budget = budget;
                    return Ok(Asked::Answer(data));
                }
                Reply::TooHeavy(reason) | Reply::Down(reason) => {
                    return Ok(Asked::TooHeavy(reason));
                }
                Reply::LostPlace => return Ok(Asked::LostPlace),
                Reply::Failed(error) => return Err(*error),
                Reply::Wait(wait, why) => {
                    waits += 1;
                    if waits == WAITS {
                        return Err(GitHubError::Limited { why, tries: WAITS });
                    }
                    // A limit that is met again at once is waited for longer.
                    let longer = 2_u32.saturating_pow(waits - 1);
                    let wait = match why {
                        Waiting::SecondaryLimit | Waiting::Recovery => wait.saturating_mul(longer),
                        // The hour's end is known, but for what the clocks differ.
                        Waiting::RateLimit => wait.max(Duration::from_secs(u64::from(longer - 1))),
                    };
                    sleep(wait, why, progress).await;
                }
            }
        }
    }

    /// Sends one request. `Err` if no whole answer came back.
    async fn send<T: DeserializeOwned>(
        &mut self,
        operation: Operation,
        variables: &Value,
    ) -> Result<Reply<WithBudget<T>>, String> {
        let body = json!({
            "query": operation.document,
            "operationName": operation.name,
            "variables": variables,
        });
        let answer = match self.transport.post(&body).await {
            Ok(answer) => answer,
            Err(TransportError::Late) => {
                let seconds = TIMEOUT.as_secs();
                return Ok(Reply::TooHeavy(format!("no answer for {seconds} seconds")));
            }
            Err(TransportError::Broken(reason)) => return Err(reason),
        };
        if let Some(date) = reply::date(&answer.headers) {
            self.ahead = date.duration_since(Timestamp::now());
        }
        Ok(reply::judge(answer.status, &answer.headers, &answer.body, self.now()))
    }

    /// The time by the server's clock, as far as it told.
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.ahead).unwrap_or(now)
    }

    /// Waits until the hour's points suffice for a request like the last.
    async fn wait_for_points(&mut self, progress: &mut (dyn FnMut(GitHubProgress) + Send)) {
        let spent = |budget: &RateLimit| budget.remaining < budget.cost.max(1);
        let Some(budget) = self.budget.take_if(|budget| spent(budget)) else { return };
        // A time that is not understood is none to wait for: the next answer tells.
        let Ok(reset) = budget.reset_at.parse() else { return };
        let wait = reply::from_now(reset, self.now()) + Duration::from_secs(1);
        sleep(wait, Waiting::RateLimit, progress).await;
    }
}

/// Waits before try number `tries + 1`: a second, then twice as long each time.
pub(super) async fn pause(tries: u32, progress: &mut (dyn FnMut(GitHubProgress) + Send)) {
    let wait = Duration::from_secs(2_u64.saturating_pow(tries.saturating_sub(1)));
    sleep(wait.min(LONGEST_PAUSE), Waiting::Recovery, progress).await;
}

async fn sleep(wait: Duration, why: Waiting, progress: &mut (dyn FnMut(GitHubProgress) + Send)) {
    progress(GitHubProgress::Waits { wait, why });
    tokio::time::sleep(wait).await;
}
