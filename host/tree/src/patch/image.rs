//! A file as lines, and the places where a hunk fits.

use bstr::ByteSlice;

use super::{Hunk, Line, LineChange};
use crate::lines::Work;

/// Bytes that are compared in one step of work.
const AT_ONCE: usize = 32;

/// The lines of a file while hunks are applied to it.
pub(super) struct Image<'a, 'w> {
    lines: Vec<ImageLine<'a>>,
    /// What looking for places may take.
    work: &'w mut Work,
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

impl<'a, 'w> Image<'a, 'w> {
    pub(super) fn new(content: &'a [u8], work: &'w mut Work) -> Self {
        let line = |text| ImageLine { text, done: false };
        Self { lines: content.lines_with_terminator().map(line).collect(), work }
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
        let found = self.find(&old, &Anchors::of(hunk, bare));
        if self.work.is_used_up() {
            return Err("the patch has too many places to look at".to_owned());
        }
        let start = found.ok_or_else(|| self.mismatch(hunk, &old))?;
        let new = side(LineChange::Removed).map(|text| ImageLine { text, done: true });
        // What comes behind is moved.
        self.work.take(self.lines.len() - start);
        self.lines.splice(start..start + old.len(), new);
        Ok(())
    }

    pub(super) fn content(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.text).copied().collect()
    }

    /// The place nearest to the named line where `old` stands.
    fn find(&mut self, old: &[&[u8]], anchors: &Anchors) -> Option<usize> {
        let count = self.lines.len();
        let last = count.checked_sub(old.len())?;
        let mut fits = |start: usize| {
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
            Anchors { line, .. } => (*line).min(count),
        };
        if wanted <= last && fits(wanted) {
            return Some(wanted);
        }
        (1..=count).find_map(|distance| {
            let after = wanted.checked_add(distance).filter(|line| *line <= last && fits(*line));
            after.or_else(|| {
                wanted.checked_sub(distance).filter(|line| *line <= last && fits(*line))
            })
        })
    }

    fn matches(&mut self, start: usize, old: &[&[u8]]) -> bool {
        let lines = self.lines.get(start..start + old.len()).unwrap_or_default();
        let mut is_equal = |(line, old): (&ImageLine<'_>, &&[u8])| {
            let may_go_on = self.work.take(1 + old.len() / AT_ONCE);
            may_go_on && !line.done && line.text == *old
        };
        lines.len() == old.len() && lines.iter().zip(old).all(&mut is_equal)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::{self, ContentChange};

    #[test]
    fn hunk_with_too_many_places_to_look_at_is_refused() {
        let content = "a\n".repeat(2_000);
        let text = format!(
            "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -5,101 +5,101 @@\n{}-b\n+c\n a\n",
            " a\n".repeat(99)
        );
        let patch = patch::parse(text.as_bytes()).unwrap();
        let ContentChange::Lines(hunks) = &patch.files[0].content else { panic!("{patch:?}") };
        let mut enough = Work::default();
        let (_, reason) = Image::new(content.as_bytes(), &mut enough).apply_all(hunks).unwrap_err();
        assert_eq!(reason, "line 104 is `a`, not `b`");
        let (_, reason) =
            Image::new(content.as_bytes(), &mut Work::of(100_000)).apply_all(hunks).unwrap_err();
        assert_eq!(reason, "the patch has too many places to look at");
    }
}
