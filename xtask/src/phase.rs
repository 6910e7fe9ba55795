//! Headings for the long steps of a command.
//!
//! A heading says how long the command has run so far, so that the difference
//! of two headings is the wall time of a phase and the last line on the
//! terminal belongs to the program that ran last.

use std::time::Instant;

/// The phases of one command.
pub(crate) struct Phases {
    began: Instant,
}

impl Phases {
    /// Starts the clock.
    pub(crate) fn start() -> Self {
        Self { began: Instant::now() }
    }

    /// Prints a heading on stderr.
    pub(crate) fn begin(&mut self, title: &str) {
        eprintln!("==> [{:>6.1} s] {title}", self.began.elapsed().as_secs_f64());
    }
}
