//! Commands of git that change the worktree or the index.

use std::fmt::Write as _;
use std::fs;

use catena_sdk::workspace::{self, SnapshotRef};

use super::arguments::{Refusal, Words, is_among};
use super::state::{BRANCH, Repository};
use super::{Said, status};

/// Refuses a word that names no file among `known`.
fn check_pathspecs<'a>(
    words: &Words,
    known: impl Iterator<Item = &'a String> + Clone,
    refusal: impl Fn(&str) -> Refusal,
) -> Result<(), Refusal> {
    for word in words.operands.iter().chain(words.paths.iter().flatten()) {
        let path = words.path(word)?;
        let mut found = known.clone();
        if !path.is_empty() && !found.any(|file| is_among(file, std::slice::from_ref(&path))) {
            return Err(refusal(word));
        }
    }
    Ok(())
}

fn no_match(word: &str) -> Refusal {
    Refusal::fatal(format_args!("pathspec '{word}' did not match any files"))
}

fn unknown_to_git(word: &str) -> Refusal {
    Refusal::error(format_args!("pathspec '{word}' did not match any file(s) known to git"))
}

pub(crate) fn add(repository: &mut Repository, mut words: Words) -> Result<Said, Refusal> {
    let all = words.take(&["-A", "--all", "--no-ignore-removal"]);
    let update = words.take(&["-u", "--update"]);
    let force = words.take(&["-f", "--force"]);
    words.take(&["-v", "--verbose"]);
    words.check_options()?;
    let paths = words.all_paths()?;
    if paths.is_empty() && !all && !update {
        let hint =
            "Nothing specified, nothing added.\nhint: Maybe you wanted to say 'git add .'?\n";
        return Ok(Said::aside(hint));
    }
    let beyond = repository.beyond(&repository.index())?;
    let untracked = if force {
        beyond.untracked.clone()
    } else {
        repository.not_ignored(beyond.untracked.clone())?
    };
    let tracked = repository.tracked()?;
    check_pathspecs(&words, tracked.iter().chain(&beyond.untracked), no_match)?;
    let is_ignored = |path: &&String| beyond.untracked.contains(path) && !untracked.contains(path);
    if let Some(ignored) = paths.iter().find(is_ignored) {
        let message = format!(
            "The following paths are ignored by one of your .gitignore files:\n{ignored}\n\
             hint: Use -f if you really want to add them."
        );
        return Err(Refusal { message, status: 1 });
    }
    let mut chosen: Vec<String> = beyond.tracked.into_iter().map(|(_, path)| path).collect();
    if !update {
        chosen.extend(untracked);
    }
    chosen.retain(|path| is_among(path, &paths));
    if !chosen.is_empty() {
        repository.stage(&SnapshotRef::Current, &chosen)?;
    }
    Ok(Said::nothing())
}

fn place(path: &str) -> std::path::PathBuf {
    workspace::file(path)
}

fn io(path: &str, err: &std::io::Error) -> Refusal {
    Refusal::fatal(format_args!("{path}: {err}"))
}

pub(crate) fn remove(repository: &mut Repository, mut words: Words) -> Result<Said, Refusal> {
    let recursive = words.take(&["-r"]);
    let cached = words.take(&["--cached"]);
    let force = words.take(&["-f", "--force", "-rf", "-fr"]);
    let quiet = words.take(&["-q", "--quiet"]);
    words.check_options()?;
    let paths = words.all_paths()?;
    if paths.is_empty() {
        return Err(Refusal::fatal("No pathspec was given. Which files should I remove?"));
    }
    let tracked = repository.tracked()?;
    check_pathspecs(&words, tracked.iter(), no_match)?;
    if let Some(path) = paths.iter().find(|path| !tracked.contains(*path) && !recursive && !force) {
        let what = format!("not removing '{path}' recursively without -r");
        return Err(Refusal::fatal(what));
    }
    let chosen: Vec<String> = tracked.into_iter().filter(|path| is_among(path, &paths)).collect();
    let changed = repository.beyond(&repository.head())?;
    let modified = |path: &&String| {
        changed.tracked.iter().any(|(letter, other)| *letter != 'D' && other == *path)
            || changed.untracked.contains(path)
    };
    if !force
        && !cached
        && let Some(path) = chosen.iter().find(modified)
    {
        let message = format!(
            "error: the following file has local modifications:\n    {path}\n\
             (use --cached to keep the file, or -f to force removal)"
        );
        return Err(Refusal { message, status: 1 });
    }
    unlist(repository, &chosen, cached)?;
    let mut text = String::new();
    for path in chosen.iter().filter(|_| !quiet) {
        let _ = writeln!(text, "rm '{path}'");
    }
    Ok(Said::text(text))
}

