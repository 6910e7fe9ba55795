//! What a push writes and what a pull takes.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};

use super::{Bench, in_tree, on_disk, paths, refused};
use crate::materialise::{BlobFiles, LogError, MaterialiseError, Materialised, Place, SyncReport};
use crate::worktree::WriteKind;
use crate::worktree::tests::path;

#[test]
fn tree_is_written_with_modes_symlinks_and_submodules() {
    let (mut bench, place) = Bench::example();
    assert_eq!(place.tree(), Some(bench.worktree.base()));
    assert_eq!(on_disk(&bench.dir()), bench.files());
    assert!(bench.at("vendor").read_dir().unwrap().next().is_none());
    assert_eq!(bench.at("link").read_link().unwrap().as_os_str(), "src/lib.py");
}

#[test]
fn second_push_touches_only_what_differs() {
    let (mut bench, mut place) = Bench::example();
    let untouched = bench.at("README").metadata().unwrap();
    bench.worktree.write_file(&path("src/new/x"), b"1", WriteKind::Executable).unwrap();
    bench.worktree.write_file(&path("src/lib.py"), b"2", WriteKind::KeepMode).unwrap();
    bench.worktree.remove(&path("src/deep")).unwrap();
    let tree = bench.snapshot();
    let report = place.push(tree).unwrap();
    assert_eq!(paths(&report.changed), ["src/lib.py", "src/new/x"]);
    assert_eq!(paths(&report.removed), ["src/deep/er/x"]);
    assert_eq!(on_disk(&bench.dir()), bench.files());
    assert!(!bench.at("src/deep").exists(), "empty directories go, as with git");
    let now = bench.at("README").metadata().unwrap();
    assert_eq!((now.ino(), now.ctime_nsec()), (untouched.ino(), untouched.ctime_nsec()));
    assert_eq!(place.push(tree).unwrap(), SyncReport::default());
}

