//! Which of many lines stand in a text, found in one pass over it.
//!
//! Lines are looked up by how they begin. What one pass compares is bounded, whatever
//! the lines have in common; who asks is told which lines were not looked for to the
//! end.

use std::collections::HashMap;

/// Shortest line that can be looked for, in bytes.
pub(super) const LEAST_LINE: usize = 12;

/// Most places of lines that are compared in a text.
const MOST_COMPARISONS: usize = 20_000_000;

/// Bytes that are compared for the price of one place.
const BYTES_OF_COMPARISON: usize = 64;

/// Lines in plain form, in order and each of them once.
#[derive(Debug, Default)]
pub(super) struct Lines {
    all: Vec<String>,
    by_start: HashMap<[u8; LEAST_LINE], Vec<usize>>,
}

/// What a pass over a text came to.
pub(super) struct Found {
    /// Whether each of the lines stands in the text.
    pub(super) stands: Vec<bool>,
    /// Whether all of the text was looked at.
    pub(super) is_whole: bool,
}

impl Lines {
    /// Lines that are too short are left out.
    pub(super) fn new(mut all: Vec<String>) -> Self {
        all.retain(|line| line.len() >= LEAST_LINE);
        all.sort();
        all.dedup();
        let mut by_start: HashMap<_, Vec<usize>> = HashMap::new();
        for (number, line) in all.iter().enumerate() {
            if let Some(start) = line.as_bytes().first_chunk() {
                by_start.entry(*start).or_default().push(number);
            }
        }
        Self { all, by_start }
    }

    /// The line of a number.
    pub(super) fn line(&self, number: usize) -> &str {
        self.all.get(number).map_or("", String::as_str)
    }

    /// Looks for all lines in `text`. A place counts if `fits` says so of the text, of
    /// where the line begins, and of the line.
    pub(super) fn find(&self, text: &str, fits: impl Fn(&str, usize, &str) -> bool) -> Found {
        let mut stands = vec![false; self.all.len()];
        let mut left = MOST_COMPARISONS;
        for (at, start) in text.as_bytes().windows(LEAST_LINE).enumerate() {
            let Some(numbers) = start.first_chunk().and_then(|start| self.by_start.get(start))
            else {
                continue;
            };
            let rest = text.as_bytes().get(at..).unwrap_or_default();
            for number in numbers {
                let line = self.line(*number);
                let price = 1 + line.len() / BYTES_OF_COMPARISON;
                let Some(after) = left.checked_sub(price) else {
                    return Found { stands, is_whole: false };
                };
                left = after;
                if let Some(stands) = stands.get_mut(*number)
                    && !*stands
                {
                    *stands = rest.starts_with(line.as_bytes()) && fits(text, at, line);
                }
            }
        }
        Found { stands, is_whole: true }
    }

    /// The lines that `keep` says, by their numbers.
    pub(super) fn retained(self, keep: impl Fn(usize) -> bool) -> Self {
        let numbered = self.all.into_iter().enumerate();
        Self::new(numbered.filter(|(number, _)| keep(*number)).map(|(_, line)| line).collect())
    }
}
