//! Directories and worktrees that are synchronised, from outside.

mod full_disk;
mod generated;
mod git;
mod hostile;
mod killed;
mod sync;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::{Materialised, Place, SyncReport};
use crate::ids::TreeId;
use crate::objects::{EntryKind, Objects};
use crate::path::RepoPath;
use crate::worktree::Worktree;
use crate::worktree::tests::{Store, options, snapshot, store};

/// What a path is (`f`, `x`, `l`, `s`) with its content.
type Listing = BTreeMap<Vec<u8>, (char, Vec<u8>)>;

/// A directory, its state, a store and a worktree.
struct Bench {
    temp: TempDir,
    store: Store,
    worktree: Worktree,
}

impl Bench {
    fn new() -> Self {
        let store = store();
        Self::on(store, TreeId::EMPTY)
    }

    fn on(store: Store, base: TreeId) -> Self {
        let temp = tempfile::tempdir().unwrap();
        for name in ["dir", "state", "outside"] {
            std::fs::create_dir(temp.path().join(name)).unwrap();
        }
        let worktree = Worktree::new(store.clone(), base, options());
        Self { temp, store, worktree }
    }

    /// The example tree of worktree tests, materialised.
    fn example() -> (Self, Materialised) {
        let store = store();
        let base = crate::worktree::tests::example_tree(&store);
        let bench = Self::on(store, base);
        let (place, report) = bench.create(base);
        assert_eq!(report.refused, []);
        (bench, place)
    }

    fn dir(&self) -> PathBuf {
        self.temp.path().join("dir")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir().join(path)
    }

    fn place(&self) -> Place {
        Place::open(&self.dir(), &self.temp.path().join("state")).unwrap()
    }

    fn create(&self, tree: TreeId) -> (Materialised, SyncReport) {
        Materialised::create(self.place(), self.store.clone(), tree).unwrap()
    }

    fn open(&self) -> (Materialised, Option<SyncReport>) {
        Materialised::open(self.place(), self.store.clone()).unwrap()
    }

    fn snapshot(&mut self) -> TreeId {
        snapshot(&self.store, &mut self.worktree)
    }

    /// The worktree's files.
    fn files(&mut self) -> Listing {
        let tree = self.snapshot();
        in_tree(&self.store, tree)
    }
}

/// The files of a tree.
fn in_tree(objects: &Arc<impl Objects>, tree: TreeId) -> Listing {
    let mut files = Listing::new();
    let mut ahead = vec![(RepoPath::root(), tree)];
    while let Some((dir, tree)) = ahead.pop() {
        for entry in objects.tree(tree).unwrap().iter() {
            let path = dir.join(entry.name.as_ref()).unwrap();
            let content = |id| objects.blob(id).unwrap().to_vec();
            let found = match entry.kind {
                EntryKind::Directory(tree) => {
                    ahead.push((path, tree));
                    continue;
                }
                EntryKind::File { id, executable: false } => ('f', content(id)),
                EntryKind::File { id, executable: true } => ('x', content(id)),
                EntryKind::Symlink(id) => ('l', content(id)),
                EntryKind::Submodule(_) => continue,
            };
            files.insert(path.as_bstr().to_vec(), found);
        }
    }
    files
}

/// The files below a directory, without what a worktree cannot have.
fn on_disk(top: &Path) -> Listing {
    let mut files = Listing::new();
    let mut ahead = vec![top.to_owned()];
    while let Some(dir) = ahead.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let kind = metadata.file_type();
            let found = if kind.is_dir() {
                ahead.push(path);
                continue;
            } else if kind.is_symlink() {
                ('l', std::fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
            } else if kind.is_file() {
                let is_executable = metadata.permissions().mode() & 0o100 != 0;
                let content = std::fs::read(&path).unwrap();
                (if is_executable { 'x' } else { 'f' }, content)
            } else {
                continue;
            };
            let below = path.strip_prefix(top).unwrap();
            files.insert(below.as_os_str().as_bytes().to_vec(), found);
        }
    }
    files
}

fn paths(paths: &[RepoPath]) -> Vec<String> {
    let mut paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
    paths.sort();
    paths
}

/// Refused paths with their reasons as texts.
fn refused(report: &SyncReport) -> Vec<String> {
    let line = |refused: &super::Refused| format!("{}: {}", refused.path, refused.reason);
    let mut lines: Vec<_> = report.refused.iter().map(line).collect();
    lines.sort();
    lines
}