/// Takes files out of the index, and out of the worktree unless they are to be
/// kept there.
fn unlist(repository: &mut Repository, paths: &[String], keep: bool) -> Result<(), Refusal> {
    let aside = |path: &str| place(&format!("{path}.taken-out"));
    for path in paths {
        let taken =
            if keep { fs::rename(place(path), aside(path)) } else { fs::remove_file(place(path)) };
        match taken {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => return Err(io(path, &err)),
            _ => {}
        }
        if !keep {
            remove_empty_parents(path);
        }
    }
    repository.stage(&SnapshotRef::Current, paths)?;
    for path in paths.iter().filter(|_| keep) {
        // One that was not there can't be brought back.
        let _ = fs::rename(aside(path), place(path));
    }
    Ok(())
}

/// Git knows no empty directories.
fn remove_empty_parents(path: &str) {
    let mut parent = path;
    while let Some((above, _)) = parent.rsplit_once('/') {
        if fs::remove_dir(place(above)).is_err() {
            return;
        }
        parent = above;
    }
}

pub(crate) fn rename(repository: &mut Repository, mut words: Words) -> Result<Said, Refusal> {
    words.take(&["-f", "--force", "-k", "-v"]);
    words.check_options()?;
    let mut paths = words.all_paths()?;
    let Some(target) = paths.pop().filter(|_| !paths.is_empty()) else {
        return Err(Refusal::fatal("usage: git mv <source>... <destination>"));
    };
    let tracked = repository.tracked()?;
    let into = place(&target).is_dir();
    for path in &paths {
        let from = std::slice::from_ref(path);
        let files: Vec<String> =
            tracked.iter().filter(|file| is_among(file, from)).cloned().collect();
        let name = path.rsplit('/').next().unwrap_or(path);
        let to = match (into, target.is_empty()) {
            (true, true) => name.to_owned(),
            (true, false) => format!("{target}/{name}"),
            (false, _) => target.clone(),
        };
        if files.is_empty() {
            let what = format!("not under version control, source={path}, destination={to}");
            return Err(Refusal::fatal(what));
        }
        if !into && place(&to).exists() {
            let what = format!("destination exists, source={path}, destination={to}");
            return Err(Refusal::fatal(what));
        }
        fs::rename(place(path), place(&to)).map_err(|err| io(path, &err))?;
        let moved: Vec<String> = files.iter().map(|file| file.replacen(path, &to, 1)).collect();
        repository.stage(&SnapshotRef::Current, &[files, moved].concat())?;
    }
    Ok(Said::nothing())
}

/// Files that are tracked or in a state, and differ from it, at or below paths.
fn differing(
    repository: &Repository,
    from: &SnapshotRef,
    paths: &[String],
) -> Result<Vec<String>, Refusal> {
    let known = repository.tracked()?;
    let beyond = repository.beyond(from)?;
    let mut files: Vec<String> = beyond.tracked.into_iter().map(|(_, path)| path).collect();
    files.extend(beyond.untracked.into_iter().filter(|path| known.contains(path)));
    files.retain(|path| is_among(path, paths));
    Ok(files)
}

fn bring_back(
    repository: &Repository,
    from: &SnapshotRef,
    paths: &[String],
) -> Result<usize, Refusal> {
    let files = differing(repository, from, paths)?;
    if !files.is_empty() {
        workspace::restore(from, &files)?;
    }
    Ok(files.len())
}

pub(crate) fn restore(repository: &mut Repository, mut words: Words) -> Result<Said, Refusal> {
    let staged = words.take(&["-S", "--staged"]);
    let worktree = words.take(&["-W", "--worktree"]) || !staged;
    words.take(&["-q", "--quiet"]);
    let source = words.values(&["-s", "--source"]);
    words.check_options()?;
    let source = match source.first() {
        Some(name) => Some(
            repository
                .revision(name)?
                .ok_or_else(|| Refusal::fatal(format_args!("could not resolve {name}")))?
                .at,
        ),
        None => None,
    };
    let paths = words.all_paths()?;
    if paths.is_empty() {
        return Err(Refusal::fatal("you must specify path(s) to restore"));
    }
    let from =
        source.unwrap_or_else(|| if staged { repository.head() } else { repository.index() });
    let mut known = repository.tracked()?;
    known.extend(differing(repository, &from, &[])?);
    let staged_changes = repository.staged()?;
    known.extend(staged_changes.iter().map(|change| change.path.clone()));
    known.extend(staged_changes.iter().filter_map(|change| change.previous_path.clone()));
    check_pathspecs(&words, known.iter(), unknown_to_git)?;
    if staged {
        let chosen: Vec<String> =
            known.iter().filter(|path| is_among(path, &paths)).cloned().collect();
        repository.stage(&from, &chosen)?;
    }
    if worktree {
        bring_back(repository, &from, &paths)?;
    }
    Ok(Said::nothing())
}

