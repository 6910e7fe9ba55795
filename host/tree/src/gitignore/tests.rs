//! What ignore rules leave out of a submission, against git.

use super::{Ignore, PathKind, check_pattern, ignored_additions, without};
use crate::objects::{EntryKind, ObjectError, Objects as _};
use crate::path::RepoPath;
use crate::worktree::tests::commands::Git;
use crate::worktree::tests::{empty, entry, example, options, path, snapshot, store};
use crate::worktree::{Worktree, WriteKind};

const RULES: &[(&str, &str)] = &[
    (
        ".gitignore",
        "# build output\nbuild/\n*.pyc\n/only-root\n!keep.pyc\ndoc/**/*.tmp\nnoise[0-9]\r\n\
         \\#literal\ntrailing\\ \n*.log\ndeep/only/\n**/cache\n",
    ),
    ("src/.gitignore", "!important.log\n/generated.*\n!build/\nlocal\n"),
    ("src/sub/.gitignore", "*\n!.gitignore\n!wanted\n"),
    ("tracked.pyc", "in the base"),
];

const ADDED: &[&str] = &[
    "build/out.o",
    "src/build/out.o",
    "a.pyc",
    "keep.pyc",
    "src/deep/b.pyc",
    "only-root",
    "src/only-root",
    "doc/x.tmp",
    "doc/a/b/x.tmp",
    "other/x.tmp",
    "noise1",
    "noiseX",
    "#literal",
    "trailing ",
    "top.log",
    "src/important.log",
    "src/other.log",
    "src/generated.c",
    "src/x/generated.c",
    "src/local/file",
    "src/sub/wanted",
    "src/sub/unwanted",
    "src/sub/below/wanted",
    "deep/only/x",
    "x/deep/only/x",
    "a/b/cache/c",
    "cache",
    "build2/x",
    "build/.gitignore",
    "plain.txt",
];

#[test]
fn ignored_additions_are_those_of_git_status() {
    let temp = tempfile::tempdir().unwrap();
    let (files, git_dir) = (temp.path().join("files"), temp.path().join("git"));
    let git = Git { git_dir: &git_dir, files: &files };
    let (store, mut worktree) = empty();
    let put = |worktree: &mut Worktree, at: &str, content: &str| {
        worktree.write_file(&path(at), content.as_bytes(), WriteKind::Regular).unwrap();
        let real = files.join(at);
        std::fs::create_dir_all(real.parent().unwrap()).unwrap();
        std::fs::write(real, content).unwrap();
    };
    for (at, content) in RULES {
        put(&mut worktree, at, content);
    }
    let base = snapshot(&store, &mut worktree);
    git.init();
    assert_eq!(git.write_tree(), base);
    for at in ADDED {
        put(&mut worktree, at, "!*\n");
    }
    let tree = snapshot(&store, &mut worktree);

    let ours = ignored_additions(&*store, base, tree, &[]).unwrap();
    let shown = git.run(&["ls-files", "-z", "--others", "--ignored", "--exclude-standard"]);
    let mut theirs: Vec<RepoPath> =
        shown.split('\0').filter(|line| !line.is_empty()).map(path).collect();
    theirs.sort();
    assert_eq!(ours, theirs);

    // What is left is what git would add.
    git.run(&["add", "--all", "."]);
    let submitted = without(&*store, &mut &*store, tree, &ours).unwrap();
    assert_eq!(submitted.to_string(), git.run(&["write-tree"]).trim());
}

#[test]
fn exclude_list_cannot_be_undone_by_the_repository() {
    let (store, mut worktree) = example();
    let base = worktree.base();
    for at in [".gitignore", "notes/a", "x.secret", "fine"] {
        worktree.write_file(&path(at), b"!*\n", WriteKind::Regular).unwrap();
    }
    let tree = snapshot(&store, &mut worktree);
    let exclude = ["notes/".to_owned(), "*.secret".to_owned()];
    let left_out = ignored_additions(&*store, base, tree, &exclude).unwrap();
    assert_eq!(left_out, [path("notes/a"), path("x.secret")]);
    // A file of the base is tracked, whatever the rules say.
    let left_out = ignored_additions(&*store, base, tree, &["README".to_owned()]).unwrap();
    assert_eq!(left_out, []);
    assert!(check_pattern("src/**/*.o").is_ok());
    assert!(check_pattern("[z-a]").is_err());
}

