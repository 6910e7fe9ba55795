//! Generated sequences of operations, on a worktree and on a real directory:
//! same results, same kinds of error, same tree as git makes of it.
//!
//! One difference is deliberate: a path that leaves the worktree is refused,
//! where the real directory has a parent.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bstr::{BStr, ByteSlice};
use proptest::prelude::*;

use super::super::{
    Create, Executable, FsError, Links, NodeId, NodeKind, OnOpen, OpenOptions, Openable, Worktree,
};
use super::commands::Git;
use super::{Store, snapshot, store};
use crate::ids::TreeId;
use crate::spill::Spill;

#[derive(Debug, Clone)]
enum Op {
    Open {
        path: String,
        how: How,
        handle: usize,
    },
    Handle {
        handle: usize,
        call: Call,
    },
    Close {
        handle: usize,
    },
    Stat {
        path: String,
        follow: bool,
    },
    List {
        path: String,
    },
    CreateDir {
        path: String,
    },
    RemoveFile {
        path: String,
    },
    RemoveDir {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Symlink {
        path: String,
        target: String,
    },
    ReadLink {
        path: String,
    },
    SetMode {
        path: String,
        executable: bool,
    },
    /// Continue on a new worktree over the tree of the old one.
    Reopen,
}

/// What is done with an open file.
#[derive(Debug, Clone)]
enum Call {
    Read { offset: u64, len: usize },
    Write { offset: u64, data: Vec<u8> },
    Append { data: Vec<u8> },
    Truncate { len: u64 },
}

#[derive(Debug, Clone, Copy)]
struct How {
    create: Create,
    truncate: bool,
    follow: bool,
}

struct World {
    store: Store,
    worktree: Worktree,
    root: PathBuf,
    handles: BTreeMap<usize, (NodeId, File)>,
    spill: Arc<Spill>,
}

impl World {
    fn new(root: PathBuf, spill: Arc<Spill>) -> Self {
        fs::create_dir_all(&root).unwrap();
        let store = store();
        let worktree = Worktree::new(store.clone(), TreeId::EMPTY, super::options());
        let worktree = worktree.spilling_to(spill.clone());
        Self { store, worktree, root, handles: BTreeMap::new(), spill }
    }

    fn real(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Runs an operation on both sides and compares.
    fn step(&mut self, op: &Op) {
        if let Op::Reopen = op {
            return self.reopen();
        }
        if let Op::Open { path, how, handle } = op {
            return self.open(path, *how, *handle);
        }
        if let Op::Close { handle } = op {
            if let Some((node, _)) = self.handles.remove(handle) {
                self.worktree.close(node).unwrap();
            }
            return;
        }
        if let Op::Handle { handle, call } = op {
            return self.call(*handle, call);
        }
        let ours = self.try_ours(op).map_err(|err| errno(&err));
        if ours == Err(errno(&FsError::NotPermitted)) {
            return;
        }
        assert_eq!(ours, self.theirs(op).map_err(|err| number(&err)), "{op:?}");
    }

    fn open(&mut self, path: &str, how: How, handle: usize) {
        let root = self.worktree.root();
        let options = OpenOptions {
            links: if how.follow { Links::Follow } else { Links::NoFollow },
            create: how.create,
            openable: Openable::Any,
            on_open: if how.truncate { OnOpen::Truncate } else { OnOpen::Keep },
        };
        let ours = self.worktree.open_at(root, BStr::new(path), options);
        // The real file is opened for writing, which a directory refuses.
        let ours = ours.and_then(|node| {
            if self.worktree.kind(node)? == NodeKind::File {
                return Ok(node);
            }
            self.worktree.close(node)?;
            Err(FsError::IsDirectory)
        });
        if ours == Err(FsError::NotPermitted) {
            return;
        }
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).truncate(how.truncate);
        options.create(how.create == Create::IfMissing);
        options.create_new(how.create == Create::Exclusive);
        options.custom_flags(if how.follow { 0 } else { NO_FOLLOW });
        let theirs = options.open(self.real(path));
        match (ours, theirs) {
            (Ok(node), Ok(file)) => {
                if let Some((old, _)) = self.handles.insert(handle, (node, file)) {
                    self.worktree.close(old).unwrap();
                }
            }
            (ours, theirs) => {
                let ours = ours.map(|_| ()).map_err(|err| errno(&err));
                assert_eq!(
                    ours,
                    theirs.map(|_| ()).map_err(|err| number(&err)),
                    "open {path:?} {how:?}"
                );
            }
        }
    }

    fn call(&mut self, handle: usize, call: &Call) {
        let Some((node, file)) = self.handles.get(&handle) else { return };
        let (worktree, node) = (&mut self.worktree, *node);
        match call {
            Call::Read { offset, len } => {
                let ours = worktree.read(node, *offset, *len as u64).unwrap();
                let mut theirs = vec![0; *len];
                let count = file.read_at(&mut theirs, *offset).unwrap();
                assert_eq!(ours.as_bstr(), theirs[..count].as_bstr());
            }
            Call::Write { offset, data } => {
                worktree.write(node, *offset, data).unwrap();
                file.write_all_at(data, *offset).unwrap();
            }
            Call::Append { data } => {
                worktree.append(node, data).unwrap();
                file.write_all_at(data, file.metadata().unwrap().len()).unwrap();
            }
            Call::Truncate { len } => {
                worktree.truncate(node, *len).unwrap();
                file.set_len(*len).unwrap();
            }
        }
        assert_eq!(worktree.metadata(node).unwrap().size, file.metadata().unwrap().len());
    }

