//! What texts say in the words of a change.
//!
//! A change has thousands of quoted texts and rows of words, and a text has a few
//! of them: only those are worth a look into the code before.

use std::collections::HashSet;
use std::ops::Range;

use super::{marks, words};

/// A text whose words are known.
pub(super) struct Said<'t> {
    text: &'t str,
    /// The text in small letters.
    small: String,
    words: Vec<Range<usize>>,
    small_words: Vec<String>,
    rows: HashSet<u64>,
}

impl<'t> Said<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let words: Vec<Range<usize>> = words::words(text.as_bytes()).collect();
        let small_word = |range: &Range<usize>| text.get(range.clone()).map(str::to_lowercase);
        let small_words = words.iter().filter_map(small_word).collect();
        let rows = words::rows(text.as_bytes()).map(|(row, _)| row).collect();
        Self { text, small: text.to_lowercase(), words, small_words, rows }
    }

    pub(super) fn has_row(&self, row: u64) -> bool {
        self.rows.contains(&row)
    }

    /// What of the text says a literal: as it is, or word for word.
    pub(super) fn literal<'a>(&'a self, literal: &'a str) -> Option<&'a str> {
        if marks::has_small_word(&self.small, literal) {
            return Some(literal);
        }
        words::phrases(literal).into_iter().find_map(|phrase| self.phrase(&phrase))
    }

    fn phrase(&self, phrase: &[String]) -> Option<&'t str> {
        let start = self.small_words.windows(phrase.len()).position(|row| row == phrase)?;
        let last = self.words.get(start + phrase.len() - 1)?;
        self.text.get(self.words.get(start)?.start..last.end)
    }
}
