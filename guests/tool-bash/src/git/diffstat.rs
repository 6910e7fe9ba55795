//! A patch as `git diff --stat` shows it.

use std::fmt::Write as _;

/// Columns of the whole, as git takes them where there is no terminal.
const WIDTH: usize = 80;

/// Lines that a patch adds to and takes from one file.
#[derive(Debug, Default, PartialEq, Eq)]
struct FileStat {
    name: String,
    is_binary: bool,
    added: usize,
    removed: usize,
}

/// Renders a git patch with all headers.
pub(crate) fn render(patch: &[u8]) -> Vec<u8> {
    rendered(patch, 1)
}

/// The same as `git apply --stat` shows it, with room for larger numbers.
pub(crate) fn render_wide(patch: &[u8]) -> Vec<u8> {
    rendered(patch, 4)
}

fn rendered(patch: &[u8], least_digits: usize) -> Vec<u8> {
    let stats = count(&String::from_utf8_lossy(patch));
    let Some(most) = stats.iter().map(|stat| stat.added + stat.removed).max() else {
        return Vec::new();
    };
    let longest = stats.iter().map(|stat| stat.name.chars().count()).max().unwrap_or_default();
    let digits = most
        .to_string()
        .len()
        .max(least_digits)
        .max(if stats.iter().any(|s| s.is_binary) { 3 } else { 1 });
    let bar = WIDTH.saturating_sub(longest + digits + 6).max(6);
    let mut text = String::new();
    for stat in &stats {
        let padding = " ".repeat(longest - stat.name.chars().count());
        let _ = write!(text, " {}{padding} | ", stat.name);
        let _ = if stat.is_binary {
            writeln!(text, "{:>digits$}", "Bin")
        } else {
            let (plus, minus) = scale(stat, most, bar);
            let total = stat.added + stat.removed;
            let gap = if total == 0 { "" } else { " " };
            writeln!(text, "{total:>digits$}{gap}{}{}", "+".repeat(plus), "-".repeat(minus))
        };
    }
    text.push_str(&summary(&stats));
    text.into_bytes()
}

/// The last line of [`render`] alone, as `git diff --shortstat` shows it.
pub(crate) fn total(patch: &[u8]) -> Vec<u8> {
    let stats = count(&String::from_utf8_lossy(patch));
    if stats.is_empty() { Vec::new() } else { summary(&stats).into_bytes() }
}

/// Files that came, went and were renamed, as `git commit` tells them.
pub(crate) fn modes(patch: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(patch);
    let (mut told, mut name, mut from, mut similarity) = (String::new(), "", "", "");
    let mut in_header = false;
    for line in text.lines() {
        if let Some(names) = line.strip_prefix("diff --git ") {
            (name, in_header) = (name_of_both(names), true);
        } else if line.starts_with("@@ ") {
            in_header = false;
        } else if !in_header {
        } else if let Some(mode) = line.strip_prefix("new file mode ") {
            let _ = writeln!(told, " create mode {mode} {name}");
        } else if let Some(mode) = line.strip_prefix("deleted file mode ") {
            let _ = writeln!(told, " delete mode {mode} {name}");
        } else if let Some(index) = line.strip_prefix("similarity index ") {
            similarity = index;
        } else if let Some(path) = line.strip_prefix("rename from ") {
            from = path;
        } else if let Some(path) = line.strip_prefix("rename to ") {
            let _ = writeln!(told, " rename {from} => {path} ({similarity})");
        }
    }
    told.into_bytes()
}