    fn try_ours(&mut self, op: &Op) -> Result<String, FsError> {
        let worktree = &mut self.worktree;
        let root = worktree.root();
        match op {
            Op::Stat { path, follow } => {
                let links = if *follow { Links::Follow } else { Links::NoFollow };
                let node = worktree.resolve(root, BStr::new(path), links)?.node()?;
                let found = worktree.metadata(node)?;
                let executable = found.kind == NodeKind::File && found.executable;
                Ok(format!("{:?} {} {executable}", found.kind, found.size))
            }
            Op::List { path } => {
                let node = worktree.resolve(root, BStr::new(path), Links::Follow)?.node()?;
                let entries = worktree.read_dir(node)?;
                let shown = entries.iter().map(|entry| format!("{} {:?}", entry.name, entry.kind));
                Ok(shown.collect::<Vec<_>>().join(", "))
            }
            Op::CreateDir { path } => done(worktree.create_dir_at(root, BStr::new(path))),
            Op::RemoveFile { path } => done(worktree.remove_file_at(root, BStr::new(path))),
            Op::RemoveDir { path } => done(worktree.remove_dir_at(root, BStr::new(path))),
            Op::Rename { from, to } => {
                done(worktree.rename_at(root, BStr::new(from), root, BStr::new(to)))
            }
            Op::Symlink { path, target } => {
                done(worktree.symlink_at(root, BStr::new(path), BStr::new(target)))
            }
            Op::ReadLink { path } => {
                let node = worktree.resolve(root, BStr::new(path), Links::NoFollow)?.node()?;
                Ok(worktree.read_link(node)?.to_string())
            }
            Op::SetMode { path, executable } => {
                let node = worktree.resolve(root, BStr::new(path), Links::Follow)?.node()?;
                let wanted = if *executable { Executable::Yes } else { Executable::No };
                match worktree.set_executable(node, wanted) {
                    Err(FsError::IsDirectory) => Ok(String::new()),
                    other => done(other),
                }
            }
            Op::Open { .. } | Op::Handle { .. } | Op::Close { .. } | Op::Reopen => {
                Ok(String::new())
            }
        }
    }

    fn theirs(&self, op: &Op) -> io::Result<String> {
        match op {
            Op::Stat { path, follow } => {
                let path = self.real(path);
                let found = if *follow { fs::metadata(path)? } else { fs::symlink_metadata(path)? };
                let kind = kind_of(found.file_type());
                let size = if kind == NodeKind::Directory { 0 } else { found.len() };
                let executable = kind == NodeKind::File && found.mode() & 0o100 != 0;
                Ok(format!("{kind:?} {size} {executable}"))
            }
            Op::List { path } => {
                let mut entries = fs::read_dir(self.real(path))?.collect::<io::Result<Vec<_>>>()?;
                entries.sort_by_key(fs::DirEntry::file_name);
                let shown = entries.iter().map(|entry| {
                    let kind = kind_of(entry.file_type().unwrap());
                    format!("{} {kind:?}", entry.file_name().to_str().unwrap())
                });
                Ok(shown.collect::<Vec<_>>().join(", "))
            }
            Op::CreateDir { path } => fs::create_dir(self.real(path)).map(|()| String::new()),
            Op::RemoveFile { path } => fs::remove_file(self.real(path)).map(|()| String::new()),
            Op::RemoveDir { path } => fs::remove_dir(self.real(path)).map(|()| String::new()),
            Op::Rename { from, to } => {
                fs::rename(self.real(from), self.real(to)).map(|()| String::new())
            }
            Op::Symlink { path, target } => {
                std::os::unix::fs::symlink(target, self.real(path)).map(|()| String::new())
            }
            Op::ReadLink { path } => {
                Ok(fs::read_link(self.real(path))?.to_str().unwrap().to_owned())
            }
            Op::SetMode { path, executable } => {
                let path = self.real(path);
                if fs::metadata(&path)?.is_file() {
                    let mode = if *executable { 0o755 } else { 0o644 };
                    fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
                }
                Ok(String::new())
            }
            Op::Open { .. } | Op::Handle { .. } | Op::Close { .. } | Op::Reopen => {
                Ok(String::new())
            }
        }
    }

