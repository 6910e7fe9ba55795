//! Directories in which somebody means ill, or does odd things.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::Dir;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{Bench, on_disk, paths, refused};
use crate::ids::TreeId;
use crate::materialise::{Materialised, Refusal, SyncLimits, SyncReport};
use crate::objects::{EntryKind, MemoryObjects, NoObjects, TreeEntry};
use crate::worktree::tests::{entry, file, path, store};
use crate::worktree::{Quota, Worktree, WorktreeOptions, WriteKind};

#[test]
fn git_directories_and_what_is_no_content_are_refused_and_reported() {
    let (mut bench, mut place) = Bench::example();
    std::fs::create_dir_all(bench.at("src/.GIT/hooks")).unwrap();
    std::fs::write(bench.at("src/.GIT/hooks/x"), "").unwrap();
    std::fs::write(bench.at(".git"), "gitdir: /").unwrap();
    std::fs::write(bench.at("vendor/file"), "").unwrap();
    std::fs::remove_file(bench.at("README")).unwrap();
    mknodat(CWD, bench.at("README"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bench.at("socket")).unwrap();
    let report = place.pull(&mut bench.worktree).unwrap();
    let expected = [
        ".git: git directories are left out",
        "README: a named pipe is no content",
        "socket: a socket is no content",
        "src/.GIT: git directories are left out",
        "vendor: files in a submodule belong to another repository",
    ];
    assert_eq!(refused(&report), expected);
    assert_eq!((paths(&report.changed), paths(&report.removed)), (vec![], vec!["README".into()]));
    assert_eq!(on_disk(&bench.at("src")).len(), 3, "what is refused stays");

    // A push does not take the pipe away either: it never saw its content.
    bench.worktree.write_file(&path("README"), b"x", WriteKind::Regular).unwrap();
    let tree = bench.snapshot();
    let report = place.push(tree).unwrap();
    assert_eq!(report.refused.len(), 1);
    std::fs::remove_file(bench.at("README")).unwrap();
    assert_eq!(place.push(tree).unwrap().refused, []);
    assert_eq!(std::fs::read(bench.at("README")).unwrap(), b"x");
}

#[test]
fn symlinks_on_the_way_are_never_followed() {
    let (mut bench, mut place) = Bench::example();
    let outside = bench.temp.path().join("outside");
    std::fs::write(outside.join("lib.py"), "secret").unwrap();
    std::fs::remove_dir_all(bench.at("src")).unwrap();
    symlink(&outside, bench.at("src")).unwrap();
    // The tree still has the directory; writing into it must not go outside.
    bench.worktree.write_file(&path("src/lib.py"), b"written", WriteKind::Regular).unwrap();
    bench.worktree.write_file(&path("src/new"), b"written", WriteKind::Regular).unwrap();
    bench.worktree.remove(&path("src/deep")).unwrap();
    let tree = bench.snapshot();
    let report = place.push(tree).unwrap();
    assert!(!report.refused.is_empty());
    assert_eq!(std::fs::read(outside.join("lib.py")).unwrap(), b"secret");
    assert!(!outside.join("new").exists());

    let report = place.pull(&mut bench.worktree).unwrap();
    assert_eq!(report.refused, []);
    assert_eq!(on_disk(&bench.dir()), bench.files());
    let link = bench.worktree.entry(&path("src")).unwrap().unwrap().metadata;
    assert_eq!(link.kind, crate::worktree::NodeKind::Symlink);
}

#[test]
fn directory_swapped_for_a_symlink_while_syncing_leads_nowhere() {
    let (mut bench, mut place) = Bench::example();
    let outside = bench.temp.path().join("outside");
    for at in ["a", "a/b"] {
        std::fs::create_dir(outside.join(at)).unwrap();
        std::fs::write(outside.join(at).join("secret"), "secret").unwrap();
    }
    let before = on_disk(&outside);
    let stop = AtomicBool::new(false);
    let (swapped, kept) = (bench.at("a"), bench.temp.path().join("aside"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Each step may fail: the syncs are at work on the same names.
                let _ = std::fs::rename(&swapped, &kept);
                let _ = symlink(&outside, &swapped);
                std::thread::yield_now();
                let _ = std::fs::remove_file(&swapped);
                let _ = std::fs::rename(&kept, &swapped);
            }
        });
        for round in 0..300 {
            let content = format!("{round}");
            for name in ["a/x", "a/b/y", "a/b/secret"] {
                let _ =
                    bench.worktree.write_file(&path(name), content.as_bytes(), WriteKind::Regular);
            }
            if round % 3 == 0 {
                let _ = bench.worktree.remove(&path("a/b"));
            }
            let tree = bench.snapshot();
            place.push(tree).unwrap();
            place.pull(&mut bench.worktree).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(on_disk(&outside), before);
    let taken = bench.files();
    assert!(taken.values().all(|(_, content)| content != b"secret"), "{taken:?}");
}

#[test]
fn pipe_put_in_place_of_a_file_does_not_stop_a_pull() {
    let (mut bench, mut place) = Bench::example();
    let stop = AtomicBool::new(false);
    let at = bench.at("README");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = std::fs::remove_file(&at);
                let _ = mknodat(CWD, &at, FileType::Fifo, Mode::RUSR, 0);
                let _ = std::fs::remove_file(&at);
                let _ = std::fs::write(&at, "file");
            }
        });
        for _ in 0..300 {
            place.pull(&mut bench.worktree).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let _ = std::fs::remove_file(&at);
    std::fs::write(&at, "last").unwrap();
    assert_eq!(place.pull(&mut bench.worktree).unwrap().refused, []);
    assert_eq!(on_disk(&bench.dir()), bench.files());
}

