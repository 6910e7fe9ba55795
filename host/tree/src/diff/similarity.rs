//! How much of one file is in another, by the measure git uses.
//!
//! A content is cut into spans, each a line or 64 bytes of a longer one. The
//! similarity of two contents is the size of the spans they share in relation
//! to the larger one. The hash of a span is git's, so that a pair just below or
//! above a threshold is judged alike.

use crate::patch::is_binary;

/// The similarity of equal contents.
pub(crate) const FULL: u64 = 60_000;

/// The least similarity of a renamed file, one half.
pub(crate) const RENAMED: u64 = FULL / 2;

const HASHES: u32 = 107_927;
const LONGEST_SPAN: u32 = 64;

/// The spans of a content: hash and total size, sorted by hash.
pub(crate) struct Spans {
    size: u64,
    spans: Vec<(u32, u32)>,
}

impl Spans {
    /// Cuts up `content`.
    pub(crate) fn of(content: &[u8]) -> Self {
        let mut cutter = Cutter { high: 0, low: 0, length: 0, spans: Vec::new() };
        let text = !is_binary(content);
        let mut bytes = content.iter().peekable();
        while let Some(&byte) = bytes.next() {
            if text && byte == b'\r' && bytes.peek() == Some(&&b'\n') {
                continue;
            }
            cutter.push(byte);
        }
        cutter.cut();
        Self { size: content.len() as u64, spans: summed(cutter.spans) }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.spans.len()
    }

    /// How similar `self` became as `after`, from 0 to [`FULL`].
    pub(crate) fn similarity(&self, after: &Self) -> u64 {
        if after.size == 0 {
            return 0;
        }
        let mut copied = 0;
        let mut others = after.spans.iter().peekable();
        for (hash, size) in &self.spans {
            while others.next_if(|(other, _)| other < hash).is_some() {}
            if let Some((_, other)) = others.next_if(|(other, _)| other == hash) {
                copied += u64::from(*size.min(other));
            }
        }
        copied * FULL / self.size.max(after.size)
    }
}

/// Whether contents of these sizes can be as similar as a rename must be.
pub(crate) fn sizes_allow(before: u64, after: u64) -> bool {
    let larger = before.max(after);
    let apart = larger - before.min(after);
    larger * (FULL - RENAMED) >= apart * FULL
}

struct Cutter {
    high: u32,
    low: u32,
    length: u32,
    spans: Vec<(u32, u32)>,
}

impl Cutter {
    fn push(&mut self, byte: u8) {
        let before = self.low;
        self.low = (self.low << 7) ^ (self.high >> 25);
        self.high = (self.high << 7) ^ (before >> 25);
        self.low = self.low.wrapping_add(u32::from(byte));
        self.length += 1;
        if self.length == LONGEST_SPAN || byte == b'\n' {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.length > 0 {
            let hash = self.low.wrapping_add(self.high.wrapping_mul(0x61)) % HASHES;
            self.spans.push((hash, self.length));
        }
        (self.high, self.low, self.length) = (0, 0, 0);
    }
}

fn summed(mut spans: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    spans.sort_unstable();
    spans.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = kept.1.saturating_add(next.1);
        }
        same
    });
    spans
}

#[cfg(test)]
mod tests {
    use super::{FULL, Spans};

    #[test]
    fn similarity_is_the_shared_part_of_the_larger_content() {
        let old = Spans::of(b"one\ntwo\nthree\n");
        assert_eq!(old.similarity(&old), FULL);
        assert_eq!(old.similarity(&Spans::of(b"one\ntwo\n")), 8 * FULL / 14);
        assert_eq!(old.similarity(&Spans::of(b"")), 0);
    }

    #[test]
    fn carriage_returns_of_text_do_not_count() {
        let unix = Spans::of(b"one\ntwo\n");
        assert_eq!(unix.similarity(&Spans::of(b"one\r\ntwo\r\n")), 8 * FULL / 10);
    }
}
