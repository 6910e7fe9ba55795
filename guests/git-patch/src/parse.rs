//! Reads patches.

use std::iter::Peekable;

use crate::line::{unquote, without_ending};
use crate::{Body, FilePatch, Hunk, LineRange};

/// Why text is not a patch; lines are counted from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A hunk header does not say which lines it stands for.
    #[error("line {0}: malformed hunk header")]
    HunkHeader(usize),
    /// A hunk ends before it has the lines its header promises.
    #[error("line {0}: the hunk ends too early")]
    HunkTooShort(usize),
    /// A file has no path.
    #[error("line {0}: no path in the header")]
    NoPath(usize),
}

/// Reads a patch. What comes before its first `diff --git` is passed over.
pub fn parse(patch: &[u8]) -> Result<Vec<FilePatch<'_>>, ParseError> {
    let mut lines = Lines::new(patch);
    let mut files = Vec::new();
    lines.skip_to_file();
    while lines.peek().is_some() {
        files.push(file(&mut lines)?);
        lines.skip_to_file();
    }
    Ok(files)
}

/// The lines of a patch, counted.
struct Lines<'a> {
    lines: Peekable<Box<dyn Iterator<Item = &'a [u8]> + 'a>>,
    taken: usize,
}

impl<'a> Lines<'a> {
    fn new(patch: &'a [u8]) -> Self {
        let lines: Box<dyn Iterator<Item = &'a [u8]>> =
            Box::new(patch.split_inclusive(|byte| *byte == b'\n'));
        Self { lines: lines.peekable(), taken: 0 }
    }

    fn peek(&mut self) -> Option<&'a [u8]> {
        self.lines.peek().copied()
    }

    fn next(&mut self) -> Option<&'a [u8]> {
        self.taken += 1;
        self.lines.next()
    }

    fn skip_to_file(&mut self) {
        while self.peek().is_some_and(|line| !starts_file(line)) {
            self.next();
        }
    }
}

fn starts_file(line: &[u8]) -> bool {
    line.starts_with(b"diff --git ")
}

fn starts_body(line: &[u8]) -> bool {
    [&b"@@ -"[..], b"GIT binary patch", b"Binary files "].iter().any(|mark| line.starts_with(mark))
}

fn file<'a>(lines: &mut Lines<'a>) -> Result<FilePatch<'a>, ParseError> {
    let number = lines.taken + 1;
    let mut header = Vec::new();
    header.extend(lines.next());
    while let Some(line) = lines.peek() {
        if starts_file(line) || starts_body(line) {
            break;
        }
        header.extend(lines.next());
    }
    let body = body(lines)?;
    let (old_path, new_path) = paths(&header);
    if old_path.is_none() && new_path.is_none() {
        return Err(ParseError::NoPath(number));
    }
    Ok(FilePatch { old_path, new_path, header, body })
}

fn body<'a>(lines: &mut Lines<'a>) -> Result<Body<'a>, ParseError> {
    let mut hunks = Vec::new();
    match lines.peek() {
        Some(line) if line.starts_with(b"@@ -") => {}
        Some(line) if starts_body(line) => return Ok(Body::Binary(binary(lines))),
        _ => return Ok(Body::Nothing),
    }
    while lines.peek().is_some_and(|line| line.starts_with(b"@@ -")) {
        hunks.push(hunk(lines)?);
    }
    Ok(Body::Text(hunks))
}

fn binary<'a>(lines: &mut Lines<'a>) -> Vec<&'a [u8]> {
    let mut taken = Vec::new();
    while lines.peek().is_some_and(|line| !starts_file(line)) {
        taken.extend(lines.next());
    }
    taken
}

fn hunk<'a>(lines: &mut Lines<'a>) -> Result<Hunk<'a>, ParseError> {
    let header = lines.next().unwrap_or_default();
    let (old, new, section) = ranges(header).ok_or(ParseError::HunkHeader(lines.taken))?;
    let (mut old_left, mut new_left) = (old.length, new.length);
    let mut taken = Vec::new();
    while old_left > 0 || new_left > 0 {
        let line = lines.next().ok_or(ParseError::HunkTooShort(lines.taken))?;
        let (from_old, from_new) = match line.first() {
            Some(b'+') => (0, 1),
            Some(b'-') => (1, 0),
            Some(b'\\') => (0, 0),
            // Some programs cut the space of an empty context line.
            Some(b' ' | b'\n' | b'\r') => (1, 1),
            _ => return Err(ParseError::HunkTooShort(lines.taken)),
        };
        old_left = old_left.checked_sub(from_old).ok_or(ParseError::HunkTooShort(lines.taken))?;
        new_left = new_left.checked_sub(from_new).ok_or(ParseError::HunkTooShort(lines.taken))?;
        taken.push(line);
    }
    while lines.peek().is_some_and(|line| line.starts_with(b"\\")) {
        taken.extend(lines.next());
    }
    Ok(Hunk { old, new, section, lines: taken })
}

