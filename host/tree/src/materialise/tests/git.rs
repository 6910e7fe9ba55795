//! The same trees as git writes them, and the same changes as git sees.

use std::path::Path;
use std::sync::Arc;

use super::{Listing, in_tree, on_disk};
use crate::materialise::{Materialised, Place};
use crate::objects::ObjectSink as _;
use crate::worktree::tests::commands::Git;
use crate::worktree::{Worktree, WorktreeOptions};
use crate::{ObjectDatabase, TreeId};

/// What `git checkout-index` makes of a tree.
fn checked_out(git_dir: &Path, files: &Path, tree: TreeId) -> Listing {
    std::fs::create_dir_all(files).unwrap();
    let git = Git { git_dir, files };
    git.run(&["read-tree", &tree.to_string()]);
    git.run(&["checkout-index", "--all"]);
    on_disk(files)
}

#[test]
fn directory_equals_that_of_git_and_git_sees_the_same_changes() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    let git_dir = at("objects.git");
    let database = ObjectDatabase::create(&git_dir, &[]).unwrap();
    let base = TreeId::EMPTY;
    let objects = Arc::new(database.clone());
    let mut worktree = Worktree::new(objects.clone(), base, WorktreeOptions::default());
    let files = at("files");
    for name in ["files", "dir", "state"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    let git = Git { git_dir: &git_dir, files: &files };
    std::fs::create_dir_all(files.join("a/b c")).unwrap();
    std::fs::write(files.join("a/b c/\u{e4}"), "text\r\n").unwrap();
    std::fs::write(files.join(".gitattributes"), "* text=auto eol=crlf\n*.x filter=lfs\n").unwrap();
    std::fs::write(files.join("a/y.x"), "filtered\n").unwrap();
    std::os::unix::fs::symlink("/nowhere", files.join("a/link")).unwrap();
    std::fs::remove_file(files.join(".gitattributes")).unwrap();
    let first = git.write_tree();
    let place = Place::open(&at("dir"), &at("state")).unwrap();
    let (mut place, report) = Materialised::create(place, objects.clone(), first).unwrap();
    assert_eq!(report.refused, []);
    assert_eq!(on_disk(&at("dir")), checked_out(&git_dir, &at("checkout"), first));

    worktree.checkout(first, &[]).unwrap();
    std::fs::write(at("dir/a/y.x"), "changed\n").unwrap();
    std::fs::remove_file(at("dir/a/link")).unwrap();
    std::fs::write(at("dir/new"), "new").unwrap();
    place.pull(&mut worktree).unwrap();
    let ours = worktree.snapshot(&mut &database).unwrap();
    let theirs = Git { git_dir: &git_dir, files: &at("dir") }.write_tree();
    assert_eq!(ours, theirs);
    assert_eq!(in_tree(&objects, ours), on_disk(&at("dir")));
    drop((&mut &database).write_blob("unused".into()));
}
