//! The output of a command as the model is shown it.
//!
//! Only the middle of a long output is left out: the head says what ran, the
//! tail says how it ended.

use serde::Serialize;

/// An output, whole or without its middle.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Excerpt {
    /// The whole text where nothing was left out.
    pub(crate) output: Option<String>,
    /// The first half of the limit.
    pub(crate) head: String,
    /// The last half of the limit.
    pub(crate) tail: String,
    /// Characters between `head` and `tail`.
    pub(crate) elided_chars: usize,
}

impl Excerpt {
    /// Keeps `text` whole up to `limit` characters, else half of the limit from
    /// either end.
    pub(crate) fn of(text: &str, limit: usize) -> Self {
        let length = text.chars().count();
        if length <= limit {
            return Self {
                output: Some(text.to_owned()),
                head: String::new(),
                tail: String::new(),
                elided_chars: 0,
            };
        }
        let half = limit / 2;
        let head = text.chars().take(half).collect();
        let tail = text.chars().skip(length - half).collect();
        Self { output: None, head, tail, elided_chars: length - 2 * half }
    }
}

/// Whether a command with this output and exit status declares the work done.
pub(crate) fn submits(output: &str, exit_status: Option<i32>, marker: &str) -> bool {
    exit_status == Some(0)
        && output.lines().map(str::trim).find(|line| !line.is_empty()) == Some(marker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_at_the_limit_is_kept_whole() {
        let text = "x".repeat(10_000);
        assert_eq!(Excerpt::of(&text, 10_000).output, Some(text));
    }

    #[test]
    fn long_output_keeps_head_and_tail_and_counts_the_rest() {
        let text = format!("{}{}{}", "a".repeat(5_000), "b".repeat(7), "c".repeat(5_000));
        let excerpt = Excerpt::of(&text, 10_000);
        assert_eq!(excerpt.output, None);
        assert_eq!(excerpt.head, "a".repeat(5_000));
        assert_eq!(excerpt.tail, "c".repeat(5_000));
        assert_eq!(excerpt.elided_chars, 7);
    }

    #[test]
    fn cut_counts_characters_not_bytes() {
        let excerpt = Excerpt::of("äöüßé", 4);
        assert_eq!((excerpt.head.as_str(), excerpt.tail.as_str()), ("äö", "ßé"));
        assert_eq!(excerpt.elided_chars, 1);
    }

    #[test]
    fn marker_submits_only_on_the_first_line_with_text_and_with_exit_0() {
        assert!(submits("\n  DONE  \nrest", Some(0), "DONE"));
        assert!(!submits("DONE", Some(1), "DONE"));
        assert!(!submits("DONE", None, "DONE"));
        assert!(!submits("first\nDONE", Some(0), "DONE"));
        assert!(!submits("DONE yet?", Some(0), "DONE"));
    }
}