fn count(patch: &str) -> Vec<FileStat> {
    let mut stats: Vec<FileStat> = Vec::new();
    let mut renamed_from = "";
    // Lines of the hunk that are still to come: of the old and of the new file.
    let (mut old, mut new) = (0_usize, 0_usize);
    for line in patch.lines() {
        if let Some(names) = line.strip_prefix("diff --git ").filter(|_| old + new == 0) {
            let name = name_of_both(names).to_owned();
            stats.push(FileStat { name, ..FileStat::default() });
            continue;
        }
        let Some(stat) = stats.last_mut() else { continue };
        if old + new > 0 {
            match line.as_bytes().first() {
                Some(b'+') => (stat.added, new) = (stat.added + 1, new.saturating_sub(1)),
                Some(b'-') => (stat.removed, old) = (stat.removed + 1, old.saturating_sub(1)),
                Some(b'\\') => {}
                _ => (old, new) = (old.saturating_sub(1), new.saturating_sub(1)),
            }
        } else if let Some(header) = line.strip_prefix("@@ ") {
            (old, new) = hunk_lengths(header);
        } else if line.starts_with("GIT binary patch") || line.starts_with("Binary files ") {
            stat.is_binary = true;
        } else if let Some(name) = line.strip_prefix("rename from ") {
            renamed_from = name;
        } else if let Some(name) = line.strip_prefix("rename to ") {
            stat.name = format!("{renamed_from} => {name}");
        }
    }
    stats
}

/// `a/NAME b/NAME` holds the name twice, whatever is in it.
fn name_of_both(names: &str) -> &str {
    let half = names.len() / 2;
    let first = names.get(..half).unwrap_or(names);
    first.strip_prefix("a/").unwrap_or(first)
}

/// Of `-1,3 +1,4 @@`, the 3 and the 4; a missing one is 1.
fn hunk_lengths(header: &str) -> (usize, usize) {
    let mut ranges = header.split(' ').map(|range| match range.split_once(',') {
        Some((_, length)) => length.parse().unwrap_or(0),
        None => 1,
    });
    (ranges.next().unwrap_or(0), ranges.next().unwrap_or(0))
}

fn scale(stat: &FileStat, most: usize, bar: usize) -> (usize, usize) {
    if most <= bar {
        return (stat.added, stat.removed);
    }
    let shorten = |lines: usize| if lines == 0 { 0 } else { 1 + lines * (bar - 1) / most };
    let least = if stat.added > 0 && stat.removed > 0 { 2 } else { 0 };
    let total = shorten(stat.added + stat.removed).max(least);
    if stat.added < stat.removed {
        let added = shorten(stat.added);
        (added, total.saturating_sub(added))
    } else {
        let removed = shorten(stat.removed);
        (total.saturating_sub(removed), removed)
    }
}

fn summary(stats: &[FileStat]) -> String {
    let added: usize = stats.iter().map(|stat| stat.added).sum();
    let removed: usize = stats.iter().map(|stat| stat.removed).sum();
    let mut text = format!(" {} changed", plural(stats.len(), "file"));
    if added > 0 || removed == 0 {
        let _ = write!(text, ", {}(+)", plural(added, "insertion"));
    }
    if removed > 0 || added == 0 {
        let _ = write!(text, ", {}(-)", plural(removed, "deletion"));
    }
    text + "\n"
}

fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(patch: &str) -> String {
        String::from_utf8(render(patch.as_bytes())).unwrap()
    }

    #[test]
    fn nothing_changed_prints_nothing() {
        assert_eq!(rendered(""), "");
    }

    #[test]
    fn lines_are_counted_by_hunk_not_by_their_looks() {
        let patch = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3 +1,2 @@\n a\n--- b\n-c\n+++ d\n\
                     diff --git a/new b/new\nnew file mode 100644\n--- /dev/null\n+++ b/new\n\
                     @@ -0,0 +1 @@\n+one\n\\ No newline at end of file\n";
        assert_eq!(
            rendered(patch),
            " x   | 3 +--\n new | 1 +\n 2 files changed, 2 insertions(+), 2 deletions(-)\n"
        );
    }

    #[test]
    fn renames_and_binary_files_are_named() {
        let patch = "diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b\n\
                     diff --git a/i.png b/i.png\nindex 1..2\nGIT binary patch\nliteral 3\nabc\n\n";
        assert_eq!(
            rendered(patch),
            " a => b |   0\n i.png  | Bin\n 2 files changed, 0 insertions(+), 0 deletions(-)\n"
        );
    }

    #[test]
    fn long_bars_are_scaled_to_the_width() {
        let added = "+x\n".repeat(500);
        let patch = format!("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1,500 @@\n{added}");
        let text = rendered(&patch);
        let line = text.lines().next().unwrap();
        assert!(line.len() <= 80, "{line}");
        assert!(line.starts_with(" x | 500 ++++"), "{line}");
    }
}
