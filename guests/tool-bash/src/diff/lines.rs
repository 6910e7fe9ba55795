//! Where two texts differ, line by line.

use std::borrow::Cow;

use imara_diff::{Algorithm, Diff, InternedInput};

/// Which differences count.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct Ignored {
    pub(super) case: bool,
    pub(super) all_space: bool,
    pub(super) amount_of_space: bool,
    pub(super) space_at_end: bool,
    pub(super) blank_lines: bool,
    pub(super) carriage_return: bool,
}

impl Ignored {
    /// The line as it is compared.
    fn key(self, line: &[u8]) -> Cow<'_, [u8]> {
        let mut key = Cow::Borrowed(line);
        let (text, end) = match line.strip_suffix(b"\n") {
            Some(text) => (text, &b"\n"[..]),
            None => (line, &b""[..]),
        };
        if self.carriage_return
            && let Some(text) = text.strip_suffix(b"\r")
        {
            key = Cow::Owned([text, end].concat());
        }
        if self.all_space {
            key.to_mut().retain(|byte| !byte.is_ascii_whitespace());
        } else if self.amount_of_space {
            key = Cow::Owned(squeezed(&key));
        } else if self.space_at_end {
            key = Cow::Owned(key.trim_ascii_end().to_vec());
        }
        if self.case {
            key.to_mut().make_ascii_lowercase();
        }
        key
    }
}

fn squeezed(line: &[u8]) -> Vec<u8> {
    let mut squeezed = Vec::with_capacity(line.len());
    for byte in line.trim_ascii_end() {
        if !byte.is_ascii_whitespace() {
            squeezed.push(*byte);
        } else if squeezed.last() != Some(&b' ') {
            squeezed.push(b' ');
        }
    }
    squeezed
}

/// Lines with their ends.
pub(super) fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// A stretch that differs: line numbers from 0, ends excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) old: std::ops::Range<usize>,
    pub(super) new: std::ops::Range<usize>,
}

/// All stretches that differ, in order, as far down as they go.
pub(super) fn changes(old: &[&[u8]], new: &[&[u8]], ignored: Ignored) -> Vec<Change> {
    found(old, new, ignored, Diff::postprocess_no_heuristic)
}

/// All stretches that differ, moved to where git's indent heuristic puts them.
pub(super) fn changes_as_git(old: &[&[u8]], new: &[&[u8]], ignored: Ignored) -> Vec<Change> {
    found(old, new, ignored, Diff::postprocess_lines)
}

fn found<'a>(
    old: &[&'a [u8]],
    new: &[&'a [u8]],
    ignored: Ignored,
    move_changes: impl Fn(&mut Diff, &InternedInput<Cow<'a, [u8]>>),
) -> Vec<Change> {
    let mut input: InternedInput<Cow<'a, [u8]>> = InternedInput::default();
    input.update_before(old.iter().map(|line| ignored.key(line)));
    input.update_after(new.iter().map(|line| ignored.key(line)));
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    move_changes(&mut diff, &input);
    let wide = |range: std::ops::Range<u32>| range.start as usize..range.end as usize;
    let found = diff.hunks().map(|hunk| Change { old: wide(hunk.before), new: wide(hunk.after) });
    let is_blank = |line: &&[u8]| line.trim_ascii().is_empty();
    let counts = |change: &Change| {
        let removed = old.get(change.old.clone()).unwrap_or_default();
        let added = new.get(change.new.clone()).unwrap_or_default();
        !ignored.blank_lines || !removed.iter().chain(added).all(is_blank)
    };
    found.filter(counts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differ(old: &str, new: &str, ignored: Ignored) -> bool {
        !changes(&split(old.as_bytes()), &split(new.as_bytes()), ignored).is_empty()
    }

    #[test]
    fn what_is_ignored_makes_no_change() {
        let none = Ignored::default();
        for (old, new, ignored) in [
            ("A\n", "a\n", Ignored { case: true, ..none }),
            ("a b\n", "ab\n", Ignored { all_space: true, ..none }),
            ("a  b \n", "a b\n", Ignored { amount_of_space: true, ..none }),
            ("a \n", "a\n", Ignored { space_at_end: true, ..none }),
            ("a\n\nb\n", "a\nb\n", Ignored { blank_lines: true, ..none }),
            ("a\r\n", "a\n", Ignored { carriage_return: true, ..none }),
        ] {
            assert!(differ(old, new, none), "{old:?}");
            assert!(!differ(old, new, ignored), "{old:?} {ignored:?}");
        }
    }

    #[test]
    fn missing_end_of_line_is_a_change() {
        assert!(differ("a", "a\n", Ignored::default()));
    }
}
