//! Sequences of operations on a worktree, at any paths.
//!
//! After every few operations and at the end: what the worktree lists can be
//! found again, its snapshot is a valid tree and does not change by being taken
//! twice, a worktree on the snapshot holds the same files, the patch to the
//! snapshot makes it, and the quota holds. Files written and removed by path are
//! compared with a plain map where no other operation has come between.

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use bstr::{BStr, BString, ByteSlice};
use catena_tree::diff::DiffOptions;
use catena_tree::worktree::{
    Create, Executable, FsError, Links, NodeId, NodeKind, OnOpen, OpenOptions, Openable, Quota,
    WorktreeOptions, WriteKind,
};
use catena_tree::{Objects, RepoPath, TreeId, Worktree};

use crate::fixture::{self, Layer};
use crate::patch::round_trip;

/// Names that mean something, or lie on a border.
const NAMES: [&[u8]; 20] = [
    b"a.txt", b"dir", b"b.rs", b"deep", b"deeper", b"c", b"link", b"sub", b"empty", b"new", b".",
    b"..", b"", b".git", b".GIT", b"\xff", b"n\0l", b"run.sh", b"link2", b"up",
];

/// Targets of symlinks.
const TARGETS: [&[u8]; 10] = [
    b"a.txt",
    b"dir",
    b"..",
    b"../..",
    b"/etc/passwd",
    b"link",
    b"link2",
    b"dir/deep/",
    b".",
    b"nowhere",
];

const QUOTA: Quota = Quota { bytes: 64 << 10, entries: 60 };

#[derive(Debug)]
struct Path(BString);

impl Arbitrary<'_> for Path {
    fn arbitrary(input: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        let mut path = BString::default();
        match input.int_in_range(0..=20)? {
            0 => return Ok(Self(Vec::<u8>::arbitrary(input)?.into())),
            1 => path.push(b'/'),
            2 => path.extend_from_slice(&b"x".repeat(input.int_in_range(250..=260)?)),
            3 => path.extend_from_slice(&b"dir/../".repeat(input.int_in_range(580..=590)?)),
            _ => {}
        }
        for index in 0..input.int_in_range(1..=4)? {
            if index > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(input.choose(&NAMES)?);
        }
        if input.ratio(1, 8)? {
            path.push(b'/');
        }
        Ok(Self(path))
    }
}

#[derive(Debug, Arbitrary)]
enum Operation {
    Open { path: Path, create: u8, directory: bool, truncate: bool, follow: bool },
    Close(u8),
    Read { handle: u8, offset: u64, len: u16 },
    Write { handle: u8, offset: u16, far: bool, len: u16 },
    Append { handle: u8, len: u8 },
    Truncate { handle: u8, len: u32 },
    SetExecutable { handle: u8, wanted: bool },
    CreateDir { below: u8, path: Path },
    Symlink { path: Path, target: u8, other: Option<Path> },
    RemoveFile { below: u8, path: Path },
    RemoveDir { below: u8, path: Path },
    Rename { from: Path, to: Path, below: u8 },
    Resolve { below: u8, path: Path },
    ReadDir(u8),
    WriteFile { path: Path, kind: u8, len: u8 },
    Remove(Path),
    CreateDirs(Path),
    Checkout { base: bool, path: Option<Path> },
    Snapshot,
}

struct Run {
    objects: Layer,
    base: TreeId,
    worktree: Worktree,
    handles: Vec<NodeId>,
    /// Files written by path since anything else has changed the worktree.
    known: BTreeMap<RepoPath, Vec<u8>>,
}

