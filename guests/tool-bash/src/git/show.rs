//! Commands of git that only tell something.

use std::fmt::Write as _;

use catena_sdk::workspace::{self, Change, DiffOptions, FileSelection, GrepQuery, SnapshotRef};

use super::arguments::{Refusal, Words, is_among};
use super::state::{BRANCH, Commit, Repository, letter};
use super::{Said, diffstat};

/// How differences are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Patch,
    Stat,
    Names,
    NamesAndKinds,
    Summary,
}

/// Options of a difference.
pub(super) struct Shown {
    pub(super) format: Format,
    context_lines: u32,
    quiet: bool,
    /// Whole ids, which a binary patch needs.
    full_ids: bool,
}

impl Shown {
    pub(super) fn take(words: &mut Words) -> Self {
        words.take(&[
            "-p",
            "-u",
            "--patch",
            "--no-color",
            "--color=never",
            "-M",
            "--find-renames",
            "-w",
            "--no-ext-diff",
            "-r",
        ]);
        let mut format = Format::Patch;
        for (name, other) in [
            ("--stat", Format::Stat),
            ("--name-only", Format::Names),
            ("--name-status", Format::NamesAndKinds),
            ("--shortstat", Format::Summary),
        ] {
            if words.take(&[name]) {
                format = other;
            }
        }
        let full_ids = words.take(&["--binary", "--full-index"]);
        let quiet = words.take(&["--quiet"]);
        let mut context_lines = 3;
        for option in std::mem::take(&mut words.options) {
            let lines = option.strip_prefix("-U").or_else(|| option.strip_prefix("--unified="));
            match lines.map(str::parse) {
                Some(Ok(lines)) => context_lines = lines,
                _ => words.options.push(option),
            }
        }
        Self { format, context_lines, quiet, full_ids }
    }

    /// What changed from one state to another, at or below paths.
    pub(super) fn render(
        &self,
        from: &SnapshotRef,
        to: &SnapshotRef,
        paths: Vec<String>,
    ) -> Result<Vec<u8>, Refusal> {
        if matches!(self.format, Format::Names | Format::NamesAndKinds) {
            let changes = workspace::changes(from, to)?;
            let among = |change: &&Change| is_among(&change.path, &paths);
            return Ok(names(changes.iter().filter(among), self.format).into_bytes());
        }
        let context_lines = self.context_lines;
        let options = DiffOptions { paths, context_lines, ..DiffOptions::default() };
        let patch = workspace::diff(from, to, &options)?;
        Ok(match self.format {
            Format::Stat => diffstat::render(&patch),
            Format::Summary => diffstat::total(&patch),
            _ if self.full_ids => patch,
            _ => with_short_ids(&patch),
        })
    }
}

/// A patch with the ids of its `index` lines as git shows them, but for binary
/// files.
fn with_short_ids(patch: &[u8]) -> Vec<u8> {
    let mut lines = patch.split_inclusive(|byte| *byte == b'\n').peekable();
    let mut shown = Vec::with_capacity(patch.len());
    while let Some(line) = lines.next() {
        let is_binary = lines.peek().is_some_and(|next| next.starts_with(b"GIT binary patch"));
        let ids = line.strip_prefix(b"index ").filter(|_| !is_binary);
        match ids.and_then(|ids| {
            Some((ids.get(..7)?, ids.get(40..42)?, ids.get(42..49)?, ids.get(82..)?))
        }) {
            Some((from, b"..", to, rest)) => {
                for part in [b"index ".as_slice(), from, b"..", to, rest] {
                    shown.extend_from_slice(part);
                }
            }
            _ => shown.extend_from_slice(line),
        }
    }
    shown
}

fn names<'a>(changes: impl Iterator<Item = &'a Change>, format: Format) -> String {
    let mut text = String::new();
    for change in changes {
        let path = &change.path;
        let _ = match (&change.previous_path, format) {
            (_, Format::Names) => writeln!(text, "{path}"),
            (Some(from), _) => writeln!(text, "R100\t{from}\t{path}"),
            (None, _) => writeln!(text, "{}\t{path}", letter(&change.kind)),
        };
    }
    text
}