#[test]
fn paths_deeper_than_any_worktree_has_are_refused_once() {
    let (mut bench, mut place) = Bench::example();
    let long = "d".repeat(100);
    let mut dir = Dir::open_ambient_dir(bench.dir(), cap_std::ambient_authority()).unwrap();
    for _ in 0..100 {
        dir.create_dir(&long).unwrap();
        dir.write("file", "x").unwrap();
        dir = dir.open_dir(&long).unwrap();
    }
    let report = place.pull(&mut bench.worktree).unwrap();
    let [only] = &*report.refused else { panic!("{:?}", report.refused) };
    assert_eq!(only.reason, Refusal::TooLong);
    assert_eq!(report.changed.len(), 41, "4,095 bytes hold 40 such names");
    let tree = bench.snapshot();
    assert_eq!(place.push(tree).unwrap().refused, []);
    // The tree goes as far as it is known, and what is deeper stays.
    let report = place.push(bench.worktree.base()).unwrap();
    assert_eq!(report.removed.len(), 41);
    let mut all: Vec<_> =
        vec![Dir::open_ambient_dir(bench.dir(), cap_std::ambient_authority()).unwrap()];
    while let Ok(next) = all.last().unwrap().open_dir(&long) {
        all.push(next);
    }
    assert!(all.len() > 90);
    for dir in all.iter().rev() {
        let _ = dir.remove_file("file");
        let _ = dir.remove_dir(&long);
    }
}

#[test]
fn quota_refuses_files_without_reading_them() {
    let (bench, mut place) = Bench::example();
    let quota = Quota { bytes: 10, entries: 5 };
    let options = WorktreeOptions { quota, ..WorktreeOptions::default() };
    let mut worktree = Worktree::new(bench.store.clone(), bench.worktree.base(), options);
    std::fs::File::create(bench.at("huge")).unwrap().set_len(1 << 40).unwrap();
    std::fs::write(bench.at("README"), "twelve bytes").unwrap();
    std::fs::write(bench.at("small"), "small").unwrap();
    let report = place.pull(&mut worktree).unwrap();
    assert_eq!(paths(&report.changed), ["small"]);
    let quota = "the worktree does not take it: quota exceeded";
    assert_eq!(refused(&report), [format!("README: {quota}"), format!("huge: {quota}")]);
    // What was refused is met again, and taken once there is room.
    std::fs::write(bench.at("README"), "five.").unwrap();
    std::fs::remove_file(bench.at("huge")).unwrap();
    assert_eq!(paths(&place.pull(&mut worktree).unwrap().changed), ["README"]);
}

