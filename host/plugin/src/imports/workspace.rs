//! `catena:plugin/workspace`: the worktree in coarse steps.

mod search;

use std::str::FromStr as _;

use catena_tree::diff::{self, ChangeKind, DiffOptions, Renames};
use catena_tree::patch;
use catena_tree::worktree::{Executable, FsError, Worktree, WorktreeOptions};
use catena_tree::{ObjectError, RepoPath, TreeId};

use crate::bindings::control::catena::plugin::workspace as wit;
use crate::capability::WorkspaceAccess;
use crate::refusals::Refusal;
use crate::session::lock;
use crate::state::State;

/// Most bytes that one `read-files` call returns.
const MAX_READ: u64 = 16 << 20;

/// Most named snapshots of a rollout.
const MAX_SNAPSHOTS: usize = 1000;

/// Longest name of one in bytes.
const MAX_SNAPSHOT_NAME: usize = 1024;

/// Bytes of all their names together, which each tool call's record has.
const MAX_SNAPSHOT_NAMES: usize = 64 << 10;

type Answer<T> = Result<T, wit::WorkspaceError>;

impl State {
    fn check_workspace(&mut self, needed: WorkspaceAccess) -> Answer<()> {
        if self.rights.workspace >= needed {
            return Ok(());
        }
        self.refuse(Refusal::Workspace(needed));
        Err(wit::WorkspaceError::NotGranted)
    }

    /// The tree that a reference stands for.
    fn tree_at(&self, at: &wit::SnapshotRef) -> Answer<TreeId> {
        match at {
            wit::SnapshotRef::Current => self.session.snapshot_worktree().map_err(from_fs),
            wit::SnapshotRef::Start => Ok(self.session.stage_start),
            wit::SnapshotRef::Named(name) => lock(&self.session.snapshots)
                .get(name)
                .copied()
                .ok_or_else(|| wit::WorkspaceError::UnknownSnapshot(name.clone())),
        }
    }

    fn read_all(
        &self,
        at: &wit::SnapshotRef,
        requests: &[wit::ReadRequest],
    ) -> Vec<Answer<wit::FileSlice>> {
        let mut budget = MAX_READ;
        let mut read_from = |worktree: &mut Worktree| {
            let read = |request| read_request(worktree, request, &mut budget);
            requests.iter().map(read).collect()
        };
        if matches!(at, wit::SnapshotRef::Current) {
            return read_from(&mut lock(&self.session.worktree));
        }
        match self.tree_at(at) {
            Ok(tree) => {
                let objects = self.session.objects.clone();
                let worktree = Worktree::new(objects, tree, WorktreeOptions::default());
                read_from(&mut worktree.under(self.session.policy.clone()))
            }
            Err(err) => requests.iter().map(|_| Err(err.clone())).collect(),
        }
    }

    fn apply(&mut self, text: &[u8]) -> Answer<Vec<String>> {
        self.check_workspace(WorkspaceAccess::ReadWrite)?;
        let parsed = patch::parse(text).map_err(|err| rejected(&err))?;
        let mut worktree = lock(&self.session.worktree);
        let edits = patch::edits_until(&parsed, &worktree.files(), self.answer_by())
            .map_err(|err| rejected(&err))?;
        worktree.apply_edits(&edits).map_err(from_fs)?;
        let mut paths: Vec<String> =
            edits.iter().map(|edit| edit.path().as_bstr().to_string()).collect();
        paths.sort();
        paths.dedup();
        Ok(paths)
    }

    fn restore_from(&mut self, from: &wit::SnapshotRef, paths: &[String]) -> Answer<()> {
        self.check_workspace(WorkspaceAccess::ReadWrite)?;
        let tree = self.tree_at(from)?;
        let paths = paths.iter().map(|path| parse_path(path)).collect::<Answer<Vec<_>>>()?;
        let mut worktree = lock(&self.session.worktree);
        worktree.restore(tree, &paths, &mut &*self.session.objects).map_err(from_fs)
    }

    fn diff_of(
        &mut self,
        from: &wit::SnapshotRef,
        to: &wit::SnapshotRef,
        options: &wit::DiffOptions,
    ) -> Answer<Vec<u8>> {
        self.check_workspace(WorkspaceAccess::Read)?;
        let (from, to) = (self.tree_at(from)?, self.tree_at(to)?);
        let options = DiffOptions {
            context_lines: options.context_lines,
            renames: if options.detect_renames { Renames::default() } else { Renames::Ignore },
            paths: options.paths.iter().map(|path| parse_path(path)).collect::<Answer<_>>()?,
            policy: Some(self.session.policy.clone()),
            deadline: self.answer_by(),
            ..DiffOptions::default()
        };
        patch::write(&self.session.objects, from, to, &options).map_err(from_object)
    }

