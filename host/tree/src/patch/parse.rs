//! Reads patches: git's own, and plain unified differences.

use bstr::{BString, ByteSlice};

use super::{
    Action, BinaryChange, ContentChange, FilePatch, Hunk, Line, LineChange, Patch, PatchError,
    binary,
};

mod header;

use header::Header;

pub(super) fn patch(bytes: &[u8]) -> Result<Patch, PatchError> {
    let mut lines = Lines { rest: bytes, number: 0, unpacked: 0 };
    let mut patch = Patch::default();
    while let Some(line) = lines.peek() {
        let number = lines.number + 1;
        let header = if line.starts_with(b"diff --git ") {
            Header::git(&mut lines)?
        } else if line.starts_with(b"--- ") && lines.is_plain_header() {
            Header::plain(&mut lines)?
        } else if line.starts_with(b"@@ -") {
            return Err(syntax(number, "a hunk does not follow the names of a file"));
        } else {
            lines.next();
            continue;
        };
        let content = content(&mut lines)?;
        patch.files.push(header.finish(content, number)?);
    }
    Ok(patch)
}

/// The text by lines, and how far it was read.
struct Lines<'a> {
    rest: &'a [u8],
    /// Lines read so far.
    number: usize,
    /// Bytes that all binary contents so far have unpacked to.
    unpacked: u64,
}

impl<'a> Lines<'a> {
    /// The next line with its line feed.
    fn peek(&self) -> Option<&'a [u8]> {
        self.rest.lines_with_terminator().next()
    }

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.peek()?;
        self.rest = self.rest.get(line.len()..).unwrap_or_default();
        self.number += 1;
        Some(line)
    }

    /// Whether `---`, `+++` and a hunk follow, which nothing but a patch has.
    fn is_plain_header(&self) -> bool {
        let mut lines = self.rest.lines().skip(1);
        lines.next().is_some_and(|line| line.starts_with(b"+++ "))
            && lines.next().is_some_and(|line| line.starts_with(b"@@ -"))
    }
}

fn content(lines: &mut Lines<'_>) -> Result<ContentChange, PatchError> {
    match lines.peek() {
        Some(line) if line.starts_with(b"@@ -") => {
            let mut hunks = Vec::new();
            while lines.peek().is_some_and(|line| line.starts_with(b"@@ -")) {
                hunks.push(hunk(lines)?);
            }
            Ok(ContentChange::Lines(hunks))
        }
        Some(line) if line.trim_end() == b"GIT binary patch" => {
            lines.next();
            let forward = binary_change(lines)?;
            // The way back may follow; it is read so that it is known to be whole.
            if lines.peek().is_some_and(starts_binary) {
                binary_change(lines)?;
            }
            Ok(ContentChange::Binary(forward))
        }
        Some(line)
            if (line.starts_with(b"Binary files ") || line.starts_with(b"Files "))
                && line.trim_end().ends_with(b" differ") =>
        {
            lines.next();
            Ok(ContentChange::Omitted)
        }
        _ => Ok(ContentChange::Unchanged),
    }
}

fn hunk(lines: &mut Lines<'_>) -> Result<Hunk, PatchError> {
    let head = lines.next().unwrap_or_default();
    let number = lines.number;
    let mut hunk =
        hunk_head(head).ok_or_else(|| syntax(number, "the head of a hunk cannot be read"))?;
    let (mut old, mut new) = (hunk.old_lines, hunk.new_lines);
    while old > 0 || new > 0 {
        let line = lines
            .next()
            .ok_or_else(|| syntax(lines.number, "the text ends in the middle of a hunk"))?;
        let (change, text) = match line.split_first() {
            Some((b' ', text)) => (LineChange::Context, text),
            Some((b'-', text)) => (LineChange::Removed, text),
            Some((b'+', text)) => (LineChange::Added, text),
            // Some tools strip the blank of an empty context line.
            Some((b'\n', _) | (b'\r', b"\n")) => (LineChange::Context, line),
            Some((b'\\', _)) => {
                strip_line_feed(&mut hunk);
                continue;
            }
            _ => return Err(syntax(lines.number, "a hunk has fewer lines than its head says")),
        };
        let counts =
            (u64::from(change != LineChange::Added), u64::from(change != LineChange::Removed));
        let too_many = || syntax(lines.number, "a hunk has more lines than its head says");
        old = old.checked_sub(counts.0).ok_or_else(too_many)?;
        new = new.checked_sub(counts.1).ok_or_else(too_many)?;
        hunk.lines.push(Line { change, text: with_line_feed(text) });
    }
    if lines.peek().is_some_and(|line| line.starts_with(b"\\ ")) {
        lines.next();
        strip_line_feed(&mut hunk);
    }
    Ok(hunk)
}