/// Reads `@@ -1,2 +3,4 @@ section`.
fn ranges(header: &[u8]) -> Option<(LineRange, LineRange, &[u8])> {
    let rest = header.strip_prefix(b"@@ -")?;
    let end = rest.windows(3).position(|part| part == b" @@")?;
    let (numbers, section) = rest.split_at_checked(end)?;
    let (old, new) = std::str::from_utf8(numbers).ok()?.split_once(" +")?;
    Some((range(old)?, range(new)?, section.get(3..)?))
}

fn range(text: &str) -> Option<LineRange> {
    let (start, length) = text.split_once(',').unwrap_or((text, "1"));
    Some(LineRange { start: start.parse().ok()?, length: length.parse().ok()? })
}

/// The old and the new path: from the header lines that give them alone, or from
/// the first line, where they are the same.
fn paths(header: &[&[u8]]) -> (Option<String>, Option<String>) {
    let value =
        |name: &[u8]| header.iter().find_map(|line| without_ending(line).strip_prefix(name));
    let both = header.first().and_then(|line| same_path(without_ending(line)));
    let side = |renamed: &[u8], marked: &[u8], prefix: &str| {
        let whole = value(renamed).map(unquote);
        whole.or_else(|| marked_path(value(marked)?, prefix)).or_else(|| both.clone())
    };
    let old = side(b"rename from ", b"--- ", "a/").or_else(|| value(b"copy from ").map(unquote));
    let new = side(b"rename to ", b"+++ ", "b/").or_else(|| value(b"copy to ").map(unquote));
    let added = value(b"new file mode ").is_some();
    let deleted = value(b"deleted file mode ").is_some();
    (old.filter(|_| !added), new.filter(|_| !deleted))
}

fn marked_path(text: &[u8], prefix: &str) -> Option<String> {
    // Git ends a name that holds a space with a tab.
    let path = unquote(text.strip_suffix(b"\t").unwrap_or(text));
    path.strip_prefix(prefix).map(str::to_owned)
}

/// The path of `diff --git a/PATH b/PATH`.
fn same_path(line: &[u8]) -> Option<String> {
    let rest = line.strip_prefix(b"diff --git ")?;
    let (first, second) = rest.split_at_checked(rest.len() / 2)?;
    let (first, second) = (unquote(first), unquote(second.strip_prefix(b" ")?));
    let path = first.strip_prefix("a/")?;
    (second.strip_prefix("b/") == Some(path)).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChangedLine;

    const TEXT: &[u8] = b"\
diff --git a/lib.py b/lib.py
index 1111111..2222222 100644
--- a/lib.py
+++ b/lib.py
@@ -1,3 +1,3 @@ class A
 one
--- two
+++ three
 four
@@ -10 +10,2 @@
-x
+y
+z
\\ No newline at end of file
";

    #[test]
    fn a_removed_line_that_looks_like_a_header_stays_in_its_hunk() {
        let files = parse(TEXT).unwrap();
        assert_eq!(files.len(), 1);
        let changed: Vec<_> = files[0].hunks()[0].changed_lines().collect();
        assert_eq!(changed, [ChangedLine::Removed(b"-- two"), ChangedLine::Added(b"++ three")]);
        assert_eq!(files[0].hunks().len(), 2);
    }

    #[test]
    fn new_deleted_and_renamed_files_have_the_paths_they_should() {
        let patch = b"\
diff --git a/empty b/empty
new file mode 100644
index 0000000..e69de29
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
index 1111111..0000000
--- a/gone.txt
+++ /dev/null
@@ -1 +0,0 @@
-x
diff --git a/old name b/new name
similarity index 100%
rename from old name
rename to new name
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
";
        let files = parse(patch).unwrap();
        let paths: Vec<_> =
            files.iter().map(|file| (file.old_path.as_deref(), file.new_path.as_deref())).collect();
        assert_eq!(
            paths,
            [
                (None, Some("empty")),
                (Some("gone.txt"), None),
                (Some("old name"), Some("new name")),
                (Some("run.sh"), Some("run.sh")),
            ]
        );
    }

    #[test]
    fn a_binary_patch_runs_to_the_next_file() {
        let patch = b"\
diff --git a/logo.png b/logo.png
index 1111111111111111111111111111111111111111..2222222222222222222222222222222222222222 100644
GIT binary patch
literal 3
Kcmb=J

literal 0
HcmV?d00001

diff --git a/x b/x
old mode 100644
new mode 100755
";
        let files = parse(patch).unwrap();
        assert_eq!(files.len(), 2);
        assert!(matches!(&files[0].body, Body::Binary(lines) if lines.len() == 7));
    }

    #[test]
    fn a_hunk_cut_short_is_refused() {
        let cut = &TEXT[..TEXT.len() - 34];
        assert!(matches!(parse(cut), Err(ParseError::HunkTooShort(_))), "{:?}", parse(cut));
    }
}
