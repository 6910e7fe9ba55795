//! What `git diff` puts around changes: headings with ids of blobs, and the function
//! a hunk is in.

use std::fmt::Write as _;

use sha1::{Digest as _, Sha1};

/// Bytes of a function's line that are shown.
const FUNCTION: usize = 80;

/// The lines before the hunks, and the names in them.
pub(super) struct Heading {
    pub(super) lines: String,
    pub(super) old: String,
    pub(super) new: String,
}

impl Heading {
    /// Of two files with their contents; `presence` says which of them exist.
    pub(super) fn of(old: (&str, &[u8]), new: (&str, &[u8]), presence: (bool, bool)) -> Self {
        let plain = |path: &str| path.trim_start_matches("./").trim_start_matches('/').to_owned();
        let (from, to) = match presence {
            (true, false) => (plain(old.0), plain(old.0)),
            (false, true) => (plain(new.0), plain(new.0)),
            _ => (plain(old.0), plain(new.0)),
        };
        let mut lines = format!("diff --git a/{from} b/{to}\n");
        let id = |there: bool, content: &[u8]| if there { blob(content) } else { "0".repeat(7) };
        let (before, after) = (id(presence.0, old.1), id(presence.1, new.1));
        let _ = match presence {
            (false, _) => writeln!(lines, "new file mode 100644\nindex {before}..{after}"),
            (_, false) => writeln!(lines, "deleted file mode 100644\nindex {before}..{after}"),
            _ => writeln!(lines, "index {before}..{after} 100644"),
        };
        let name = |there: bool, name: String| if there { name } else { "/dev/null".to_owned() };
        Self {
            lines,
            old: name(presence.0, format!("a/{from}")),
            new: name(presence.1, format!("b/{to}")),
        }
    }
}

/// The beginning of the id that git has for a content.
fn blob(content: &[u8]) -> String {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", content.len()));
    hasher.update(content);
    let id = hasher.finalize();
    id.iter()
        .take(4)
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
        .chars()
        .take(7)
        .collect()
}

/// Hunks with the function each is in behind its numbers.
pub(super) fn with_functions(hunks: &[u8], old: &[&[u8]]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(hunks.len());
    for line in hunks.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(b"@@ -").and_then(|numbers| function(numbers, old)) {
            Some(function) => {
                shown.extend_from_slice(line.trim_ascii_end());
                shown.push(b' ');
                shown.extend_from_slice(function);
                shown.push(b'\n');
            }
            None => shown.extend_from_slice(line),
        }
    }
    shown
}

/// The last line before a hunk that begins a function, as git finds it where no
/// language is set.
fn function<'a>(numbers: &[u8], old: &[&'a [u8]]) -> Option<&'a [u8]> {
    let digits = numbers.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let start: usize = std::str::from_utf8(numbers.get(..digits)?).ok()?.parse().ok()?;
    let before = old.get(..start.saturating_sub(1))?;
    let begins = |line: &&&[u8]| {
        line.first().is_some_and(|byte| byte.is_ascii_alphabetic() || b"_$".contains(byte))
    };
    let line = before.iter().rev().find(begins)?.trim_ascii_end();
    Some(line.get(..FUNCTION).unwrap_or(line).trim_ascii_end())
}
