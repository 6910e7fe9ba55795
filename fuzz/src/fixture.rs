//! A small tree with one of everything, and what must be true of any tree.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use catena_tree::objects::{NoObjects, encode_tree};
use catena_tree::patch::{Edit, FileKind, edit_tree};
use catena_tree::{BlobId, EntryKind, MemoryObjects, Objects, RepoPath, TreeId};

/// Objects that one run of a target adds to those of the fixture.
pub type Layer = Arc<MemoryObjects<Base>>;

/// The objects of the fixture.
pub type Base = Arc<MemoryObjects<NoObjects>>;

/// Path, kind and content of every file.
const FILES: [(&[u8], FileKind, &[u8]); 13] = [
    (b"a.txt", FileKind::Regular, b"one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n"),
    (b"again.txt", FileKind::Regular, b"one\ntwo\n\none\ntwo\n\none\ntwo\n"),
    (b"binary", FileKind::Regular, b"\0\x01\x02binary\xff\xfe data data data data"),
    (b"crlf.txt", FileKind::Regular, b"one\r\ntwo\r\nthree\r\n"),
    (b"dir/b.rs", FileKind::Regular, b"fn main() {\n    println!(\"x\");\n}\n"),
    (b"dir/deep/c", FileKind::Regular, b"c\n"),
    (b"dir/deep/deeper/d", FileKind::Regular, b"d\n"),
    (b"empty", FileKind::Regular, b""),
    (b"link", FileKind::Symlink, b"dir/b.rs"),
    (b"no-newline", FileKind::Regular, b"one\ntwo\nthree"),
    (b"odd \"name\"\t\xff", FileKind::Regular, b"odd\n"),
    (b"run.sh", FileKind::Executable, b"#!/bin/sh\necho run\n"),
    (b"sub", FileKind::Submodule, b"Subproject commit 0123456789abcdef0123456789abcdef01234567\n"),
];

/// The tree, and a new layer over its objects.
pub fn tree() -> (Layer, TreeId) {
    static FIXTURE: OnceLock<(Base, TreeId)> = OnceLock::new();
    let (base, tree) = FIXTURE.get_or_init(|| {
        let base = Arc::new(MemoryObjects::new(NoObjects));
        let edits: Vec<_> = FILES
            .iter()
            .map(|(path, kind, content)| Edit::Write {
                path: RepoPath::new(*path).expect("a path"),
                content: Bytes::from_static(content),
                kind: *kind,
            })
            .collect();
        let tree = edit_tree(&base, &mut &*base, TreeId::EMPTY, &edits).expect("a tree");
        (base, tree)
    });
    (Arc::new(MemoryObjects::new(base.clone())), *tree)
}

/// Checks that a tree is one git would take, all the way down.
pub fn assert_valid(objects: &dyn Objects, root: TreeId) {
    let mut waiting = vec![root];
    while let Some(id) = waiting.pop() {
        let entries = objects.tree(id).expect("a tree of the result is held");
        let mut sorted = entries.to_vec();
        let content = encode_tree(&mut sorted).expect("names are allowed");
        assert_eq!(TreeId::of(&content), id, "entries are in git's order");
        let mut names: Vec<_> = entries.iter().map(|entry| &entry.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), entries.len(), "no name comes twice");
        assert!(!entries.is_empty() || id == root, "no directory below the root is empty");
        for entry in entries.iter() {
            match entry.kind {
                EntryKind::Directory(below) => waiting.push(below),
                EntryKind::File { id, .. } | EntryKind::Symlink(id) => {
                    let content = objects.blob(id).expect("a blob of the result is held");
                    assert_eq!(BlobId::of(&content), id);
                    assert!(entry.size.is_none_or(|size| size == content.len() as u64));
                }
                EntryKind::Submodule(_) => {}
            }
        }
    }
}
