//! What the greeting tells of where the agent is: the date and the top of the
//! worktree.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Directories that are named and not looked into.
const CLOSED: [&str; 3] = [".git", "node_modules", "dist"];

/// One entry of the worktree that is shown.
struct Shown {
    path: String,
    is_dir: bool,
}

/// The first `limit` entries below `root`, breadth first, as a list of paths;
/// nothing where it can't be read.
pub(crate) fn folder(root: &Path, limit: usize) -> String {
    let (shown, is_whole) = entries(root, limit);
    let mut text = String::new();
    for Shown { path, is_dir } in shown {
        let mark = if is_dir { "/" } else { "" };
        let _ = writeln!(text, "{path}{mark}");
    }
    if !is_whole {
        text.push_str("...\n");
    }
    text.trim_end().to_owned()
}

fn entries(root: &Path, limit: usize) -> (Vec<Shown>, bool) {
    let mut shown = Vec::new();
    let mut queue = VecDeque::from([String::new()]);
    while let Some(dir) = queue.pop_front() {
        for (name, is_dir) in names(&root.join(&dir)) {
            if shown.len() == limit {
                return (shown, false);
            }
            let path = if dir.is_empty() { name.clone() } else { format!("{dir}/{name}") };
            if is_dir && !CLOSED.contains(&name.as_str()) {
                queue.push_back(path.clone());
            }
            shown.push(Shown { path, is_dir });
        }
    }
    (shown, true)
}

/// The names in a directory, sorted, with directories first.
fn names(dir: &Path) -> Vec<(String, bool)> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let name = |entry: fs::DirEntry| {
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        (entry.file_name().to_string_lossy().into_owned(), is_dir)
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort_by(|(a, a_is_dir), (b, b_is_dir)| b_is_dir.cmp(a_is_dir).then(a.cmp(b)));
    names
}

/// Today on the rollout's clock, which begins at the time of the stage's commit.
pub(crate) fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date(since.as_secs() / 86_400)
}

/// The day that many days after 1970-01-01, as `2024-05-06`.
fn date(days: u64) -> String {
    // Years that begin in March, in eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (days, day) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (19_849, "2024-05-06"),
            (20_088, "2024-12-31"),
        ] {
            assert_eq!(date(days), day);
        }
    }

    #[test]
    fn top_of_the_worktree_comes_first_and_the_rest_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        for dir in ["src/deep", ".git/objects"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        for file in ["README.md", "src/a.py", "src/deep/b.py"] {
            fs::write(root.path().join(file), "").unwrap();
        }
        let whole = ".git/\nsrc/\nREADME.md\nsrc/deep/\nsrc/a.py\nsrc/deep/b.py";
        assert_eq!(folder(root.path(), 20), whole);
        assert_eq!(folder(root.path(), 2), ".git/\nsrc/\n...");
        assert_eq!(folder(&root.path().join("none"), 20), "");
    }
}
