//! Protected paths: what can't be changed, and what is not there.

use std::sync::Arc;

use bstr::BStr;

use super::super::{
    Create, Executable, FsError, Links, NodeId, OnOpen, OpenOptions, PathPatterns, Policy, SetTime,
    Worktree, WriteKind,
};
use super::{Store, example_tree, name, options, path, snapshot, store};
use crate::diff::{self, DiffOptions};
use crate::ids::TreeId;
use crate::patch::{self, Edit, FileKind};
use crate::path::RepoPath;

fn patterns(lines: &[&str]) -> PathPatterns {
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().try_into().unwrap()
}

fn policy(read_only: &[&str], hidden: &[&str]) -> Arc<Policy> {
    Arc::new(Policy { read_only: patterns(read_only), hidden: patterns(hidden) })
}

/// The example under a policy.
fn under(read_only: &[&str], hidden: &[&str]) -> (Store, Worktree, TreeId) {
    let store = store();
    let base = example_tree(&store);
    let worktree = Worktree::new(store.clone(), base, options());
    (store.clone(), worktree.under(policy(read_only, hidden)), base)
}

fn node(worktree: &mut Worktree, at: &str) -> NodeId {
    worktree.resolve(worktree.root(), BStr::new(at), Links::NoFollow).unwrap().node().unwrap()
}

fn rename(worktree: &mut Worktree, from: &str, to: &str) -> Result<(), FsError> {
    let root = worktree.root();
    worktree.rename_at(root, BStr::new(from), root, BStr::new(to))
}

fn create(worktree: &mut Worktree, at: &str) -> Result<NodeId, FsError> {
    let options = OpenOptions { create: Create::IfMissing, ..OpenOptions::default() };
    worktree.open_at(worktree.root(), BStr::new(at), options)
}

fn write(at: &str) -> Edit {
    Edit::Write { path: path(at), content: "new".into(), kind: FileKind::Regular }
}

fn names(worktree: &mut Worktree, dir: &str) -> Vec<String> {
    let dir = worktree.resolve(worktree.root(), BStr::new(dir), Links::Follow).unwrap();
    let entries = worktree.read_dir(dir.node().unwrap()).unwrap();
    entries.into_iter().map(|entry| entry.name.to_string()).collect()
}

#[test]
fn read_only_paths_refuse_every_change_and_can_be_read() {
    let (store, mut worktree, base) = under(&["src/**", "/README"], &[]);
    let root = worktree.root();
    let file = node(&mut worktree, "src/lib.py");
    let truncate = OpenOptions { on_open: OnOpen::Truncate, ..OpenOptions::default() };
    let results = [
        worktree.write(file, 0, b"x"),
        worktree.append(file, b"x"),
        worktree.truncate(file, 3),
        worktree.set_executable(file, Executable::Yes),
        worktree.set_times(file, SetTime::Now, SetTime::Keep),
        worktree.open_at(root, BStr::new("link"), truncate).map(|_| ()),
        worktree.write_file(&path("README"), b"x", WriteKind::KeepMode),
        worktree.remove_file_at(root, BStr::new("src/lib.py")),
        worktree.remove(&path("src/deep/er")),
        worktree.remove(&path("src")),
        create(&mut worktree, "src/new").map(|_| ()),
        worktree.create_dir_at(root, BStr::new("src/new")).map(|_| ()),
        worktree.create_dirs(&path("src/a/b")).map(|_| ()),
        worktree.symlink_at(root, BStr::new("src/new"), BStr::new("x")),
        rename(&mut worktree, "README", "moved"),
        rename(&mut worktree, "run", "README"),
        rename(&mut worktree, "run", "src/run"),
        rename(&mut worktree, "src/lib.py", "lib.py"),
        rename(&mut worktree, "src", "moved"),
        worktree.apply_edits(&[write("free"), write("src/lib.py")]),
        worktree.apply_edits(&[Edit::Delete { path: path("README") }]),
        worktree.apply_edits(&[write("src")]),
        worktree.apply_edits(&[write("README/x")]),
    ];
    for (number, result) in results.iter().enumerate() {
        assert_eq!(*result, Err(FsError::ReadOnly), "number {number}");
    }
    assert_eq!(worktree.usage().refused_changes, results.len() as u64);
    assert_eq!(snapshot(&store, &mut worktree), base);
    assert_eq!(worktree.read_file(&path("src/lib.py")).unwrap(), "def f():\n    pass\n");
    assert_eq!(names(&mut worktree, "src"), ["deep", "lib.py"]);
    create(&mut worktree, "free").unwrap();
    rename(&mut worktree, "run", "ran").unwrap();
}

