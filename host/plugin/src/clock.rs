//! The clock that guests see. It is logical: it starts at the time of the
//! stage's base commit and advances by rule, so that a replay sees the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// What one look at the clock advances it by, in nanoseconds.
const LOOK: u64 = 1_000;

/// Nanoseconds since the rollout's stage began, shared by all guests of one
/// session. Reading it advances it by a microsecond; a guest that sleeps
/// advances it by the length of its sleep and does not wait.
#[derive(Debug, Clone)]
pub struct LogicalClock {
    start: Duration,
    elapsed: Arc<AtomicU64>,
    /// The earliest moment that somebody waits for.
    alarm: Arc<AtomicU64>,
}

/// Nobody waits.
const NEVER: u64 = u64::MAX;

impl LogicalClock {
    /// A clock that begins at `unix_seconds`.
    pub fn starting_at(unix_seconds: i64) -> Self {
        let start = Duration::from_secs(u64::try_from(unix_seconds).unwrap_or(0));
        Self { start, elapsed: Arc::default(), alarm: Arc::new(AtomicU64::new(NEVER)) }
    }

    /// Looks at the clock: nanoseconds since its start.
    pub fn look(&self) -> u64 {
        self.elapsed.fetch_add(LOOK, Ordering::Relaxed) + LOOK
    }

    /// Whole seconds since 1970, without a look.
    pub fn unix_seconds(&self) -> i64 {
        let elapsed = Duration::from_nanos(self.elapsed.load(Ordering::Relaxed));
        i64::try_from((self.start + elapsed).as_secs()).unwrap_or(i64::MAX)
    }

    /// Whether it is `nanos` since the clock's start. If not, that is a moment
    /// that [`Self::wake`] may move the clock to.
    pub(crate) fn reached(&self, nanos: u64) -> bool {
        let reached = self.elapsed.load(Ordering::Relaxed) >= nanos;
        if !reached {
            self.alarm.fetch_min(nanos, Ordering::Relaxed);
        }
        reached
    }

    /// Moves the clock on to the earliest moment that was asked for since the
    /// last time; false if there is none.
    pub(crate) fn wake(&self) -> bool {
        let alarm = self.alarm.swap(NEVER, Ordering::Relaxed);
        if alarm == NEVER {
            return false;
        }
        self.elapsed.fetch_max(alarm, Ordering::Relaxed);
        true
    }

    /// Nanoseconds since the start, without a look.
    pub(crate) fn elapsed(&self) -> u64 {
        self.elapsed.load(Ordering::Relaxed)
    }

    /// Stands at `nanos` since the start, with nobody waiting.
    pub(crate) fn set(&self, nanos: u64) {
        self.elapsed.store(nanos, Ordering::Relaxed);
        self.forget_alarms();
    }

    /// What was waited for is waited for no more.
    pub(crate) fn forget_alarms(&self) {
        self.alarm.store(NEVER, Ordering::Relaxed);
    }

    /// Moves the clock on by `nanos`.
    pub fn advance_by(&self, nanos: u64) {
        self.elapsed.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl HostWallClock for LogicalClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(LOOK)
    }

    fn now(&self) -> Duration {
        self.start + Duration::from_nanos(self.look())
    }
}

impl HostMonotonicClock for LogicalClock {
    fn resolution(&self) -> u64 {
        LOOK
    }

    fn now(&self) -> u64 {
        self.look()
    }
}
