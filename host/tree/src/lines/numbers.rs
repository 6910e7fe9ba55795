//! Texts as lists of line numbers: equal lines have equal numbers.

use std::collections::HashMap;
use std::ops::Range;

use bstr::ByteSlice;
use foldhash::quality::RandomState;

/// Bytes compared at once where two texts are expected to be equal.
const BLOCK: usize = 512;

/// The numbers that lines have, from 0 on in the order in which they are met.
#[derive(Default)]
pub(crate) struct Numbering<'a> {
    known: HashMap<&'a [u8], u32, RandomState>,
}

impl<'a> Numbering<'a> {
    /// How many numbers are given out.
    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }

    /// A text whose lines are numbered.
    pub(crate) fn text(&mut self, content: &'a [u8]) -> Text<'a> {
        let lines = content.len() / 24;
        let mut text =
            Text { content, ends: Vec::with_capacity(lines), numbers: Vec::with_capacity(lines) };
        self.append(&mut text, 0..content.len());
        text
    }

    /// [`text`](Self::text), faster where `content` begins and ends like a text
    /// that is numbered.
    pub(crate) fn text_beside(&mut self, content: &'a [u8], like: &Text<'a>) -> Text<'a> {
        let lead = common_lead(content, like);
        let lead_bytes = like.start_of(lead);
        let tail = common_tail(content, like, lead);
        let tail_bytes = like.content.len() - like.start_of(like.len() - tail);
        let mut text = Text {
            content,
            ends: Vec::with_capacity(like.len()),
            numbers: Vec::with_capacity(like.len()),
        };
        text.ends.extend_from_slice(like.ends.get(..lead).unwrap_or_default());
        text.numbers.extend_from_slice(like.numbers.get(..lead).unwrap_or_default());
        self.append(&mut text, lead_bytes..content.len() - tail_bytes);
        let ends = like.ends.get(like.len() - tail..).unwrap_or_default();
        text.ends.extend(ends.iter().map(|end| content.len() - (like.content.len() - end)));
        text.numbers.extend_from_slice(like.numbers.get(like.len() - tail..).unwrap_or_default());
        text
    }

    fn append(&mut self, text: &mut Text<'a>, part: Range<usize>) {
        let mut end = part.start;
        for line in text.content.get(part).unwrap_or_default().lines_with_terminator() {
            let next = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
            end += line.len();
            text.ends.push(end);
            text.numbers.push(*self.known.entry(line).or_insert(next));
        }
    }
}

/// A text by lines. The last one may lack its `\n`.
pub(crate) struct Text<'a> {
    content: &'a [u8],
    /// Where each line ends, in bytes.
    ends: Vec<usize>,
    numbers: Vec<u32>,
}

impl<'a> Text<'a> {
    /// Number of lines.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The number of each line.
    pub(crate) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// A line with its end.
    pub(crate) fn line(&self, line: usize) -> Option<&'a [u8]> {
        (line < self.len()).then(|| self.bytes(&(line..line + 1)))
    }

    /// Lines with their ends.
    pub(crate) fn bytes(&self, lines: &Range<usize>) -> &'a [u8] {
        self.content.get(self.start_of(lines.start)..self.start_of(lines.end)).unwrap_or_default()
    }

    /// Where a line begins, the end of the text for those behind the last one.
    fn start_of(&self, line: usize) -> usize {
        match line.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or(self.content.len()),
            None => 0,
        }
    }
}

/// How many lines `content` and `like` have in common at their beginning.
fn common_lead(content: &[u8], like: &Text<'_>) -> usize {
    let same = common_start(content, like.content);
    let lines = like.ends.partition_point(|end| *end <= same);
    // A last line without end may go on in the other text.
    let is_whole = same == content.len() || like.content.get(..same).is_some_and(ends_line);
    if lines == like.len() && !is_whole { lines.saturating_sub(1) } else { lines }
}

/// How many lines they have in common at their end, behind `lead` lines.
fn common_tail(content: &[u8], like: &Text<'_>, lead: usize) -> usize {
    let start = like.start_of(lead);
    let rest = |bytes| <[u8]>::get(bytes, start..).unwrap_or_default();
    let (ours, theirs) = (rest(content), rest(like.content));
    let same = common_end(ours, theirs);
    let begins = like.content.len() - same;
    let first = 1 + like.ends.partition_point(|end| *end < begins);
    let first = if begins == start { lead } else { first };
    // What is the beginning of a line here may be the middle of one there.
    let is_whole =
        ours.get(..ours.len() - same).is_none_or(|before| before.is_empty() || ends_line(before));
    let first = if like.start_of(first) == begins && !is_whole { first + 1 } else { first };
    like.len().saturating_sub(first)
}

fn ends_line(text: &[u8]) -> bool {
    text.is_empty() || text.ends_with(b"\n")
}

/// How many bytes two contents have in common at their beginning.
pub(crate) fn common_start(one: &[u8], other: &[u8]) -> usize {
    let blocks = one.chunks(BLOCK).zip(other.chunks(BLOCK));
    let same = BLOCK * blocks.take_while(|(one, other)| one == other).count();
    let rest = |bytes| <[u8]>::get(bytes, same..).unwrap_or_default();
    let ends = rest(one).iter().zip(rest(other));
    same.min(one.len()) + ends.take_while(|(one, other)| one == other).count()
}

/// How many bytes two contents have in common at their end.
pub(crate) fn common_end(one: &[u8], other: &[u8]) -> usize {
    let blocks = one.rchunks(BLOCK).zip(other.rchunks(BLOCK));
    let same = BLOCK * blocks.take_while(|(one, other)| one == other).count();
    let ends = one.iter().rev().skip(same).zip(other.iter().rev().skip(same));
    same.min(one.len()) + ends.take_while(|(one, other)| one == other).count()
}
