//! Patches applied to worktrees.

use super::super::{FsError, Quota, Worktree, WorktreeOptions, WriteKind};
use super::{example, example_tree, options, path, snapshot, store};
use crate::diff::DiffOptions;
use crate::patch::{self, Edit, FileKind};

fn write(at: &str, content: &str, kind: FileKind) -> Edit {
    Edit::Write { path: path(at), content: content.to_owned().into(), kind }
}

fn delete(at: &str) -> Edit {
    Edit::Delete { path: path(at) }
}

#[test]
fn edits_give_the_tree_they_give_without_a_worktree() {
    let (store, mut worktree) = example();
    let commit = "Subproject commit 0909090909090909090909090909090909090909\n";
    let edits = [
        write("README", "new text\n", FileKind::Executable),
        write("added/below/file", "x", FileKind::Regular),
        write("link", "README", FileKind::Symlink),
        write("run/now-a-directory", "y", FileKind::Regular),
        delete("src/deep/er/x"),
        write("vendor", commit, FileKind::Submodule),
    ];
    worktree.apply_edits(&edits).unwrap();
    let expected = patch::edit_tree(&*store, &mut &*store, worktree.base(), &edits).unwrap();
    assert_eq!(snapshot(&store, &mut worktree), expected);
    assert_eq!(worktree.entry(&path("src/deep")).unwrap(), None);
}

#[test]
fn edits_beyond_the_quota_change_nothing() {
    let store = store();
    let base = example_tree(&store);
    let quota = Quota { bytes: 1000, entries: 2 };
    let mut worktree = Worktree::new(store.clone(), base, WorktreeOptions { quota, ..options() });
    let edits = [
        delete("README"),
        write("a/one", "1", FileKind::Regular),
        write("a/two", "2", FileKind::Regular),
    ];
    assert_eq!(worktree.apply_edits(&edits), Err(FsError::Quota));
    assert_eq!(snapshot(&store, &mut worktree), base);
    assert_eq!(worktree.apply_edits(&edits[..2]), Ok(()));
}

#[test]
fn patch_of_one_worktree_applies_to_another() {
    let (store, mut ours) = example();
    let base = ours.base();
    ours.write_file(&path("src/lib.py"), b"def f():\n    return 1\n", WriteKind::KeepMode).unwrap();
    ours.remove(&path("link")).unwrap();
    ours.write_file(&path("bin/tool"), b"#!/bin/sh\n", WriteKind::Executable).unwrap();
    let tree = snapshot(&store, &mut ours);
    let text = patch::write(&*store, base, tree, &DiffOptions::default()).unwrap();

    let mut theirs = Worktree::new(store.clone(), base, options());
    let parsed = patch::parse(&text).unwrap();
    let edits = patch::edits(&parsed, &theirs.files()).unwrap();
    theirs.apply_edits(&edits).unwrap();
    assert_eq!(snapshot(&store, &mut theirs), tree);
}
