//! Files that are changed, closed and read again, of which only what was changed
//! is held.

use proptest::prelude::*;

use super::super::{OnExisting, Worktree};
use super::{entry, name, options, path, snapshot, spill, store};
use crate::objects::{EntryKind, Objects};

/// A file of 20 kB with lines of different length.
fn original() -> Vec<u8> {
    (0..1_000_u32).flat_map(|line| format!("line {line} {}\n", line * line).into_bytes()).collect()
}

fn worktree() -> (super::Store, Worktree) {
    let store = store();
    let blob = store.insert_blob(original().into());
    let kind = EntryKind::File { id: blob, executable: false };
    let tree = store.insert_tree(vec![entry("file", kind)]).unwrap();
    let worktree = Worktree::new(store.clone(), tree, options()).spilling_to(spill(1 << 30));
    (store, worktree)
}

/// Some changes of a file between opening and closing it.
#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Append(Vec<u8>),
    Truncate(usize),
    /// Written anew, with some bytes in the middle changed.
    Rewrite(usize, Vec<u8>),
    /// Written to another file that then takes its place.
    Replace(usize, Vec<u8>),
    Snapshot,
}

fn change() -> impl Strategy<Value = Change> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..60);
    let at = 0..25_000_usize;
    prop_oneof![
        (at.clone(), bytes()).prop_map(|(at, bytes)| Change::Write(at, bytes)),
        bytes().prop_map(Change::Append),
        at.clone().prop_map(Change::Truncate),
        (at.clone(), bytes()).prop_map(|(at, bytes)| Change::Rewrite(at, bytes)),
        (at, bytes()).prop_map(|(at, bytes)| Change::Replace(at, bytes)),
        Just(Change::Snapshot),
    ]
}

fn spliced(content: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let at = at.min(content.len());
    let end = (at + bytes.len() / 2).min(content.len());
    [&content[..at], bytes, &content[end..]].concat()
}

/// Applies a change to the worktree and to the content it is to have.
fn apply(store: &super::Store, worktree: &mut Worktree, content: &mut Vec<u8>, change: &Change) {
    let root = worktree.root();
    let node = worktree.lookup(root, name("file")).unwrap();
    worktree.open(node).unwrap();
    match change {
        Change::Write(at, bytes) => {
            worktree.write(node, *at as u64, bytes).unwrap();
            if !bytes.is_empty() {
                content.resize(content.len().max(at + bytes.len()), 0);
                content[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
        Change::Append(bytes) => {
            worktree.append(node, bytes).unwrap();
            content.extend_from_slice(bytes);
        }
        Change::Truncate(len) => {
            worktree.truncate(node, *len as u64).unwrap();
            content.resize(*len, 0);
        }
        Change::Rewrite(at, bytes) => {
            *content = spliced(content, *at, bytes);
            worktree.truncate(node, 0).unwrap();
            worktree.append(node, content).unwrap();
        }
        Change::Replace(at, bytes) => {
            *content = spliced(content, *at, bytes);
            let new = worktree.create_file(root, name("new"), OnExisting::Refuse).unwrap();
            worktree.append(new, content).unwrap();
            worktree.rename(root, name("new"), root, name("file")).unwrap();
        }
        Change::Snapshot => {
            let tree = snapshot(store, worktree);
            let entries = store.tree(tree).unwrap();
            let EntryKind::File { id, .. } = entries[0].kind else { panic!("{entries:?}") };
            assert_eq!(store.blob(id).unwrap(), *content);
            assert!(worktree.holds(&path("file"), Some(entries[0].kind)).unwrap());
        }
    }
    worktree.close(node).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn content_is_what_was_written(
        changes in proptest::collection::vec(change(), 0..12),
        reads in proptest::collection::vec((0..30_000_usize, 0..30_000_usize), 4),
    ) {
        let (store, mut worktree) = worktree();
        let mut content = original();
        for change in &changes {
            apply(&store, &mut worktree, &mut content, change);
            prop_assert_eq!(&worktree.read_file(&path("file")).unwrap(), &content);
            let node = worktree.lookup(worktree.root(), name("file")).unwrap();
            for (offset, len) in &reads {
                let start = content.len().min(*offset);
                let end = content.len().min(offset + len);
                let read = worktree.read(node, *offset as u64, *len as u64).unwrap();
                prop_assert_eq!(&read[..], &content[start..end]);
            }
            let metadata = worktree.metadata(node).unwrap();
            prop_assert_eq!(metadata.size, content.len() as u64);
        }
    }
}

#[test]
fn edited_file_shares_what_it_has_of_the_old_one() {
    let (store, mut worktree) = worktree();
    let original = store.tree(worktree.base()).unwrap();
    let EntryKind::File { id, .. } = original[0].kind else { panic!("{original:?}") };
    let old = store.blob(id).unwrap();
    let mut content = old.to_vec();
    apply(&store, &mut worktree, &mut content, &Change::Replace(9_000, b"changed".to_vec()));
    let node = worktree.lookup(worktree.root(), name("file")).unwrap();
    let head = worktree.read(node, 100, 50).unwrap();
    assert_eq!(head.as_ptr(), old[100..].as_ptr());
    // It counts in full all the same.
    assert_eq!(worktree.usage().bytes, content.len() as u64);
}
