//! Three-way merges of trees that differ from the fixture by generated edits.
//!
//! A side that changed nothing loses, equal sides win, the order of the sides
//! does not decide whether there is a conflict, and the result is a valid tree.

use std::sync::OnceLock;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use catena_tree::merge::{ConflictPolicy, Labels, MergeRequest, Merged, merge};
use catena_tree::patch::{Edit, FileKind, edit_tree};
use catena_tree::{ObjectDatabase, Objects, RepoPath, TreeId};

use crate::fixture;

/// Few paths, so that both sides meet on them.
const PATHS: [&str; 12] = [
    "a.txt",
    "b.txt",
    "dir",
    "dir/a.txt",
    "dir/b.rs",
    "dir/deep",
    "dir/deep/c",
    "moved/b.rs",
    "moved/deep/c",
    "link",
    "sub",
    "run.sh",
];

/// Contents that share lines, so that some are renames of others.
const LINES: [&str; 12] = [
    "one\n", "two\n", "three\n", "four\n", "five\n", "six\n", "\n", "x\n", "y\n", "}\n", "two\r\n",
    "end",
];

#[derive(Debug, Arbitrary)]
struct Change {
    path: u8,
    kind: u8,
    lines: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
struct Case {
    base: Vec<Change>,
    ours: Vec<Change>,
    theirs: Vec<Change>,
}

/// Runs the target.
pub fn check(data: &[u8]) {
    let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let db = database();
    let tree = |from: TreeId, changes: &[Change]| {
        changes.iter().take(12).fold(from, |tree, change| {
            // A path below a file cannot be written; the tree stays as it is.
            edit_tree(db, &mut &*db, tree, &[edit(change)]).unwrap_or(tree)
        })
    };
    let base = tree(TreeId::EMPTY, &case.base);
    let (ours, theirs) = (tree(base, &case.ours), tree(base, &case.theirs));
    assert_eq!(merged(db, base, ours, base).tree, ours);
    assert_eq!(merged(db, base, base, theirs).tree, theirs);
    assert_eq!(merged(db, base, ours, ours).tree, ours);
    let (there, back) = (merged(db, base, ours, theirs), merged(db, base, theirs, ours));
    fixture::assert_valid(db, there.tree);
    assert_eq!(there.conflicts.is_empty(), back.conflicts.is_empty());
    if there.conflicts.is_empty() {
        assert_eq!(there.tree, back.tree);
    }
}

fn merged(db: &ObjectDatabase, base: TreeId, ours: TreeId, theirs: TreeId) -> Merged {
    let request = MergeRequest {
        base,
        ours,
        theirs,
        policy: ConflictPolicy::Markers,
        labels: Labels::default(),
        union: Vec::new(),
    };
    merge(db, &request).expect("every object is held")
}

fn edit(change: &Change) -> Edit {
    let path = RepoPath::new(PATHS[usize::from(change.path) % PATHS.len()]).expect("a path");
    let lines = change.lines.iter().take(40).map(|line| LINES[usize::from(*line) % LINES.len()]);
    let content = Bytes::from(lines.collect::<String>());
    match change.kind % 8 {
        0 | 1 => Edit::Delete { path },
        2 => Edit::Write { path, content, kind: FileKind::Executable },
        3 => Edit::Write { path, content: Bytes::from_static(b"a.txt"), kind: FileKind::Symlink },
        4 => {
            let commit = format!("Subproject commit {:040x}\n", change.lines.len());
            Edit::Write { path, content: commit.into(), kind: FileKind::Submodule }
        }
        _ => Edit::Write { path, content, kind: FileKind::Regular },
    }
}

/// One database for all runs; what they store in it is small and mostly the same.
fn database() -> &'static ObjectDatabase {
    static DATABASE: OnceLock<(tempfile::TempDir, ObjectDatabase)> = OnceLock::new();
    let (_, db) = DATABASE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let db = ObjectDatabase::create(&dir.path().join("objects.git"), &[]).expect("a database");
        (dir, db)
    });
    db.tree(TreeId::EMPTY).expect("the empty tree is always there");
    db
}
