//! Single facts about nodes, files, directories, times and the quota.

use std::sync::Arc;

use bstr::{BStr, ByteSlice};

use super::super::{
    Access, Executable, FsError, Links, LogicalTime, NodeKind, OnExisting, Quota, Resolved,
    SetTime, Worktree, WorktreeOptions, WriteKind,
};
use super::{empty, entry, example, example_tree, name, options, path, snapshot, store};
use crate::ids::TreeId;
use crate::objects::{EntryKind, TreeEntry};

#[test]
fn opening_reads_nothing() {
    // A tree that nobody has: only looking at it fails.
    let mut worktree = Worktree::new(store(), [9; 20].into(), options());
    assert!(worktree.metadata(worktree.root()).is_ok());
    assert!(matches!(worktree.read_dir(worktree.root()), Err(FsError::MissingObject { .. })));
}

#[test]
fn directories_list_their_entries_sorted_with_their_kinds() {
    let (_, mut worktree) = example();
    let entries = worktree.read_dir(worktree.root()).unwrap();
    let shown: Vec<_> = entries.iter().map(|entry| (entry.name.to_string(), entry.kind)).collect();
    let (dir, file, link) = (NodeKind::Directory, NodeKind::File, NodeKind::Symlink);
    let expected = [("README", file), ("link", link), ("run", file), ("src", dir), ("vendor", dir)];
    assert_eq!(shown, expected.map(|(name, kind)| (name.to_owned(), kind)));
}

#[test]
fn base_entries_show_size_mode_and_base_time() {
    let (_, mut worktree) = example();
    let run = worktree.entry(&path("run")).unwrap().unwrap().metadata;
    assert_eq!((run.size, run.executable, run.links), (10, true, 1));
    assert_eq!(run.modified, LogicalTime::from_seconds(1_700_000_000));
    let link = worktree.entry(&path("link")).unwrap().unwrap();
    assert_eq!(link.metadata.size, 10);
    assert_eq!(worktree.read_link(link.node).unwrap(), "src/lib.py");
}

#[test]
fn missing_blob_shows_as_empty_and_names_itself_when_read() {
    let store = store();
    let gone = EntryKind::File { id: [3; 20].into(), executable: false };
    let dir = store.insert_tree(vec![entry("gone", gone)]).unwrap();
    let tree = store.insert_tree(vec![entry("dir", EntryKind::Directory(dir))]).unwrap();
    let mut worktree = Worktree::new(store.clone(), tree, options());
    let found = worktree.entry(&path("dir/gone")).unwrap().unwrap();
    assert_eq!(found.metadata.size, 0);
    let err = worktree.read(found.node, 0, 10).unwrap_err();
    assert!(matches!(err, FsError::MissingObject { path, .. } if path == "dir/gone"));
    assert!(matches!(worktree.append(found.node, b"x"), Err(FsError::MissingObject { .. })));
    assert_eq!(snapshot(&store, &mut worktree), tree);
    // What is replaced as a whole need not be read.
    worktree.write_file(&path("dir/gone"), b"new", WriteKind::KeepMode).unwrap();
    assert_eq!(worktree.read_file(&path("dir/gone")).unwrap(), "new");
}

#[test]
fn open_file_survives_rename_and_removal() {
    let (_, mut worktree) = example();
    let root = worktree.root();
    let node = worktree.lookup(root, name("README")).unwrap();
    worktree.open(node).unwrap();
    worktree.rename(root, name("README"), root, name("moved")).unwrap();
    assert_eq!(worktree.lookup(root, name("moved")), Ok(node));
    worktree.remove_file(root, name("moved")).unwrap();
    worktree.append(node, b"more").unwrap();
    assert_eq!(worktree.read(node, 0, 100).unwrap(), "read me\nmore");
    assert_eq!(worktree.usage().bytes, 12);
    worktree.close(node).unwrap();
    assert_eq!(worktree.usage().bytes, 0);
    assert_eq!(worktree.read(node, 0, 1), Err(FsError::BadDescriptor));
}

#[test]
fn freed_node_is_never_taken_for_another() {
    let (_, mut worktree) = empty();
    let root = worktree.root();
    let old = worktree.create_file(root, name("a"), OnExisting::Refuse).unwrap();
    let identity = worktree.metadata(old).unwrap().identity;
    worktree.remove_file(root, name("a")).unwrap();
    let new = worktree.create_file(root, name("a"), OnExisting::Refuse).unwrap();
    assert_ne!(worktree.metadata(new).unwrap().identity, identity);
    assert_eq!(worktree.metadata(old), Err(FsError::BadDescriptor));
}

