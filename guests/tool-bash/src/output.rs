//! Output that is collected up to a bound, losing its middle beyond it.

use std::collections::VecDeque;

/// Bytes a command wrote: the first and the last half of a bound, and how many
/// lay between them. Memory stays within the bound whatever is written.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    omitted: u64,
}

/// An output as text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// Invalid UTF-8 is replaced, and a line says where the middle is missing.
    pub(crate) content: String,
    /// Bytes that are missing.
    pub(crate) omitted_bytes: u64,
}

impl Output {
    /// Collects at most `limit` bytes.
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self { half: limit / 2, head: Vec::new(), tail: VecDeque::new(), omitted: 0 }
    }

    /// Adds what was written next.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let room = self.half.saturating_sub(self.head.len());
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        let skipped = rest.len().saturating_sub(self.half);
        let (_, kept) = rest.split_at(skipped);
        let overflow = (self.tail.len() + kept.len()).saturating_sub(self.half);
        self.tail.drain(..overflow);
        self.tail.extend(kept);
        self.omitted += (skipped + overflow) as u64;
    }

    /// The whole as text.
    pub(crate) fn into_text(mut self) -> Text {
        let tail = self.tail.make_contiguous();
        if self.omitted == 0 {
            self.head.extend_from_slice(tail);
            return Text {
                content: String::from_utf8_lossy(&self.head).into_owned(),
                omitted_bytes: 0,
            };
        }
        let (head, cut_before) = without_broken_end(&self.head);
        let (tail, cut_after) = without_broken_start(tail);
        let omitted_bytes = self.omitted + (cut_before + cut_after) as u64;
        let content = format!(
            "{}\n[... {omitted_bytes} bytes omitted ...]\n{}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(tail)
        );
        Text { content, omitted_bytes }
    }
}

/// Cuts a character that ends behind `bytes`; says how many bytes that took.
fn without_broken_end(bytes: &[u8]) -> (&[u8], usize) {
    let broken = match bytes.utf8_chunks().last() {
        Some(chunk) if is_beginning_of_character(chunk.invalid()) => chunk.invalid().len(),
        _ => 0,
    };
    let (whole, _) = bytes.split_at(bytes.len() - broken);
    (whole, broken)
}

/// Cuts a character that began before `bytes`; says how many bytes that took.
fn without_broken_start(bytes: &[u8]) -> (&[u8], usize) {
    let broken = bytes.iter().take(3).take_while(|byte| **byte & 0xC0 == 0x80).count();
    let (_, whole) = bytes.split_at(broken);
    (whole, broken)
}

fn is_beginning_of_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|err| err.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(limit: usize, pieces: &[&str]) -> Text {
        let mut output = Output::with_limit(limit);
        for piece in pieces {
            output.write(piece.as_bytes());
        }
        output.into_text()
    }

    #[test]
    fn output_within_the_limit_is_whole() {
        let text = collected(10, &["01234", "56", "", "789"]);
        assert_eq!(text, Text { content: "0123456789".to_owned(), omitted_bytes: 0 });
    }

    #[test]
    fn output_beyond_the_limit_loses_its_middle() {
        let text = collected(4, &["ab", "cdef", "gh"]);
        assert_eq!(text.content, "ab\n[... 4 bytes omitted ...]\ngh");
        assert_eq!(text.omitted_bytes, 4);
    }

    #[test]
    fn one_large_write_and_many_small_ones_come_to_the_same() {
        let whole = "many small pieces ".repeat(100);
        let pieces: Vec<&str> = whole.split_inclusive(' ').collect();
        assert_eq!(collected(100, &[&whole]), collected(100, &pieces));
    }

    #[test]
    fn cut_never_splits_a_character() {
        let text = collected(6, &["äöü", "xyz", "äöü"]);
        assert_eq!(text.content, "ä\n[... 11 bytes omitted ...]\nü");
        assert_eq!(text.omitted_bytes, 11);
    }

    #[test]
    fn invalid_bytes_are_replaced() {
        let mut output = Output::with_limit(10);
        output.write(b"a\xffb");
        assert_eq!(output.into_text().content, "a\u{fffd}b");
    }
}
