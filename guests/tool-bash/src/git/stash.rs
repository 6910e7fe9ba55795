//! `git stash`: changes put aside as snapshots.

use std::fmt::Write as _;

use catena_sdk::workspace::{self, SnapshotRef, WorkspaceError};

use super::arguments::{Refusal, Words};
use super::state::{BRANCH, Repository, Stash};
use super::{Said, diffstat, status};

pub(crate) fn stash(repository: &mut Repository, mut words: Words) -> Result<Said, Refusal> {
    let command = match words.operands.first() {
        Some(_) => words.operands.remove(0),
        None => "push".to_owned(),
    };
    let untracked = words.take(&["-u", "--include-untracked"]);
    let patch = words.take(&["-p", "--patch"]);
    let quiet = words.take(&["-q", "--quiet"]);
    let message = words.values(&["-m", "--message"]);
    words.take(&["--index", "--stat"]);
    words.check_options()?;
    match command.as_str() {
        "push" => {
            push(repository, message.first().cloned(), untracked).map(|said| hushed(said, quiet))
        }
        "save" => push(repository, Some(words.operands.join(" ")), untracked),
        "list" => Ok(list(repository)),
        "show" => {
            let text = repository.patch_of(&chosen(repository, &words)?)?;
            Ok(Said::bytes(if patch { text } else { diffstat::render(&text) }))
        }
        "pop" => bring_back(repository, &words, After::Drop, quiet),
        "apply" => bring_back(repository, &words, After::Keep, quiet),
        "drop" => {
            let stash = chosen(repository, &words)?;
            repository.drop_stash(&stash)?;
            Ok(Said::text(dropped(&words)))
        }
        "clear" => {
            for stash in repository.stashes() {
                repository.drop_stash(&stash)?;
            }
            Ok(Said::nothing())
        }
        other => Err(Refusal::not_there(format_args!("stash {other}"))),
    }
}

fn hushed(said: Said, quiet: bool) -> Said {
    if quiet { Said::nothing() } else { said }
}

/// What becomes of a stash that was brought back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Keep,
    Drop,
}

fn push(
    repository: &mut Repository,
    message: Option<String>,
    untracked: bool,
) -> Result<Said, Refusal> {
    let head = repository.head();
    let known = repository.tracked()?;
    let beyond = repository.beyond(&head)?;
    let mut paths: Vec<String> = beyond.tracked.into_iter().map(|(_, path)| path).collect();
    let new = repository.not_ignored(beyond.untracked)?.into_iter();
    paths.extend(new.filter(|path| untracked || known.contains(path)));
    if paths.is_empty() {
        return Ok(Said::text("No local changes to save\n"));
    }
    let message = if let Some(message) = message.filter(|message| !message.is_empty()) {
        format!("On {BRANCH}: {message}")
    } else {
        let id = repository.id(&head)?;
        let commits = repository.commits();
        let subject = commits.first().and_then(|commit| commit.message.lines().next());
        let id = id.get(..7).unwrap_or(&id);
        format!("WIP on {BRANCH}: {id} {}", subject.unwrap_or_default())
    };
    repository.stash(&paths, &message)?;
    workspace::restore(&head, &paths)?;
    repository.forget_index()?;
    Ok(Said::text(format!("Saved working directory and index state {message}\n")))
}

fn list(repository: &Repository) -> Said {
    let mut text = String::new();
    for (number, stash) in repository.stashes().iter().enumerate() {
        let _ = writeln!(text, "stash@{{{number}}}: {}", stash.message);
    }
    Said::text(text)
}

/// The stash that is named, or the last.
fn chosen(repository: &Repository, words: &Words) -> Result<Stash, Refusal> {
    let number = words.operands.first().map_or(Some(0), |word| number(word));
    let stashes = repository.stashes();
    if stashes.is_empty() {
        return Err(Refusal { message: "No stash entries found.".to_owned(), status: 1 });
    }
    let stash = number.and_then(|number| stashes.into_iter().nth(number));
    stash.ok_or_else(|| {
        let word = words.operands.first().map_or("", String::as_str);
        Refusal::error(format_args!("{word} is not a valid reference"))
    })
}

fn number(word: &str) -> Option<usize> {
    word.strip_prefix("stash@{")
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap_or(word)
        .parse()
        .ok()
}

fn dropped(words: &Words) -> String {
    let number = words.operands.first().and_then(|word| number(word)).unwrap_or_default();
    format!("Dropped refs/stash@{{{number}}}\n")
}

fn bring_back(
    repository: &mut Repository,
    words: &Words,
    after: After,
    quiet: bool,
) -> Result<Said, Refusal> {
    let stash = chosen(repository, words)?;
    let patch = repository.patch_of(&stash)?;
    let touched = match workspace::apply_patch(&patch) {
        Err(WorkspaceError::PatchRejected(_)) => {
            let message = "error: Your local changes would be overwritten by merge.\n\
                           Please commit your changes or stash them before you merge.\n\
                           The stash entry is kept in case you need it again.";
            return Err(Refusal { message: message.to_owned(), status: 1 });
        }
        touched => touched?,
    };
    // New files come back to the index, as git has it.
    let known = repository.tracked()?;
    let beyond = repository.beyond(&repository.index())?;
    let new: Vec<String> = beyond
        .untracked
        .into_iter()
        .filter(|path| touched.contains(path) && !known.contains(path))
        .collect();
    if !new.is_empty() {
        repository.stage(&SnapshotRef::Current, &new)?;
    }
    let mut plain = Words::parse(&["status".to_owned()], std::path::Path::new(workspace::ROOT))?;
    plain.prefix.clone_from(&words.prefix);
    let mut text = status::long(repository, &plain)?;
    if after == After::Drop {
        repository.drop_stash(&stash)?;
        text.push_str(&dropped(words));
    }
    Ok(hushed(Said::text(text), quiet))
}
