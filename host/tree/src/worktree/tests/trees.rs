//! Snapshots of worktrees, and checkouts of trees into them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use proptest::prelude::*;

use super::super::{FsError, Links, NodeKind, Worktree, WriteKind};
use super::{Store, empty, entry, example, name, options, path, snapshot, store};
use crate::ids::{BlobId, TreeId};
use crate::objects::{EntryKind, ObjectError, ObjectSink, Objects, TreeEntry};
use crate::path::RepoPath;

/// A sink that counts what it is given.
struct Counting<'a> {
    store: &'a Store,
    blobs: AtomicUsize,
    trees: AtomicUsize,
}

impl<'a> Counting<'a> {
    fn new(store: &'a Store) -> Self {
        Self { store, blobs: AtomicUsize::new(0), trees: AtomicUsize::new(0) }
    }

    fn counts(&self) -> (usize, usize) {
        (self.blobs.load(Ordering::Relaxed), self.trees.load(Ordering::Relaxed))
    }
}

impl ObjectSink for Counting<'_> {
    fn write_blob(&mut self, content: Bytes) -> Result<BlobId, ObjectError> {
        self.blobs.fetch_add(1, Ordering::Relaxed);
        (&**self.store).write_blob(content)
    }

    fn write_tree(&mut self, entries: Vec<TreeEntry>) -> Result<TreeId, ObjectError> {
        self.trees.fetch_add(1, Ordering::Relaxed);
        (&**self.store).write_tree(entries)
    }
}

#[test]
fn snapshot_writes_only_what_changed() {
    let (store, mut worktree) = example();
    let mut sink = Counting::new(&store);
    assert_eq!(worktree.snapshot(&mut sink).unwrap(), worktree.base());
    assert_eq!(sink.counts(), (0, 0));
    worktree.write_file(&path("src/deep/er/x"), b"changed", WriteKind::KeepMode).unwrap();
    let changed = worktree.snapshot(&mut sink).unwrap();
    assert_eq!(sink.counts(), (1, 4));
    assert_eq!(worktree.snapshot(&mut sink).unwrap(), changed);
    assert_eq!(sink.counts(), (1, 4));
    worktree.write_file(&path("src/new"), b"new", WriteKind::Regular).unwrap();
    worktree.snapshot(&mut sink).unwrap();
    assert_eq!(sink.counts(), (2, 6));
}

#[test]
fn snapshot_in_which_an_edit_was_undone_is_the_base() {
    let (store, mut worktree) = example();
    worktree.write_file(&path("README"), b"other", WriteKind::KeepMode).unwrap();
    worktree.write_file(&path("README"), b"read me\n", WriteKind::KeepMode).unwrap();
    worktree.write_file(&path("a/b/c"), b"", WriteKind::Regular).unwrap();
    worktree.remove(&path("a")).unwrap();
    let base = worktree.base();
    assert_eq!(snapshot(&store, &mut worktree), base);
}

#[test]
fn empty_directories_stay_but_are_in_no_tree() {
    let (store, mut worktree) = empty();
    let dir = worktree.create_dirs(&path("a/b")).unwrap();
    assert_eq!(snapshot(&store, &mut worktree), TreeId::EMPTY);
    assert_eq!(worktree.kind(dir), Ok(NodeKind::Directory));
    worktree.checkout(TreeId::EMPTY, &[]).unwrap();
    assert!(worktree.entry(&path("a/b")).unwrap().is_some());
}

#[test]
fn checkout_touches_only_what_differs() {
    let (store, mut worktree) = example();
    let base = worktree.base();
    let same = worktree.entry(&path("src/lib.py")).unwrap().unwrap();
    let edited = worktree.entry(&path("README")).unwrap().unwrap();
    worktree.open(edited.node).unwrap();
    worktree.write_file(&path("README"), b"edited", WriteKind::KeepMode).unwrap();
    worktree.write_file(&path("src/deep/new"), b"new", WriteKind::Regular).unwrap();
    let new = worktree.entry(&path("src/deep/new")).unwrap().unwrap();
    worktree.open(new.node).unwrap();
    worktree.checkout(base, &[]).unwrap();
    assert_eq!(worktree.entry(&path("src/lib.py")).unwrap(), Some(same));
    assert_eq!(worktree.read_file(&path("README")).unwrap(), "read me\n");
    assert_eq!(worktree.read(edited.node, 0, 100).unwrap(), "edited");
    assert_eq!(worktree.read(new.node, 0, 100).unwrap(), "new");
    assert_eq!(worktree.entry(&path("src/deep/new")).unwrap(), None);
    worktree.close(edited.node).unwrap();
    worktree.close(new.node).unwrap();
    assert_eq!((worktree.usage().bytes, worktree.usage().entries), (0, 0));
    let mut sink = Counting::new(&store);
    assert_eq!(worktree.snapshot(&mut sink).unwrap(), base);
    assert_eq!(sink.counts(), (0, 0));
}

