//! What takes the place of a repository: named snapshots, which last from one
//! command to the next.
//!
//! `HEAD` is what the stage began with, or the last of the agent's own commits;
//! the index is a snapshot from the first `add` on. A new stage begins with none
//! of them. The id of a commit is that of its tree.
#![allow(clippy::unused_self, reason = "what is asked of the host is asked of a repository")]

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use catena_sdk::workspace::{
    self, Change, DiffOptions, FileSelection, SnapshotRef, WorkspaceError,
};

use super::arguments::Refusal;

/// What the stage began with when the other snapshots were taken.
const BASE: &str = "git/base";
const INDEX: &str = "git/index";
const COMMIT: &str = "git/commit/";
const STASH: &str = "git/stash/";
const STASH_BASE: &str = "git/stash-base/";
const SCRATCH: &str = "git/scratch";

/// The branch, of which there is one.
pub(crate) const BRANCH: &str = "main";

impl From<WorkspaceError> for Refusal {
    fn from(err: WorkspaceError) -> Self {
        Self::fatal(err)
    }
}

/// A commit.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) at: SnapshotRef,
    /// Seconds since 1970.
    pub(crate) time: u64,
    pub(crate) message: String,
}

/// Changes that were put aside.
pub(crate) struct Stash {
    pub(crate) number: String,
    pub(crate) message: String,
}

/// The snapshots of one stage.
pub(crate) struct Repository {
    names: BTreeSet<String>,
}

impl Repository {
    /// Looks at what there is, and forgets what is of an earlier stage.
    pub(crate) fn open() -> Result<Self, Refusal> {
        let names = workspace::snapshot_names()?.into_iter();
        let mut names: BTreeSet<String> = names.filter(|name| name.starts_with("git/")).collect();
        let base = SnapshotRef::Named(BASE.to_owned());
        if names.contains(BASE) && !workspace::changes(&base, &SnapshotRef::Start)?.is_empty() {
            for name in std::mem::take(&mut names) {
                workspace::drop_snapshot(&name)?;
            }
        }
        Ok(Self { names })
    }

    /// Takes a snapshot: `base` with the paths as they are in `from`, or `from`.
    fn keep(
        &mut self,
        name: &str,
        base: &SnapshotRef,
        from: &SnapshotRef,
        paths: &[String],
    ) -> Result<String, Refusal> {
        if !self.names.contains(BASE) {
            let start = SnapshotRef::Start;
            workspace::compose_snapshot(BASE, &start, &start, &[])?;
            self.names.insert(BASE.to_owned());
        }
        let id = workspace::compose_snapshot(name, base, from, paths)?;
        self.names.insert(name.to_owned());
        Ok(id)
    }

    fn forget(&mut self, name: &str) -> Result<(), Refusal> {
        if self.names.remove(name) {
            workspace::drop_snapshot(name)?;
        }
        Ok(())
    }

    pub(crate) fn index(&self) -> SnapshotRef {
        if self.names.contains(INDEX) { SnapshotRef::Named(INDEX.to_owned()) } else { self.head() }
    }

    pub(crate) fn head(&self) -> SnapshotRef {
        match self.names.iter().rev().find(|name| name.starts_with(COMMIT)) {
            Some(name) => SnapshotRef::Named(name.clone()),
            None => SnapshotRef::Start,
        }
    }

    /// All commits, the newest first; the last is what the stage began with.
    pub(crate) fn commits(&self) -> Vec<Commit> {
        let own = self.names.iter().rev().filter_map(|name| {
            let mut parts = name.strip_prefix(COMMIT)?.splitn(3, '/').skip(1);
            let time = parts.next()?.parse().ok()?;
            let message = parts.next()?.to_owned();
            Some(Commit { at: SnapshotRef::Named(name.clone()), time, message })
        });
        let base = Commit {
            at: SnapshotRef::Start,
            time: 0,
            message: "The state of the code at the start".to_owned(),
        };
        own.chain([base]).collect()
    }

    /// What a name of a commit stands for.
    pub(crate) fn revision(&self, name: &str) -> Result<Option<Commit>, Refusal> {
        let commits = self.commits();
        let (base, back) = match name.split_once(['~', '^']) {
            Some((base, "")) => (base, 1),
            Some((base, number)) => match number.parse() {
                Ok(number) => (base, number),
                Err(_) => return Ok(None),
            },
            None => (name, 0_usize),
        };
        if [BRANCH, "HEAD", "@", "master"].contains(&base) {
            return Ok(commits.into_iter().nth(back));
        }
        if base.len() < 4 || !base.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        for commit in commits {
            if self.id(&commit.at)?.starts_with(base) {
                return Ok(Some(commit));
            }
        }
        Ok(None)
    }

    /// The id of a state.
    pub(crate) fn id(&self, at: &SnapshotRef) -> Result<String, Refusal> {
        let id = workspace::compose_snapshot(SCRATCH, at, at, &[])?;
        workspace::drop_snapshot(SCRATCH)?;
        Ok(id)
    }

    /// Makes paths of the index equal to a state.
    pub(crate) fn stage(&mut self, from: &SnapshotRef, paths: &[String]) -> Result<(), Refusal> {
        let index = self.index();
        self.keep(INDEX, &index, from, paths).map(drop)
    }

