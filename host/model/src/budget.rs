//! Money and tokens that may be spent. What an exchange can take at most is
//! reserved before it is sent and settled after, so that exchanges under way at
//! the same time cannot overshoot together.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::price::Usd;
use crate::usage::Usage;

/// Bounds on what may be spent; none where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Tokens in and out, cached ones included.
    pub tokens: Option<u64>,
    /// Money.
    pub usd: Option<Usd>,
}

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tokens in and out.
    Tokens,
    /// Money.
    Usd,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tokens => "tokens",
            Self::Usd => "usd",
        })
    }
}

/// A budget that exchanges are paid from.
pub struct Account {
    bounds: Bounds,
    state: Mutex<State>,
    settled: Notify,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    spent: Sum,
    reserved: Sum,
}

/// Tokens and millionths of a dollar.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    tokens: u64,
    micros: u64,
}

impl Sum {
    fn of(usage: &Usage) -> Self {
        Self { tokens: usage.tokens(), micros: usage.cost_microusd }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            micros: self.micros.saturating_add(other.micros),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(other.tokens),
            micros: self.micros.saturating_sub(other.micros),
        }
    }

    /// The bound it goes beyond.
    fn beyond(self, bounds: Bounds) -> Option<Kind> {
        if bounds.tokens.is_some_and(|most| self.tokens > most) {
            return Some(Kind::Tokens);
        }
        bounds.usd.is_some_and(|most| self.micros > most.micros()).then_some(Kind::Usd)
    }
}

impl Account {
    /// Opens an account from which `spent` has been paid already.
    pub fn new(bounds: Bounds, spent: &Usage) -> Arc<Self> {
        let state = State { spent: Sum::of(spent), reserved: Sum::default() };
        Arc::new(Self { bounds, state: Mutex::new(state), settled: Notify::new() })
    }

    /// Notes what was paid without a reservation, such as before a restart.
    pub fn charge(&self, usage: &Usage) {
        let mut state = self.lock();
        state.spent = state.spent.plus(Sum::of(usage));
    }

    /// Sets `most` aside. While others hold reservations that may turn out too
    /// large, it waits for them; the error says what is not enough.
    pub async fn reserve(self: &Arc<Self>, most: &Usage) -> Result<Reservation, Kind> {
        loop {
            // Listening begins before the look, so that no settling is missed.
            let settled = self.settled.notified();
            match self.try_reserve(most) {
                Ok(reservation) => return Ok(reservation),
                Err((kind, Outlook::Hopeless)) => return Err(kind),
                Err((_, Outlook::Open)) => settled.await,
            }
        }
    }

    /// Whether `most` could not be set aside now.
    pub fn is_short_of(&self, most: &Usage) -> bool {
        let state = self.lock();
        state.spent.plus(state.reserved).plus(Sum::of(most)).beyond(self.bounds).is_some()
    }

    fn try_reserve(self: &Arc<Self>, most: &Usage) -> Result<Reservation, (Kind, Outlook)> {
        let most = Sum::of(most);
        let mut state = self.lock();
        if let Some(kind) = state.spent.plus(most).beyond(self.bounds) {
            return Err((kind, Outlook::Hopeless));
        }
        if let Some(kind) = state.spent.plus(state.reserved).plus(most).beyond(self.bounds) {
            return Err((kind, Outlook::Open));
        }
        state.reserved = state.reserved.plus(most);
        Ok(Reservation { account: self.clone(), most })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what is missing may become free.
enum Outlook {
    Open,
    Hopeless,
}

/// What is set aside for one attempt. Dropping it takes nothing.
pub struct Reservation {
    account: Arc<Account>,
    most: Sum,
}

impl Reservation {
    /// Pays what was really used and frees the rest.
    pub fn settle(self, usage: &Usage) {
        self.account.charge(usage);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.account.lock();
        state.reserved = state.reserved.minus(self.most);
        drop(state);
        self.account.settled.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usage(tokens: u64, cost_microusd: u64) -> Usage {
        Usage { input_tokens: tokens, cost_microusd, ..Usage::default() }
    }

    fn of_tokens(most: u64) -> Bounds {
        Bounds { tokens: Some(most), usd: None }
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let bounds = Bounds { tokens: Some(100), usd: Some(Usd::from_micros(10)) };
        let account = Account::new(bounds, &usage(90, 9));
        assert_eq!(account.reserve(&usage(11, 0)).await.err(), Some(Kind::Tokens));
        assert_eq!(account.reserve(&usage(1, 2)).await.err(), Some(Kind::Usd));
        account.reserve(&usage(10, 1)).await.unwrap().settle(&usage(10, 1));
        assert_eq!(account.reserve(&usage(1, 0)).await.err(), Some(Kind::Tokens));
    }

    #[tokio::test]
    async fn reservation_waits_for_others_that_may_free_what_they_hold() {
        let account = Account::new(of_tokens(100), &Usage::default());
        let held = account.reserve(&usage(80, 0)).await.unwrap();
        assert!(account.is_short_of(&usage(50, 0)));
        let other = account.clone();
        let waiting = tokio::spawn(async move { other.reserve(&usage(50, 0)).await.is_ok() });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        held.settle(&usage(20, 0));
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn dropped_reservation_costs_nothing() {
        let account = Account::new(of_tokens(100), &Usage::default());
        drop(account.reserve(&usage(100, 0)).await.unwrap());
        assert!(account.reserve(&usage(100, 0)).await.is_ok());
    }

    proptest! {
        // Many rollouts in parallel, each asking again and again: together they
        // never spend more than there is, and they stop only for want of it.
        #[test]
        fn parallel_rollouts_never_overshoot(
            bound in 1_u64..5_000,
            rollouts in prop::collection::vec(
                prop::collection::vec((1_u64..400, 0_u64..=100), 1..12), 1..8),
        ) {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
            let account = Account::new(of_tokens(bound), &Usage::default());
            let spend = |exchanges: Vec<(u64, u64)>, account: Arc<Account>| async move {
                for (most, percent) in exchanges {
                    let Ok(reservation) = account.reserve(&usage(most, 0)).await else {
                        return Some(most);
                    };
                    tokio::task::yield_now().await;
                    reservation.settle(&usage(most * percent / 100, 0));
                }
                None
            };
            let tasks: Vec<_> = rollouts
                .into_iter()
                .map(|exchanges| runtime.spawn(spend(exchanges, account.clone())))
                .collect();
            let refused: Vec<_> = runtime.block_on(async {
                let mut refused = Vec::new();
                for task in tasks {
                    refused.extend(task.await.unwrap());
                }
                refused
            });
            let state = *account.lock();
            prop_assert!(state.spent.tokens <= bound);
            prop_assert_eq!(state.reserved.tokens, 0);
            for most in refused {
                prop_assert!(state.spent.tokens + most > bound);
            }
        }
    }
}