#[test]
fn unreadable_files_and_directories_are_reported_and_keep_their_state() {
    let (mut bench, mut place) = Bench::example();
    std::fs::write(bench.at("README"), "unseen").unwrap();
    let dir = bench.dir();
    let mode = |at: &str, mode| {
        std::fs::set_permissions(dir.join(at), PermissionsExt::from_mode(mode)).unwrap();
    };
    mode("README", 0);
    mode("src/deep", 0o300);
    mode("src", 0o555);
    let worktree = &mut bench.worktree;
    let report = as_somebody_without_privileges(|| place.pull(worktree).unwrap());
    assert_eq!((report.changed.len(), report.removed.len()), (0, 0));
    let denied = "Permission denied (os error 13)";
    assert_eq!(refused(&report), [format!("README: {denied}"), format!("src/deep: {denied}")]);
    // A push into such a directory is reported too.
    worktree.write_file(&path("src/lib.py"), b"1", WriteKind::Regular).unwrap();
    worktree.write_file(&path("ok"), b"1", WriteKind::Regular).unwrap();
    let tree = crate::worktree::tests::snapshot(&bench.store, worktree);
    let report = as_somebody_without_privileges(|| place.push(tree).unwrap());
    assert_eq!(refused(&report), [format!("src/lib.py: {denied}")]);
    assert_eq!(paths(&report.changed), ["ok"]);
    mode("README", 0o644);
    mode("src", 0o755);
    mode("src/deep", 0o755);
    let report = place.pull(worktree).unwrap();
    assert_eq!((paths(&report.changed), report.refused), (vec!["README".to_owned()], vec![]));
    assert_eq!(place.push(tree).unwrap().refused, []);
    assert_eq!(on_disk(&bench.dir()), super::in_tree(&bench.store, tree));
}

/// Runs without the rights of root to read and write everything, if there are any.
fn as_somebody_without_privileges<T: Send>(action: impl FnOnce() -> T + Send) -> T {
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
    std::thread::scope(|scope| {
        let run = || {
            let sets = capabilities(None).unwrap();
            let kept = sets.effective
                - CapabilitySet::DAC_OVERRIDE
                - CapabilitySet::DAC_READ_SEARCH
                - CapabilitySet::FOWNER;
            set_capabilities(None, CapabilitySets { effective: kept, ..sets }).unwrap();
            action()
        };
        scope.spawn(run).join().unwrap()
    })
}

#[test]
fn trees_with_impossible_entries_are_written_as_far_as_they_go() {
    let store = store();
    let link = |target: &'static [u8]| EntryKind::Symlink(store.insert_blob(target.into()));
    let missing = EntryKind::File { id: [9; 20].into(), executable: false };
    let entries = vec![
        file(&store, "fine", "1"),
        entry("absolute", link(b"/etc/passwd")),
        entry("escaping", link(b"../../outside")),
        entry("nul", link(b"a\0b")),
        entry("nothing", link(b"")),
        entry("missing", missing),
    ];
    let tree = store.insert_tree(entries).unwrap();
    let mut bench = Bench::on(store.clone(), tree);
    let (mut place, report) = bench.create(tree);
    let names: Vec<_> = report.refused.iter().map(|refused| refused.path.to_string()).collect();
    assert_eq!(names, ["missing", "nothing", "nul"]);
    assert_eq!(place.tree(), None);
    assert_eq!(on_disk(&bench.dir()).len(), 3);
    // What was never written is not taken as removed.
    assert_eq!(place.pull(&mut bench.worktree).unwrap(), SyncReport::default());
    // Once the content is there, a push writes it.
    let late = MemoryObjects::new(NoObjects);
    assert_eq!(late.insert_blob("1".into()), store.insert_blob("1".into()));
    assert_eq!(place.push(tree).unwrap().refused.len(), 3);
}

#[test]
fn names_that_lead_elsewhere_are_not_written() {
    struct Hostile(TreeId);
    impl crate::objects::Objects for Hostile {
        fn tree(
            &self,
            id: TreeId,
        ) -> Result<std::sync::Arc<[TreeEntry]>, crate::objects::ObjectError> {
            let file = EntryKind::File { id: crate::BlobId::of(b"x"), executable: true };
            let names = ["..", ".", ".git", "a/b", "/abs", "", "ok", "a\0"];
            let mut entries: Vec<_> = names.iter().map(|name| entry(name, file)).collect();
            if id == self.0 {
                entries.push(entry(".git", EntryKind::Directory([2; 20].into())));
                entries.push(entry("..", EntryKind::Directory([2; 20].into())));
                entries.push(entry("dir", EntryKind::Directory([2; 20].into())));
                entries.push(entry("dir", file));
            }
            Ok(entries.into())
        }
        fn blob(&self, _: crate::BlobId) -> Result<bytes::Bytes, crate::objects::ObjectError> {
            Ok("x".into())
        }
    }
    let bench = Bench::new();
    let tree = TreeId::from([1; 20]);
    let objects = std::sync::Arc::new(Hostile(tree));
    super::Materialised::create(bench.place(), objects, tree).unwrap();
    let written: Vec<_> = on_disk(bench.temp.path()).into_keys().collect();
    let written = written.iter().map(|path| String::from_utf8_lossy(path)).collect::<Vec<_>>();
    assert_eq!(written, ["dir/dir", "dir/ok", "state/index", "state/lock"]);
}

