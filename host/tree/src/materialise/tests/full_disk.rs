//! Syncs that find no room, here for files beyond a limit of their process.

use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Bench, on_disk, paths, refused};
use crate::materialise::{LogError, MaterialiseError, SyncReport};
use crate::worktree::WriteKind;
use crate::worktree::tests::path;

/// Tells a process that it is the one with the limit, which is 64 KiB.
const LIMITED: &str = "CATENA_TEST_LIMITED";

/// Whether this process has the limit. If not, runs the test in one that does.
fn is_limited(test: &str) -> bool {
    if std::env::var_os(LIMITED).is_some() {
        return true;
    }
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 128; exec \"$0\" --exact \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg(format!("materialise::tests::full_disk::{test}"))
        .env(LIMITED, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    false
}

fn lift_limit() {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: maximum, maximum }).unwrap();
}

#[test]
fn file_without_room_leaves_nothing_that_a_pull_takes() {
    if !is_limited("file_without_room_leaves_nothing_that_a_pull_takes") {
        return;
    }
    let (mut bench, mut place) = Bench::example();
    let big = vec![b'x'; 200_000];
    for name in ["README", "new"] {
        bench.worktree.write_file(&path(name), &big, WriteKind::Regular).unwrap();
    }
    let tree = bench.snapshot();
    assert_eq!(refused(&place.push(tree).unwrap()).len(), 2);
    assert!(!bench.at("README").exists() && !bench.at("new").exists());
    assert_eq!(place.pull(&mut bench.worktree).unwrap(), SyncReport::default());
    assert_eq!(bench.snapshot(), tree);
    lift_limit();
    assert_eq!(paths(&place.push(tree).unwrap().changed), ["README", "new"]);
    assert_eq!(on_disk(&bench.dir()), bench.files());
}

#[test]
fn index_without_room_is_kept_by_the_next_sync() {
    if !is_limited("index_without_room_is_kept_by_the_next_sync") {
        return;
    }
    let (mut bench, mut place) = Bench::example();
    let long = "n".repeat(200);
    for number in 0..500 {
        std::fs::write(bench.at(&format!("{long}{number}")), "x").unwrap();
    }
    let failed = place.pull(&mut bench.worktree);
    assert!(matches!(failed, Err(MaterialiseError::Log(LogError::Io(_)))));
    lift_limit();
    let tree = bench.snapshot();
    assert_eq!(place.push(tree).unwrap(), SyncReport::default());
    drop(place);
    let (mut place, repaired) = bench.open();
    assert_eq!(repaired, None);
    assert_eq!(place.tree(), Some(tree));
    bench.worktree.remove(&path(&format!("{long}7"))).unwrap();
    let tree = bench.snapshot();
    assert_eq!(place.push(tree).unwrap().refused, []);
    assert_eq!(on_disk(&bench.dir()), bench.files());
}
