//! File operations as data, and `std::fs` to carry them out. The guest runs
//! them in its sandbox, the test on the machine's own file system.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry, File, FileTimes, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// One operation. Paths are relative to the root, `file` names an open file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Operation {
    /// Opens `path` as `file`.
    Open { file: String, path: String, how: Vec<How> },
    /// Closes a file.
    Close { file: String },
    /// Reads up to `len` bytes where the file is.
    Read { file: String, len: usize },
    /// Writes where the file is.
    Write { file: String, text: String },
    /// Goes to a place in a file and tells where that is.
    Seek { file: String, from: From, offset: i64 },
    /// Cuts or extends a file.
    SetLen { file: String, len: u64 },
    /// Sets the time of modification.
    SetModified { file: String, seconds: u64 },
    /// Describes an open file.
    Describe { file: String },
    /// Describes what a path leads to.
    Metadata { path: String },
    /// Describes what a path names.
    LinkMetadata { path: String },
    /// Tells the time of modification in seconds.
    Modified { path: String },
    /// Tells a whole file.
    ReadFile { path: String },
    /// Writes a whole file.
    WriteFile { path: String, text: String },
    /// Copies a file.
    Copy { from: String, to: String },
    /// Makes a directory.
    CreateDir { path: String },
    /// Makes a directory and those above it.
    CreateDirAll { path: String },
    /// Lists a directory in the order the system gives.
    ReadDir { path: String },
    /// Removes an empty directory.
    RemoveDir { path: String },
    /// Removes a directory and all in it.
    RemoveDirAll { path: String },
    /// Removes a file or symlink.
    RemoveFile { path: String },
    /// Moves something.
    Rename { from: String, to: String },
    /// Makes a symlink.
    Symlink { target: String, path: String },
    /// Tells the target of a symlink.
    ReadLink { path: String },
}

/// How to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum How {
    /// For reading.
    Read,
    /// For writing.
    Write,
    /// For writing at the end.
    Append,
    /// Cut to nothing.
    Truncate,
    /// Made where it is missing.
    Create,
    /// Made; it must be missing.
    CreateNew,
}

/// What an offset counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum From {
    /// The first byte.
    Start,
    /// Where the file is.
    Here,
    /// Behind the last byte.
    End,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// With what it found; with nothing if it only changes something.
    Done(String),
    /// With an error, by the name errno.h gives it.
    Failed(String),
}

/// Carries out all operations in order, whether or not some fail.
pub(crate) fn run_all(root: &Path, operations: &[Operation]) -> Vec<Outcome> {
    let mut open = Files { root, held: BTreeMap::new() };
    let outcome = |operation| match open.run(operation) {
        Ok(found) => Outcome::Done(found),
        Err(err) => Outcome::Failed(error_name(&err)),
    };
    operations.iter().map(outcome).collect()
}

/// Open files by name, below a root.
struct Files<'a> {
    root: &'a Path,
    held: BTreeMap<&'a str, File>,
}

impl<'a> Files<'a> {
    fn run(&mut self, operation: &'a Operation) -> io::Result<String> {
        let done = |()| String::new();
        match operation {
            Operation::Open { file, path, how } => {
                let opened = options(how).open(self.root.join(path))?;
                self.held.insert(file, opened);
                Ok(String::new())
            }
            Operation::Close { file } => {
                self.held.remove(file.as_str());
                Ok(String::new())
            }
            Operation::Read { file, len } => read(self.file(file)?, *len),
            Operation::Write { file, text } => {
                self.file(file)?.write_all(text.as_bytes()).map(done)
            }
            Operation::Seek { file, from, offset } => seek(self.file(file)?, *from, *offset),
            Operation::SetLen { file, len } => self.file(file)?.set_len(*len).map(done),
            Operation::SetModified { file, seconds } => {
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(*seconds);
                self.file(file)?.set_times(FileTimes::new().set_modified(time)).map(done)
            }
            Operation::Describe { file } => Ok(describe(&self.file(file)?.metadata()?)),
            by_path => run_by_path(self.root, by_path),
        }
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        self.held.get_mut(name).ok_or_else(|| io::Error::other("not open"))
    }
}

fn run_by_path(root: &Path, operation: &Operation) -> io::Result<String> {
    let at = |path: &String| root.join(path);
    let done = |()| String::new();
    match operation {
        Operation::Metadata { path } => Ok(describe(&fs::metadata(at(path))?)),
        Operation::LinkMetadata { path } => Ok(describe(&fs::symlink_metadata(at(path))?)),
        Operation::Modified { path } => modified(&at(path)),
        Operation::ReadFile { path } => fs::read(at(path)).map(|bytes| text(&bytes)),
        Operation::WriteFile { path, text } => fs::write(at(path), text).map(done),
        Operation::Copy { from, to } => fs::copy(at(from), at(to)).map(|len| len.to_string()),
        Operation::CreateDir { path } => fs::create_dir(at(path)).map(done),
        Operation::CreateDirAll { path } => fs::create_dir_all(at(path)).map(done),
        Operation::ReadDir { path } => read_dir(&at(path)),
        Operation::RemoveDir { path } => fs::remove_dir(at(path)).map(done),
        Operation::RemoveDirAll { path } => fs::remove_dir_all(at(path)).map(done),
        Operation::RemoveFile { path } => fs::remove_file(at(path)).map(done),
        Operation::Rename { from, to } => fs::rename(at(from), at(to)).map(done),
        Operation::Symlink { target, path } => symlink(target, &at(path)).map(done),
        Operation::ReadLink { path } => {
            fs::read_link(at(path)).map(|target| target.to_string_lossy().into_owned())
        }
        _ => Err(io::Error::other("not an operation by path")),
    }
}

