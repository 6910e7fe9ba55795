//! Worktrees whose content goes to disk, beside others that keep it in memory.

use std::sync::Arc;

use bstr::BStr;
use proptest::prelude::*;

use super::super::{FsError, NodeId, OnExisting, Worktree};
use super::{Store, name, path, snapshot, spill, store};
use crate::ids::TreeId;
use crate::objects::{BlobContent, Objects};
use crate::spill::{Spill, SpillLimits};

const FILES: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Op {
    Write {
        file: usize,
        offset: u64,
        len: usize,
        byte: u8,
    },
    Append {
        file: usize,
        len: usize,
        byte: u8,
    },
    Truncate {
        file: usize,
        len: u64,
    },
    Read {
        file: usize,
        offset: u64,
        len: u64,
    },
    Remove {
        file: usize,
    },
    /// Take a snapshot, and from now on see what it was when it is restored.
    Snapshot,
    Restore,
}

fn ops() -> impl Strategy<Value = Op> {
    let file = 0..FILES.len();
    let at = 0..300_000_u64;
    let len = prop_oneof![0..100_usize, 0..200_000_usize];
    prop_oneof![
        5 => (file.clone(), at.clone(), len.clone(), any::<u8>())
            .prop_map(|(file, offset, len, byte)| Op::Write { file, offset, len, byte }),
        4 => (file.clone(), len, any::<u8>())
            .prop_map(|(file, len, byte)| Op::Append { file, len, byte }),
        3 => (file.clone(), at.clone()).prop_map(|(file, len)| Op::Truncate { file, len }),
        4 => (file.clone(), at.clone(), at)
            .prop_map(|(file, offset, len)| Op::Read { file, offset, len }),
        1 => file.prop_map(|file| Op::Remove { file }),
        2 => Just(Op::Snapshot),
        1 => Just(Op::Restore),
    ]
}

struct Side {
    store: Store,
    worktree: Worktree,
    kept: TreeId,
}

impl Side {
    fn new(spill: Arc<Spill>) -> Self {
        let store = store();
        let worktree = Worktree::new(store.clone(), TreeId::EMPTY, super::options());
        Self { store, worktree: worktree.spilling_to(spill), kept: TreeId::EMPTY }
    }

    fn file(&mut self, file: usize) -> NodeId {
        let root = self.worktree.root();
        self.worktree.create_file(root, name(FILES[file]), OnExisting::Open).unwrap()
    }