/// Runs the target.
pub fn check(data: &[u8]) {
    let (objects, base) = fixture::tree();
    let shared: Arc<dyn Objects> = objects.clone();
    let options = WorktreeOptions { quota: QUOTA, ..WorktreeOptions::default() };
    let worktree = Worktree::new(shared, base, options);
    let mut run = Run { objects, base, worktree, handles: Vec::new(), known: BTreeMap::new() };
    let mut input = Unstructured::new(data);
    for _ in 0..200 {
        if input.is_empty() {
            break;
        }
        let Ok(operation) = Operation::arbitrary(&mut input) else { break };
        let changes = run.change(&operation);
        if !matches!(operation, Operation::WriteFile { .. } | Operation::Remove(_)) {
            run.known.clear();
        }
        // An operation that fails changes nothing that a snapshot would show.
        drop(changes);
        run.compare_known();
        let usage = run.worktree.usage();
        assert!(usage.bytes <= QUOTA.bytes && usage.entries <= QUOTA.entries, "{usage:?}");
    }
    run.examine();
    for handle in std::mem::take(&mut run.handles) {
        run.worktree.close(handle).expect("an open node can be closed");
    }
    run.examine();
}

impl Run {
    fn handle(&self, number: u8) -> NodeId {
        let index = usize::from(number) % (self.handles.len() + 1);
        self.handles.get(index).copied().unwrap_or(self.worktree.root())
    }

    fn change(&mut self, operation: &Operation) -> Result<(), FsError> {
        let root = self.worktree.root();
        let content = |len: u64| b"0123456\n".repeat(usize::try_from(len).unwrap_or(0) / 8 + 1);
        match operation {
            Operation::Open { path, create, directory, truncate, follow } => {
                let options = OpenOptions {
                    links: if *follow { Links::Follow } else { Links::NoFollow },
                    create: match create % 3 {
                        0 => Create::Never,
                        1 => Create::IfMissing,
                        _ => Create::Exclusive,
                    },
                    openable: if *directory { Openable::Directory } else { Openable::Any },
                    on_open: if *truncate { OnOpen::Truncate } else { OnOpen::Keep },
                };
                let node = self.worktree.open_at(root, path.0.as_bstr(), options)?;
                self.handles.push(node);
                Ok(())
            }
            Operation::Close(number) => {
                if !self.handles.is_empty() {
                    let index = usize::from(*number) % self.handles.len();
                    let node = self.handles.swap_remove(index);
                    self.worktree.close(node).expect("an open node can be closed");
                }
                Ok(())
            }
            Operation::Read { handle, offset, len } => {
                let node = self.handle(*handle);
                let read = self.worktree.read(node, *offset, u64::from(*len))?;
                assert!(read.len() <= usize::from(*len));
                Ok(())
            }
            Operation::Write { handle, offset, far, len } => {
                let node = self.handle(*handle);
                let offset = if *far { u64::MAX - u64::from(*offset) } else { (*offset).into() };
                self.worktree.write(node, offset, &content((*len).into()))
            }
            Operation::Append { handle, len } => {
                let node = self.handle(*handle);
                self.worktree.append(node, &content((*len).into()))
            }
            Operation::Truncate { handle, len } => {
                let node = self.handle(*handle);
                self.worktree.truncate(node, (*len).into())
            }
            Operation::SetExecutable { handle, wanted } => {
                let node = self.handle(*handle);
                let wanted = if *wanted { Executable::Yes } else { Executable::No };
                self.worktree.set_executable(node, wanted)
            }
            Operation::ReadDir(handle) => {
                let node = self.handle(*handle);
                for entry in self.worktree.read_dir(node)? {
                    self.worktree.metadata(entry.node).expect("what is listed can be described");
                }
                Ok(())
            }
            _ => self.change_by_path(operation),
        }
    }

