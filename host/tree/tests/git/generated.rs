//! Trees that proptest makes up, and changes to them.

use std::collections::BTreeMap;

use bytes::Bytes;
use catena_tree::patch::{Edit, FileKind, edit_tree};
use catena_tree::{RepoPath, TreeId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::environment::Repository;

/// Paths with all that needs care in patches: blanks, quotes, tabs, bytes that
/// are not UTF-8, files whose name is a directory elsewhere.
const PATHS: [&[u8]; 18] = [
    b"a",
    b"a/x",
    b"a/y.txt",
    b"a/c/x",
    b"a/c/y.txt",
    b"c/x",
    b"c/y.txt",
    b"b",
    b"b/x",
    b"b/c/x",
    b"b/c/deep.py",
    b"plain",
    b"with blank",
    b"b/with blank b/x",
    b"quo\"te\\",
    b"tab\there",
    "\u{e4}/\u{f6}".as_bytes(),
    b"bytes\xff\xfe",
];

/// Directories that are moved, each also to a place where none of [`PATHS`] is.
const DIRECTORIES: [&str; 6] = ["a/", "a/c/", "b/", "c/", "new/", "new/c/"];

/// The files of a tree. A path below a file of the same tree is left out when
/// the tree is written.
pub(crate) type Files = BTreeMap<Vec<u8>, (FileKind, Vec<u8>)>;

/// One change to a tree.
#[derive(Debug, Clone)]
pub(crate) enum Mutation {
    /// Puts a file somewhere.
    Put(&'static [u8], (FileKind, Vec<u8>)),
    /// Takes a file away.
    Remove(Index),
    /// Moves a file.
    Move(Index, &'static [u8]),
    /// Replaces a line of a text.
    Edit(Index, Index, &'static str),
    /// Turns the executable bit.
    Chmod(Index),
    /// Moves all files of a directory.
    MoveDirectory(&'static str, &'static str),
}

pub(crate) fn files() -> impl Strategy<Value = Files> {
    let path = select(&PATHS[..]).prop_map(<[u8]>::to_vec);
    proptest::collection::btree_map(path, file(), 0..10)
}

pub(crate) fn mutations(count: usize) -> impl Strategy<Value = Vec<Mutation>> {
    vec(mutation(), 0..count)
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let line = select(&["changed\n", "changed too\n", "", "more\nthan one\n", "no end"][..]);
    prop_oneof![
        2 => (select(&PATHS[..]), file()).prop_map(|(path, file)| Mutation::Put(path, file)),
        1 => any::<Index>().prop_map(Mutation::Remove),
        2 => (any::<Index>(), select(&PATHS[..])).prop_map(|(from, to)| Mutation::Move(from, to)),
        6 => (any::<Index>(), any::<Index>(), line).prop_map(|(f, at, l)| Mutation::Edit(f, at, l)),
        1 => any::<Index>().prop_map(Mutation::Chmod),
        2 => (select(&DIRECTORIES[..]), select(&DIRECTORIES[..]))
            .prop_map(|(from, to)| Mutation::MoveDirectory(from, to)),
    ]
}

fn file() -> impl Strategy<Value = (FileKind, Vec<u8>)> {
    let submodule = vec(select(&b"0123456789abcdef"[..]), 40)
        .prop_map(|id| [b"Subproject commit ".as_slice(), &id, b"\n"].concat());
    prop_oneof![
        8 => (regular(), text()).prop_map(|(kind, text)| (kind, text)),
        2 => (regular(), vec(any::<u8>(), 0..300)).prop_map(|(kind, bytes)| (kind, bytes)),
        1 => select(&["a", "../b/c", "plain"][..])
            .prop_map(|target| (FileKind::Symlink, target.as_bytes().to_vec())),
        1 => submodule.prop_map(|line| (FileKind::Submodule, line)),
    ]
}

fn regular() -> impl Strategy<Value = FileKind> {
    select(&[FileKind::Regular, FileKind::Regular, FileKind::Executable][..])
}

/// Lines that repeat and lines that do not, with all sorts of line ends.
pub(crate) fn text() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        select(&["\n", "}\n", "    return x\n", "def f():\n", "crlf\r\n", "-- \n"][..])
            .prop_map(str::to_owned),
        (0..30_u8).prop_map(|number| format!("line {number} of some length\n")),
    ];
    (vec(line, 0..40), any::<bool>()).prop_map(|(lines, whole)| {
        let mut text = lines.concat().into_bytes();
        if !whole {
            text.pop();
        }
        text
    })
}

/// Name, length in lines and number of different lines of texts that take the
/// shortcuts of a comparison: frequent lines, long ways, many changes.
pub(crate) const HARD_TEXTS: [(&str, usize, u64); 7] = [
    ("of-2", 3_000, 2),
    ("of-3", 20_000, 3),
    ("of-30", 5_000, 30),
    ("of-64", 4_160, 64),
    ("of-300", 6_000, 300),
    ("of-2000", 6_000, 2_000),
    ("of-9000", 12_000, 9_000),
];

/// Lines drawn from so many different ones, every text with the same seed alike.
pub(crate) fn mixed_lines(seed: u64, length: usize, kinds: u64) -> Vec<u8> {
    let mut state = seed;
    let mut text = Vec::new();
    for line in 0..length {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = (state >> 33) % kinds;
        // Some stretches are the same in every text.
        let number = if line / 150 % 3 == 1 { line as u64 * 7 % kinds } else { number };
        let depth = usize::try_from(number % 4).unwrap() * 4;
        text.extend_from_slice(format!("{:depth$}{number}\n", "").as_bytes());
    }
    text
}

/// Lines replaced, put in and taken away at some places.
pub(crate) fn edits(count: usize) -> impl Strategy<Value = Vec<(Index, &'static str)>> {
    let line = select(
        &["changed\n", "changed too\n", "", "}\n", "    return x\n", "\n", "crlf\r\n", "no end"][..],
    );
    vec((any::<Index>(), line), 0..count)
}

pub(crate) fn edited(text: &[u8], edits: &[(Index, &str)]) -> Vec<u8> {
    let mut text = text.to_vec();
    for (at, line) in edits {
        edit(&mut text, *at, line);
    }
    text
}

pub(crate) fn mutated(files: &Files, mutations: &[Mutation]) -> Files {
    let mut files = files.clone();
    for mutation in mutations {
        let key = |index: &Index| {
            let keys: Vec<_> = files.keys().cloned().collect();
            (!keys.is_empty()).then(|| keys[index.index(keys.len())].clone())
        };
        match mutation {
            Mutation::Put(path, file) => {
                files.insert(path.to_vec(), file.clone());
            }
            Mutation::Remove(index) => {
                key(index).and_then(|path| files.remove(&path));
            }
            Mutation::Move(index, to) => {
                if let Some(file) = key(index).and_then(|path| files.remove(&path)) {
                    files.insert(to.to_vec(), file);
                }
            }
            Mutation::Edit(index, at, line) => {
                let path = key(index);
                if let Some((FileKind::Regular | FileKind::Executable, content)) =
                    path.and_then(|path| files.get_mut(&path))
                {
                    edit(content, *at, line);
                }
            }
            Mutation::Chmod(index) => {
                let path = key(index);
                match path.and_then(|path| files.get_mut(&path)) {
                    Some((kind @ FileKind::Regular, _)) => *kind = FileKind::Executable,
                    Some((kind @ FileKind::Executable, _)) => *kind = FileKind::Regular,
                    _ => {}
                }
            }
            Mutation::MoveDirectory(from, to) => {
                let moved = |path: Vec<u8>| match path.strip_prefix(from.as_bytes()) {
                    Some(below) => [to.as_bytes(), below].concat(),
                    None => path,
                };
                files = files.into_iter().map(|(path, file)| (moved(path), file)).collect();
            }
        }
    }
    files
}

fn edit(content: &mut Vec<u8>, at: Index, line: &str) {
    let mut lines: Vec<_> = content.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.is_empty() {
        lines.push(b"");
    }
    let at = at.index(lines.len());
    lines[at] = line.as_bytes();
    *content = lines.concat();
}

/// Writes the tree of `files`.
pub(crate) fn tree(repository: &Repository, files: &Files) -> TreeId {
    let mut sink = &repository.db;
    edit_tree(&repository.db, &mut sink, TreeId::EMPTY, &writes(files)).unwrap()
}

/// The edits that write `files`.
pub(crate) fn writes(files: &Files) -> Vec<Edit> {
    let below_a_file = |path: &[u8]| {
        let is_below = |file: &Vec<u8>| {
            path.strip_prefix(file.as_slice()).is_some_and(|rest| rest.starts_with(b"/"))
        };
        files.keys().any(is_below)
    };
    files
        .iter()
        .filter(|(path, _)| !below_a_file(path))
        .map(|(path, (kind, content))| Edit::Write {
            path: RepoPath::new(path.as_slice()).unwrap(),
            content: Bytes::copy_from_slice(content),
            kind: *kind,
        })
        .collect()
}