fn options(how: &[How]) -> OpenOptions {
    let mut options = OpenOptions::new();
    for how in how {
        match how {
            How::Read => options.read(true),
            How::Write => options.write(true),
            How::Append => options.append(true),
            How::Truncate => options.truncate(true),
            How::Create => options.create(true),
            How::CreateNew => options.create_new(true),
        };
    }
    options
}

fn read(file: &mut File, len: usize) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(len as u64).read_to_end(&mut bytes)?;
    Ok(text(&bytes))
}

fn seek(file: &mut File, from: From, offset: i64) -> io::Result<String> {
    let to = match from {
        From::Start => SeekFrom::Start(offset.unsigned_abs()),
        From::Here => SeekFrom::Current(offset),
        From::End => SeekFrom::End(offset),
    };
    file.seek(to).map(|place| place.to_string())
}

/// Kind and size. What a directory's size is, is each system's own matter.
fn describe(metadata: &Metadata) -> String {
    if metadata.is_dir() {
        "directory".to_owned()
    } else if metadata.is_symlink() {
        format!("symlink of {}", metadata.len())
    } else {
        format!("file of {}", metadata.len())
    }
}

fn modified(path: &Path) -> io::Result<String> {
    let modified = fs::metadata(path)?.modified()?;
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
    Ok(since.as_secs().to_string())
}

/// One line for each entry.
fn read_dir(path: &Path) -> io::Result<String> {
    let line = |entry: io::Result<DirEntry>| {
        let entry = entry?;
        let kind = entry.file_type()?;
        let mark = match (kind.is_dir(), kind.is_symlink()) {
            (true, _) => "/",
            (_, true) => "@",
            _ => "",
        };
        Ok(format!("{}{mark}\n", entry.file_name().to_string_lossy()))
    };
    fs::read_dir(path)?.map(line).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(unix)]
fn symlink(target: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

/// The standard library's own is not stable.
#[cfg(target_os = "wasi")]
fn symlink(target: &str, path: &Path) -> io::Result<()> {
    use std::ffi::{CString, c_char, c_int};

    unsafe extern "C" {
        fn symlink(target: *const c_char, path: *const c_char) -> c_int;
    }
    let target = CString::new(target)?;
    let path = CString::new(path.to_string_lossy().into_owned())?;
    // SAFETY: both are strings that end in a NUL and live until the call returns.
    match unsafe { symlink(target.as_ptr(), path.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn error_name(err: &io::Error) -> String {
    let Some(number) = err.raw_os_error() else { return format!("{:?}", err.kind()) };
    match ERROR_NAMES.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("error {number}"),
    }
}

#[cfg(target_os = "linux")]
const ERROR_NAMES: [(i32, &str); 19] = [
    (1, "EPERM"),
    (2, "ENOENT"),
    (5, "EIO"),
    (9, "EBADF"),
    (13, "EACCES"),
    (16, "EBUSY"),
    (17, "EEXIST"),
    (18, "EXDEV"),
    (20, "ENOTDIR"),
    (21, "EISDIR"),
    (22, "EINVAL"),
    (27, "EFBIG"),
    (28, "ENOSPC"),
    (30, "EROFS"),
    (36, "ENAMETOOLONG"),
    (39, "ENOTEMPTY"),
    (40, "ELOOP"),
    (95, "ENOTSUP"),
    (122, "EDQUOT"),
];

#[cfg(target_os = "wasi")]
const ERROR_NAMES: [(i32, &str); 20] = [
    (2, "EACCES"),
    (8, "EBADF"),
    (10, "EBUSY"),
    (19, "EDQUOT"),
    (20, "EEXIST"),
    (22, "EFBIG"),
    (28, "EINVAL"),
    (29, "EIO"),
    (31, "EISDIR"),
    (32, "ELOOP"),
    (37, "ENAMETOOLONG"),
    (44, "ENOENT"),
    (51, "ENOSPC"),
    (54, "ENOTDIR"),
    (55, "ENOTEMPTY"),
    (58, "ENOTSUP"),
    (63, "EPERM"),
    (69, "EROFS"),
    (75, "EXDEV"),
    (76, "ENOTCAPABLE"),
];