#[test]
fn nothing_can_be_created_in_a_removed_directory() {
    let (_, mut worktree) = empty();
    let root = worktree.root();
    let dir = worktree.create_dir(root, name("d")).unwrap();
    worktree.open(dir).unwrap();
    worktree.remove_dir(root, name("d")).unwrap();
    let created = worktree.create_file(dir, name("x"), OnExisting::Open);
    assert_eq!(created, Err(FsError::NoEntry));
    assert_eq!(worktree.read_dir(dir), Err(FsError::NoEntry));
    worktree.close(dir).unwrap();
}

#[test]
fn paths_never_lead_out() {
    let (_, mut worktree) = example();
    let src = worktree.lookup(worktree.root(), name("src")).unwrap();
    worktree.symlink(src, name("out"), BStr::new("../README")).unwrap();
    worktree.symlink(src, name("abs"), BStr::new("/etc/passwd")).unwrap();
    for leaving in ["..", "../README", "deep/../../README", "/README", "out", "abs", "deep/../out"]
    {
        let resolved = worktree.resolve(src, BStr::new(leaving), Links::Follow);
        assert_eq!(resolved, Err(FsError::NotPermitted), "{leaving}");
    }
    let root = worktree.root();
    assert!(worktree.resolve(root, BStr::new("src/out"), Links::Follow).is_ok());
    assert!(worktree.resolve(src, BStr::new("out"), Links::NoFollow).is_ok());
}

#[test]
fn wrong_paths_get_the_errors_of_linux() {
    let (_, mut worktree) = example();
    let root = worktree.root();
    worktree.symlink(root, name("loop"), BStr::new("loop")).unwrap();
    let long = "x".repeat(256);
    let longest = "y/".repeat(2048);
    let cases = [
        ("", FsError::NoEntry),
        ("a\0b", FsError::Invalid),
        (long.as_str(), FsError::NameTooLong),
        (longest.as_str(), FsError::NameTooLong),
        ("loop", FsError::TooManyLinks),
        ("README/", FsError::NotDirectory),
        ("README/x", FsError::NotDirectory),
        ("README/.", FsError::NotDirectory),
        ("nothing/x", FsError::NoEntry),
    ];
    for (path, err) in cases {
        assert_eq!(worktree.resolve(root, BStr::new(path), Links::Follow), Err(err), "{path:?}");
    }
}

#[test]
fn missing_name_is_told_with_its_directory() {
    let (_, mut worktree) = example();
    let root = worktree.root();
    let src = worktree.lookup(root, name("src")).unwrap();
    let resolved = worktree.resolve(root, BStr::new("./src//new/"), Links::Follow).unwrap();
    let Resolved::Missing { at, only } = resolved else { panic!("{resolved:?}") };
    assert_eq!((at.dir, at.name.as_bstr(), only), (src, name("new"), Some(NodeKind::Directory)));
}

#[test]
fn git_directory_cannot_be_made_in_any_case_or_depth() {
    let (_, mut worktree) = example();
    let root = worktree.root();
    let src = worktree.lookup(root, name("src")).unwrap();
    for dir in [root, src] {
        for git in [".git", ".GIT", ".Git"] {
            let git = name(git);
            let denied = Err(FsError::NotPermitted);
            assert_eq!(worktree.create_dir(dir, git), denied);
            assert_eq!(worktree.create_file(dir, git, OnExisting::Open), denied);
            assert_eq!(worktree.symlink(dir, git, name("x")), denied);
            let renamed = worktree.rename(root, name("README"), dir, git);
            assert_eq!(renamed, Err(FsError::NotPermitted));
            assert_eq!(worktree.lookup(dir, git), Err(FsError::NoEntry));
        }
    }
    assert!(worktree.create_file(root, name(".gitignore"), OnExisting::Refuse).is_ok());
}