/// The last line of a text may have lost its line feed on the way here.
fn with_line_feed(text: &[u8]) -> BString {
    let mut line = BString::from(text);
    if !line.ends_with(b"\n") {
        line.push(b'\n');
    }
    line
}

fn strip_line_feed(hunk: &mut Hunk) {
    if let Some(line) = hunk.lines.last_mut()
        && line.text.ends_with(b"\n")
    {
        line.text.pop();
    }
}

/// Reads `@@ -1,2 +3,4 @@ section`.
fn hunk_head(line: &[u8]) -> Option<Hunk> {
    let rest = line.strip_prefix(b"@@ -")?;
    let (old, rest) = rest.split_once_str(" +")?;
    let (new, section) = rest.split_once_str(" @@")?;
    let (old_start, old_lines) = span(old)?;
    let (new_start, new_lines) = span(new)?;
    Some(Hunk {
        old_start,
        old_lines,
        new_start,
        new_lines,
        section: section.trim().into(),
        lines: Vec::new(),
    })
}

fn span(text: &[u8]) -> Option<(u64, u64)> {
    let text = text.to_str().ok()?;
    let (start, count) = text.split_once(',').unwrap_or((text, "1"));
    Some((start.parse().ok()?, count.parse().ok()?))
}

fn starts_binary(line: &[u8]) -> bool {
    line.starts_with(b"literal ") || line.starts_with(b"delta ")
}

fn binary_change(lines: &mut Lines<'_>) -> Result<BinaryChange, PatchError> {
    let head = lines.next().unwrap_or_default().trim_end();
    let number = lines.number;
    let unreadable = || syntax(number, "binary data does not begin with `literal` or `delta`");
    let (kind, size) = head.split_once_str(" ").ok_or_else(unreadable)?;
    let size = size.to_str().ok().and_then(|size| size.parse().ok()).ok_or_else(unreadable)?;
    let mut packed = Vec::new();
    loop {
        let line = lines.next().unwrap_or_default().trim_end_with(|c| matches!(c, '\r' | '\n'));
        if line.is_empty() {
            break;
        }
        binary::decode_line(line, &mut packed).map_err(|reason| syntax(lines.number, &reason))?;
    }
    lines.unpacked = lines.unpacked.saturating_add(size);
    if lines.unpacked > binary::MAX_UNPACKED {
        let most = binary::MAX_UNPACKED;
        return Err(syntax(number, &format!("the binary data comes to more than {most} bytes")));
    }
    let content = binary::inflate(&packed, size).map_err(|reason| syntax(number, &reason))?;
    match kind {
        b"literal" => Ok(BinaryChange::Literal(content)),
        b"delta" => Ok(BinaryChange::Delta(content)),
        _ => Err(unreadable()),
    }
}

fn syntax(line: usize, reason: &str) -> PatchError {
    PatchError::Syntax { line, reason: reason.to_owned() }
}

impl Header {
    fn finish(self, content: ContentChange, line: usize) -> Result<FilePatch, PatchError> {
        let hunks = match &content {
            ContentChange::Lines(hunks) => hunks.as_slice(),
            _ => &[],
        };
        let only = |change| {
            !hunks.is_empty()
                && hunks.iter().flat_map(|hunk| &hunk.lines).all(|line| line.change == change)
        };
        if (self.action == Action::Create && !hunks.is_empty() && !only(LineChange::Added))
            || (self.action == Action::Delete && !hunks.is_empty() && !only(LineChange::Removed))
        {
            return Err(syntax(line, "a created or deleted file has lines on both sides"));
        }
        Ok(FilePatch {
            action: self.action,
            old_path: self.old_path,
            new_path: self.new_path,
            old_kind: self.old_kind,
            new_kind: self.new_kind,
            old_id: self.old_id,
            new_id: self.new_id,
            content,
        })
    }
}
