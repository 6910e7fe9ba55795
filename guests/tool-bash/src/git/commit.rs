//! `git commit` and `git apply`.

use catena_sdk::workspace::{self, DiffOptions, SnapshotRef, WorkspaceError};

use super::arguments::{Refusal, Words};
use super::state::{BRANCH, Repository};
use super::{Input, Said, diffstat, reverse, status};

pub(crate) fn commit(
    repository: &mut Repository,
    mut words: Words,
    input: &Input,
) -> Result<Said, Refusal> {
    let all = words.take(&["-a", "--all"]);
    let and_all = words.values(&["-am"]);
    let empty = words.take(&["--allow-empty"]);
    let amend = words.take(&["--amend"]);
    let quiet = words.take(&["-q", "--quiet"]);
    words.take(&["--no-verify", "-n", "--no-edit", "-s", "--signoff", "--no-gpg-sign"]);
    words.values(&["--author", "--date"]);
    let mut parts = words.values(&["-m", "--message"]);
    for file in words.values(&["-F", "--file"]) {
        parts.push(String::from_utf8_lossy(input.read(&file)?).into_owned());
    }
    words.check_options()?;
    let all = all || !and_all.is_empty();
    parts.extend(and_all);
    if all {
        let tracked = repository.beyond(&repository.index())?.tracked;
        let changed: Vec<String> = tracked.into_iter().map(|(_, path)| path).collect();
        if !changed.is_empty() {
            repository.stage(&SnapshotRef::Current, &changed)?;
        }
    }
    let mut message = parts.join("\n\n").trim().to_owned();
    if amend {
        let commits = repository.commits();
        let (Some(last), Some(parent)) = (commits.first(), commits.get(1)) else {
            return Err(Refusal::fatal("You have nothing to amend."));
        };
        if message.is_empty() {
            message.clone_from(&last.message);
        }
        let index = repository.index();
        repository.stage(&index, &[])?;
        repository.reset_to(parent)?;
    }
    if message.is_empty() {
        return Err(Refusal {
            message: "Aborting commit due to empty commit message.".to_owned(),
            status: 1,
        });
    }
    if repository.staged()?.is_empty() && !empty {
        let stdout = status::long(repository, &words)?.into_bytes();
        return Ok(Said { stdout, status: 1, ..Said::default() });
    }
    let (head, index) = (repository.head(), repository.index());
    let patch = workspace::diff(&head, &index, &DiffOptions::default())?;
    let id = repository.commit(&message)?;
    if quiet {
        return Ok(Said::nothing());
    }
    let id = id.get(..7).unwrap_or(&id);
    let subject = message.lines().next().unwrap_or_default();
    let mut text = format!("[{BRANCH} {id}] {subject}\n").into_bytes();
    text.extend(diffstat::total(&patch));
    text.extend(diffstat::modes(&patch));
    Ok(Said::bytes(text))
}

pub(crate) fn apply(
    repository: &mut Repository,
    mut words: Words,
    input: &Input,
) -> Result<Said, Refusal> {
    let check = words.take(&["--check"]);
    let stat = words.take(&["--stat"]);
    let index = words.take(&["--index"]);
    let backwards = words.take(&["-R", "--reverse"]);
    words.take(&["-v", "--verbose", "-p1", "--whitespace=nowarn", "--whitespace=fix", "-3"]);
    words.check_options()?;
    let files =
        if words.operands.is_empty() { vec!["-".to_owned()] } else { words.operands.clone() };
    let mut text = Vec::new();
    for file in &files {
        let patch = input.read(file)?;
        let turned = if backwards { Some(reverse::reversed(patch)?) } else { None };
        let patch = turned.as_deref().unwrap_or(patch);
        if stat {
            text.extend(diffstat::render_wide(patch));
            continue;
        }
        let before = "git/before-apply";
        if check {
            workspace::take_snapshot(before)?;
        }
        let touched = match workspace::apply_patch(patch) {
            Err(WorkspaceError::PatchRejected(reason)) => {
                return Err(Refusal::error(reason));
            }
            touched => touched?,
        };
        if check {
            let before = SnapshotRef::Named(before.to_owned());
            if !touched.is_empty() {
                workspace::restore(&before, &touched)?;
            }
            workspace::drop_snapshot("git/before-apply")?;
        } else if index {
            repository.stage(&SnapshotRef::Current, &touched)?;
        }
    }
    Ok(Said::bytes(text))
}