#[test]
fn directory_patterns_match_only_directories() {
    let (store, mut worktree) = example();
    worktree.write_file(&path(".gitignore"), b"target/\n", WriteKind::Regular).unwrap();
    let tree = snapshot(&store, &mut worktree);
    let mut ignore = Ignore::from_tree(&*store, tree);
    assert!(!ignore.matches(&path("src/target"), PathKind::File).unwrap());
    assert!(ignore.matches(&path("src/target"), PathKind::Directory).unwrap());
    assert!(ignore.matches(&path("src/target/x/y"), PathKind::File).unwrap());
}

#[test]
fn unchanged_worktree_needs_no_ignore_rules() {
    let store = store();
    let gone = entry(".gitignore", EntryKind::File { id: [8; 20].into(), executable: false });
    let base = store.insert_tree(vec![gone]).unwrap();
    assert!(ignored_additions(&*store, base, base, &[]).unwrap().is_empty());
    let mut worktree = Worktree::new(store.clone(), base, options());
    worktree.write_file(&path("new"), b"", WriteKind::Regular).unwrap();
    let tree = snapshot(&store, &mut worktree);
    assert!(store.tree(tree).is_ok());
    assert!(ignored_additions(&*store, base, tree, &[]).is_err());
}

/// What is left out of files that are added to nothing.
fn left_out(files: &[(&str, &str)], exclude: &[String]) -> Vec<RepoPath> {
    let (store, mut worktree) = empty();
    let base = snapshot(&store, &mut worktree);
    for (at, content) in files {
        worktree.write_file(&path(at), content.as_bytes(), WriteKind::Regular).unwrap();
    }
    let tree = snapshot(&store, &mut worktree);
    ignored_additions(&*store, base, tree, exclude).unwrap()
}

#[test]
fn nothing_is_ignored_below_rules_that_are_too_many_to_be_read() {
    let long = format!("*.o\n{}", "# nothing\n".repeat(110_000));
    let many = format!("*.o\n{}", "q*y\n".repeat(10_001));
    for rules in [&long, &many] {
        let files = [(".gitignore", "*\n"), ("a.o", ""), ("b/.gitignore", rules), ("b/c/d.o", "")];
        assert_eq!(
            left_out(&files, &[]),
            [path(".gitignore"), path("a.o"), path("b/.gitignore"), path("b/c/d.o")]
        );
        let files = [("b/.gitignore", rules.as_str()), ("b/c/d.o", ""), ("b/e.o", "")];
        assert_eq!(left_out(&files, &[]), []);
        let files = [(".gitignore", "*.o\n"), ("b.o", ""), ("c/.gitignore", rules), ("c/d.o", "")];
        assert_eq!(left_out(&files, &[]), [path("b.o")]);
        assert_eq!(left_out(&files, &["d.o".to_owned()]), [path("b.o"), path("c/d.o")]);
    }
}

#[test]
fn patterns_that_would_be_matched_for_ever_are_given_up_and_exclude_lists_hold() {
    let deep = format!("{}file", "a/".repeat(1500));
    let secret = format!("{}x.secret", "a/".repeat(1499));
    let rules = format!("{}none\n", "**/a/".repeat(40)).repeat(200);
    let files = [(".gitignore", rules.as_str()), (&deep, ""), (&secret, "")];
    assert_eq!(left_out(&files, &["*.secret".to_owned()]), [path(&secret)]);
}

#[test]
fn additions_without_number_are_an_error() {
    let store = store();
    let mut tree = store.insert_tree(Vec::new()).unwrap();
    let base = tree;
    let file = EntryKind::File { id: store.insert_blob(b"".as_slice().into()), executable: false };
    for _ in 0..10 {
        let names = (0..10).map(|n| format!("{n}"));
        let mut entries: Vec<_> =
            names.map(|name| entry(&name, EntryKind::Directory(tree))).collect();
        entries.push(entry("file", file));
        tree = store.insert_tree(entries).unwrap();
    }
    let ignored = ignored_additions(&*store, base, tree, &[]);
    assert!(matches!(ignored, Err(ObjectError::TooMany { .. })));
}
