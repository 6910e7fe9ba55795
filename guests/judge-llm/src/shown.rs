//! Patches as far as a model is shown them: where not all has room, of each file as
//! much as of any other, so that none can crowd the others out.

use std::fmt::Write as _;

/// What begins a file in a patch; no line of a file's text does.
const HEADER: &str = "diff --git ";

/// Most files that are listed as cut.
const MAX_LISTED: usize = 100;

/// A patch as a model is shown it.
pub(crate) struct Shown {
    pub(crate) text: String,
    /// A line for each file that is not shown as a whole; empty where all is shown.
    pub(crate) cut: String,
}

impl Shown {
    /// Of a patch as much as `limit` bytes have room for.
    pub(crate) fn of(patch: &[u8], limit: usize) -> Self {
        let patch = String::from_utf8_lossy(patch);
        if patch.len() <= limit {
            return Self { text: patch.into_owned(), cut: String::new() };
        }
        let files = files(&patch);
        let share = share(files.iter().map(|file| file.len()).collect(), limit);
        let (mut text, mut cut, mut count) = (String::new(), String::new(), 0);
        for file in files {
            let part = beginning(file, share);
            text.push_str(part);
            if part.len() == file.len() {
                continue;
            }
            let _ = writeln!(text, "\n… {} bytes are not shown here", file.len() - part.len());
            count += 1;
            if count <= MAX_LISTED {
                let name = file.lines().next().unwrap_or_default();
                let name = name.strip_prefix(HEADER).unwrap_or(name);
                let name = beginning(name, 400);
                let _ = writeln!(cut, "{} of {} bytes are shown: {name}", part.len(), file.len());
            }
        }
        if count > MAX_LISTED {
            let _ = writeln!(cut, "and {} more files", count - MAX_LISTED);
        }
        Self { text, cut }
    }
}

/// The parts of a patch, one for each file.
fn files(patch: &str) -> Vec<&str> {
    let starts = patch.match_indices(HEADER).map(|(at, _)| at);
    let is_line = |at: &usize| patch.get(..*at).is_some_and(|before| before.ends_with('\n'));
    let mut bounds: Vec<usize> = std::iter::once(0).chain(starts.filter(is_line)).collect();
    bounds.push(patch.len());
    let parts = bounds.iter().zip(bounds.iter().skip(1));
    parts.filter_map(|(from, to)| patch.get(*from..*to)).collect()
}

/// The most bytes of one file, so that all together have room.
fn share(mut sizes: Vec<usize>, limit: usize) -> usize {
    sizes.sort_unstable();
    let (mut left, mut count) = (limit, sizes.len());
    for size in sizes {
        let equal = left / count.max(1);
        if size > equal {
            return equal;
        }
        left -= size;
        count -= 1;
    }
    usize::MAX
}

/// Whole lines of a text within so many bytes, or a part of its first line.
fn beginning(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let part = text.get(..text.floor_char_boundary(most)).unwrap_or_default();
    part.rfind('\n').and_then(|end| part.get(..=end)).unwrap_or(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, lines: usize) -> String {
        let text = "+a line of a file\n".repeat(lines);
        format!("diff --git a/{name} b/{name}\n{text}")
    }

    #[test]
    fn patch_that_has_room_is_shown_as_it_is() {
        let patch = file("a.py", 2) + &file("b.py", 3);
        let shown = Shown::of(patch.as_bytes(), patch.len());
        assert_eq!((shown.text, shown.cut), (patch, String::new()));
    }

    #[test]
    fn padding_crowds_no_other_file_out() {
        let real = file("count.py", 20);
        let patch = file("0.txt", 10_000) + &real;
        let shown = Shown::of(patch.as_bytes(), 5_000);
        assert!(shown.text.ends_with(&real) && shown.text.len() < 5_100, "{}", shown.text);
        assert!(shown.cut.contains("180027 bytes are shown: a/0.txt b/0.txt\n"), "{}", shown.cut);
        assert_eq!(shown.cut.lines().count(), 1);
    }

    #[test]
    fn of_many_files_each_has_as_much_room_and_some_are_listed() {
        let patch: String = (0..300).map(|n| file(&format!("{n:03}.py"), 100)).collect();
        let shown = Shown::of(patch.as_bytes(), 60_000);
        assert_eq!(shown.text.matches("bytes are not shown here").count(), 300);
        assert!(shown.text.len() < 75_000);
        assert!(shown.cut.ends_with("and 200 more files\n"));
    }

    #[test]
    fn headers_within_texts_begin_no_file() {
        assert_eq!(files("diff --git a\n+diff --git b\n diff --git c\ndiff --git d\n").len(), 2);
    }
}