pub(crate) fn diff(repository: &Repository, mut words: Words) -> Result<Said, Refusal> {
    let cached = words.take(&["--cached", "--staged"]);
    let shown = Shown::take(&mut words);
    words.check_options()?;
    let mut revisions = Vec::new();
    while let Some(word) = words.operands.first().cloned() {
        if let Some((a, b)) = word.split_once("..") {
            for name in [a, b.trim_start_matches('.')] {
                let name = if name.is_empty() { "HEAD" } else { name };
                revisions.push(known(repository, name)?);
            }
        } else if let Some(commit) = repository.revision(&word)? {
            revisions.push(commit);
        } else {
            break;
        }
        words.operands.remove(0);
    }
    check_paths(repository, &words)?;
    let paths = words.all_paths()?;
    let from = revisions.first().map(|commit| commit.at.clone());
    let text = match (revisions.get(1), cached) {
        (Some(to), _) => shown.render(&from.unwrap_or(SnapshotRef::Start), &to.at, paths)?,
        (None, true) => {
            let from = from.unwrap_or_else(|| repository.head());
            shown.render(&from, &repository.index(), paths)?
        }
        (None, false) => {
            let from = from.unwrap_or_else(|| repository.index());
            of_worktree(repository, &shown, &from, &paths)?
        }
    };
    if shown.quiet {
        return Ok(Said { status: i32::from(!text.is_empty()), ..Said::default() });
    }
    Ok(Said::bytes(text))
}

/// What tracked files of the worktree have beyond a state.
fn of_worktree(
    repository: &Repository,
    shown: &Shown,
    from: &SnapshotRef,
    paths: &[String],
) -> Result<Vec<u8>, Refusal> {
    let changed = repository.beyond(from)?;
    let mut tracked: Vec<String> = changed.tracked.into_iter().map(|(_, path)| path).collect();
    if *from != repository.index() {
        // What the index has is tracked, though the commit lacks it.
        let known = repository.tracked()?;
        tracked.extend(changed.untracked.into_iter().filter(|path| known.contains(path)));
    }
    tracked.retain(|path| is_among(path, paths));
    if tracked.is_empty() {
        Ok(Vec::new())
    } else {
        shown.render(from, &SnapshotRef::Current, tracked)
    }
}

/// Refuses a word before `--` that names neither a file nor a commit.
fn check_paths(repository: &Repository, words: &Words) -> Result<(), Refusal> {
    for word in &words.operands {
        let path = words.path(word)?;
        let own = std::slice::from_ref(&path);
        let is_there = path.is_empty()
            || workspace::file(&path).exists()
            || repository.tracked()?.iter().any(|file| is_among(file, own));
        if !is_there {
            return Err(Refusal::fatal(format_args!(
                "ambiguous argument '{word}': unknown revision or path not in the working tree.\n\
                 Use '--' to separate paths from revisions, like this:\n\
                 'git <command> [<revision>...] -- [<file>...]'"
            )));
        }
    }
    Ok(())
}

pub(super) fn known(repository: &Repository, name: &str) -> Result<Commit, Refusal> {
    repository.revision(name)?.ok_or_else(|| {
        Refusal::fatal(format_args!(
            "ambiguous argument '{name}': unknown revision or path not in the working tree."
        ))
    })
}

