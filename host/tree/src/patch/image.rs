//! A file as lines, and the places where a hunk fits.

use bstr::ByteSlice;

use super::{Hunk, Line, LineChange};

/// The lines of a file while hunks are applied to it.
pub(super) struct Image<'a> {
    lines: Vec<ImageLine<'a>>,
}

#[derive(Clone, Copy)]
struct ImageLine<'a> {
    text: &'a [u8],
    /// A line that a hunk has matched or made is not matched again.
    done: bool,
}

/// Where in a file a hunk may go.
struct Anchors {
    /// The line it names, from 0, counted after the hunks before it.
    line: usize,
    begins_file: bool,
    ends_file: bool,
    exact: bool,
}

impl<'a> Image<'a> {
    pub(super) fn new(content: &'a [u8]) -> Self {
        let line = |text| ImageLine { text, done: false };
        Self { lines: content.lines_with_terminator().map(line).collect() }
    }

    /// Applies the hunks of a file; the error has the number of the one that does
    /// not fit, from 0, and says why not.
    pub(super) fn apply_all(&mut self, hunks: &'a [Hunk]) -> Result<(), (usize, String)> {
        // A hunk without context above reaches the beginning, one without context
        // below the end; two cannot both do so in a patch that has context lines.
        let bare = hunks.len() > 1 && !hunks.iter().any(has_context);
        for (index, hunk) in hunks.iter().enumerate() {
            self.apply(hunk, bare).map_err(|reason| (index, reason))?;
        }
        Ok(())
    }

    fn apply(&mut self, hunk: &'a Hunk, bare: bool) -> Result<(), String> {
        let side = |gone: LineChange| {
            hunk.lines
                .iter()
                .filter(move |line| line.change != gone)
                .map(|line| line.text.as_slice())
        };
        let old: Vec<&[u8]> = side(LineChange::Added).collect();
        let start =
            self.find(&old, &Anchors::of(hunk, bare)).ok_or_else(|| self.mismatch(hunk, &old))?;
        let new = side(LineChange::Removed).map(|text| ImageLine { text, done: true });
        self.lines.splice(start..start + old.len(), new);
        Ok(())
    }

    pub(super) fn content(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.text).copied().collect()
    }

    /// The place nearest to the named line where `old` stands.
    fn find(&self, old: &[&[u8]], anchors: &Anchors) -> Option<usize> {
        let last = self.lines.len().checked_sub(old.len())?;
        let fits = |start: usize| {
            (!anchors.begins_file || start == 0)
                && (!anchors.ends_file || start == last)
                && self.matches(start, old)
        };
        if anchors.exact {
            return Some(anchors.line).filter(|line| *line <= last && fits(*line));
        }
        let wanted = match anchors {
            Anchors { begins_file: true, .. } => 0,
            Anchors { ends_file: true, .. } => last,
            Anchors { line, .. } => (*line).min(self.lines.len()),
        };
        if wanted <= last && fits(wanted) {
            return Some(wanted);
        }
        (1..=self.lines.len()).find_map(|distance| {
            let after = wanted.checked_add(distance).filter(|line| *line <= last && fits(*line));
            after.or_else(|| {
                wanted.checked_sub(distance).filter(|line| *line <= last && fits(*line))
            })
        })
    }

    fn matches(&self, start: usize, old: &[&[u8]]) -> bool {
        let lines = self.lines.get(start..start + old.len()).unwrap_or_default();
        lines.len() == old.len()
            && lines.iter().zip(old).all(|(line, old)| !line.done && line.text == *old)
    }

    /// Says where the file differs from what the hunk expects.
    fn mismatch(&self, hunk: &Hunk, old: &[&[u8]]) -> String {
        let start = named_line(hunk);
        let here = self.lines.get(start.min(self.lines.len())..).unwrap_or_default();
        let same = here.iter().zip(old).take_while(|(line, old)| line.text == **old).count();
        let Some(wanted) = old.get(same) else {
            return "its lines stand elsewhere than where the file begins or ends".to_owned();
        };
        let number = start + same + 1;
        match here.get(same) {
            Some(line) if line.text.trim_end() == wanted.trim_end() => {
                format!("line {number} differs from {} in white space", shown(wanted))
            }
            Some(line) => format!("line {number} is {}, not {}", shown(line.text), shown(wanted)),
            None => format!("the file ends before {}", shown(wanted)),
        }
    }
}

impl Anchors {
    /// A hunk without context above or below stands where the file begins or
    /// ends. Without any context it may also come from a difference made without
    /// context lines; where that is certain, only the named line will do.
    fn of(hunk: &Hunk, bare: bool) -> Self {
        let first = if hunk.old_lines == 0 { 1 } else { 2 };
        let exact = bare || (hunk.old_start >= first && !has_context(hunk));
        Self {
            line: named_line(hunk),
            begins_file: !exact && hunk.old_start <= 1,
            ends_file: !exact && !hunk.lines.last().is_some_and(is_context),
            exact,
        }
    }
}

/// The line of the file where the hunks before it leave this one, from 0.
fn named_line(hunk: &Hunk) -> usize {
    let before = u64::from(hunk.new_lines > 0);
    usize::try_from(hunk.new_start.saturating_sub(before)).unwrap_or(usize::MAX)
}

fn has_context(hunk: &Hunk) -> bool {
    hunk.lines.iter().any(is_context)
}

fn is_context(line: &Line) -> bool {
    line.change == LineChange::Context
}

/// A line for a message: at most 60 characters, in backticks.
fn shown(line: &[u8]) -> String {
    let text = line.trim_end().to_str_lossy();
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{short}`")
}