#[test]
fn directory_that_would_come_to_protected_paths_stays() {
    let (_, mut worktree, _) = under(&["tests/**"], &["**/secret"]);
    worktree.write_file(&path("mine/x"), b"", WriteKind::Regular).unwrap();
    assert_eq!(rename(&mut worktree, "mine", "tests"), Err(FsError::ReadOnly));
    worktree.write_file(&path("mine/deep/y"), b"", WriteKind::Regular).unwrap();
    assert_eq!(rename(&mut worktree, "mine/deep", "mine/secret"), Err(FsError::Access));
    rename(&mut worktree, "mine", "moved").unwrap();
    worktree.create_dir_at(worktree.root(), BStr::new("tests")).unwrap();
    assert_eq!(rename(&mut worktree, "moved/x", "tests/x"), Err(FsError::ReadOnly));
}

#[test]
fn hidden_paths_are_not_there_and_nothing_can_be_put_there() {
    let (store, mut worktree, base) = under(&[], &["lib.py", "/src/deep/"]);
    let root = worktree.root();
    assert!(names(&mut worktree, "src").is_empty());
    let found = worktree.walk(&RepoPath::root()).unwrap();
    let found: Vec<_> = found.iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(found, ["README", "link", "run", "src", "vendor"]);
    for at in ["src/lib.py", "src/deep", "src/deep/er/x", "src/deep/new"] {
        let found = worktree.resolve(root, BStr::new(at), Links::Follow);
        assert_eq!(found.and_then(|found| found.node()), Err(FsError::NoEntry), "{at}");
        assert_eq!(worktree.entry(&path(at)).unwrap(), None, "{at}");
        assert_eq!(worktree.read_file(&path(at)), Err(FsError::NoEntry), "{at}");
        assert_eq!(worktree.remove(&path(at)), Err(FsError::NoEntry), "{at}");
        assert_eq!(rename(&mut worktree, at, "x"), Err(FsError::NoEntry), "{at}");
    }
    assert_eq!(worktree.read_file(&path("link")), Err(FsError::NoEntry), "by a symlink");
    let src = node(&mut worktree, "src");
    assert_eq!(worktree.lookup(src, name("lib.py")), Err(FsError::NoEntry));
    assert_eq!((worktree.usage().refused_changes, worktree.usage().hidden_lookups), (0, 22));

    let results = [
        create(&mut worktree, "src/lib.py").map(|_| ()),
        create(&mut worktree, "link").map(|_| ()),
        worktree.create_dir_at(root, BStr::new("src/deep")).map(|_| ()),
        worktree.create_dirs(&path("src/deep/er")).map(|_| ()),
        worktree.write_file(&path("src/deep/new"), b"", WriteKind::Regular),
        rename(&mut worktree, "run", "src/lib.py"),
        rename(&mut worktree, "src", "moved"),
        worktree.remove(&path("src")),
        worktree.apply_edits(&[write("src/lib.py")]),
        worktree.apply_edits(&[write("src/deep/new")]),
        worktree.apply_edits(&[write("src")]),
    ];
    for (number, result) in results.iter().enumerate() {
        assert_eq!(*result, Err(FsError::Access), "number {number}");
    }
    let empty_looking = [
        worktree.remove_dir_at(root, BStr::new("src")),
        worktree
            .create_dir_at(root, BStr::new("new"))
            .and_then(|_| rename(&mut worktree, "new", "src")),
    ];
    assert_eq!(empty_looking, [Err(FsError::NotEmpty), Err(FsError::NotEmpty)]);
    assert_eq!(snapshot(&store, &mut worktree), base);
}

