//! How much is asked for at once: less after GitHub could not answer, slowly
//! more again while it can.

/// Answers in a row after which more is asked for.
const STEADY: u32 = 4;

/// The size of the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Objects asked for at once.
    pub(super) batch: u32,
    /// Items of each connection.
    pub(super) size: u32,
    full: (u32, u32),
    answers: u32,
}

impl Pace {
    /// Begins with as much as is ever asked for.
    pub(super) fn new(batch: u32, size: u32) -> Self {
        Self { batch, size, full: (batch, size), answers: 0 }
    }

    /// Asks for half as much. Says whether that was possible.
    pub(super) fn shrink(&mut self) -> bool {
        self.answers = 0;
        if self.batch > 1 {
            self.batch /= 2;
        } else if self.size > 1 {
            self.size /= 2;
        } else {
            return false;
        }
        true
    }

    /// Takes note of an answer.
    pub(super) fn answered(&mut self) {
        self.answers += 1;
        if self.answers < STEADY {
            return;
        }
        self.answers = 0;
        if self.size < self.full.1 {
            self.size = (self.size * 2).min(self.full.1);
        } else {
            self.batch = (self.batch * 2).min(self.full.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_shrink_to_one_item_and_grow_to_where_they_were() {
        let mut pace = Pace::new(20, 50);
        let mut shrunk = 0;
        while pace.shrink() {
            shrunk += 1;
        }
        assert_eq!((pace.batch, pace.size, shrunk), (1, 1, 4 + 5));
        for _ in 0..STEADY * 11 {
            pace.answered();
        }
        assert_eq!((pace.batch, pace.size), (20, 50));
    }

    #[test]
    fn one_answer_is_no_reason_to_ask_for_more() {
        let mut pace = Pace::new(20, 50);
        pace.shrink();
        pace.answered();
        assert_eq!(pace.batch, 10);
    }
}