#[test]
fn tree_that_holds_itself_many_times_is_written_up_to_the_limit() {
    let store = store();
    let mut tree = store.insert_tree(vec![file(&store, "x", "content")]).unwrap();
    for _ in 0..30 {
        let twice = ["a", "b"].map(|name| entry(name, EntryKind::Directory(tree)));
        tree = store.insert_tree(twice.into()).unwrap();
    }
    let bench = Bench::on(store.clone(), tree);
    let limits = SyncLimits { entries: 1_000, ..SyncLimits::default() };
    let (mut place, report) =
        Materialised::create(bench.place().within(limits), store.clone(), tree).unwrap();
    assert_eq!(report.refused.last().unwrap().reason, Refusal::TooMuch);
    assert!(on_disk(&bench.dir()).len() <= 1_000);
    assert_eq!(place.tree(), None);

    // The directory still takes a tree that fits.
    let small = store.insert_tree(vec![file(&store, "y", "small")]).unwrap();
    assert_eq!(place.push(small).unwrap().refused, []);
    assert_eq!(paths_on_disk(&bench), ["y"]);

    let bytes = SyncLimits { bytes: 4, ..SyncLimits::default() };
    let other = Bench::on(store.clone(), small);
    let (_, report) = Materialised::create(other.place().within(bytes), store, small).unwrap();
    assert_eq!(report.refused[0].reason, Refusal::TooMuch);
}

#[test]
fn flood_of_files_is_not_taken_and_nothing_counts_as_gone() {
    let (mut bench, _) = Bench::example();
    let limits = SyncLimits { entries: 100, ..SyncLimits::default() };
    let (mut place, _) =
        Materialised::open(bench.place().within(limits), bench.store.clone()).unwrap();
    for number in 0..200 {
        std::fs::write(bench.at(&format!("src/deep/{number}")), "").unwrap();
    }
    std::fs::write(bench.at("README"), "changed").unwrap();
    for name in ["aa", "zz"] {
        std::fs::create_dir(bench.at(name)).unwrap();
        std::fs::write(bench.at(name).join("new"), "new").unwrap();
    }
    let report = place.pull(&mut bench.worktree).unwrap();
    assert_eq!(
        refused(&report),
        ["src/deep: there is more than a sync may write or take; the rest is left as it is"]
    );
    let mut changed = paths(&report.changed);
    changed.sort();
    assert_eq!(
        (changed, paths(&report.removed)),
        (vec!["README".into(), "aa/new".into(), "zz/new".into()], vec![])
    );
    std::fs::remove_dir_all(bench.at("src/deep")).unwrap();
    let report = place.pull(&mut bench.worktree).unwrap();
    assert_eq!((refused(&report), paths(&report.removed)), (vec![], vec!["src/deep/er/x".into()]));
}

#[test]
fn files_far_below_each_other_are_synced_both_ways() {
    let (mut bench, mut place) = Bench::example();
    let mut dir = String::new();
    for depth in 0..300 {
        dir.push_str(if depth % 2 == 0 { "a/" } else { "b/" });
        for name in ["one", "two"] {
            let content = format!("{name} {depth}");
            bench
                .worktree
                .write_file(&path(&format!("{dir}{name}")), content.as_bytes(), WriteKind::Regular)
                .unwrap();
        }
    }
    let tree = bench.snapshot();
    assert_eq!(place.push(tree).unwrap().refused, []);
    let deepest = std::fs::read(bench.at(&format!("{dir}two"))).unwrap();
    assert_eq!(deepest, b"two 299");
    for steps in [600, 400, 3, 598] {
        std::fs::write(bench.at(&dir[..steps]).join("one"), "changed").unwrap();
    }
    let report = place.pull(&mut bench.worktree).unwrap();
    assert_eq!((report.changed.len(), refused(&report)), (4, vec![]));
    let content = bench.worktree.read_file(&path(&format!("{dir}one"))).unwrap();
    assert_eq!(&content[..], b"changed");
}

fn paths_on_disk(bench: &Bench) -> Vec<String> {
    on_disk(&bench.dir())
        .into_iter()
        .filter(|(_, (kind, _))| *kind != 'd')
        .map(|(path, _)| String::from_utf8(path).unwrap())
        .collect()
}