pub(crate) fn grep(repository: &Repository, mut words: Words) -> Result<Said, Refusal> {
    words.unbundle("nilcwFEIrP");
    let number = words.take(&["-n", "--line-number"]);
    let ignore_case = words.take(&["-i", "--ignore-case"]);
    let names_only = words.take(&["-l", "--files-with-matches", "--name-only"]);
    let count = words.take(&["-c", "--count"]);
    let whole = words.take(&["-w", "--word-regexp"]);
    let fixed = words.take(&["-F", "--fixed-strings"]);
    words.take(&["-E", "-I", "-r", "--no-color", "-P"]);
    let mut patterns = words.values(&["-e"]);
    words.check_options()?;
    if patterns.is_empty() {
        if words.operands.is_empty() {
            return Err(Refusal::fatal("no pattern given"));
        }
        patterns.push(words.operands.remove(0));
    }
    let quoted = |pattern: &String| if fixed { escaped(pattern) } else { pattern.clone() };
    let joined = patterns.iter().map(quoted).collect::<Vec<_>>().join("|");
    let pattern = if whole { format!(r"\b(?:{joined})\b") } else { joined };
    let mut paths = words.all_paths()?;
    if paths.is_empty() {
        paths.push(words.prefix.clone());
    }
    let tracked = repository.tracked()?;
    let selection = FileSelection { respect_ignore: false, ..FileSelection::default() };
    let query = GrepQuery { pattern, ignore_case, selection, limit: u32::MAX };
    let found = workspace::grep(&query)?.matches.into_iter();
    let found = found.filter(|at| tracked.contains(&at.path) && is_among(&at.path, &paths));
    let mut text = String::new();
    let mut counts: Vec<(String, usize)> = Vec::new();
    for at in found {
        match counts.last_mut() {
            Some((path, lines)) if *path == at.path => *lines += 1,
            _ => counts.push((at.path.clone(), 1)),
        }
        let path = words.shown(&at.path);
        let _ = match (names_only || count, number) {
            (true, _) => Ok(()),
            (false, true) => writeln!(text, "{path}:{}:{}", at.line_number, at.line),
            (false, false) => writeln!(text, "{path}:{}", at.line),
        };
    }
    for (path, lines) in counts.iter().filter(|_| names_only || count) {
        let path = words.shown(path);
        let _ = if count { writeln!(text, "{path}:{lines}") } else { writeln!(text, "{path}") };
    }
    let status = i32::from(counts.is_empty());
    Ok(Said { stdout: text.into_bytes(), status, ..Said::default() })
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if !c.is_alphanumeric() && c.is_ascii() {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

pub(crate) fn ls_files(repository: &Repository, mut words: Words) -> Result<Said, Refusal> {
    let others = words.take(&["-o", "--others"]);
    words.take(&["--exclude-standard", "-c", "--cached"]);
    let modified = words.take(&["-m", "--modified"]);
    let deleted = words.take(&["-d", "--deleted"]);
    words.check_options()?;
    let mut paths = words.all_paths()?;
    if paths.is_empty() {
        paths.push(words.prefix.clone());
    }
    let beyond = repository.beyond(&repository.index())?;
    let of_letters = |letters: &[char]| {
        let found = beyond.tracked.iter().filter(|(letter, _)| letters.contains(letter));
        found.map(|(_, path)| path.clone()).collect()
    };
    let files: Vec<String> = if others {
        repository.not_ignored(beyond.untracked.clone())?
    } else if modified {
        of_letters(&['M', 'T', 'D'])
    } else if deleted {
        of_letters(&['D'])
    } else {
        repository.tracked()?.into_iter().collect()
    };
    let shown = files.iter().filter(|path| is_among(path, &paths));
    Ok(Said::text(shown.fold(String::new(), |text, path| text + &words.shown(path) + "\n")))
}

pub(crate) fn rev_parse(repository: &Repository, words: &Words) -> Result<Said, Refusal> {
    let has = |option: &str| words.options.iter().any(|word| word == option);
    let mut text = String::new();
    for (option, answer) in [
        ("--show-toplevel", "/workspace"),
        ("--git-dir", ".git"),
        ("--is-inside-work-tree", "true"),
        ("--is-bare-repository", "false"),
    ] {
        if has(option) {
            let _ = writeln!(text, "{answer}");
        }
    }
    if has("--show-prefix") {
        let prefix = &words.prefix;
        let _ = if prefix.is_empty() { writeln!(text) } else { writeln!(text, "{prefix}/") };
    }
    for name in &words.operands {
        let commit = known(repository, name)?;
        if has("--abbrev-ref") {
            let _ = writeln!(text, "{BRANCH}");
            continue;
        }
        let id = repository.id(&commit.at)?;
        let short = has("--short");
        let _ = writeln!(text, "{}", if short { id.get(..7).unwrap_or(&id) } else { &id });
    }
    Ok(Said::text(text))
}

pub(crate) fn branch(mut words: Words) -> Result<Said, Refusal> {
    let current = words.take(&["--show-current"]);
    words.take(&["-a", "-v", "-vv", "--all", "--list", "--no-color", "-r"]);
    let deleted = words.take(&["-d", "-D", "--delete"]);
    words.check_options()?;
    match words.operands.first() {
        Some(name) if deleted => Err(Refusal::error(format_args!("branch '{name}' not found"))),
        Some(_) => Err(Refusal::not_there("branch: there is one branch")),
        None if current => Ok(Said::text(format!("{BRANCH}\n"))),
        None => Ok(Said::text(format!("* {BRANCH}\n"))),
    }
}
