//! The way to a model: it reserves what an attempt may cost, waits for a place,
//! sends, settles, and tries again where that can help.
//!
//! It leaves what a request looks like to the [`Model`]. Its invariant: whatever
//! an attempt comes to, it is paid for once, from every account of the purse.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::budget::{Account, Reservation};
use crate::limit::{Limiter, Place};
use crate::model::{AttemptError, Model, ModelError, ModelInfo, Reply, Request, Retry};
use crate::retry::{Jitter, Next, RetryPolicy};
use crate::tape::Recorder;
use crate::usage::Usage;

/// The accounts an exchange is paid from.
#[derive(Clone)]
pub struct Purse {
    /// The rollout's.
    pub rollout: Arc<Account>,
    /// That of the whole run.
    pub run: Arc<Account>,
}

/// What an exchange waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// Other rollouts hold what is left of the run's budget.
    ForBudget,
    /// The server is busy with other rollouts, or has asked for a pause.
    ForPlace,
    /// The reply.
    ForReply,
    /// The next attempt.
    ForRetry {
        /// How long.
        wait: Duration,
        /// Why the last attempt failed.
        reason: String,
    },
}

/// Somebody who is told what an exchange waits for.
pub trait Watch: Send + Sync {
    /// It waits from now on. Called by the task that waits, so it must be quick.
    fn waits(&self, waiting: Waiting);

    /// An attempt came to nothing. Told before the next one is waited for.
    fn failed(&self, _attempt: &FailedAttempt) {}
}

/// An attempt that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedAttempt {
    /// Why, in words.
    pub reason: String,
    /// How long the next attempt was waited for, in milliseconds.
    pub wait_ms: u64,
    /// What had to be paid all the same.
    pub usage: Usage,
}

/// What came of an exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The reply, or why there is none.
    pub answer: Result<Reply, ModelError>,
    /// The attempts before it.
    pub failed: Vec<FailedAttempt>,
}

/// A model with all that stands before it. Shared by all rollouts of a run.
pub struct Gateway {
    model: Arc<dyn Model>,
    limiter: Arc<Limiter>,
    policy: RetryPolicy,
    jitter: Mutex<Jitter>,
    recorder: Option<Recorder>,
}

impl Gateway {
    /// A gateway to `model`. `seed` is of the jitter of its waits.
    pub fn new(
        model: Arc<dyn Model>,
        limiter: Arc<Limiter>,
        policy: RetryPolicy,
        seed: u64,
    ) -> Self {
        let jitter = Mutex::new(Jitter::new(seed));
        Self { model, limiter, policy, jitter, recorder: None }
    }

    /// Writes every answer to a tape as well.
    #[must_use]
    pub fn recorded_by(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// The model's name and context window.
    pub fn info(&self) -> ModelInfo {
        self.model.info()
    }

    /// Has the model take its turn.
    pub async fn complete(
        &self,
        request: &Request<'_>,
        purse: &Purse,
        watch: &dyn Watch,
    ) -> Outcome {
        let begin = Instant::now();
        let mut failed = Vec::new();
        loop {
            let error = match self.attempt(request, purse, watch).await {
                Ok(reply) => {
                    return Outcome { answer: self.record(request, Ok(reply)), failed };
                }
                Err(error) => error,
            };
            let count = u32::try_from(failed.len() + 1).unwrap_or(u32::MAX);
            let next = {
                let mut jitter = self.jitter.lock().unwrap_or_else(PoisonError::into_inner);
                self.policy.next(count, error.retry, begin.elapsed(), &mut jitter)
            };
            let reason = error.error.to_string();
            let wait = if let Next::Wait(wait) = next { wait } else { Duration::ZERO };
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            if next != Next::GiveUp(None) || error.usage != Usage::default() {
                let attempt = FailedAttempt { reason: reason.clone(), wait_ms, usage: error.usage };
                watch.failed(&attempt);
                failed.push(attempt);
            }
            match next {
                Next::Wait(wait) => {
                    tracing::warn!(?wait, reason, "model attempt failed");
                    watch.waits(Waiting::ForRetry { wait, reason });
                    tokio::time::sleep(wait).await;
                }
                Next::GiveUp(why) => {
                    let answer = self.record(request, Err(given_up(error.error, why, count)));
                    return Outcome { answer, failed };
                }
            }
        }
    }

    /// One attempt, paid for.
    async fn attempt(
        &self,
        request: &Request<'_>,
        purse: &Purse,
        watch: &dyn Watch,
    ) -> Result<Reply, AttemptError> {
        let reserved = purse.reserve(&self.model.bound(request), watch).await?;
        let place = self.place(watch).await;
        watch.waits(Waiting::ForReply);
        let result = self.model.attempt(request).await;
        let usage = match &result {
            Ok(reply) => reply.usage,
            Err(error) => error.usage,
        };
        for reservation in reserved {
            reservation.settle(&usage);
        }
        match &result {
            Ok(_) => place.succeeded(),
            Err(AttemptError { retry: Retry::Overloaded(asked), .. }) => {
                // What it will not wait for must not hold up the others either.
                place.overloaded(asked.filter(|asked| *asked <= self.policy.patience));
            }
            Err(_) => drop(place),
        }
        result
    }

    async fn place(&self, watch: &dyn Watch) -> Place {
        if self.limiter.is_busy() {
            watch.waits(Waiting::ForPlace);
        }
        self.limiter.place().await
    }

    /// Puts an answer on the tape, if there is one. An answer that is not on the
    /// tape has still been given.
    fn record(
        &self,
        request: &Request<'_>,
        answer: Result<Reply, ModelError>,
    ) -> Result<Reply, ModelError> {
        if let Some(recorder) = &self.recorder
            && let Err(error) = recorder.record(request, &answer)
        {
            tracing::error!(%error, "can't record an answer of the model");
        }
        answer
    }
}

impl Purse {
    /// Reserves from both accounts. The rollout's never waits: it has one
    /// exchange at a time.
    async fn reserve(
        &self,
        most: &Usage,
        watch: &dyn Watch,
    ) -> Result<[Reservation; 2], AttemptError> {
        let exhausted = |which| AttemptError::lasting(ModelError::BudgetExhausted(which));
        let rollout = self.rollout.reserve(most).await;
        let rollout = rollout.map_err(|kind| exhausted(kind.to_string()))?;
        if self.run.is_short_of(most) {
            watch.waits(Waiting::ForBudget);
        }
        let run = self.run.reserve(most).await;
        let run = run.map_err(|kind| exhausted(format!("{kind} of the run")))?;
        Ok([rollout, run])
    }
}

/// The error after the last attempt, with what made it the last.
fn given_up(error: ModelError, why: Option<&str>, attempts: u32) -> ModelError {
    match (error, why) {
        (ModelError::Unavailable(reason), Some(why)) => {
            ModelError::Unavailable(format!("{reason} (attempt {attempts}; {why})"))
        }
        (error, _) => error,
    }
}

/// Nobody is told what is waited for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn waits(&self, _waiting: Waiting) {}
}
