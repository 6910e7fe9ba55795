//! Worktrees that are made again from a tree and a state.

use bstr::ByteSlice as _;
use proptest::prelude::*;

use super::super::{
    Executable, LogicalTime, Metadata, NodeId, NodeKind, Quota, SetTime, Worktree, WorktreeOptions,
    WorktreeState, WriteKind,
};
use super::{Store, example_tree, name, options, path, snapshot, store};

#[derive(Debug, Clone)]
enum Op {
    Write(usize, u8),
    Append(usize),
    Remove(usize),
    MakeDir(usize),
    Rename(usize, usize),
    Times(usize, i64),
    Executable(usize),
    Look(usize),
    Restore(usize),
}

const PATHS: [&str; 10] = [
    "README",
    "run",
    "link",
    "src",
    "src/lib.py",
    "src/deep",
    "src/deep/er/x",
    "new",
    "new/file",
    "src/made",
];

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let at = || 0..PATHS.len();
    let op = prop_oneof![
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Op::Write(at, byte)),
        1 => at().prop_map(Op::Append),
        2 => at().prop_map(Op::Remove),
        2 => at().prop_map(Op::MakeDir),
        2 => (at(), at()).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => (at(), 0..2_000_000_000_i64).prop_map(|(at, time)| Op::Times(at, time)),
        1 => at().prop_map(Op::Executable),
        1 => at().prop_map(Op::Look),
        1 => at().prop_map(Op::Restore),
    ];
    proptest::collection::vec(op, 0..16)
}

/// What an operation comes to; many are impossible, and say so.
fn perform(store: &Store, worktree: &mut Worktree, op: &Op) -> String {
    let node = |worktree: &mut Worktree, at: usize| -> Option<NodeId> {
        worktree.entry(&path(PATHS[at])).ok().flatten().map(|entry| entry.node)
    };
    let split = |at: usize| {
        let at = path(PATHS[at]);
        (at.parent().unwrap(), at.file_name().unwrap().to_owned())
    };
    match op {
        Op::Write(at, byte) => {
            let content = vec![*byte; usize::from(*byte)];
            format!("{:?}", worktree.write_file(&path(PATHS[*at]), &content, WriteKind::KeepMode))
        }
        Op::Append(at) => {
            let found = node(worktree, *at);
            format!("{:?}", found.map(|node| worktree.append(node, b"more")))
        }
        Op::Remove(at) => format!("{:?}", worktree.remove(&path(PATHS[*at]))),
        Op::MakeDir(at) => {
            let (parent, name) = split(*at);
            let dir = worktree.entry(&parent).ok().flatten();
            let made = dir.map(|dir| worktree.create_dir(dir.node, name.as_bstr()).is_ok());
            format!("{made:?}")
        }
        Op::Rename(from, to) => {
            let ((from, old), (to, new)) = (split(*from), split(*to));
            let from = worktree.entry(&from).ok().flatten();
            let to = worktree.entry(&to).ok().flatten();
            let (Some(from), Some(to)) = (from, to) else { return String::new() };
            format!("{:?}", worktree.rename(from.node, old.as_bstr(), to.node, new.as_bstr()))
        }
        Op::Times(at, seconds) => {
            let to = SetTime::At(LogicalTime::from_seconds(*seconds));
            let found = node(worktree, *at);
            format!("{:?}", found.map(|node| worktree.set_times(node, SetTime::Now, to)))
        }
        Op::Executable(at) => {
            let found = node(worktree, *at);
            format!("{:?}", found.map(|node| worktree.set_executable(node, Executable::Yes)))
        }
        Op::Look(at) => {
            let found = node(worktree, *at);
            format!("{:?}", found.map(|node| worktree.metadata(node)))
        }
        Op::Restore(at) => {
            let base = worktree.base();
            let restored = worktree.restore(base, &[path(PATHS[*at])], &mut &**store);
            format!("{restored:?}")
        }
    }
}

/// All that can be seen: every entry with all that is known of it.
fn seen(worktree: &mut Worktree) -> Vec<(String, Metadata, Vec<u8>)> {
    let mut seen = Vec::new();
    let mut ahead = vec![(worktree.root(), String::new())];
    while let Some((dir, at)) = ahead.pop() {
        for entry in worktree.read_dir(dir).unwrap() {
            let at = format!("{at}/{}", entry.name);
            let content = match entry.kind {
                NodeKind::File => worktree.read(entry.node, 0, 1_000).unwrap().to_vec(),
                NodeKind::Directory | NodeKind::Symlink => Vec::new(),
            };
            if entry.kind == NodeKind::Directory {
                ahead.push((entry.node, at.clone()));
            }
            seen.push((at, worktree.metadata(entry.node).unwrap(), content));
        }
    }
    seen
}

fn open(store: &Store) -> Worktree {
    let base = example_tree(store);
    let quota = Quota { bytes: 600, entries: 4 };
    Worktree::new(store.clone(), base, WorktreeOptions { quota, ..options() })
}

fn as_text(state: &WorktreeState) -> String {
    format!("{state:?}")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn worktree_made_again_behaves_as_the_one_before(before in ops(), after in ops()) {
        let store = store();
        let mut worktree = open(&store);
        for op in &before {
            perform(&store, &mut worktree, op);
        }
        let tree = snapshot(&store, &mut worktree);
        let state = worktree.state().unwrap();
        let mut again = open(&store);
        perform(&store, &mut again, &Op::Write(0, 7));
        again.resume(tree, &state).unwrap();
        prop_assert_eq!(as_text(&again.state().unwrap()), as_text(&state));
        prop_assert_eq!(snapshot(&store, &mut again), tree);
        for op in &after {
            prop_assert_eq!(
                perform(&store, &mut worktree, op),
                perform(&store, &mut again, op),
                "{:?}", op
            );
        }
        prop_assert_eq!(seen(&mut worktree), seen(&mut again));
        prop_assert_eq!(snapshot(&store, &mut worktree), snapshot(&store, &mut again));
        prop_assert_eq!(
            as_text(&worktree.state().unwrap()), as_text(&again.state().unwrap())
        );
    }
}

#[test]
fn open_nodes_are_told_and_the_topmost_directory_does_not_count() {
    let store = store();
    let mut worktree = open(&store);
    worktree.open(worktree.root()).unwrap();
    assert!(!worktree.has_open_nodes());
    let readme = worktree.lookup(worktree.root(), name("README")).unwrap();
    worktree.open(readme).unwrap();
    assert!(worktree.has_open_nodes());
    let state = worktree.state().unwrap();
    let tree = snapshot(&store, &mut worktree);
    worktree.resume(tree, &state).unwrap();
    worktree.close(worktree.root()).unwrap();
    assert!(!worktree.has_open_nodes());
}