#[test]
fn submodule_is_an_empty_directory_that_takes_nothing() {
    let (store, mut worktree) = example();
    let root = worktree.root();
    let vendor = worktree.lookup(root, name("vendor")).unwrap();
    assert_eq!(worktree.read_dir(vendor).unwrap(), []);
    assert_eq!(worktree.lookup(vendor, name("x")), Err(FsError::NoEntry));
    let created = worktree.create_file(vendor, name("x"), OnExisting::Open);
    assert_eq!(created, Err(FsError::NotPermitted));
    let moved = worktree.rename(root, name("README"), vendor, name("x"));
    assert_eq!(moved, Err(FsError::NotPermitted));
    worktree.rename(root, name("vendor"), root, name("third-party")).unwrap();
    let tree = snapshot(&store, &mut worktree);
    let entries = crate::objects::Objects::tree(&*store, tree).unwrap();
    let kept = entries.iter().find(|entry| entry.name == "third-party").unwrap();
    assert_eq!(kept.kind, EntryKind::Submodule([7; 20].into()));
}

#[test]
fn modes_and_links_survive_edits_and_renames() {
    let (store, mut worktree) = example();
    let root = worktree.root();
    let run = worktree.lookup(root, name("run")).unwrap();
    worktree.append(run, b"echo\n").unwrap();
    worktree.rename(root, name("run"), root, name("run2")).unwrap();
    worktree.rename(root, name("link"), root, name("link2")).unwrap();
    let readme = worktree.lookup(root, name("README")).unwrap();
    worktree.set_executable(readme, Executable::Yes).unwrap();
    let tree = snapshot(&store, &mut worktree);
    let entries: Vec<TreeEntry> = crate::objects::Objects::tree(&*store, tree).unwrap().to_vec();
    let shown: Vec<_> =
        entries.iter().map(|entry| format!("{} {}", entry.kind.mode(), entry.name)).collect();
    let expected = ["100755 README", "120000 link2", "100755 run2", "040000 src", "160000 vendor"];
    assert_eq!(shown, expected);
}

#[test]
fn each_change_takes_the_next_microsecond() {
    let (_, mut worktree) = example();
    let root = worktree.root();
    let base = LogicalTime::from_seconds(1_700_000_000);
    let readme = worktree.lookup(root, name("README")).unwrap();
    worktree.read(readme, 0, 10).unwrap();
    assert_eq!(worktree.now(), base);
    worktree.append(readme, b"x").unwrap();
    let first = worktree.metadata(readme).unwrap().modified;
    assert_eq!(first, LogicalTime { nanoseconds: 1_000, ..base });
    let new = worktree.create_file(root, name("new"), OnExisting::Refuse).unwrap();
    let second = LogicalTime { nanoseconds: 2_000, ..base };
    assert_eq!(worktree.metadata(new).unwrap().created, second);
    assert_eq!(worktree.metadata(root).unwrap().modified, second);
    worktree.advance_time(LogicalTime { seconds: 1_700_000_009, nanoseconds: 999_999_500 });
    worktree.append(new, b"x").unwrap();
    let third = LogicalTime { seconds: 1_700_000_010, nanoseconds: 500 };
    assert_eq!(worktree.metadata(new).unwrap().modified, third);
}

#[test]
fn set_times_are_no_part_of_the_tree() {
    let (store, mut worktree) = example();
    let readme = worktree.lookup(worktree.root(), name("README")).unwrap();
    let then = LogicalTime { seconds: 5, nanoseconds: 7 };
    worktree.set_times(readme, SetTime::Keep, SetTime::At(then)).unwrap();
    assert_eq!(worktree.metadata(readme).unwrap().modified, then);
    let base = worktree.base();
    assert_eq!(snapshot(&store, &mut worktree), base);
}

#[test]
fn full_quota_refuses_and_changes_nothing() {
    let store = store();
    let base = example_tree(&store);
    let quota = Quota { bytes: 20, entries: 2 };
    let options = WorktreeOptions { quota, ..options() };
    let mut worktree = Worktree::new(store.clone(), base, options);
    let root = worktree.root();
    let readme = worktree.lookup(root, name("README")).unwrap();
    assert_eq!(worktree.append(readme, b"more than 12 bytes"), Err(FsError::Quota));
    assert_eq!(worktree.truncate(readme, 21), Err(FsError::Quota));
    assert_eq!(worktree.truncate(readme, 1 << 50), Err(FsError::FileTooLarge));
    let written = worktree.write_file(&path("n/e/w"), b"", WriteKind::Regular);
    assert_eq!(written, Err(FsError::Quota));
    let written = worktree.write_file(&path("README"), &[0; 21], WriteKind::Symlink);
    assert_eq!(written, Err(FsError::Quota));
    assert_eq!(worktree.now(), LogicalTime::from_seconds(options.base_time));
    assert_eq!(snapshot(&store, &mut worktree), base);
    worktree.append(readme, b"fits").unwrap();
    worktree.create_dir(root, name("d")).unwrap();
    worktree.create_dir(root, name("e")).unwrap();
    assert_eq!(worktree.create_dir(root, name("f")), Err(FsError::Quota));
    worktree.remove_dir(root, name("e")).unwrap();
    worktree.truncate(readme, 1).unwrap();
    let usage = worktree.usage();
    assert_eq!((usage.bytes, usage.entries, usage.refused_writes), (1, 1, 5));
    assert_eq!((usage.peak_bytes, usage.peak_entries), (12, 2));
}

