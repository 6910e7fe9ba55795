//! When a failed attempt is made again.

use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::model::Retry;

/// How often and how long a gateway tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts at one exchange, the first included.
    pub attempts: u32,
    /// The wait after the first failed attempt; each further one is twice as
    /// long.
    pub first_wait: Duration,
    /// The longest wait that is not the server's wish.
    pub longest_wait: Duration,
    /// The longest wait a server may ask for; beyond it the exchange is given up.
    pub patience: Duration,
    /// No attempt begins later than this after the first.
    pub deadline: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 8,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_mins(1),
            patience: Duration::from_mins(5),
            deadline: Duration::from_mins(30),
        }
    }
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt after this time.
    Wait(Duration),
    /// Nothing; the reason in words, where it is not the failure itself.
    GiveUp(Option<&'static str>),
}

/// The source of jitter: a fixed seed gives the same waits.
#[derive(Debug, Clone)]
pub struct Jitter(ChaCha12Rng);

impl Jitter {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// A time between half of `longest` and all of it.
    fn below(&mut self, longest: Duration) -> Duration {
        let half = longest / 2;
        half + half.mul_f64(f64::from(self.0.next_u32()) / f64::from(u32::MAX))
    }
}

impl RetryPolicy {
    /// Decides after `failed` failed attempts, the last of them with `retry`,
    /// `elapsed` after the first began.
    pub fn next(&self, failed: u32, retry: Retry, elapsed: Duration, jitter: &mut Jitter) -> Next {
        let asked = match retry {
            Retry::Never => return Next::GiveUp(None),
            Retry::Backoff(asked) | Retry::Overloaded(asked) => asked.unwrap_or_default(),
        };
        if failed >= self.attempts {
            return Next::GiveUp(Some("all attempts failed"));
        }
        if asked > self.patience {
            return Next::GiveUp(Some("the server asks for a longer wait than `patience`"));
        }
        let factor = 2_u32.saturating_pow(failed.saturating_sub(1));
        let own = self.first_wait.saturating_mul(factor).min(self.longest_wait);
        // Those who were sent away together must not come back together.
        let wait =
            if asked > own { asked + jitter.below(self.first_wait) } else { jitter.below(own) };
        let wait = wait.max(asked);
        if elapsed + wait > self.deadline {
            return Next::GiveUp(Some("the exchange's deadline has passed"));
        }
        Next::Wait(wait)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 5,
        first_wait: Duration::from_secs(1),
        longest_wait: Duration::from_secs(4),
        patience: Duration::from_mins(1),
        deadline: Duration::from_mins(10),
    };

    fn next(failed: u32, retry: Retry) -> Next {
        POLICY.next(failed, retry, Duration::ZERO, &mut Jitter::new(1))
    }

    #[test]
    fn waits_double_up_to_the_longest_and_a_seed_repeats_them() {
        let waits = |seed| {
            let mut jitter = Jitter::new(seed);
            let wait = |failed| match POLICY.next(
                failed,
                Retry::Backoff(None),
                Duration::ZERO,
                &mut jitter,
            ) {
                Next::Wait(wait) => wait.as_secs_f64(),
                Next::GiveUp(why) => panic!("{why:?}"),
            };
            (1..5).map(wait).collect::<Vec<_>>()
        };
        for (wait, longest) in waits(7).into_iter().zip([1.0, 2.0, 4.0, 4.0]) {
            assert!(longest / 2.0 <= wait && wait <= longest, "{wait} of {longest}");
        }
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }

    #[test]
    fn exchange_is_given_up_when_waiting_cannot_help() {
        assert_eq!(next(1, Retry::Never), Next::GiveUp(None));
        assert!(matches!(next(5, Retry::Backoff(None)), Next::GiveUp(Some(_))));
        let long = Retry::Overloaded(Some(Duration::from_secs(61)));
        assert!(matches!(next(1, long), Next::GiveUp(Some(_))));
        let late =
            POLICY.next(1, Retry::Backoff(None), Duration::from_mins(10), &mut Jitter::new(1));
        assert!(matches!(late, Next::GiveUp(Some(_))));
    }

    proptest! {
        #[test]
        fn no_attempt_comes_before_the_server_wants_it(
            failed in 1_u32..5, asked in 0_u64..60_000, seed: u64,
        ) {
            let asked = Duration::from_millis(asked);
            let retry = Retry::Overloaded(Some(asked));
            let mut jitter = Jitter::new(seed);
            let Next::Wait(wait) = POLICY.next(failed, retry, Duration::ZERO, &mut jitter) else {
                return Err(TestCaseError::fail("given up"));
            };
            prop_assert!(wait >= asked && wait <= asked.max(POLICY.longest_wait) + POLICY.first_wait);
        }
    }
}
