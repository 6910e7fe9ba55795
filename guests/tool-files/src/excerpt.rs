//! The part of a text file that a model is shown.

use std::fmt::Write as _;

/// Lines shown at once.
pub(crate) const LINES: usize = 2_000;

/// Characters shown of a line.
pub(crate) const COLUMNS: usize = 2_000;

/// How many bytes are looked at to tell text from anything else.
const PROBE: usize = 8 * 1024;

/// Lines of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The lines, long ones cut.
    pub(crate) text: String,
    /// What is missing and how to see it, if anything is.
    pub(crate) notice: Option<String>,
    /// Bytes of the file that are not in `text`.
    pub(crate) omitted_bytes: usize,
}

impl Excerpt {
    /// Takes at most `limit` lines, and never more than [`LINES`], after
    /// skipping `offset`.
    pub(crate) fn of(content: &str, offset: usize, limit: usize) -> Self {
        let total = content.lines().count();
        let mut text = String::new();
        let (mut shown, mut shortened) = (0, 0);
        for line in content.split_inclusive('\n').skip(offset).take(limit.min(LINES)) {
            shown += 1;
            match line.char_indices().nth(COLUMNS) {
                Some((end, rest)) if rest != '\n' => {
                    shortened += 1;
                    text.push_str(line.get(..end).unwrap_or(line));
                    text.push_str("... [line cut]\n");
                }
                _ => text.push_str(line),
            }
        }
        let notice = notice(offset, shown, total, shortened);
        let omitted_bytes = content.len().saturating_sub(text.len());
        Self { text, notice, omitted_bytes }
    }

    /// The notice, if any, and the lines.
    pub(crate) fn into_message(self) -> String {
        match self.notice {
            Some(notice) => format!("[{notice}]\n{}", self.text),
            None => self.text,
        }
    }
}

fn notice(offset: usize, shown: usize, total: usize, shortened: usize) -> Option<String> {
    let mut notice = String::new();
    if shown == 0 && total > 0 {
        let _ = write!(notice, "`offset` {offset} is behind the end; lines in the file: {total}");
    } else if shown < total {
        let end = offset + shown;
        let _ = write!(notice, "lines {} to {end} of {total}", offset + 1);
        if end < total {
            let _ = write!(notice, "; go on with `offset` {end}");
        }
    }
    if shortened > 0 {
        let gap = if notice.is_empty() { "" } else { "; " };
        let _ = write!(notice, "{gap}lines cut at {COLUMNS} characters: {shortened}");
    }
    (!notice.is_empty()).then_some(notice)
}

/// Whether the bytes are no text.
pub(crate) fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(PROBE).any(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_file_is_shown_as_it_is() {
        for text in ["", "a", "a\n", "a\r\nb\n\n"] {
            let excerpt = Excerpt::of(text, 0, LINES);
            let whole = Excerpt { text: text.to_owned(), notice: None, omitted_bytes: 0 };
            assert_eq!(excerpt, whole);
        }
    }

    #[test]
    fn offset_and_limit_select_lines_and_say_so() {
        let excerpt = Excerpt::of("a\nb\nc\nd\n", 1, 2);
        assert_eq!(excerpt.text, "b\nc\n");
        assert_eq!(excerpt.notice.unwrap(), "lines 2 to 3 of 4; go on with `offset` 3");
        let rest = Excerpt::of("a\nb\nc\nd\n", 3, LINES);
        assert_eq!(rest.into_message(), "[lines 4 to 4 of 4]\nd\n");
    }

    #[test]
    fn offset_behind_the_end_is_said() {
        let excerpt = Excerpt::of("a\n", 7, LINES);
        assert_eq!(
            excerpt.into_message(),
            "[`offset` 7 is behind the end; lines in the file: 1]\n"
        );
    }

    #[test]
    fn no_more_than_the_bound_is_shown() {
        let text = "x\n".repeat(LINES + 5);
        let excerpt = Excerpt::of(&text, 0, usize::MAX);
        assert_eq!(excerpt.text.lines().count(), LINES);
        assert_eq!(excerpt.omitted_bytes, 10);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let fits = format!("{}\n", "ä".repeat(COLUMNS));
        assert_eq!(Excerpt::of(&fits, 0, LINES).notice, None);
        let excerpt = Excerpt::of(&format!("ö{fits}"), 0, LINES);
        assert!(excerpt.text.ends_with("ä... [line cut]\n"), "{}", excerpt.text);
        assert_eq!(excerpt.notice.unwrap(), "lines cut at 2000 characters: 1");
    }
}