#[test]
fn checkout_of_a_missing_tree_changes_nothing() {
    let (store, mut worktree) = example();
    worktree.write_file(&path("README"), b"edited", WriteKind::KeepMode).unwrap();
    let before = snapshot(&store, &mut worktree);
    let broken = vec![
        super::file(&store, "README", "other"),
        entry("src", EntryKind::Directory([5; 20].into())),
    ];
    let broken = store.insert_tree(broken).unwrap();
    let err = worktree.checkout(broken, &[]).unwrap_err();
    assert!(matches!(err, FsError::MissingObject { .. }));
    assert_eq!(snapshot(&store, &mut worktree), before);
}

#[test]
fn file_gives_way_to_a_directory_of_the_tree() {
    let (store, mut worktree) = example();
    let base = worktree.base();
    worktree.remove(&path("src")).unwrap();
    worktree.write_file(&path("src"), b"a file now", WriteKind::Regular).unwrap();
    worktree.checkout(base, &[path("src/deep/er")]).unwrap();
    assert_eq!(worktree.read_file(&path("src/deep/er/x")).unwrap(), "deep\n");
    assert_eq!(worktree.entry(&path("src/lib.py")).unwrap(), None);
    worktree.checkout(base, &[]).unwrap();
    assert_eq!(snapshot(&store, &mut worktree), base);
}

#[test]
fn entries_that_a_checkout_brings_are_new() {
    let (store, mut worktree) = empty();
    let base = super::example_tree(&store);
    worktree.checkout(base, &[]).unwrap();
    let deep = worktree.entry(&path("src/deep/er/x")).unwrap().unwrap();
    assert_eq!(deep.metadata.modified, worktree.now());
    let root = worktree.root();
    assert!(worktree.resolve(root, name("link"), Links::Follow).is_ok());
}

/// One tree, as it is.
struct OneTree(Arc<[TreeEntry]>);

impl Objects for OneTree {
    fn tree(&self, _: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        Ok(self.0.clone())
    }

    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        Err(ObjectError::Missing(id.to_string()))
    }
}

#[test]
fn every_entry_is_found_in_whatever_order_the_tree_has() {
    // In git's order `a.b` stands before the directory `a`, which stands before `a0`.
    let file = EntryKind::File { id: [1; 20].into(), executable: false };
    let sorted = [
        entry("a-", file),
        entry("a.b", file),
        entry("a", EntryKind::Directory(TreeId::EMPTY)),
        entry("a0", file),
        entry("b", file),
    ];
    let mut unsorted = sorted.clone();
    unsorted.reverse();
    for entries in [sorted, unsorted] {
        let objects = Arc::new(OneTree(entries.clone().into()));
        let mut worktree = Worktree::new(objects, [1; 20].into(), options());
        let root = worktree.root();
        for entry in &entries {
            assert!(worktree.lookup(root, entry.name.as_ref()).is_ok(), "{}", entry.name);
        }
        for absent in ["a/", "A", "a.", "a00", "c"] {
            assert!(worktree.lookup(root, name(absent)).is_err(), "{absent}");
        }
        let listed = worktree.read_dir(root).unwrap();
        let listed: Vec<_> = listed.iter().map(|entry| entry.name.to_string()).collect();
        assert_eq!(listed, ["a", "a-", "a.b", "a0", "b"]);
    }
}

#[test]
fn git_directory_in_a_tree_is_not_shown() {
    let file = EntryKind::File { id: [1; 20].into(), executable: false };
    let objects = OneTree([entry(".GIT", file), entry("a", file)].into());
    let mut worktree = Worktree::new(Arc::new(objects), [1; 20].into(), options());
    let root = worktree.root();
    assert_eq!(worktree.lookup(root, name(".GIT")), Err(FsError::NoEntry));
    assert_eq!(worktree.read_dir(root).unwrap().len(), 1);
}

