//! Strange paths, beside a real directory: the same errno from every operation.
//!
//! A NUL byte, which no system call can be given, is an invalid argument.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use bstr::{BStr, BString, ByteSlice as _};
use rustix::fs::{AtFlags, Mode, OFlags};

use super::super::{Create, FsError, Links, OpenOptions, Worktree};
use super::operations::{errno, number};
use super::{empty, name};

const CALLS: [&str; 8] =
    ["stat", "open", "create", "mkdir", "unlink", "rmdir", "rename from", "rename to"];

fn strange_paths() -> Vec<BString> {
    let mut paths: Vec<BString> = [
        "",
        ".",
        "./",
        "./.",
        "dir/.",
        "dir/./",
        "dir/..",
        "dir/../dir",
        "file/",
        "file/.",
        "file/..",
        "file/x",
        "dir//file",
        "dir///",
        "new/",
        "new/.",
        "new/x",
        "link",
        "link/",
        "link/new",
        "dangling",
        "dangling/",
        "loop",
        "loop/x",
        "to-file/",
        "dir/file/../file",
    ]
    .map(BString::from)
    .to_vec();
    paths.extend([BString::from("\u{fffd}"), b"\xff".into(), b"dir/\xc3\x28/x".into()]);
    for len in [255, 256] {
        paths.push("x".repeat(len).into());
        paths.push(format!("dir/{}", "x".repeat(len)).into());
        paths.push(format!("{}/x", "x".repeat(len)).into());
    }
    for len in [4095, 4096] {
        paths.push(format!("{}{}", "./".repeat(len / 2 - 4), &"dir/file/"[..len % 2 + 8]).into());
        paths.push("dir/../".repeat(600)[..len].into());
    }
    paths
}

fn real(dir: &Path) {
    fs::create_dir(dir.join("dir")).unwrap();
    fs::write(dir.join("file"), "").unwrap();
    fs::write(dir.join("dir/file"), "").unwrap();
    fs::write(dir.join("other"), "").unwrap();
    for (link, target) in LINKS {
        std::os::unix::fs::symlink(target, dir.join(link)).unwrap();
    }
}

const LINKS: [(&str, &str); 4] =
    [("link", "dir"), ("to-file", "file"), ("dangling", "nothing"), ("loop", "loop")];

fn ours() -> Worktree {
    let (_, mut worktree) = empty();
    let root = worktree.root();
    worktree.create_dir_at(root, name("dir")).unwrap();
    for file in ["file", "dir/file", "other"] {
        create(&mut worktree, BStr::new(file)).unwrap();
    }
    for (link, target) in LINKS {
        worktree.symlink_at(root, name(link), name(target)).unwrap();
    }
    worktree
}

fn create(worktree: &mut Worktree, path: &BStr) -> Result<(), FsError> {
    let options = OpenOptions { create: Create::IfMissing, ..OpenOptions::default() };
    let node = worktree.open_at(worktree.root(), path, options)?;
    worktree.close(node)
}

fn in_worktree(worktree: &mut Worktree, call: &str, path: &BStr) -> Result<(), FsError> {
    let root = worktree.root();
    match call {
        "stat" => worktree.resolve(root, path, Links::Follow)?.node().map(drop),
        "open" => {
            let node = worktree.open_at(root, path, OpenOptions::default())?;
            worktree.close(node)
        }
        "create" => create(worktree, path),
        "mkdir" => worktree.create_dir_at(root, path).map(drop),
        "unlink" => worktree.remove_file_at(root, path),
        "rmdir" => worktree.remove_dir_at(root, path),
        "rename from" => worktree.rename_at(root, path, root, name("moved")),
        _ => worktree.rename_at(root, name("other"), root, path),
    }
}

fn in_directory(dir: &Path, call: &str, path: &BStr) -> io::Result<()> {
    // Relative to the directory, as the worktree's root is.
    let path = Path::new(OsStr::from_bytes(path));
    let at = rustix::fs::open(dir, OFlags::PATH, Mode::empty())?;
    let modes = Mode::from_raw_mode(0o755);
    let remove = |flags| rustix::fs::unlinkat(&at, path, flags);
    let done = match call {
        "stat" => rustix::fs::statat(&at, path, AtFlags::empty()).map(drop),
        "open" => rustix::fs::openat(&at, path, OFlags::RDONLY, modes).map(drop),
        "create" => rustix::fs::openat(&at, path, OFlags::RDWR | OFlags::CREATE, modes).map(drop),
        "mkdir" => rustix::fs::mkdirat(&at, path, modes),
        "unlink" => remove(AtFlags::empty()),
        "rmdir" => remove(AtFlags::REMOVEDIR),
        "rename from" => rustix::fs::renameat(&at, path, &at, "moved"),
        _ => rustix::fs::renameat(&at, "other", &at, path),
    };
    Ok(done?)
}

#[test]
fn strange_paths_get_the_errno_of_linux_from_every_call() {
    let mut differences = Vec::new();
    for path in strange_paths() {
        for call in CALLS {
            let temp = tempfile::tempdir().unwrap();
            let dir: PathBuf = temp.path().join("above/root");
            fs::create_dir_all(&dir).unwrap();
            real(&dir);
            let mine = in_worktree(&mut ours(), call, path.as_bstr()).map_err(|err| errno(&err));
            let theirs = in_directory(&dir, call, path.as_bstr()).map_err(|err| number(&err));
            if mine != theirs {
                differences.push(format!("{call} {path:?}: {mine:?}, Linux {theirs:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn nul_byte_is_an_invalid_argument_for_every_call() {
    for call in CALLS {
        assert_eq!(in_worktree(&mut ours(), call, BStr::new("a\0b")), Err(FsError::Invalid));
    }
}
