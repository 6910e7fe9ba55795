//! Which lines of a text became which lines of another.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, InternedInput};

/// Neighbouring lines of the old text that gave way to lines of the new one.
/// One of the two ranges may be empty, not both. Counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedLines {
    /// Lines of the old text that went.
    pub before: Range<usize>,
    /// Lines of the new text that came.
    pub after: Range<usize>,
}

/// The places in which `old` and `new` differ, in order, as `git diff` finds
/// them. Lines end with `\n`, which belongs to them.
pub fn changed_lines(old: &[u8], new: &[u8]) -> Vec<ChangedLines> {
    let input = InternedInput::new(old, new);
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_lines(&input);
    let wide = |range: &Range<u32>| range.start as usize..range.end as usize;
    diff.hunks()
        .map(|hunk| ChangedLines { before: wide(&hunk.before), after: wide(&hunk.after) })
        .collect()
}