type Files = BTreeMap<RepoPath, (WriteKindName, Vec<u8>)>;
type WriteKindName = u8;

fn kind(number: WriteKindName) -> WriteKind {
    match number {
        0 => WriteKind::Regular,
        1 => WriteKind::Executable,
        _ => WriteKind::Symlink,
    }
}

fn repo_paths() -> impl Strategy<Value = RepoPath> {
    proptest::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c")], 1..4)
        .prop_map(|names| path(&names.join("/")))
}

/// Files none of which lies below another.
fn file_sets() -> impl Strategy<Value = Files> {
    let content = prop_oneof![Just(b"1".to_vec()), Just(b"2".to_vec())];
    let file = (repo_paths(), (0..3_u8, content));
    proptest::collection::vec(file, 0..8).prop_map(|files| {
        let mut kept = Files::new();
        for (path, file) in files {
            let clash =
                kept.keys().any(|other| other.is_at_or_below(&path) || path.is_at_or_below(other));
            if !clash {
                kept.insert(path, file);
            }
        }
        kept
    })
}

fn tree_of(store: &Store, files: &Files) -> TreeId {
    let mut worktree = Worktree::new(store.clone(), TreeId::EMPTY, options());
    for (path, (number, content)) in files {
        worktree.write_file(path, content, kind(*number)).unwrap();
    }
    snapshot(store, &mut worktree)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn checkout_reaches_any_tree_from_any_worktree(
        base in file_sets(),
        edits in proptest::collection::vec((repo_paths(), proptest::option::of(0..3_u8)), 0..6),
        target in file_sets(),
    ) {
        let store = store();
        let mut worktree =
            Worktree::new(store.clone(), tree_of(&store, &base), options());
        for (path, edit) in &edits {
            // Some edits are impossible, such as writing below a file.
            let _ = match edit {
                Some(number) => worktree.write_file(path, b"edited", kind(*number)),
                None => worktree.remove(path),
            };
        }
        let target = tree_of(&store, &target);
        worktree.checkout(target, &[]).unwrap();
        prop_assert_eq!(snapshot(&store, &mut worktree), target);
    }

    #[test]
    fn checkout_of_paths_changes_what_is_at_or_below_them(
        before in file_sets(),
        touched in proptest::collection::vec(repo_paths(), 0..3),
        target in file_sets(),
        paths in proptest::collection::vec(repo_paths(), 1..3),
    ) {
        let store = store();
        let mut worktree =
            Worktree::new(store.clone(), tree_of(&store, &before), options());
        for path in &touched {
            worktree.entry(path).unwrap();
        }
        let is_selected =
            |path: &RepoPath| paths.iter().any(|other| path.is_at_or_below(other));
        let mut expected: Files = before.clone();
        expected.retain(|path, _| !is_selected(path));
        for (path, file) in target.iter().filter(|(path, _)| is_selected(path)) {
            expected.retain(|other, _| !path.is_at_or_below(other));
            expected.insert(path.clone(), file.clone());
        }
        worktree.checkout(tree_of(&store, &target), &paths).unwrap();
        prop_assert_eq!(snapshot(&store, &mut worktree), tree_of(&store, &expected));
    }
}

#[test]
fn what_comes_into_an_empty_directory_after_a_checkout_is_in_the_snapshot() {
    let (store, mut worktree) = example();
    worktree.create_dirs(&path("new/deep/er")).unwrap();
    worktree.checkout(TreeId::EMPTY, &[]).unwrap();
    assert_eq!(snapshot(&store, &mut worktree), TreeId::EMPTY);
    worktree.write_file(&path("new/deep/er/x"), b"x", WriteKind::Regular).unwrap();
    assert_ne!(snapshot(&store, &mut worktree), TreeId::EMPTY);
    worktree.checkout(TreeId::EMPTY, &[]).unwrap();
    assert!(worktree.entry(&path("new/deep/er/x")).unwrap().is_none());
    assert_eq!(snapshot(&store, &mut worktree), TreeId::EMPTY);
}