#[test]
fn read_only_worktree_refuses_every_change() {
    let store = store();
    let base = example_tree(&store);
    let options = WorktreeOptions { access: Access::ReadOnly, ..options() };
    let mut worktree = Worktree::new(store.clone(), base, options);
    let root = worktree.root();
    let readme = worktree.lookup(root, name("README")).unwrap();
    let refused = [
        worktree.write(readme, 0, b"x"),
        worktree.append(readme, b"x"),
        worktree.truncate(readme, 0),
        worktree.create_dir(root, name("d")).map(|_| ()),
        worktree.create_file(root, name("f"), OnExisting::Open).map(|_| ()),
        worktree.symlink(root, name("l"), name("x")).map(|_| ()),
        worktree.remove_file(root, name("README")),
        worktree.remove_dir(root, name("vendor")),
        worktree.rename(root, name("README"), root, name("x")),
        worktree.set_executable(readme, Executable::Yes),
        worktree.set_times(readme, SetTime::Now, SetTime::Now),
        worktree.write_file(&path("x"), b"", WriteKind::Regular),
        worktree.remove(&path("README")),
        worktree.checkout(TreeId::EMPTY, &[]),
        worktree.apply_edits(&[]),
    ];
    assert_eq!(refused, [const { Err(FsError::ReadOnly) }; 15]);
    assert!(worktree.create_file(root, name("README"), OnExisting::Open).is_ok());
    assert_eq!(snapshot(&store, &mut worktree), base);
}

#[test]
fn paths_cannot_grow_longer_than_a_repository_path() {
    let (_, mut worktree) = empty();
    let long = "n".repeat(255);
    let mut dir = worktree.root();
    for _ in 0..15 {
        dir = worktree.create_dir(dir, name(&long)).unwrap();
    }
    assert!(worktree.create_file(dir, name(&long), OnExisting::Refuse).is_ok());
    let deeper = worktree.create_dir(dir, name("d")).unwrap();
    let refused = worktree.create_file(deeper, name(&long[..254]), OnExisting::Refuse);
    assert_eq!(refused, Err(FsError::NameTooLong));
    let root = worktree.root();
    let short = worktree.create_dir(root, name("short")).unwrap();
    let refused = worktree.rename(root, name(&long), short, name("s"));
    assert!(refused.is_ok());
    let refused = worktree.rename(short, name("s"), short, name(&"m".repeat(254)));
    assert_eq!(refused, Err(FsError::NameTooLong));
}

#[test]
fn names_that_are_not_utf8_are_kept() {
    let store = store();
    let odd = TreeEntry { name: b"caf\xe9".as_slice().into(), ..super::file(&store, "", "x") };
    let tree = store.insert_tree(vec![odd]).unwrap();
    let mut worktree = Worktree::new(store.clone(), tree, options());
    worktree.write_file(&path("new"), b"y", WriteKind::Regular).unwrap();
    let tree = snapshot(&store, &mut worktree);
    let names = worktree.walk(&path("")).unwrap();
    assert_eq!(names[0].0.as_bstr(), b"caf\xe9".as_bstr());
    assert_eq!(crate::objects::Objects::tree(&*store, tree).unwrap().len(), 2);
}

#[test]
fn worktree_can_be_sent_to_another_thread() {
    let (_, mut worktree) = example();
    let shared = Arc::new(std::sync::Mutex::new(worktree.usage()));
    let moved = std::thread::spawn(move || worktree.read_file(&path("README")).unwrap());
    assert_eq!(moved.join().unwrap(), "read me\n");
    drop(shared);
}
