//! Syncs whose process was killed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::{Bench, in_tree, on_disk};
use crate::ids::{BlobId, TreeId};
use crate::materialise::{MaterialiseError, Materialised, SyncReport};
use crate::objects::{ObjectError, Objects, TreeEntry};
use crate::worktree::tests::{Store, path, store};
use crate::worktree::{Worktree, WriteKind};

/// Objects that end the process, as far as a test can tell, after some blobs.
struct Fatal {
    store: Store,
    left: AtomicUsize,
}

impl Objects for Fatal {
    fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        self.store.tree(id)
    }

    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        let left = self.left.fetch_sub(1, Ordering::Relaxed);
        assert!(left > 0, "killed");
        self.store.blob(id)
    }
}

/// A bench, the tree it has and another one that changes it in all ways.
fn two_trees() -> (Bench, TreeId, TreeId) {
    let (mut bench, place) = Bench::example();
    drop(place);
    let before = bench.worktree.base();
    bench.worktree.remove(&path("README")).unwrap();
    for (at, content) in [("src/lib.py", "changed"), ("README/now/a/dir", "x"), ("new", "n")] {
        bench.worktree.write_file(&path(at), content.as_bytes(), WriteKind::Executable).unwrap();
    }
    bench.worktree.remove(&path("src/deep")).unwrap();
    bench.worktree.write_file(&path("src/deep"), b"a file now", WriteKind::Regular).unwrap();
    let after = bench.snapshot();
    (bench, before, after)
}

#[test]
fn push_that_was_killed_at_any_blob_is_done_again_at_the_next_opening() {
    for survived in 0..4 {
        let (bench, _, after) = two_trees();
        let objects = Fatal { store: bench.store.clone(), left: survived.into() };
        let (mut place, _) = Materialised::open(bench.place(), Arc::new(objects)).unwrap();
        let died = catch_unwind(AssertUnwindSafe(|| place.push(after)));
        assert!(died.is_err(), "there are at least {survived} blobs");
        drop(place);
        // The file written last may have been cut off at any byte.
        if let Ok(content) = std::fs::read(bench.at("new")) {
            std::fs::write(bench.at("new"), &content[..content.len() / 2]).unwrap();
        }
        let (place, repaired) = bench.open();
        assert_eq!(repaired.unwrap().refused, []);
        assert_eq!(place.tree(), Some(after));
        assert_eq!(on_disk(&bench.dir()), in_tree(&bench.store, after));
    }
}

#[test]
fn first_push_that_was_killed_is_done_again() {
    for survived in 0..4 {
        let (bench, _, after) = two_trees();
        std::fs::remove_dir_all(bench.dir()).unwrap();
        std::fs::create_dir(bench.dir()).unwrap();
        std::fs::remove_file(bench.temp.path().join("state/index")).unwrap();
        let objects = Arc::new(Fatal { store: bench.store.clone(), left: survived.into() });
        let place = bench.place();
        let died = catch_unwind(AssertUnwindSafe(|| Materialised::create(place, objects, after)));
        assert!(died.is_err());
        let (place, repaired) = bench.open();
        assert_eq!(repaired.unwrap().refused, []);
        assert_eq!(place.tree(), Some(after));
        assert_eq!(on_disk(&bench.dir()), in_tree(&bench.store, after));
    }
}

#[test]
fn index_cut_off_at_any_byte_leads_to_the_same_directory() {
    let (bench, before, after) = two_trees();
    let index = bench.temp.path().join("state/index");
    let (mut place, _) = bench.open();
    place.push(after).unwrap();
    drop(place);
    let whole = std::fs::read(&index).unwrap();
    for len in (0..whole.len()).step_by(7) {
        std::fs::write(&index, &whole[..len]).unwrap();
        let (mut place, _) = bench.open();
        assert_eq!(place.push(after).unwrap().refused, [], "cut at {len}");
        assert_eq!(on_disk(&bench.dir()), in_tree(&bench.store, after), "cut at {len}");
    }
    std::fs::write(&index, "something else").unwrap();
    assert!(Materialised::open(bench.place(), bench.store.clone()).is_err());
    std::fs::write(&index, &whole).unwrap();
    let (mut place, _) = bench.open();
    place.push(before).unwrap();
    assert_eq!(on_disk(&bench.dir()), in_tree(&bench.store, before));
}

#[test]
fn pull_whose_index_was_lost_is_taken_again() {
    let (mut bench, mut place) = Bench::example();
    let index = bench.temp.path().join("state/index");
    let before = std::fs::read(&index).unwrap();
    std::fs::write(bench.at("README"), "changed").unwrap();
    std::fs::remove_file(bench.at("run")).unwrap();
    let first = place.pull(&mut bench.worktree).unwrap();
    drop(place);
    std::fs::write(&index, &before).unwrap();
    let (mut place, _) = bench.open();
    let again = place.pull(&mut bench.worktree).unwrap();
    assert_eq!((again.changed, again.removed), (first.changed, first.removed));
    assert_eq!(again.overwritten, []);
    let tree = bench.snapshot();
    assert_eq!(place.push(tree).unwrap(), SyncReport::default());
}

#[test]
fn worktree_that_was_lost_after_a_pull_can_be_pushed_from_its_last_snapshot() {
    let (mut bench, mut place) = Bench::example();
    std::fs::write(bench.at("README"), "changed").unwrap();
    std::fs::write(bench.at("new"), "new").unwrap();
    place.pull(&mut bench.worktree).unwrap();
    drop(place);
    let base = bench.worktree.base();
    bench.worktree = Worktree::new(bench.store.clone(), base, crate::worktree::tests::options());
    let (mut place, _) = bench.open();
    assert_eq!(place.push(base).unwrap().refused, []);
    assert_eq!(on_disk(&bench.dir()), bench.files());
}

#[test]
fn push_that_was_cut_off_stays_begun_while_its_objects_cannot_be_had() {
    let (bench, _, after) = two_trees();
    let objects = Fatal { store: bench.store.clone(), left: 2.into() };
    let (mut place, _) = Materialised::open(bench.place(), Arc::new(objects)).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| place.push(after))).is_err());
    drop(place);
    for _ in 0..2 {
        let opened = Materialised::open(bench.place(), store());
        assert!(matches!(opened, Err(MaterialiseError::Unrepaired { .. })));
    }
    let (place, repaired) = bench.open();
    assert_eq!(repaired.unwrap().refused, []);
    assert_eq!(place.tree(), Some(after));
    assert_eq!(on_disk(&bench.dir()), in_tree(&bench.store, after));
}

#[test]
fn index_that_ends_in_zeros_is_cut_off_there() {
    let (bench, _, after) = two_trees();
    let index = bench.temp.path().join("state/index");
    let mut content = std::fs::read(&index).unwrap();
    content.extend([0; 4096]);
    std::fs::write(&index, content).unwrap();
    let (mut place, _) = bench.open();
    place.push(after).unwrap();
    drop(place);
    assert_eq!(bench.open().0.tree(), Some(after));
}
