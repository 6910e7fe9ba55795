//! Pull requests of a clone, by git itself.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Largest patch in bytes that is taken.
const MAX_PATCH: usize = 1 << 20;

/// A pull request that landed as one commit.
pub(crate) struct PullRequest {
    pub(crate) name: String,
    pub(crate) patch: Vec<u8>,
    commit: String,
    files: BTreeSet<String>,
}

impl PullRequest {
    pub(crate) fn files_in_common(&self, other: &Self) -> usize {
        self.files.intersection(&other.files).count()
    }
}

/// The newest pull requests that change text.
pub(crate) fn newest(repository: &Path, count: usize) -> Vec<PullRequest> {
    let log = git(repository, &["log", "--first-parent", "--format=%H %s", "-n", "20000"]);
    let log = String::from_utf8_lossy(&log).into_owned();
    let name = repository.display().to_string();
    let landed = log.lines().filter_map(|line| {
        let (commit, subject) = line.split_once(' ')?;
        let number = number(subject)?;
        let patch = patch(repository, &format!("{commit}^1"), commit);
        let parsed = git_patch::parse(&patch).ok()?;
        let has_text = parsed.iter().any(|file| !file.hunks().is_empty());
        let files = parsed.iter().map(|file| file.path().to_owned()).collect();
        let name = format!("{name} #{number}");
        let pull = PullRequest { name, patch: patch.clone(), commit: commit.to_owned(), files };
        (has_text && patch.len() <= MAX_PATCH).then_some(pull)
    });
    landed.take(count).collect()
}

/// The number that a merge or a squash was stamped with.
fn number(subject: &str) -> Option<u32> {
    let merged = subject.strip_prefix("Merge pull request #");
    let merged = merged.and_then(|rest| rest.split(' ').next());
    let squashed = subject.strip_suffix(')').and_then(|rest| rest.rsplit_once("(#"));
    merged.or(squashed.map(|(_, number)| number))?.parse().ok()
}

fn patch(repository: &Path, from: &str, to: &str) -> Vec<u8> {
    git(repository, &["diff-tree", "-p", "-M", "--full-index", "--binary", from, to])
}

/// The patch of a human tree whose changed files were formatted in another way, as
/// wholes; none where no formatter changed any.
pub(crate) fn reformatted(repository: &Path, pull: &PullRequest) -> Option<Vec<u8>> {
    let index = std::env::temp_dir().join(format!("measure-{}.index", std::process::id()));
    let mut changed = false;
    git_in(repository, &index, &["read-tree", &pull.commit], &[])?;
    for file in &pull.files {
        let Some(mut command) = formatter(file) else { continue };
        let place = format!("{}:{file}", pull.commit);
        let Some(text) = git_in(repository, &index, &["cat-file", "blob", &place], &[]) else {
            continue;
        };
        let Some(formatted) = piped(&mut command, &text) else { continue };
        changed |= formatted != text;
        let blob = git_in(repository, &index, &["hash-object", "-w", "--stdin"], &formatted)?;
        let blob = String::from_utf8_lossy(&blob).trim().to_owned();
        let entry = format!("100644,{blob},{file}");
        git_in(repository, &index, &["update-index", "--add", "--cacheinfo", &entry], &[])?;
    }
    let tree = git_in(repository, &index, &["write-tree"], &[])?;
    let tree = String::from_utf8_lossy(&tree).trim().to_owned();
    let from = format!("{}^1", pull.commit);
    let arguments = ["diff-tree", "-p", "-M", "--full-index", "--binary", &from, &tree];
    changed.then(|| git_in(repository, &index, &arguments, &[])).flatten()
}

/// Narrow lines, other quotes and other indentation.
fn formatter(file: &str) -> Option<Command> {
    let mut command;
    match file.rsplit_once('.')?.1 {
        "py" => {
            command = Command::new("ruff");
            command.args(["format", "--isolated", "--line-length", "60", "--config"]);
            command.args(["indent-width=2", "--config", "format.quote-style='single'", "-"]);
        }
        "rs" => {
            command = Command::new("rustfmt");
            command.args(["--edition", "2024", "--config", "max_width=60,tab_spaces=2"]);
        }
        _ => return None,
    }
    Some(command)
}

fn git(repository: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut git = Command::new("git");
    git.arg("-C").arg(repository).args(arguments);
    piped(&mut git, &[]).unwrap_or_default()
}

/// Git with an index and objects of its own, beside the repository's.
fn git_in(repository: &Path, index: &Path, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let objects = std::env::temp_dir().join(format!("measure-{}.objects", std::process::id()));
    std::fs::create_dir_all(&objects).ok()?;
    let common = git(repository, &["rev-parse", "--path-format=absolute", "--git-path", "objects"]);
    let common = String::from_utf8_lossy(&common).trim().to_owned();
    let mut git = Command::new("git");
    git.arg("-C").arg(repository).args(arguments);
    git.env("GIT_INDEX_FILE", index).env("GIT_OBJECT_DIRECTORY", &objects);
    git.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", common);
    piped(&mut git, input)
}

fn piped(command: &mut Command, input: &[u8]) -> Option<Vec<u8>> {
    let command =
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut stdin = child.stdin.take()?;
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().ok()?;
    // A program that wants no input closes it.
    let _ = writer.join();
    output.status.success().then_some(output.stdout)
}