pub(crate) fn checkout(repository: &mut Repository, mut words: Words) -> Result<Said, Refusal> {
    words.take(&["-f", "--force", "-q", "--quiet"]);
    words.check_options()?;
    let mut from = None;
    if let Some(word) = words.operands.first().cloned()
        && let Some(commit) = repository.revision(&word)?
    {
        words.operands.remove(0);
        if words.operands.is_empty() && words.paths.as_ref().is_none_or(Vec::is_empty) {
            if word == BRANCH || commit.at == repository.head() {
                return Ok(Said::aside(format!("Already on '{BRANCH}'\n")));
            }
            return Err(Refusal::not_there("checkout of a commit"));
        }
        from = Some(commit.at);
    }
    let paths = words.all_paths()?;
    let of_commit = from.is_some();
    let from = from.unwrap_or_else(|| repository.index());
    let mut known = repository.tracked()?;
    known.extend(differing(repository, &from, &[])?);
    check_pathspecs(&words, known.iter(), unknown_to_git)?;
    if of_commit {
        let chosen: Vec<String> =
            known.iter().filter(|path| is_among(path, &paths)).cloned().collect();
        repository.stage(&from, &chosen)?;
    }
    let updated = bring_back(repository, &from, &paths)?;
    if words.paths.is_some() {
        return Ok(Said::nothing());
    }
    let noun = if updated == 1 { "path" } else { "paths" };
    let id = repository.id(&from)?;
    let source = if of_commit { id.get(..7).unwrap_or(&id) } else { "the index" };
    Ok(Said::aside(format!("Updated {updated} {noun} from {source}\n")))
}

pub(crate) fn reset(repository: &mut Repository, mut words: Words) -> Result<Said, Refusal> {
    let hard = words.take(&["--hard"]);
    let soft = words.take(&["--soft"]);
    let quiet = words.take(&["-q", "--quiet"]);
    words.take(&["--mixed"]);
    words.check_options()?;
    let mut commit = None;
    if let Some(word) = words.operands.first()
        && let Some(found) = repository.revision(word)?
    {
        commit = Some(found);
        words.operands.remove(0);
    }
    let paths = words.all_paths()?;
    if !paths.is_empty() {
        let from = commit.map_or_else(|| repository.head(), |commit| commit.at);
        let changes = repository.staged()?.into_iter();
        let mut chosen: Vec<String> = changes
            .flat_map(|change| [Some(change.path), change.previous_path])
            .flatten()
            .collect();
        chosen.retain(|path| is_among(path, &paths));
        if !chosen.is_empty() {
            repository.stage(&from, &chosen)?;
        }
        return unstaged_after_reset(repository, quiet);
    }
    let commit = commit.or_else(|| repository.commits().into_iter().next());
    let Some(commit) = commit else { return Ok(Said::nothing()) };
    if hard {
        let files = differing(repository, &commit.at, &[])?;
        if !files.is_empty() {
            workspace::restore(&commit.at, &files)?;
        }
    }
    if soft {
        let index = repository.index();
        repository.stage(&index, &[])?;
        repository.reset_to(&commit)?;
        return Ok(Said::nothing());
    }
    repository.reset_to(&commit)?;
    repository.forget_index()?;
    if hard && quiet {
        return Ok(Said::nothing());
    }
    if hard {
        let id = repository.id(&commit.at)?;
        let subject = commit.message.lines().next().unwrap_or_default();
        let id = id.get(..7).unwrap_or(&id);
        return Ok(Said::text(format!("HEAD is now at {id} {subject}\n")));
    }
    unstaged_after_reset(repository, quiet)
}

fn unstaged_after_reset(repository: &Repository, quiet: bool) -> Result<Said, Refusal> {
    let beyond = repository.beyond(&repository.index())?;
    let mut text = String::new();
    for (letter, path) in beyond.tracked.iter().filter(|_| !quiet) {
        if text.is_empty() {
            text.push_str("Unstaged changes after reset:\n");
        }
        let _ = writeln!(text, "{letter}\t{path}");
    }
    Ok(Said::text(text))
}

pub(crate) fn clean(repository: &Repository, mut words: Words) -> Result<Said, Refusal> {
    words.unbundle("dnfxq");
    let directories = words.take(&["-d"]);
    let ignored = words.take(&["-x"]);
    let dry = words.take(&["-n", "--dry-run"]);
    let force = words.take(&["-f", "--force"]);
    words.take(&["-q"]);
    words.check_options()?;
    if !dry && !force {
        return Err(Refusal::fatal(
            "clean.requireForce is true and -f not given: refusing to clean",
        ));
    }
    let paths = words.all_paths()?;
    let known = repository.tracked()?;
    let mut untracked = repository.beyond(&repository.index())?.untracked;
    if !ignored {
        untracked = repository.not_ignored(untracked)?;
    }
    untracked.retain(|path| is_among(path, &paths));
    if !directories {
        let parent = |path: &str| path.rsplit_once('/').map(|(above, _)| format!("{above}/"));
        untracked.retain(|path| {
            parent(path).is_none_or(|above| known.iter().any(|file| file.starts_with(&above)))
        });
    }
    if !dry {
        for path in &untracked {
            fs::remove_file(place(path)).map_err(|err| io(path, &err))?;
            remove_empty_parents(path);
        }
    }
    let mut told = status::collapsed_all(&untracked, &known);
    told.sort();
    let mut text = String::new();
    for path in &told {
        let verb = if dry { "Would remove" } else { "Removing" };
        let _ = writeln!(text, "{verb} {}", words.shown(path));
    }
    Ok(Said::text(text))
}
