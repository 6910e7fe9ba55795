//! Behaviour of worktrees from outside.

pub(crate) mod commands;
mod deep;
mod edited;
mod operations;
mod patches;
mod paths;
mod policy;
mod semantics;
mod spilling;
mod state;
mod trees;

use std::sync::Arc;

use bstr::BStr;
use bytes::Bytes;

use super::{Worktree, WorktreeOptions};
use crate::ids::TreeId;
use crate::objects::{EntryKind, MemoryObjects, NoObjects, TreeEntry};
use crate::path::RepoPath;
use crate::spill::{Spill, SpillLimits};

/// Objects in memory that tests share with worktrees.
pub(crate) type Store = Arc<MemoryObjects<NoObjects>>;

pub(crate) fn store() -> Store {
    Arc::new(MemoryObjects::new(NoObjects))
}

pub(crate) fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

pub(crate) fn name(text: &str) -> &BStr {
    BStr::new(text)
}

pub(crate) fn empty() -> (Store, Worktree) {
    let store = store();
    (store.clone(), Worktree::new(store, TreeId::EMPTY, WorktreeOptions::default()))
}

/// A worktree on a tree with `README` (plain), `run` (executable), `link` to
/// `src/lib.py`, `src/lib.py`, `src/deep/er/x` and a submodule `vendor`.
pub(crate) fn example() -> (Store, Worktree) {
    let store = store();
    let base = example_tree(&store);
    (store.clone(), Worktree::new(store, base, options()))
}

pub(crate) fn options() -> WorktreeOptions {
    WorktreeOptions { base_time: 1_700_000_000, ..WorktreeOptions::default() }
}

pub(crate) fn example_tree(store: &Store) -> TreeId {
    let er = store.insert_tree(vec![file(store, "x", "deep\n")]).unwrap();
    let deep = store.insert_tree(vec![entry("er", EntryKind::Directory(er))]).unwrap();
    let lib = file(store, "lib.py", "def f():\n    pass\n");
    let src = store.insert_tree(vec![lib, entry("deep", EntryKind::Directory(deep))]).unwrap();
    let mut run = file(store, "run", "#!/bin/sh\n");
    if let EntryKind::File { executable, .. } = &mut run.kind {
        *executable = true;
    }
    let link = store.insert_blob(Bytes::from_static(b"src/lib.py"));
    let entries = vec![
        file(store, "README", "read me\n"),
        run,
        entry("link", EntryKind::Symlink(link)),
        entry("src", EntryKind::Directory(src)),
        entry("vendor", EntryKind::Submodule([7; 20].into())),
    ];
    store.insert_tree(entries).unwrap()
}

pub(crate) fn file(store: &Store, name: &str, content: &str) -> TreeEntry {
    let id = store.insert_blob(Bytes::copy_from_slice(content.as_bytes()));
    let kind = EntryKind::File { id, executable: false };
    TreeEntry { name: name.into(), kind, size: Some(content.len() as u64) }
}

pub(crate) fn entry(name: &str, kind: EntryKind) -> TreeEntry {
    TreeEntry { name: name.into(), kind, size: None }
}

/// A budget of `memory` bytes with a file beyond it.
pub(crate) fn spill(memory: u64) -> Arc<Spill> {
    let limits = SpillLimits { memory, small: 0, ..SpillLimits::default() };
    Spill::to_file(tempfile::tempfile().unwrap(), limits)
}

pub(crate) fn snapshot(store: &Store, worktree: &mut Worktree) -> TreeId {
    worktree.snapshot(&mut &**store).unwrap()
}
