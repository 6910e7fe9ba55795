//! `diff -y`: two columns, with tabs between them as GNU's.

use super::formats::Side;
use super::lines::Change;

const TAB: usize = 8;
const GUTTER: usize = 3;

/// Where the columns are.
struct Layout {
    half: usize,
    second: usize,
}

impl Layout {
    fn of(width: usize) -> Self {
        let with_gutter = TAB + GUTTER;
        let unaligned = (width >> 1) + (with_gutter >> 1) + (width & with_gutter & 1);
        let second = unaligned - unaligned % TAB;
        let half = second.saturating_sub(GUTTER).min(width.saturating_sub(second));
        Self { half, second: if half == 0 { width } else { second } }
    }

    fn line(&self, output: &mut Vec<u8>, left: Option<&[u8]>, mark: u8, right: Option<&[u8]>) {
        let ends = |side: Option<&[u8]>| side.is_some_and(|line| line.ends_with(b"\n"));
        let mut column = left.map_or(0, |line| half_line(output, line, 0, self.half));
        let mut mark = mark;
        if mark == b'|' && ends(left) != ends(right) {
            mark = if ends(left) { b'/' } else { b'\\' };
        }
        if mark != b' ' {
            column = advance(output, column, usize::midpoint(self.half, self.second - 1)) + 1;
            output.push(mark);
        }
        if let Some(line) = right.filter(|line| *line != b"\n") {
            let start = advance(output, column, self.second);
            half_line(output, line, start, self.half);
        }
        if ends(left) || ends(right) {
            output.push(b'\n');
        }
    }
}

/// Writes blanks up to a column, by tabs where they fit.
fn advance(output: &mut Vec<u8>, from: usize, to: usize) -> usize {
    let mut at = from;
    let mut stop = at + TAB - at % TAB;
    while stop <= to {
        output.push(b'\t');
        at = stop;
        stop += TAB;
    }
    output.extend(std::iter::repeat_n(b' ', to.saturating_sub(at)));
    at.max(to)
}

/// Writes what fits of a line; says in which column it ended.
fn half_line(output: &mut Vec<u8>, line: &[u8], indent: usize, room: usize) -> usize {
    let (mut read, mut written) = (0, 0);
    for one in String::from_utf8_lossy(line).chars() {
        match one {
            '\n' => break,
            '\t' => {
                let spaces = TAB - read % TAB;
                if read == written && written + spaces < room {
                    output.push(b'\t');
                    written += spaces;
                }
                read += spaces;
            }
            one => {
                read += 1;
                if read <= room {
                    written = read;
                    output.extend_from_slice(one.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
    }
    indent + written
}

pub(super) fn show(
    output: &mut Vec<u8>,
    old: &Side<'_>,
    new: &Side<'_>,
    changes: &[Change],
    width: usize,
    only_changes: bool,
) {
    let layout = Layout::of(width);
    let line = |side: &Side<'_>, at: usize| -> Option<Vec<u8>> {
        side.lines.get(at).map(|line| line.to_vec())
    };
    let common = |output: &mut Vec<u8>, from: usize, to: usize, beside: usize| {
        for offset in 0..to.saturating_sub(from) {
            let (left, right) = (line(old, from + offset), line(new, beside + offset));
            layout.line(output, left.as_deref(), b' ', right.as_deref());
        }
    };
    let (mut at, mut beside) = (0, 0);
    for change in changes {
        if !only_changes {
            common(output, at, change.old.start, beside);
        }
        for offset in 0..change.old.len().max(change.new.len()) {
            let left = line(old, change.old.start + offset).filter(|_| offset < change.old.len());
            let right = line(new, change.new.start + offset).filter(|_| offset < change.new.len());
            let mark = match (&left, &right) {
                (Some(_), Some(_)) => b'|',
                (Some(_), None) => b'<',
                _ => b'>',
            };
            layout.line(output, left.as_deref(), mark, right.as_deref());
        }
        (at, beside) = (change.old.end, change.new.end);
    }
    if !only_changes {
        common(output, at, old.lines.len(), beside);
    }
}
