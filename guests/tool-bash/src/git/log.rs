//! Commits as git tells them: `git log` and `git show`.

use std::fmt::Write as _;

use catena_sdk::workspace::{self, ReadRequest, SnapshotRef};

use super::Said;
use super::arguments::{Refusal, Words};
use super::show::{Format, Shown, known};
use super::state::{Commit, Repository};
use crate::calendar;

pub(crate) fn show(repository: &Repository, mut words: Words) -> Result<Said, Refusal> {
    let format = words.values(&["--format", "--pretty"]).pop();
    let shown = Shown::take(&mut words);
    words.check_options()?;
    let word = words.operands.first().cloned().unwrap_or_else(|| "HEAD".to_owned());
    if let Some((name, path)) = word.split_once(':') {
        let at = if name.is_empty() { repository.index() } else { known(repository, name)?.at };
        let path = if path.starts_with("./") { words.path(path)? } else { path.to_owned() };
        return content(at, name, path);
    }
    let commit = known(repository, &word)?;
    let mut text = match format.filter(|format| format.contains('%')) {
        Some(format) => expanded(&format, &repository.id(&commit.at)?, &commit) + "\n\n",
        None => described(repository, &commit)? + "\n",
    }
    .into_bytes();
    let commits = repository.commits();
    let position = commits.iter().position(|other| other.at == commit.at).unwrap_or_default();
    if let Some(parent) = commits.get(position + 1) {
        text.extend(shown.render(&parent.at, &commit.at, Vec::new())?);
    }
    Ok(Said::bytes(text))
}

/// The whole of a file in a state.
fn content(at: SnapshotRef, name: &str, path: String) -> Result<Said, Refusal> {
    let mut text = Vec::new();
    loop {
        let request =
            ReadRequest { path: path.clone(), offset: text.len() as u64, length: 16 << 20 };
        let slice = workspace::read_files(&at, &[request]).into_iter().next();
        let Some(Ok(slice)) = slice else {
            let what = format!("path '{path}' does not exist in '{name}'");
            return Err(Refusal::fatal(what));
        };
        text.extend(&slice.bytes);
        if text.len() as u64 >= slice.size || slice.bytes.is_empty() {
            return Ok(Said::bytes(text));
        }
    }
}

fn described(repository: &Repository, commit: &Commit) -> Result<String, Refusal> {
    let id = repository.id(&commit.at)?;
    let date = calendar::git_date(commit.time);
    let mut text = format!("commit {id}\nAuthor: agent <agent@sandbox>\nDate:   {date}\n\n");
    for line in commit.message.lines() {
        let _ = writeln!(text, "    {line}");
    }
    Ok(text)
}

pub(crate) fn log(repository: &Repository, mut words: Words) -> Result<Said, Refusal> {
    words.take(&["--no-decorate", "--decorate", "--all", "--no-color", "--no-merges"]);
    let oneline = words.take(&["--oneline"]);
    let graph = words.take(&["--graph"]);
    let mut format = words.values(&["--format", "--pretty"]);
    let counts = words.values(&["-n", "--max-count"]);
    let mut most = counts.first().and_then(|count| count.parse().ok());
    for option in std::mem::take(&mut words.options) {
        match option.strip_prefix("-n").unwrap_or(option.trim_start_matches('-')).parse() {
            Ok(count) => most = Some(count),
            Err(_) => words.options.push(option),
        }
    }
    let shown = Shown::take(&mut words);
    words.check_options()?;
    let oneline = oneline || format.iter().any(|format| format == "oneline");
    let format = format.pop().filter(|format| format.contains('%'));
    let mut text = Vec::new();
    for (position, commit) in
        repository.commits().iter().take(most.unwrap_or(usize::MAX)).enumerate()
    {
        let id = repository.id(&commit.at)?;
        let subject = commit.message.lines().next().unwrap_or_default();
        let part = match &format {
            Some(format) => expanded(format, &id, commit) + "\n",
            None if oneline => {
                let star = if graph { "* " } else { "" };
                format!("{star}{} {subject}\n", id.get(..7).unwrap_or(&id))
            }
            None => {
                let gap = if position > 0 { "\n" } else { "" };
                format!("{gap}{}", described(repository, commit)?)
            }
        };
        text.extend(part.into_bytes());
        if shown.format != Format::Patch
            && let Some(parent) = repository.commits().get(position + 1)
        {
            text.extend(shown.render(&parent.at, &commit.at, Vec::new())?);
        }
    }
    Ok(Said::bytes(text))
}

/// Of what `HEAD` was, the newest first.
pub(crate) fn reflog(repository: &Repository, mut words: Words) -> Result<Said, Refusal> {
    let counts = words.values(&["-n"]);
    let mut most = counts.first().and_then(|count| count.parse().ok());
    for option in std::mem::take(&mut words.options) {
        match option.trim_start_matches(['-', 'n']).parse() {
            Ok(count) => most = Some(count),
            Err(_) => words.options.push(option),
        }
    }
    words.check_options()?;
    let commits = repository.commits();
    let mut text = String::new();
    for (back, commit) in commits.iter().enumerate().take(most.unwrap_or(usize::MAX)) {
        let id = repository.id(&commit.at)?;
        let (id, first) = (id.get(..7).unwrap_or(&id), back + 1 == commits.len());
        let (initial, subject) =
            (if first { " (initial)" } else { "" }, commit.message.lines().next());
        let subject = subject.unwrap_or_default();
        let _ = writeln!(text, "{id} HEAD@{{{back}}}: commit{initial}: {subject}");
    }
    Ok(Said::text(text))
}

fn expanded(format: &str, id: &str, commit: &Commit) -> String {
    let plain = format.strip_prefix("format:").or_else(|| format.strip_prefix("tformat:"));
    let format = plain.unwrap_or(format);
    let subject = commit.message.lines().next().unwrap_or_default();
    [
        ("%H", id),
        ("%h", id.get(..7).unwrap_or(id)),
        ("%s", subject),
        ("%an", "agent"),
        ("%ae", "agent@sandbox"),
        ("%ad", &calendar::git_date(commit.time)),
        ("%B", &commit.message),
        ("%n", "\n"),
    ]
    .iter()
    .fold(format.to_owned(), |text, (name, value)| text.replace(name, value))
}
