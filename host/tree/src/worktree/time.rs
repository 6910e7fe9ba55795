//! Logical time: what a worktree shows as times of its entries. It never looks
//! at a real clock, so that a replay sees the same times.

/// A moment, counted from 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogicalTime {
    /// Whole seconds.
    pub seconds: i64,
    /// The rest, below 1,000,000,000.
    pub nanoseconds: u32,
}

const TICK: u32 = 1_000;
const SECOND: u32 = 1_000_000_000;

impl LogicalTime {
    /// The beginning of a second.
    pub fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanoseconds: 0 }
    }

    /// One microsecond later.
    fn next(self) -> Self {
        let nanoseconds = self.nanoseconds.saturating_add(TICK);
        if nanoseconds < SECOND {
            Self { nanoseconds, ..self }
        } else {
            Self { seconds: self.seconds.saturating_add(1), nanoseconds: nanoseconds - SECOND }
        }
    }
}

/// The times of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) accessed: LogicalTime,
    pub(super) modified: LogicalTime,
    pub(super) changed: LogicalTime,
    pub(super) created: LogicalTime,
}

impl Times {
    pub(super) fn all(at: LogicalTime) -> Self {
        Self { accessed: at, modified: at, changed: at, created: at }
    }
}

/// What becomes of one of a node's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetTime {
    /// It stays.
    Keep,
    /// It becomes the worktree's current time.
    Now,
    /// It becomes this time.
    At(LogicalTime),
}

impl SetTime {
    pub(super) fn apply(self, old: LogicalTime, now: LogicalTime) -> LogicalTime {
        match self {
            Self::Keep => old,
            Self::Now => now,
            Self::At(time) => time,
        }
    }
}

/// The time of the latest change; each change takes the next tick.
#[derive(Debug)]
pub(super) struct Clock {
    now: LogicalTime,
}

impl Clock {
    pub(super) fn starting_at(now: LogicalTime) -> Self {
        Self { now }
    }

    pub(super) fn now(&self) -> LogicalTime {
        self.now
    }

    pub(super) fn tick(&mut self) -> LogicalTime {
        self.now = self.now.next();
        self.now
    }

    pub(super) fn advance_to(&mut self, time: LogicalTime) {
        self.now = self.now.max(time);
    }
}