    fn change_by_path(&mut self, operation: &Operation) -> Result<(), FsError> {
        let root = self.worktree.root();
        match operation {
            Operation::CreateDir { below, path } => {
                let dir = self.handle(*below);
                self.worktree.create_dir_at(dir, path.0.as_bstr()).map(drop)
            }
            Operation::Symlink { path, target, other } => {
                let known = TARGETS[usize::from(*target) % TARGETS.len()].as_bstr();
                let target: &BStr = other.as_ref().map_or(known, |path| path.0.as_bstr());
                self.worktree.symlink_at(root, path.0.as_bstr(), target)
            }
            Operation::RemoveFile { below, path } => {
                let dir = self.handle(*below);
                self.worktree.remove_file_at(dir, path.0.as_bstr())
            }
            Operation::RemoveDir { below, path } => {
                let dir = self.handle(*below);
                self.worktree.remove_dir_at(dir, path.0.as_bstr())
            }
            Operation::Rename { from, to, below } => {
                let dir = self.handle(*below);
                self.worktree.rename_at(root, from.0.as_bstr(), dir, to.0.as_bstr())
            }
            Operation::Resolve { below, path } => {
                let dir = self.handle(*below);
                self.worktree.resolve(dir, path.0.as_bstr(), Links::Follow).map(drop)
            }
            Operation::WriteFile { path, kind, len } => {
                let Ok(path) = RepoPath::new(path.0.clone()) else { return Ok(()) };
                let kind = [WriteKind::KeepMode, WriteKind::Regular, WriteKind::Executable]
                    [usize::from(kind % 3)];
                let content = vec![b'w'; usize::from(*len)];
                self.worktree.write_file(&path, &content, kind)?;
                self.known.retain(|other, _| !other.is_at_or_below(&path) || *other == path);
                self.known.insert(path, content);
                Ok(())
            }
            Operation::Remove(path) => {
                let Ok(path) = RepoPath::new(path.0.clone()) else { return Ok(()) };
                self.worktree.remove(&path)?;
                self.known.retain(|other, _| !other.is_at_or_below(&path));
                let gone = self.worktree.entry(&path).expect("a path can be looked up");
                assert!(gone.is_none() || path.is_root(), "{path} is removed and there");
                Ok(())
            }
            Operation::CreateDirs(path) => {
                let Ok(path) = RepoPath::new(path.0.clone()) else { return Ok(()) };
                self.worktree.create_dirs(&path).map(drop)
            }
            Operation::Checkout { base, path } => {
                let tree = if *base { self.base } else { TreeId::EMPTY };
                let path = path.as_ref().and_then(|path| RepoPath::new(path.0.clone()).ok());
                let paths: Vec<_> = path.into_iter().collect();
                self.worktree.checkout(tree, &paths)
            }
            _ => {
                self.examine();
                Ok(())
            }
        }
    }

    fn compare_known(&mut self) {
        for (path, content) in &self.known {
            // A path may lead through a symlink, which these operations follow.
            if let Ok(read) = self.worktree.read_file(path) {
                assert_eq!(read.as_ref(), content.as_slice(), "{path}");
            }
        }
    }

    /// Checks all that must be true at any time.
    fn examine(&mut self) {
        let tree = self.worktree.snapshot(&mut &*self.objects).expect("everything is held");
        fixture::assert_valid(&self.objects, tree);
        let again = self.worktree.snapshot(&mut &*self.objects).expect("everything is held");
        assert_eq!(tree, again);
        let shared: Arc<dyn Objects> = self.objects.clone();
        let mut reopened = Worktree::new(shared, tree, WorktreeOptions::default());
        assert_eq!(files(&mut self.worktree), files(&mut reopened));
        round_trip(&self.objects, self.base, tree, &DiffOptions::default());
    }
}

/// Path, kind, executable bit and size of everything but directories.
fn files(worktree: &mut Worktree) -> Vec<(RepoPath, NodeKind, bool, u64)> {
    let walked = worktree.walk(&RepoPath::root()).expect("every directory can be listed");
    let mut files = Vec::new();
    for (path, kind) in walked {
        let entry = worktree.entry(&path).expect("a path can be looked up");
        let metadata = entry.expect("what is listed is there").metadata;
        assert_eq!(metadata.kind, kind);
        if kind != NodeKind::Directory {
            files.push((path, kind, metadata.executable, metadata.size));
        }
    }
    files
}
