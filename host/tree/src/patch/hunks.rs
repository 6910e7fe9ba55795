//! Line differences of two contents, as the `@@` sections of a patch.

use std::io::Write;
use std::ops::Range;

use crate::lines::{ChangedLines, Numbering, Text, Work, diff_changes};

/// Most bytes of a function name after `@@`.
const SECTION: usize = 80;

/// Writes the sections that make `new` out of `old`.
pub(super) fn write(
    out: &mut Vec<u8>,
    old: &[u8],
    new: &[u8],
    context: u32,
    work: &mut Work,
) -> std::io::Result<()> {
    let mut numbering = Numbering::default();
    let before = numbering.text(old);
    let after = numbering.text_beside(new, &before);
    let changes = diff_changes(&before, &after, numbering.count(), work);
    let mut section = Section { lines: &before, searched: 0, found: Vec::new() };
    for group in
        changes.chunk_by(|a, b| b.before.start.saturating_sub(a.before.end) <= 2 * context as usize)
    {
        write_hunk(out, &before, &after, group, context as usize, &mut section)?;
    }
    Ok(())
}

fn write_hunk(
    out: &mut Vec<u8>,
    before: &Text<'_>,
    after: &Text<'_>,
    changes: &[ChangedLines],
    context: usize,
    section: &mut Section<'_>,
) -> std::io::Result<()> {
    let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return Ok(()) };
    let lead = context.min(first.before.start);
    let trail = context.min(before.len() - last.before.end);
    let old = first.before.start - lead..last.before.end + trail;
    let new = first.after.start - lead..last.after.end + trail;
    write!(out, "@@ -{} +{} @@", span(&old), span(&new))?;
    let name = section.before(old.start);
    if !name.is_empty() {
        out.push(b' ');
        out.extend_from_slice(name);
    }
    out.push(b'\n');
    let mut shown = old.start;
    for change in changes {
        write_lines(out, b' ', before, shown..change.before.start);
        write_lines(out, b'-', before, change.before.clone());
        write_lines(out, b'+', after, change.after.clone());
        shown = change.before.end;
    }
    write_lines(out, b' ', before, shown..old.end);
    Ok(())
}

/// Start and number of lines, as a section's head gives them.
fn span(lines: &Range<usize>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        count => format!("{},{count}", lines.start + 1),
    }
}

fn write_lines(out: &mut Vec<u8>, mark: u8, lines: &Text<'_>, range: Range<usize>) {
    for line in range.filter_map(|line| lines.line(line)) {
        out.push(mark);
        out.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            out.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}

/// The bytes up to the first that is not part of UTF-8.
fn valid_start(text: &[u8]) -> &[u8] {
    let end = std::str::from_utf8(text).map_or_else(|err| err.valid_up_to(), str::len);
    text.get(..end).unwrap_or_default()
}

/// Finds the line that names the function a hunk is in: the last one above it
/// that starts with a letter, `_` or `$`.
struct Section<'a> {
    lines: &'a Text<'a>,
    searched: usize,
    found: Vec<u8>,
}

impl Section<'_> {
    fn before(&mut self, start: usize) -> &[u8] {
        let mut unseen = (self.searched..start).rev().filter_map(|line| self.lines.line(line));
        let names = |line: &&[u8]| {
            line.first().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, b'_' | b'$'))
        };
        if let Some(line) = unseen.find(names) {
            let shown = line.get(..SECTION).unwrap_or(line);
            self.found = valid_start(shown.trim_ascii_end()).to_vec();
        }
        self.searched = start;
        &self.found
    }
}