    /// What an operation shows.
    fn step(&mut self, op: &Op) -> Result<Vec<u8>, FsError> {
        let node = match op {
            Op::Write { file, .. }
            | Op::Append { file, .. }
            | Op::Truncate { file, .. }
            | Op::Read { file, .. } => Some(self.file(*file)),
            Op::Remove { .. } | Op::Snapshot | Op::Restore => None,
        };
        let tree = &mut self.worktree;
        match (op, node) {
            (Op::Write { offset, len, byte, .. }, Some(node)) => {
                tree.write(node, *offset, &vec![*byte; *len])?;
            }
            (Op::Append { len, byte, .. }, Some(node)) => {
                tree.append(node, &vec![*byte; *len])?;
            }
            (Op::Truncate { len, .. }, Some(node)) => tree.truncate(node, *len)?,
            (Op::Read { offset, len, .. }, Some(node)) => {
                return Ok(tree.read(node, *offset, *len)?.to_vec());
            }
            (Op::Remove { file }, _) => {
                let root = tree.root();
                tree.remove_file(root, BStr::new(FILES[*file]))?;
            }
            (Op::Snapshot, _) => self.kept = snapshot(&self.store, tree),
            (Op::Restore, _) => tree.checkout(self.kept, &[])?,
            _ => {}
        }
        let size = node.map(|node| self.worktree.metadata(node).unwrap().size);
        Ok(format!("{size:?} {}", self.worktree.usage().bytes).into())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spilling_worktree_behaves_as_one_in_memory(
        ops in proptest::collection::vec(ops(), 1..40),
        memory in 0..400_000_u64,
    ) {
        let on_disk = spill(memory);
        let mut sides = [Side::new(on_disk.clone()), Side::new(Spill::unlimited())];
        for op in &ops {
            let [ours, theirs] = &mut sides;
            prop_assert!(ours.step(op) == theirs.step(op), "{:?}", op);
        }
        let [mut ours, mut theirs] = sides;
        for file in FILES {
            let shown = |side: &mut Side| side.worktree.read_file(&path(file));
            prop_assert!(shown(&mut ours) == shown(&mut theirs));
        }
        let trees = [snapshot(&ours.store, &mut ours.worktree), snapshot(&theirs.store, &mut theirs.worktree)];
        prop_assert_eq!(trees[0], trees[1]);
        for entry in ours.store.tree(trees[0]).unwrap().iter() {
            let crate::objects::EntryKind::File { id, .. } = entry.kind else { continue };
            prop_assert!(ours.store.blob(id).unwrap() == theirs.store.blob(id).unwrap());
        }
        drop((ours, theirs));
        prop_assert_eq!(on_disk.usage().memory, 0);
        prop_assert_eq!(on_disk.usage().spilled, 0);
    }
}

fn written(spill: &Arc<Spill>, len: u64) -> (Store, Worktree, NodeId) {
    let store = store();
    let worktree = Worktree::new(store.clone(), TreeId::EMPTY, super::options());
    let mut worktree = worktree.spilling_to(spill.clone());
    let root = worktree.root();
    let file = worktree.create_file(root, name("f"), OnExisting::Refuse).unwrap();
    for start in (0..len).step_by(1 << 16) {
        let part = usize::try_from((len - start).min(1 << 16)).unwrap();
        worktree.write(file, start, &vec![b'x'; part]).unwrap();
    }
    (store, worktree, file)
}

#[test]
fn content_beyond_the_budget_is_on_disk_and_in_snapshots_without_a_copy() {
    let budget = spill(1 << 20);
    let (store, mut worktree, file) = written(&budget, 8 << 20);
    let tree = snapshot(&store, &mut worktree);
    let usage = worktree.usage();
    assert_eq!((usage.bytes, usage.spilled_bytes), (8 << 20, 8 << 20));
    assert!(usage.peak_memory_bytes <= 1 << 20, "{usage:?}");

    worktree.write(file, 0, b"new").unwrap();
    assert_eq!(worktree.usage().spilled_bytes, (8 << 20) + (64 << 10), "one block is not shared");
    let entries = store.tree(tree).unwrap();
    let crate::objects::EntryKind::File { id, .. } = entries[0].kind else { panic!() };
    let BlobContent::Spilled(old) = store.content(id).unwrap() else { panic!("in memory") };
    assert_eq!(old.read(0, 3).unwrap(), "xxx");
    assert_eq!(worktree.read(file, 0, 4).unwrap(), "newx");
}

#[test]
fn small_files_stay_in_memory() {
    let limits = SpillLimits { memory: 0, small: 100, ..SpillLimits::default() };
    let budget = Spill::to_file(tempfile::tempfile().unwrap(), limits);
    let (_, mut worktree, file) = written(&budget, 100);
    assert_eq!((budget.usage().memory, budget.usage().spilled), (100, 0));
    worktree.append(file, b"x").unwrap();
    assert_eq!((budget.usage().memory, budget.usage().spilled), (0, 64 << 10));
    worktree.truncate(file, 0).unwrap();
    assert_eq!((budget.usage().memory, budget.usage().spilled), (0, 0));
}

#[test]
fn full_disk_is_no_space_and_the_file_stays_as_long_as_it_was() {
    let limits = SpillLimits { memory: 0, disk: 128 << 10, small: 0 };
    let budget = Spill::to_file(tempfile::tempfile().unwrap(), limits);
    let (store, mut worktree, file) = written(&budget, 128 << 10);
    assert_eq!(worktree.append(file, b"x"), Err(FsError::NoSpace));
    assert_eq!(worktree.metadata(file).unwrap().size, 128 << 10);
    assert_eq!(worktree.usage().bytes, 128 << 10);
    let before = snapshot(&store, &mut worktree);
    assert_eq!(worktree.write(file, 0, b"y"), Err(FsError::NoSpace), "the snapshot has the old");
    assert_eq!(snapshot(&store, &mut worktree), before);
    worktree.truncate(file, 1 << 10).unwrap();
    assert_eq!(worktree.metadata(file).unwrap().size, 1 << 10);
}

#[test]
fn snapshots_that_nobody_keeps_give_their_blocks_back() {
    let budget = spill(0);
    let (store, mut worktree, file) = written(&budget, 16 << 20);
    let mut trees = Vec::new();
    for byte in 0..4 {
        worktree.write(file, 0, &vec![byte; 16 << 20]).unwrap();
        trees.push(snapshot(&store, &mut worktree));
    }
    assert_eq!(budget.usage().spilled, 64 << 20);
    assert!(store.has_grown());
    store.retain_reachable([trees[1], trees[3]]);
    assert!(!store.has_grown());
    assert_eq!(budget.usage().spilled, 32 << 20);
    let mut kept = Worktree::new(store.clone(), trees[1], super::options());
    assert_eq!(kept.read_file(&path("f")).unwrap()[0], 1);
    assert!(store.tree(trees[0]).is_err());
    assert_eq!(snapshot(&store, &mut worktree), trees[3]);
}