#[test]
fn changes_are_taken_back_and_a_push_then_writes_nothing() {
    let (mut bench, mut place) = Bench::example();
    std::fs::write(bench.at("README"), "other\n").unwrap();
    std::fs::create_dir_all(bench.at("a/b")).unwrap();
    std::fs::write(bench.at("a/b/c"), "new").unwrap();
    std::fs::set_permissions(bench.at("a/b/c"), PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::set_permissions(bench.at("run"), PermissionsExt::from_mode(0o666)).unwrap();
    std::fs::remove_file(bench.at("link")).unwrap();
    symlink("/etc/passwd", bench.at("link")).unwrap();
    std::fs::remove_dir_all(bench.at("src/deep")).unwrap();
    std::fs::remove_dir(bench.at("vendor")).unwrap();
    std::fs::create_dir(bench.at("empty")).unwrap();

    let report = place.pull(&mut bench.worktree).unwrap();
    assert_eq!(paths(&report.changed), ["README", "a/b/c", "link", "run"]);
    assert_eq!(paths(&report.removed), ["src/deep/er/x", "vendor"]);
    assert_eq!((report.refused.len(), report.overwritten.len()), (0, 0));
    assert_eq!(on_disk(&bench.dir()), bench.files());
    assert!(bench.worktree.entry(&path("empty")).unwrap().is_some());
    assert!(bench.worktree.entry(&path("src/deep")).unwrap().is_none());

    assert_eq!(place.pull(&mut bench.worktree).unwrap(), SyncReport::default());
    let tree = bench.snapshot();
    assert_eq!(place.push(tree).unwrap(), SyncReport::default());
    assert_eq!(place.tree(), Some(tree));
    assert!(bench.at("empty").exists());
}

#[test]
fn files_and_directories_replace_each_other_in_both_directions() {
    let (mut bench, mut place) = Bench::example();
    std::fs::remove_file(bench.at("README")).unwrap();
    std::fs::create_dir(bench.at("README")).unwrap();
    std::fs::write(bench.at("README/inside"), "x").unwrap();
    std::fs::remove_dir_all(bench.at("src")).unwrap();
    symlink("README", bench.at("src")).unwrap();
    let report = place.pull(&mut bench.worktree).unwrap();
    assert_eq!(report.refused, []);
    assert_eq!(on_disk(&bench.dir()), bench.files());

    bench.worktree.remove(&path("README")).unwrap();
    bench.worktree.write_file(&path("README"), b"file", WriteKind::Regular).unwrap();
    bench.worktree.remove(&path("src")).unwrap();
    bench.worktree.write_file(&path("src/x/y"), b"dir", WriteKind::Regular).unwrap();
    let tree = bench.snapshot();
    assert_eq!(place.push(tree).unwrap().refused, []);
    assert_eq!(on_disk(&bench.dir()), bench.files());
}

#[test]
fn names_in_any_bytes_and_case_are_kept_apart() {
    let (mut bench, mut place) = Bench::example();
    let odd = std::ffi::OsStr::from_bytes(b"bytes\xff\xfe\n\"'");
    std::fs::write(bench.dir().join(odd), "odd").unwrap();
    std::fs::rename(bench.at("README"), bench.at("readme")).unwrap();
    let report = place.pull(&mut bench.worktree).unwrap();
    assert_eq!(paths(&report.removed), ["README"]);
    assert_eq!(on_disk(&bench.dir()), bench.files());
    bench.worktree.remove(&path("readme")).unwrap();
    bench.worktree.write_file(&path("ReadMe"), b"1", WriteKind::Regular).unwrap();
    let tree = bench.snapshot();
    place.push(tree).unwrap();
    assert_eq!(on_disk(&bench.dir()), bench.files());
}

#[test]
fn change_of_equal_size_right_after_a_sync_is_seen() {
    let (mut bench, mut place) = Bench::example();
    for round in 0..100_u8 {
        let content = [b'a' + round % 26; 8];
        std::fs::write(bench.at("README"), content).unwrap();
        let report = place.pull(&mut bench.worktree).unwrap();
        assert_eq!(paths(&report.changed), ["README"], "round {round}");
        let content = [b'A' + round % 26; 8];
        bench.worktree.write_file(&path("README"), &content, WriteKind::Regular).unwrap();
        let tree = bench.snapshot();
        assert_eq!(place.push(tree).unwrap().refused, []);
        assert_eq!(std::fs::read(bench.at("README")).unwrap(), content);
    }
}

#[test]
fn touched_file_is_no_change() {
    let (mut bench, mut place) = Bench::example();
    let content = std::fs::read(bench.at("README")).unwrap();
    std::fs::write(bench.at("README"), content).unwrap();
    assert_eq!(place.pull(&mut bench.worktree).unwrap(), SyncReport::default());
    assert_eq!(place.tree(), Some(bench.worktree.base()));
    assert_eq!(bench.worktree.usage().bytes, 0);
}

#[test]
fn push_destroys_nothing_that_was_not_pulled() {
    let (mut bench, mut place) = Bench::example();
    std::fs::write(bench.at("README"), "mine").unwrap();
    std::fs::write(bench.at("src/deep/er/mine"), "mine").unwrap();
    std::fs::write(bench.at("new"), "mine").unwrap();
    bench.worktree.write_file(&path("README"), b"theirs", WriteKind::Regular).unwrap();
    bench.worktree.write_file(&path("new"), b"theirs", WriteKind::Regular).unwrap();
    bench.worktree.remove(&path("src/deep")).unwrap();
    let tree = bench.snapshot();
    let report = place.push(tree).unwrap();
    let not_pulled = "it was changed in the directory and not pulled yet";
    assert_eq!(refused(&report), [format!("README: {not_pulled}"), format!("new: {not_pulled}")]);
    assert_eq!(place.tree(), None);
    assert_eq!(std::fs::read(bench.at("src/deep/er/mine")).unwrap(), b"mine");
    assert!(!bench.at("src/deep/er/x").exists());

    let report = place.pull(&mut bench.worktree).unwrap();
    assert_eq!(paths(&report.overwritten), ["README", "new"]);
    assert_eq!(paths(&report.changed), ["README", "new", "src/deep/er/mine"]);
    let tree = bench.snapshot();
    assert_eq!(place.push(tree).unwrap(), SyncReport::default());
    assert_eq!(on_disk(&bench.dir()), bench.files());
}

#[test]
fn beginning_of_what_is_pushed_is_a_change_like_any_other() {
    let (mut bench, mut place) = Bench::example();
    std::fs::write(bench.at("README"), "the").unwrap();
    std::fs::write(bench.at("new"), "").unwrap();
    for name in ["README", "new"] {
        bench.worktree.write_file(&path(name), b"theirs", WriteKind::Regular).unwrap();
    }
    let tree = bench.snapshot();
    assert_eq!(refused(&place.push(tree).unwrap()).len(), 2);
    assert_eq!(std::fs::read(bench.at("README")).unwrap(), b"the");
    let report = place.pull(&mut bench.worktree).unwrap();
    assert_eq!(paths(&report.changed), ["README", "new"]);
}

#[test]
fn directory_with_files_is_taken_over() {
    let (mut bench, place) = Bench::example();
    drop(place);
    std::fs::remove_dir_all(bench.temp.path().join("state")).unwrap();
    std::fs::create_dir(bench.temp.path().join("state")).unwrap();
    std::fs::write(bench.at("README"), "mine").unwrap();
    std::fs::write(bench.at("extra"), "mine").unwrap();
    let (mut place, report) = bench.create(bench.worktree.base());
    assert_eq!(refused(&report).len(), 1);
    let report = place.pull(&mut bench.worktree).unwrap();
    assert_eq!(paths(&report.changed), ["README", "extra"]);
    assert_eq!(on_disk(&bench.dir()), bench.files());
}

#[test]
fn hard_links_are_separate_contents_and_pushes_leave_the_other_name_alone() {
    let (mut bench, mut place) = Bench::example();
    let outside = bench.temp.path().join("outside/file");
    std::fs::hard_link(bench.at("README"), &outside).unwrap();
    std::fs::hard_link(bench.at("README"), bench.at("twin")).unwrap();
    let report = place.pull(&mut bench.worktree).unwrap();
    assert_eq!(paths(&report.changed), ["twin"]);
    bench.worktree.write_file(&path("README"), b"pushed", WriteKind::Executable).unwrap();
    let tree = bench.snapshot();
    place.push(tree).unwrap();
    assert_eq!(std::fs::read(&outside).unwrap(), b"read me\n");
    assert_eq!(on_disk(&bench.dir()), bench.files());
}

#[test]
fn second_process_is_kept_out_and_an_unknown_place_is_told_apart() {
    let (bench, place) = Bench::example();
    let again = Materialised::open(bench.place(), bench.store.clone());
    assert!(matches!(again, Err(MaterialiseError::Log(LogError::Locked))));
    drop(place);
    assert!(bench.open().1.is_none());
    std::fs::remove_file(bench.temp.path().join("state/index")).unwrap();
    let unknown = Materialised::open(bench.place(), bench.store.clone());
    assert!(matches!(unknown, Err(MaterialiseError::New)));
}

#[test]
fn index_that_grows_by_changes_is_written_anew() {
    let (mut bench, mut place) = Bench::example();
    let long = "n".repeat(200);
    for round in 0..5 {
        for number in 0..600 {
            let file = bench.at(&format!("{long}{number}"));
            std::fs::write(file, format!("{round}")).unwrap();
        }
        place.pull(&mut bench.worktree).unwrap();
    }
    let len = bench.temp.path().join("state/index").metadata().unwrap().len();
    assert!(len < 2_000_000, "{len} bytes");
    drop(place);
    let (mut place, _) = bench.open();
    assert_eq!(place.pull(&mut bench.worktree).unwrap(), SyncReport::default());
    let tree = bench.snapshot();
    assert_eq!(in_tree(&bench.store, tree), on_disk(&bench.dir()));
    assert_eq!(place.push(tree).unwrap(), SyncReport::default());
}

#[test]
fn contents_are_written_the_same_with_and_without_shared_blocks() {
    let (mut bench, place) = Bench::example();
    drop(place);
    let big = vec![b'x'; 100_000];
    bench.worktree.write_file(&path("big"), &big, WriteKind::Regular).unwrap();
    let tree = bench.snapshot();
    for name in ["blobs", "shared", "shared.state"] {
        std::fs::create_dir(bench.temp.path().join(name)).unwrap();
    }
    let at = |name: &str| bench.temp.path().join(name);
    let blobs = BlobFiles::open(&at("blobs")).unwrap();
    let shares_blocks = blobs.shares_blocks();
    let place = Place::open(&at("shared"), &at("shared.state")).unwrap().with_blobs(blobs);
    Materialised::create(place, bench.store.clone(), tree).unwrap();
    assert_eq!(on_disk(&at("shared")), in_tree(&bench.store, tree));
    // Only what can be shared is stored, and nothing else is left there.
    assert_eq!(on_disk(&at("blobs")).len(), usize::from(shares_blocks));
    std::fs::write(at("shared/big"), "changed").unwrap();
    assert!(on_disk(&at("blobs")).values().all(|(_, content)| *content == big));
}
