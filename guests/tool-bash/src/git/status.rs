//! Changes as `git status` and `git diff --name-…` show them.

use std::fmt::Write as _;

use catena_sdk::workspace::Change;

use super::arguments::StatusFormat;

/// `git status`: added files are untracked, as nothing is ever staged.
pub(crate) fn render(changes: &[Change], format: StatusFormat) -> String {
    match format {
        StatusFormat::Short => short(changes),
        StatusFormat::Long => long(changes),
    }
}

/// `git diff --name-only`.
pub(crate) fn names(changes: &[Change]) -> String {
    changes.iter().fold(String::new(), |text, change| text + &change.path + "\n")
}

/// `git diff --name-status`.
pub(crate) fn names_and_kinds(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        let path = &change.path;
        let _ = match (change.kind.as_str(), &change.previous_path) {
            ("renamed", Some(previous)) => writeln!(text, "R\t{previous}\t{path}"),
            (kind, _) => writeln!(text, "{}\t{path}", letter(kind)),
        };
    }
    text
}

/// What is tracked and changed, and what is untracked, each sorted.
struct Unstaged<'a> {
    tracked: Vec<(char, &'a str)>,
    untracked: Vec<&'a str>,
}

impl<'a> Unstaged<'a> {
    fn of(changes: &'a [Change]) -> Self {
        let mut unstaged = Self { tracked: Vec::new(), untracked: Vec::new() };
        for change in changes {
            match (change.kind.as_str(), change.previous_path.as_deref()) {
                ("renamed", Some(previous)) => {
                    unstaged.tracked.push(('D', previous));
                    unstaged.untracked.push(&change.path);
                }
                ("added", _) => unstaged.untracked.push(&change.path),
                (kind, _) => unstaged.tracked.push((letter(kind), &change.path)),
            }
        }
        unstaged.tracked.sort_by_key(|(_, path)| *path);
        unstaged.untracked.sort_unstable();
        unstaged
    }
}

fn letter(kind: &str) -> char {
    match kind {
        "added" => 'A',
        "deleted" => 'D',
        "type-changed" => 'T',
        _ => 'M',
    }
}

fn short(changes: &[Change]) -> String {
    let unstaged = Unstaged::of(changes);
    let mut text = String::new();
    for (letter, path) in unstaged.tracked {
        let _ = writeln!(text, " {letter} {path}");
    }
    for path in unstaged.untracked {
        let _ = writeln!(text, "?? {path}");
    }
    text
}

fn long(changes: &[Change]) -> String {
    let unstaged = Unstaged::of(changes);
    if changes.is_empty() {
        return "nothing to commit, working tree clean\n".to_owned();
    }
    let mut text = String::new();
    if !unstaged.tracked.is_empty() {
        text.push_str("Changes not staged for commit:\n");
    }
    for (letter, path) in unstaged.tracked {
        let word = match letter {
            'D' => "deleted:    ",
            'T' => "typechange: ",
            _ => "modified:   ",
        };
        let _ = writeln!(text, "\t{word}{path}");
    }
    if !unstaged.untracked.is_empty() {
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}Untracked files:");
    }
    for path in unstaged.untracked {
        let _ = writeln!(text, "\t{path}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Vec<Change> {
        let change = |path: &str, previous: Option<&str>, kind: &str| Change {
            path: path.to_owned(),
            previous_path: previous.map(str::to_owned),
            kind: kind.to_owned(),
        };
        vec![
            change("added.py", None, "added"),
            change("gone.py", None, "deleted"),
            change("new/name.py", Some("a/name.py"), "renamed"),
            change("run.sh", None, "mode-changed"),
            change("same.py", None, "modified"),
        ]
    }

    #[test]
    fn short_status_shows_a_rename_as_deleted_and_untracked() {
        assert_eq!(
            render(&changes(), StatusFormat::Short),
            " D a/name.py\n D gone.py\n M run.sh\n M same.py\n?? added.py\n?? new/name.py\n"
        );
    }

    #[test]
    fn long_status_has_a_section_for_each() {
        let text = render(&changes(), StatusFormat::Long);
        assert!(text.starts_with("Changes not staged for commit:\n\tdeleted:    a/name.py\n"));
        assert!(text.ends_with("\nUntracked files:\n\tadded.py\n\tnew/name.py\n"), "{text}");
        assert!(render(&[], StatusFormat::Long).contains("clean"));
        assert_eq!(render(&[], StatusFormat::Short), "");
    }

    #[test]
    fn names_keep_the_order_and_show_renames() {
        assert!(names(&changes()).starts_with("added.py\ngone.py\nnew/name.py\n"));
        let text = names_and_kinds(&changes());
        assert!(text.contains("R\ta/name.py\tnew/name.py\n"), "{text}");
        assert!(text.starts_with("A\tadded.py\nD\tgone.py\n"), "{text}");
    }
}