    fn changes_of(
        &mut self,
        from: &wit::SnapshotRef,
        to: &wit::SnapshotRef,
    ) -> Answer<Vec<wit::Change>> {
        self.check_workspace(WorkspaceAccess::Read)?;
        let (from, to) = (self.tree_at(from)?, self.tree_at(to)?);
        let policy = Some(self.session.policy.clone());
        let options = DiffOptions { policy, deadline: self.answer_by(), ..DiffOptions::default() };
        let changes =
            diff::changes(&self.session.objects, from, to, &options).map_err(from_object)?;
        let describe = |change: diff::Change| wit::Change {
            kind: kind_name(change.kind()).to_owned(),
            path: change.path.as_bstr().to_string(),
            previous_path: change.previous_path.map(|path| path.as_bstr().to_string()),
        };
        Ok(changes.into_iter().map(describe).collect())
    }

    fn snapshot_named(&mut self, name: String) -> Answer<String> {
        self.check_workspace(WorkspaceAccess::Read)?;
        let tree = self.session.snapshot_worktree().map_err(from_fs)?;
        self.name_snapshot(name, tree)
    }

    fn composed(
        &mut self,
        name: String,
        base: &wit::SnapshotRef,
        from: &wit::SnapshotRef,
        paths: &[String],
    ) -> Answer<String> {
        self.check_workspace(WorkspaceAccess::Read)?;
        let (base, from) = (self.tree_at(base)?, self.tree_at(from)?);
        let paths = paths.iter().map(|path| parse_path(path)).collect::<Answer<Vec<_>>>()?;
        let objects = self.session.objects.clone();
        let mut worktree = Worktree::new(objects, base, WorktreeOptions::default());
        worktree.checkout(from, &paths).map_err(from_fs)?;
        let tree = worktree.snapshot(&mut &*self.session.objects).map_err(from_fs)?;
        self.name_snapshot(name, tree)
    }

    fn name_snapshot(&mut self, name: String, tree: TreeId) -> Answer<String> {
        if name.len() > MAX_SNAPSHOT_NAME {
            let why = format!("a snapshot's name has {MAX_SNAPSHOT_NAME} bytes at most");
            self.refuse(Refusal::Limit("snapshots"));
            return Err(wit::WorkspaceError::InvalidArgument(why));
        }
        if name.chars().any(|c| c.is_control() && !['\n', '\t'].contains(&c)) {
            let why = "a snapshot's name has no control characters but ends of lines and tabs";
            self.refuse(Refusal::Limit("snapshots"));
            return Err(wit::WorkspaceError::InvalidArgument(why.to_owned()));
        }
        let session = self.session.clone();
        let mut snapshots = lock(&session.snapshots);
        let is_new = !snapshots.contains_key(&name);
        let names: usize = snapshots.keys().map(String::len).sum();
        if is_new && (snapshots.len() >= MAX_SNAPSHOTS || names + name.len() > MAX_SNAPSHOT_NAMES) {
            self.refuse(Refusal::Limit("snapshots"));
            return Err(wit::WorkspaceError::QuotaExceeded("named snapshots".to_owned()));
        }
        snapshots.insert(name, tree);
        Ok(tree.to_string())
    }

    fn mark_executable(&mut self, path: &str, executable: Executable) -> Answer<()> {
        self.check_workspace(WorkspaceAccess::ReadWrite)?;
        let parsed = parse_path(path)?;
        let mut worktree = lock(&self.session.worktree);
        let entry = worktree
            .entry(&parsed)
            .map_err(|err| at_path(err, path))?
            .ok_or_else(|| wit::WorkspaceError::NoEntry(path.to_owned()))?;
        worktree.set_executable(entry.node, executable).map_err(|err| at_path(err, path))
    }
}

impl wit::Host for State {
    fn read_files(
        &mut self,
        at: wit::SnapshotRef,
        requests: Vec<wit::ReadRequest>,
    ) -> wasmtime::Result<Vec<Answer<wit::FileSlice>>> {
        if let Err(err) = self.check_workspace(WorkspaceAccess::Read) {
            return Ok(requests.iter().map(|_| Err(err.clone())).collect());
        }
        let read = self.read_all(&at, &requests);
        self.transfer(read.iter().flatten().map(|slice| slice.bytes.len()).sum())?;
        Ok(read)
    }

    fn glob(
        &mut self,
        selection: wit::FileSelection,
        limit: u32,
    ) -> wasmtime::Result<Answer<wit::FileList>> {
        Ok(self.glob_files(&selection, limit))
    }

    fn grep(&mut self, query: wit::GrepQuery) -> wasmtime::Result<Answer<wit::GrepMatches>> {
        Ok(self.grep_files(&query))
    }

    fn apply_patch(&mut self, patch: Vec<u8>) -> wasmtime::Result<Answer<Vec<String>>> {
        self.transfer(patch.len())?;
        Ok(self.apply(&patch))
    }