#[test]
fn hidden_files_stay_when_the_last_visible_one_goes() {
    let (store, mut worktree, _) = under(&[], &["lib.py", "er"]);
    worktree.write_file(&path("src/seen"), b"", WriteKind::Regular).unwrap();
    worktree.apply_edits(&[Edit::Delete { path: path("src/seen") }]).unwrap();
    assert_eq!(names(&mut worktree, "src"), ["deep"]);
    let tree = snapshot(&store, &mut worktree);
    let mut all = Worktree::new(store, tree, options());
    assert_eq!(all.read_file(&path("src/lib.py")).unwrap(), "def f():\n    pass\n");
    assert_eq!(all.read_file(&path("src/deep/er/x")).unwrap(), "deep\n");
}

#[test]
fn patch_finds_no_hidden_file_and_diff_shows_none() {
    let (store, mut worktree, base) = under(&[], &["lib.py"]);
    let mut other = Worktree::new(store.clone(), base, options());
    other.write_file(&path("src/lib.py"), b"def g():\n    pass\n", WriteKind::KeepMode).unwrap();
    other.write_file(&path("run"), b"#!/bin/bash\n", WriteKind::KeepMode).unwrap();
    let changed = snapshot(&store, &mut other);
    let text = patch::write(&*store, base, changed, &DiffOptions::default()).unwrap();
    let parsed = patch::parse(&text).unwrap();
    assert!(patch::edits(&parsed, &worktree.files()).is_err());

    let options = DiffOptions { policy: Some(policy(&[], &["lib.py"])), ..DiffOptions::default() };
    let shown = diff::changes(&*store, base, changed, &options).unwrap();
    let paths: Vec<_> = shown.iter().map(|change| change.path.to_string()).collect();
    assert_eq!(paths, ["run"]);
    let text = patch::write(&*store, base, changed, &options).unwrap();
    assert!(!text.windows(6).any(|part| part == b"lib.py"));
}

#[test]
fn restore_keeps_what_is_hidden_and_refuses_what_is_read_only() {
    let (store, mut worktree, base) = under(&["/run"], &["lib.py"]);
    let mut other = Worktree::new(store.clone(), base, options());
    other.write_file(&path("src/lib.py"), b"changed", WriteKind::KeepMode).unwrap();
    other.write_file(&path("README"), b"changed", WriteKind::KeepMode).unwrap();
    let hidden_changed = snapshot(&store, &mut other);
    worktree.restore(hidden_changed, &[], &mut &*store).unwrap();
    let restored = snapshot(&store, &mut worktree);
    let mut seen = Worktree::new(store.clone(), restored, options());
    assert_eq!(seen.read_file(&path("README")).unwrap(), "changed");
    assert_eq!(seen.read_file(&path("src/lib.py")).unwrap(), "def f():\n    pass\n");

    other.write_file(&path("run"), b"changed", WriteKind::KeepMode).unwrap();
    let fixed_changed = snapshot(&store, &mut other);
    assert_eq!(worktree.restore(fixed_changed, &[], &mut &*store), Err(FsError::ReadOnly));
    assert_eq!(snapshot(&store, &mut worktree), restored);
    worktree.restore(fixed_changed, &[path("src")], &mut &*store).unwrap();
    assert_eq!(snapshot(&store, &mut worktree), restored);
}

#[test]
fn later_patterns_take_paths_out_again_and_useless_ones_are_errors() {
    let (_, mut worktree, _) = under(&["src/**", "!src/mine/**", "!src/mine"], &[]);
    worktree.write_file(&path("src/mine/x"), b"", WriteKind::Regular).unwrap();
    assert_eq!(create(&mut worktree, "src/x"), Err(FsError::ReadOnly));
    for wrong in ["", "# comment", "a{b", "./a", "../a", "a/../b"] {
        let err = PathPatterns::try_from(vec![wrong.to_owned()]);
        assert!(err.is_err(), "{wrong:?}");
    }
}

#[test]
fn open_file_that_was_removed_can_be_written_wherever_it_was() {
    let (_, mut worktree, _) = under(&["x"], &[]);
    let file = create(&mut worktree, "y").unwrap();
    worktree.remove_file_at(worktree.root(), BStr::new("y")).unwrap();
    worktree.write(file, 0, b"still").unwrap();
    worktree.close(file).unwrap();
}
