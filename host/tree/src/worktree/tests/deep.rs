//! Directories below each other, as hostile agents and hostile repositories make them: no
//! more of the stack is used for them, and none gets into a worktree that can't be handed in.

use super::*;
use crate::diff::{self, DiffOptions};
use crate::objects::{ObjectError, Objects as _};
use crate::patch;
use crate::path::MAX_PATH;
use crate::worktree::{FsError, Links, NodeId};

/// Levels that no path can name.
const DEEP: usize = 50_000;

/// Does something where what calls itself for each level can't.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    thread.spawn(work).unwrap().join().unwrap();
}

/// A tree of `levels` directories called `d`, with a file at the end.
fn chain(store: &Store, levels: usize) -> TreeId {
    let mut tree = store.insert_tree(vec![file(store, "f", "deep\n")]).unwrap();
    for _ in 0..levels {
        tree = store.insert_tree(vec![entry("d", EntryKind::Directory(tree))]).unwrap();
    }
    tree
}

/// Goes as many levels down, one at a time.
fn down(worktree: &mut Worktree, from: NodeId, levels: usize) -> NodeId {
    let mut dir = from;
    for _ in 0..levels {
        dir = worktree.resolve(dir, name("d"), Links::Follow).unwrap().node().unwrap();
    }
    dir
}

#[test]
fn repository_that_is_too_deep_takes_no_stack_and_ends_in_errors() {
    on_a_small_stack(|| {
        let store = store();
        let deep = chain(&store, DEEP);
        let options = DiffOptions::default();
        for (from, to) in [(TreeId::EMPTY, deep), (deep, TreeId::EMPTY)] {
            let changes = diff::changes(&*store, from, to, &options);
            assert!(matches!(changes, Err(ObjectError::Malformed { .. })), "{changes:?}");
            assert!(patch::write(&*store, from, to, &options).is_err());
        }
        let mut worktree = Worktree::new(store.clone(), deep, super::options());
        let root = worktree.root();
        let end = down(&mut worktree, root, DEEP);
        assert_eq!(worktree.create_dir_at(end, name("x")), Err(FsError::NameTooLong));
        worktree.remove_file(end, name("f")).unwrap();
        // A tree without any file is empty.
        assert_eq!(snapshot(&store, &mut worktree), TreeId::EMPTY);
        worktree.checkout(deep, &[]).unwrap();
        assert_eq!(snapshot(&store, &mut worktree), deep);
        worktree.checkout(TreeId::EMPTY, &[]).unwrap();
        assert_eq!(store.tree(snapshot(&store, &mut worktree)).unwrap().len(), 0);
    });
}

#[test]
fn what_was_never_looked_at_is_not_moved_to_where_its_path_is_too_long() {
    on_a_small_stack(|| {
        let store = store();
        let half = chain(&store, 1_200);
        let entries = ["a", "b"].map(|name| entry(name, EntryKind::Directory(half)));
        let base = store.insert_tree(entries.to_vec()).unwrap();
        let mut worktree = Worktree::new(store.clone(), base, super::options());
        let root = worktree.root();
        let a = worktree.resolve(root, name("a"), Links::Follow).unwrap().node().unwrap();
        let end = down(&mut worktree, a, 1_200);
        let moved = worktree.rename(root, name("b"), end, name("b"));
        assert_eq!(moved, Err(FsError::NameTooLong));
        // Nor is one that was looked at in part.
        let b = worktree.resolve(root, name("b"), Links::Follow).unwrap().node().unwrap();
        down(&mut worktree, b, 600);
        let moved = worktree.rename(root, name("b"), end, name("b"));
        assert_eq!(moved, Err(FsError::NameTooLong));
        let up = down(&mut worktree, a, 800);
        worktree.rename(root, name("b"), up, name("b")).unwrap();
        let tree = snapshot(&store, &mut worktree);
        assert!(patch::write(&*store, base, tree, &DiffOptions::default()).is_ok());
    });
}

#[test]
fn longest_path_there_can_be_is_handed_in() {
    let store = store();
    let levels = (MAX_PATH - 1) / 2;
    let deep = chain(&store, levels);
    let options = DiffOptions::default();
    let changes = diff::changes(&*store, TreeId::EMPTY, deep, &options).unwrap();
    assert_eq!(changes[0].path.as_bstr().len(), MAX_PATH);
    let text = patch::write(&*store, TreeId::EMPTY, deep, &options).unwrap();
    let parsed = patch::parse(&text).unwrap();
    let applied = patch::apply(&*store, &mut &*store, TreeId::EMPTY, &parsed).unwrap();
    assert_eq!(applied.tree, deep);
}

#[test]
fn trees_that_contain_each_other_many_times_are_an_error_and_fill_no_memory() {
    let store = store();
    let mut tree = store.insert_tree(vec![file(&store, "f", "bomb\n")]).unwrap();
    for _ in 0..10 {
        let ten = (0..10).map(|n| entry(&format!("{n}"), EntryKind::Directory(tree)));
        tree = store.insert_tree(ten.collect()).unwrap();
    }
    let written = patch::write(&*store, TreeId::EMPTY, tree, &DiffOptions::default());
    assert!(matches!(written, Err(ObjectError::TooMany { .. })));
    // It can be looked at, and be moved about.
    let mut worktree = Worktree::new(store.clone(), tree, super::options());
    let root = worktree.root();
    worktree.rename(root, name("0"), root, name("longer")).unwrap();
    assert_ne!(snapshot(&store, &mut worktree), tree);
}

#[test]
fn long_paths_without_number_are_an_error_before_there_are_as_many_as_of_short_ones() {
    let store = store();
    let mut tree = store.insert_tree(vec![file(&store, "f", "bomb\n")]).unwrap();
    for _ in 0..12 {
        let name = |n| format!("{n}{}", "x".repeat(250));
        let ten = (0..10).map(|n| entry(&name(n), EntryKind::Directory(tree)));
        tree = store.insert_tree(ten.collect()).unwrap();
    }
    let options = DiffOptions::default();
    let changes = diff::changes(&*store, TreeId::EMPTY, tree, &options);
    assert!(matches!(changes, Err(ObjectError::TooMany { what: "bytes of paths", .. })));
}

#[test]
fn directories_without_number_that_are_not_asked_for_are_an_error() {
    let store = store();
    let many = (0..1000).map(|n| file(&store, &format!("f{n}"), "same\n"));
    let many: Vec<_> = many.collect();
    let tree_of = |content: &str| {
        let mut tree = store.insert_tree(vec![file(&store, "f", content)]).unwrap();
        for _ in 0..5 {
            let ten = (0..10).map(|n| entry(&format!("{n}"), EntryKind::Directory(tree)));
            tree = store.insert_tree(ten.chain(many.iter().cloned()).collect()).unwrap();
        }
        tree
    };
    let changes = diff::changes(&*store, tree_of("a\n"), tree_of("b\n"), &DiffOptions::default());
    assert!(matches!(changes, Err(ObjectError::TooMany { what: "entries of directories", .. })));
}

#[test]
fn patch_that_would_be_too_long_is_not_written() {
    let store = store();
    let text = "a line of it\n".repeat(1_000);
    let tree = store.insert_tree(vec![file(&store, "f", &text)]).unwrap();
    let written = |longest: usize| {
        let options = DiffOptions { longest, ..DiffOptions::default() };
        patch::write(&*store, TreeId::EMPTY, tree, &options)
    };
    let whole = written(usize::MAX).unwrap().len();
    assert!(matches!(written(whole - 1), Err(ObjectError::TooLong { .. })));
    assert_eq!(written(whole).unwrap().len(), whole);
}