    fn set_executable(&mut self, path: String, executable: bool) -> wasmtime::Result<Answer<()>> {
        let executable = if executable { Executable::Yes } else { Executable::No };
        Ok(self.mark_executable(&path, executable))
    }

    fn take_snapshot(&mut self, name: String) -> wasmtime::Result<Answer<String>> {
        Ok(self.snapshot_named(name))
    }

    fn compose_snapshot(
        &mut self,
        name: String,
        base: wit::SnapshotRef,
        from: wit::SnapshotRef,
        paths: Vec<String>,
    ) -> wasmtime::Result<Answer<String>> {
        Ok(self.composed(name, &base, &from, &paths))
    }

    fn drop_snapshot(&mut self, name: String) -> wasmtime::Result<Answer<()>> {
        if let Err(err) = self.check_workspace(WorkspaceAccess::Read) {
            return Ok(Err(err));
        }
        let dropped = lock(&self.session.snapshots).remove(&name);
        Ok(dropped.map(|_| ()).ok_or(wit::WorkspaceError::UnknownSnapshot(name)))
    }

    fn snapshot_names(&mut self) -> wasmtime::Result<Answer<Vec<String>>> {
        if let Err(err) = self.check_workspace(WorkspaceAccess::Read) {
            return Ok(Err(err));
        }
        Ok(Ok(lock(&self.session.snapshots).keys().cloned().collect()))
    }

    fn restore(
        &mut self,
        from: wit::SnapshotRef,
        paths: Vec<String>,
    ) -> wasmtime::Result<Answer<()>> {
        Ok(self.restore_from(&from, &paths))
    }

    fn diff(
        &mut self,
        from: wit::SnapshotRef,
        to: wit::SnapshotRef,
        options: wit::DiffOptions,
    ) -> wasmtime::Result<Answer<Vec<u8>>> {
        let diff = self.diff_of(&from, &to, &options);
        self.transfer(diff.as_ref().map_or(0, Vec::len))?;
        Ok(diff)
    }

    fn changes(
        &mut self,
        from: wit::SnapshotRef,
        to: wit::SnapshotRef,
    ) -> wasmtime::Result<Answer<Vec<wit::Change>>> {
        Ok(self.changes_of(&from, &to))
    }
}

fn parse_path(path: &str) -> Answer<RepoPath> {
    RepoPath::from_str(path).map_err(|err| wit::WorkspaceError::InvalidPath(err.to_string()))
}

fn read_request(
    worktree: &mut Worktree,
    request: &wit::ReadRequest,
    budget: &mut u64,
) -> Answer<wit::FileSlice> {
    let path = parse_path(&request.path)?;
    let found = worktree.file_at(&path).map_err(|err| at_path(err, &request.path))?;
    let size = found.metadata.size;
    let len = request.length.min(size.saturating_sub(request.offset)).min(*budget);
    *budget -= len;
    let bytes = worktree
        .read(found.node, request.offset, len)
        .map_err(|err| at_path(err, &request.path))?
        .to_vec();
    Ok(wit::FileSlice { bytes, size })
}

fn kind_name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Deleted => "deleted",
        ChangeKind::Modified => "modified",
        ChangeKind::Renamed => "renamed",
        ChangeKind::TypeChanged => "type-changed",
        ChangeKind::ModeChanged => "mode-changed",
    }
}

fn rejected(err: &patch::PatchError) -> wit::WorkspaceError {
    wit::WorkspaceError::PatchRejected(err.to_string())
}

fn from_object(err: ObjectError) -> wit::WorkspaceError {
    match err {
        ObjectError::Missing(id) => wit::WorkspaceError::MissingObject(id),
        other => wit::WorkspaceError::Other(other.to_string()),
    }
}

fn from_fs(err: FsError) -> wit::WorkspaceError {
    at_path(err, "")
}

/// What the run's policy refused; the contract has no word of its own for it.
fn protected(err: &FsError, path: &str) -> wit::WorkspaceError {
    let place = if path.is_empty() { String::new() } else { format!("`{path}`: ") };
    wit::WorkspaceError::Other(format!("{place}protected by the run's policy: {err}"))
}

fn at_path(err: FsError, path: &str) -> wit::WorkspaceError {
    match err {
        FsError::NoEntry => wit::WorkspaceError::NoEntry(path.to_owned()),
        FsError::Quota => wit::WorkspaceError::QuotaExceeded("workspace".to_owned()),
        FsError::NoSpace => wit::WorkspaceError::QuotaExceeded("space on disk".to_owned()),
        FsError::ReadOnly | FsError::Access => protected(&err, path),
        FsError::MissingObject { path, .. } => wit::WorkspaceError::MissingObject(path.to_string()),
        FsError::Io { .. } | FsError::Unsupported => wit::WorkspaceError::Other(err.to_string()),
        other => wit::WorkspaceError::InvalidPath(format!("`{path}`: {other}")),
    }
}
