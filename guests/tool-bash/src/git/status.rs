//! `git status`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use catena_sdk::workspace::Change;

use super::Said;
use super::arguments::{Refusal, Words, is_among};
use super::state::{BRANCH, Beyond, Repository, letter};

/// What there is beyond `HEAD`.
struct Status {
    staged: Vec<Change>,
    unstaged: Vec<(char, String)>,
    /// Untracked files, or directories that have nothing else, with a `/`.
    untracked: Vec<String>,
}

pub(crate) fn status(repository: &Repository, mut words: Words) -> Result<Said, Refusal> {
    let porcelain = words.take(&["--porcelain", "--porcelain=v1"]);
    let short = words.take(&["-s", "--short", "-sb", "--branch", "-b"]) || porcelain;
    let all = words.take(&["-u", "-uall", "--untracked-files", "--untracked-files=all"]);
    let none = words.take(&["-uno", "--untracked-files=no"]);
    words.check_options()?;
    let mut found = Status::of(repository, &words.all_paths()?, all)?;
    if none {
        found.untracked.clear();
    }
    if porcelain {
        words.prefix.clear();
    }
    Ok(Said::text(if short { found.short(&words) } else { found.long(&words) }))
}

/// The long form for what follows other commands.
pub(super) fn long(repository: &Repository, words: &Words) -> Result<String, Refusal> {
    Ok(Status::of(repository, &[], false)?.long(words))
}

impl Status {
    fn of(repository: &Repository, paths: &[String], all: bool) -> Result<Self, Refusal> {
        let mut staged = repository.staged()?;
        staged.retain(|change| is_among(&change.path, paths));
        let Beyond { mut tracked, untracked } = repository.beyond(&repository.index())?;
        tracked.retain(|(_, path)| is_among(path, paths));
        let mut untracked = repository.not_ignored(untracked)?;
        untracked.retain(|path| is_among(path, paths));
        if !all && !untracked.is_empty() {
            let known = repository.tracked()?;
            untracked = collapsed_all(&untracked, &known);
        }
        Ok(Self { staged, unstaged: tracked, untracked })
    }

    fn short(&self, words: &Words) -> String {
        let mut rows: BTreeMap<&str, (char, char, Option<&str>)> = BTreeMap::new();
        for change in &self.staged {
            let previous = change.previous_path.as_deref();
            rows.insert(&change.path, (letter(&change.kind), ' ', previous));
        }
        for (letter, path) in &self.unstaged {
            rows.entry(path).or_insert((' ', ' ', None)).1 = *letter;
        }
        let mut text = String::new();
        for (path, (index, worktree, previous)) in rows {
            let path = words.shown(path);
            let _ = match previous {
                Some(from) => {
                    writeln!(text, "{index}{worktree} {} -> {path}", words.shown(from))
                }
                None => writeln!(text, "{index}{worktree} {path}"),
            };
        }
        for path in &self.untracked {
            let _ = writeln!(text, "?? {}", words.shown(path));
        }
        text
    }

    fn long(&self, words: &Words) -> String {
        let mut text = format!("On branch {BRANCH}\n");
        if !self.staged.is_empty() {
            text.push_str(
                "Changes to be committed:\n  (use \"git restore --staged <file>...\" to unstage)\n",
            );
            for change in &self.staged {
                let path = words.shown(&change.path);
                let _ = match &change.previous_path {
                    Some(from) => {
                        writeln!(text, "\trenamed:    {} -> {path}", words.shown(from))
                    }
                    None => writeln!(text, "\t{}{path}", label(letter(&change.kind))),
                };
            }
            text.push('\n');
        }
        if !self.unstaged.is_empty() {
            let deleted = self.unstaged.iter().any(|(letter, _)| *letter == 'D');
            let add = if deleted { "add/rm" } else { "add" };
            let _ = write!(
                text,
                "Changes not staged for commit:\n  (use \"git {add} <file>...\" to update what \
                 will be committed)\n  (use \"git restore <file>...\" to discard changes in \
                 working directory)\n"
            );
            for (letter, path) in &self.unstaged {
                let _ = writeln!(text, "\t{}{}", label(*letter), words.shown(path));
            }
            text.push('\n');
        }
        if !self.untracked.is_empty() {
            text.push_str(
                "Untracked files:\n  (use \"git add <file>...\" to include in what will be \
                 committed)\n",
            );
            for path in &self.untracked {
                let _ = writeln!(text, "\t{}", words.shown(path));
            }
            text.push('\n');
        }
        text + self.ending()
    }

    fn ending(&self) -> &'static str {
        match (self.staged.is_empty(), self.unstaged.is_empty(), self.untracked.is_empty()) {
            (false, _, _) => "",
            (true, false, _) => {
                "no changes added to commit (use \"git add\" and/or \"git commit -a\")\n"
            }
            (true, true, false) => {
                "nothing added to commit but untracked files present (use \"git add\" to track)\n"
            }
            (true, true, true) => "nothing to commit, working tree clean\n",
        }
    }
}

fn label(letter: char) -> &'static str {
    match letter {
        'A' => "new file:   ",
        'D' => "deleted:    ",
        'T' => "typechange: ",
        _ => "modified:   ",
    }
}

/// Untracked files as they are shown: a directory that has nothing else stands for
/// all of its own.
pub(super) fn collapsed_all(untracked: &[String], known: &BTreeSet<String>) -> Vec<String> {
    let holds = |directory: &str| {
        let next = known.range(directory.to_owned()..).next();
        next.is_some_and(|next| next.starts_with(directory))
    };
    let mut shown: Vec<String> = untracked.iter().map(|path| collapsed(path, &holds)).collect();
    shown.dedup();
    shown
}

/// The topmost directory of a path that holds nothing tracked, or the path.
fn collapsed(path: &str, holds_tracked: &impl Fn(&str) -> bool) -> String {
    let ends = path.match_indices('/').map(|(at, _)| at + 1);
    let directories = ends.filter_map(|end| path.get(..end));
    directories.into_iter().find(|directory| !holds_tracked(directory)).unwrap_or(path).to_owned()
}
