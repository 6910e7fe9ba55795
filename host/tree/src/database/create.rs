//! Creation of a bare repository that borrows objects from others.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bstr::ByteSlice;

use super::DatabaseError;
use super::store::open_repository;

const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";
const HEAD: &str = "ref: refs/heads/main\n";

/// Creates what is missing of a bare repository at `path`.
pub(super) fn bare_repository(path: &Path, borrow_from: &[PathBuf]) -> Result<(), DatabaseError> {
    for dir in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
        let dir = path.join(dir);
        fs::create_dir_all(&dir).map_err(|err| cannot_write(&dir, &err))?;
    }
    write_once(&path.join("config"), CONFIG.as_bytes())?;
    borrow_objects(&path.join("objects/info/alternates"), borrow_from)?;
    // HEAD comes last: a directory without it is not a repository yet.
    write_once(&path.join("HEAD"), HEAD.as_bytes())
}

fn borrow_objects(alternates: &Path, borrow_from: &[PathBuf]) -> Result<(), DatabaseError> {
    let mut listed = match fs::read(alternates) {
        Ok(content) => content,
        Err(err) if err.kind() == ErrorKind::NotFound => Vec::new(),
        Err(err) => return Err(cannot_write(alternates, &err)),
    };
    let known: BTreeSet<Vec<u8>> = listed.lines().map(<[u8]>::to_vec).collect();
    let mut added = false;
    for repository in borrow_from {
        let line = alternates_line(&objects_dir(repository)?);
        if !known.contains(&line) {
            if !listed.is_empty() && !listed.ends_with(b"\n") {
                listed.push(b'\n');
            }
            listed.extend_from_slice(&line);
            listed.push(b'\n');
            added = true;
        }
    }
    if added { replace(alternates, &listed) } else { Ok(()) }
}

fn objects_dir(repository: &Path) -> Result<PathBuf, DatabaseError> {
    let opened = open_repository(repository)?;
    fs::canonicalize(opened.objects_dir()).map_err(|err| DatabaseError::Open {
        path: repository.to_owned(),
        reason: format!("its object directory cannot be followed: {err}"),
    })
}

/// A line of `objects/info/alternates`; git unquotes lines that start with `"`.
fn alternates_line(dir: &Path) -> Vec<u8> {
    let bytes = dir.as_os_str().as_bytes();
    if !bytes.iter().any(|byte| byte.is_ascii_control() || matches!(byte, b'"' | b'\\')) {
        return bytes.to_vec();
    }
    let mut line = vec![b'"'];
    for byte in bytes {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', *byte]),
            byte if byte.is_ascii_control() => {
                line.extend_from_slice(format!("\\{byte:03o}").as_bytes());
            }
            byte => line.push(*byte),
        }
    }
    line.push(b'"');
    line
}

fn write_once(path: &Path, content: &[u8]) -> Result<(), DatabaseError> {
    if path.exists() { Ok(()) } else { replace(path, content) }
}

/// Writes a file by a rename, so that no reader sees half of it.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), DatabaseError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    fs::File::create(&unfinished)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(|err| cannot_write(path, &err))
}

fn cannot_write(path: &Path, err: &std::io::Error) -> DatabaseError {
    DatabaseError::Write { path: path.to_owned(), reason: err.to_string() }
}