    fn reopen(&mut self) {
        for (_, (node, _)) in std::mem::take(&mut self.handles) {
            self.worktree.close(node).unwrap();
        }
        let tree = snapshot(&self.store, &mut self.worktree);
        assert_eq!(tree, snapshot(&self.store, &mut self.worktree));
        self.worktree = Worktree::new(self.store.clone(), tree, super::options())
            .spilling_to(self.spill.clone());
        prune(&self.root);
    }
}

const NO_FOLLOW: i32 = 0o400_000;

fn done<T>(result: Result<T, FsError>) -> Result<String, FsError> {
    result.map(|_| String::new())
}

pub(super) fn number(err: &io::Error) -> i32 {
    err.raw_os_error().unwrap_or_else(|| panic!("not an error of the system: {err}"))
}

pub(super) fn errno(err: &FsError) -> i32 {
    match err {
        FsError::NotPermitted => 1,
        FsError::NoEntry => 2,
        FsError::BadDescriptor => 9,
        FsError::Busy => 16,
        FsError::Exists => 17,
        FsError::NotDirectory => 20,
        FsError::IsDirectory => 21,
        FsError::Invalid => 22,
        FsError::NameTooLong => 36,
        FsError::NotEmpty => 39,
        FsError::TooManyLinks => 40,
        other => panic!("unexpected: {other}"),
    }
}

fn kind_of(found: fs::FileType) -> NodeKind {
    if found.is_dir() {
        NodeKind::Directory
    } else if found.is_symlink() {
        NodeKind::Symlink
    } else {
        NodeKind::File
    }
}

/// Removes directories without files, which a snapshot does not keep.
fn prune(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            prune(&entry.path());
            // Fails where something is left in it.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn paths() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        4 => Just("a"), 4 => Just("b"), 3 => Just("c"), 2 => Just("d.e"),
        1 => Just("."), 1 => Just(".."),
    ];
    let first = prop_oneof![Just("a"), Just("b"), Just("c"), Just("d.e")];
    let slash = prop_oneof![8 => Just(""), 1 => Just("/")];
    let rest = proptest::collection::vec((name, slash.clone()), 0..3);
    (first, rest, slash).prop_map(|(first, rest, slash)| {
        let rest: Vec<_> = rest.iter().map(|(name, more)| format!("{more}/{name}")).collect();
        format!("{first}{}{slash}", rest.concat())
    })
}

fn targets() -> impl Strategy<Value = String> {
    prop_oneof![
        paths(),
        Just("../a".to_owned()),
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just("a/".to_owned()),
    ]
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(b'x'), Just(b'\n'), any::<u8>()], 0..24)
}

fn opens() -> impl Strategy<Value = How> {
    let create = prop_oneof![
        2 => Just(Create::Never), 6 => Just(Create::IfMissing), 1 => Just(Create::Exclusive),
    ];
    (create, any::<bool>(), prop::bool::weighted(0.8)).prop_map(|(create, truncate, follow)| How {
        create,
        truncate,
        follow,
    })
}

fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => (0..40_u64, 0..40_usize).prop_map(|(offset, len)| Call::Read { offset, len }),
        3 => (0..40_u64, data()).prop_map(|(offset, data)| Call::Write { offset, data }),
        2 => data().prop_map(|data| Call::Append { data }),
        2 => (0..40_u64).prop_map(|len| Call::Truncate { len }),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    let handle = 0..3_usize;
    prop_oneof![
        6 => (paths(), opens(), handle.clone())
            .prop_map(|(path, how, handle)| Op::Open { path, how, handle }),
        10 => (handle.clone(), calls()).prop_map(|(handle, call)| Op::Handle { handle, call }),
        1 => handle.prop_map(|handle| Op::Close { handle }),
        3 => (paths(), any::<bool>()).prop_map(|(path, follow)| Op::Stat { path, follow }),
        2 => paths().prop_map(|path| Op::List { path }),
        6 => paths().prop_map(|path| Op::CreateDir { path }),
        3 => paths().prop_map(|path| Op::RemoveFile { path }),
        3 => paths().prop_map(|path| Op::RemoveDir { path }),
        5 => (paths(), paths()).prop_map(|(from, to)| Op::Rename { from, to }),
        4 => (paths(), targets()).prop_map(|(path, target)| Op::Symlink { path, target }),
        1 => paths().prop_map(|path| Op::ReadLink { path }),
        2 => (paths(), any::<bool>())
            .prop_map(|(path, executable)| Op::SetMode { path, executable }),
        1 => Just(Op::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn worktree_behaves_as_a_real_directory(
        ops in proptest::collection::vec(ops(), 1..60),
        spills in any::<bool>(),
    ) {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("above/root");
        let spill = if spills { super::spill(0) } else { Spill::unlimited() };
        let mut world = World::new(root.clone(), spill);
        for op in &ops {
            world.step(op);
        }
        let tree = snapshot(&world.store, &mut world.worktree);
        let git_dir = temp.path().join("git");
        let git = Git { git_dir: &git_dir, files: &root };
        git.init();
        prop_assert_eq!(tree, git.write_tree());
        let mut fresh = Worktree::new(world.store.clone(), tree, super::options());
        let kept = fresh.walk(&crate::path::RepoPath::root()).unwrap();
        let all = world.worktree.walk(&crate::path::RepoPath::root()).unwrap();
        prop_assert!(kept.iter().all(|entry| all.contains(entry)));
        for (_, (node, _)) in std::mem::take(&mut world.handles) {
            world.worktree.close(node).unwrap();
        }
    }
}