    /// Makes a commit of the index.
    pub(crate) fn commit(&mut self, message: &str) -> Result<String, Refusal> {
        let number = self.commits().len();
        let name = format!("{COMMIT}{number:04}/{}/{message}", now());
        let index = self.index();
        let id = self.keep(&name, &index, &index, &[])?;
        self.forget(INDEX)?;
        Ok(id)
    }

    /// Undoes commits down to one of them.
    pub(crate) fn reset_to(&mut self, commit: &Commit) -> Result<(), Refusal> {
        for later in self.commits() {
            if later.at == commit.at {
                break;
            }
            if let SnapshotRef::Named(name) = later.at {
                self.forget(&name)?;
            }
        }
        Ok(())
    }

    pub(crate) fn forget_index(&mut self) -> Result<(), Refusal> {
        self.forget(INDEX)
    }

    /// What was put aside, the newest first.
    pub(crate) fn stashes(&self) -> Vec<Stash> {
        let of = |name: &String| {
            let (number, message) = name.strip_prefix(STASH)?.split_once('/')?;
            Some(Stash { number: number.to_owned(), message: message.to_owned() })
        };
        self.names.iter().rev().filter_map(of).collect()
    }

    /// Puts paths aside as they are in the worktree.
    pub(crate) fn stash(&mut self, paths: &[String], message: &str) -> Result<(), Refusal> {
        let last = self.stashes().first().and_then(|stash| stash.number.parse::<u32>().ok());
        let number = format!("{:04}", last.map_or(0, |last| last + 1));
        let head = self.head();
        self.keep(&format!("{STASH_BASE}{number}"), &head, &head, &[])?;
        self.keep(&format!("{STASH}{number}/{message}"), &head, &SnapshotRef::Current, paths)?;
        Ok(())
    }

    /// The patch of what was put aside.
    pub(crate) fn patch_of(&self, stash: &Stash) -> Result<Vec<u8>, Refusal> {
        let from = SnapshotRef::Named(format!("{STASH_BASE}{}", stash.number));
        let to = SnapshotRef::Named(format!("{STASH}{}/{}", stash.number, stash.message));
        Ok(workspace::diff(&from, &to, &DiffOptions::default())?)
    }

    pub(crate) fn drop_stash(&mut self, stash: &Stash) -> Result<(), Refusal> {
        self.forget(&format!("{STASH_BASE}{}", stash.number))?;
        self.forget(&format!("{STASH}{}/{}", stash.number, stash.message))
    }

    /// What the index has beyond `HEAD`.
    pub(crate) fn staged(&self) -> Result<Vec<Change>, Refusal> {
        Ok(workspace::changes(&self.head(), &self.index())?)
    }

    /// What the worktree has beyond a state, by tracked and untracked files.
    pub(crate) fn beyond(&self, from: &SnapshotRef) -> Result<Beyond, Refusal> {
        let mut beyond = Beyond { tracked: Vec::new(), untracked: Vec::new() };
        for change in workspace::changes(from, &SnapshotRef::Current)? {
            match (change.kind.as_str(), change.previous_path) {
                ("renamed", Some(previous)) => {
                    beyond.tracked.push(('D', previous));
                    beyond.untracked.push(change.path);
                }
                ("added", _) => beyond.untracked.push(change.path),
                (kind, _) => beyond.tracked.push((letter(kind), change.path)),
            }
        }
        beyond.tracked.sort_by(|a, b| a.1.cmp(&b.1));
        beyond.untracked.sort();
        Ok(beyond)
    }

    /// Files of the index, sorted.
    pub(crate) fn tracked(&self) -> Result<BTreeSet<String>, Refusal> {
        let beyond = self.beyond(&self.index())?;
        let all = FileSelection { respect_ignore: false, ..FileSelection::default() };
        let mut files: BTreeSet<String> =
            workspace::glob(&all, u32::MAX)?.paths.into_iter().collect();
        for path in &beyond.untracked {
            files.remove(path);
        }
        let gone = beyond.tracked.into_iter().filter(|(letter, _)| *letter == 'D');
        files.extend(gone.map(|(_, path)| path));
        Ok(files)
    }

    /// Of these untracked files, those that are not ignored.
    pub(crate) fn not_ignored(&self, untracked: Vec<String>) -> Result<Vec<String>, Refusal> {
        if untracked.is_empty() {
            return Ok(untracked);
        }
        let seen: BTreeSet<String> =
            workspace::glob(&FileSelection::default(), u32::MAX)?.paths.into_iter().collect();
        Ok(untracked.into_iter().filter(|path| seen.contains(path)).collect())
    }
}

/// What the worktree has beyond the index or a commit.
pub(crate) struct Beyond {
    /// Letters of changes with their paths, sorted by path.
    pub(crate) tracked: Vec<(char, String)>,
    pub(crate) untracked: Vec<String>,
}

/// The letter by which git shows a kind of change.
pub(crate) fn letter(kind: &str) -> char {
    match kind {
        "added" => 'A',
        "deleted" => 'D',
        "renamed" => 'R',
        "type-changed" => 'T',
        _ => 'M',
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}
