//! Generated rules on generated files, against git.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{ignored_additions, without};
use crate::path::RepoPath;
use crate::worktree::tests::commands::Git;
use crate::worktree::tests::{empty, path, snapshot};
use crate::worktree::{Worktree, WriteKind};

const DIRECTORIES: [&str; 5] = ["", "a/", "a/b/", "b/", "a/a/"];

const NAMES: [&str; 8] = ["a", "b", "x.o", "y.c", "b ", "!b", "#c", "A"];

const PATTERNS: [&str; 48] = [
    "*.o",
    "/a",
    "a/",
    "!a/",
    "b",
    "!b",
    "a/b",
    "**/b",
    "a/**",
    "!a/b/x.o",
    "*",
    "!*/",
    "!*.o",
    "\\!b",
    "\\#c",
    "[ab]",
    "b ",
    "b\\ ",
    "# c",
    "",
    "/*",
    "!/a",
    "a/*/x.o",
    "?",
    "**",
    "/**/x.o",
    "a/**/b",
    "[!a]",
    "[^a]",
    "[a-",
    "a\\",
    "*/",
    "x.*",
    " a",
    "/",
    "!",
    "a//b",
    "./a",
    "b/*",
    "!b/x.o",
    "**/a/",
    "a**",
    "*a/b",
    "\\a",
    "[[:alpha:]]",
    "*.[oc]",
    "a/b/**/x.o",
    "!!b",
];

/// Files with what is in them; `.gitignore` files among them hold patterns.
type Files = BTreeMap<String, String>;

fn files() -> impl Strategy<Value = Files> {
    let at = (select(&DIRECTORIES[..]), select(&NAMES[..]));
    let plain = at.prop_map(|(dir, name)| (format!("{dir}{name}"), String::new()));
    let rules = (select(&DIRECTORIES[..]), vec(select(&PATTERNS[..]), 1..6))
        .prop_map(|(dir, lines)| (format!("{dir}.gitignore"), lines.join("\n") + "\n"));
    let (plain, rules) = (vec(plain, 1..12), vec(rules, 0..3));
    (plain, rules).prop_map(|(plain, rules)| plain.into_iter().chain(rules).collect())
}

/// Writes what fits beside what is there.
fn put(worktree: &mut Worktree, files: &Files) {
    for (at, content) in files {
        let _ = worktree.write_file(&path(at), content.as_bytes(), WriteKind::Regular);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_out_is_what_git_ignores(tracked in files(), added in files()) {
        let (store, mut worktree) = empty();
        put(&mut worktree, &tracked);
        let base = snapshot(&store, &mut worktree);
        put(&mut worktree, &added);
        let tree = snapshot(&store, &mut worktree);

        let temp = tempfile::tempdir().unwrap();
        let (dir, git_dir) = (temp.path().join("files"), temp.path().join("git"));
        let git = Git { git_dir: &git_dir, files: &dir };
        std::fs::create_dir(&dir).unwrap();
        git.init();
        let write = |worktree: &mut Worktree| {
            for (at, kind) in worktree.walk(&RepoPath::root()).unwrap() {
                let real = dir.join(at.as_str().unwrap());
                if kind == crate::worktree::NodeKind::Directory {
                    std::fs::create_dir_all(real).unwrap();
                } else {
                    std::fs::write(real, worktree.read_file(&at).unwrap()).unwrap();
                }
            }
        };
        let mut before = Worktree::new(store.clone(), base, crate::worktree::tests::options());
        write(&mut before);
        prop_assert_eq!(git.write_tree(), base);
        write(&mut worktree);

        let ours = ignored_additions(&*store, base, tree, &[]).unwrap();
        let shown = git.run(&["ls-files", "-z", "--others", "--ignored", "--exclude-standard"]);
        let mut theirs: Vec<_> =
            shown.split('\0').filter(|line| !line.is_empty()).map(path).collect();
        theirs.sort();
        prop_assert_eq!(&ours, &theirs);
        git.run(&["add", "--all", "."]);
        let submitted = without(&*store, &mut &*store, tree, &ours).unwrap();
        let added = git.run(&["write-tree"]);
        prop_assert_eq!(submitted.to_string(), added.trim());
    }
}
