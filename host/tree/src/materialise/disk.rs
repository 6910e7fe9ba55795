//! One entry of a directory on disk: looking at it, reading and making it.
//!
//! Every function takes a single name below an open directory and follows no
//! symlink, so that nothing beyond that directory is reached, whatever others
//! do to it meanwhile. Opening never waits, not even for a named pipe.

use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use bstr::{BStr, BString};
use bytes::Bytes;
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, File, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use serde::{Deserialize, Serialize};

/// How often an entry that changes while it is read is read again.
const ATTEMPTS: usize = 3;

/// A moment as file systems keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Moment {
    pub(super) seconds: i64,
    pub(super) nanoseconds: i64,
}

/// What tells that a file changed without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stat {
    pub(super) size: u64,
    pub(super) modified: Moment,
    pub(super) changed: Moment,
    pub(super) inode: u64,
    pub(super) mode: u32,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    File(Stat),
    Symlink(Stat),
    Directory,
    /// A named pipe, a socket or a device.
    Special(&'static str),
}

/// What came of reading an entry.
pub(super) enum Read {
    /// The content of a file or the target of a symlink.
    Content(Bytes, Stat),
    /// Not there any more, or another kind of thing than before.
    Replaced,
    /// A file of more bytes than were to be read.
    TooLarge,
    /// It changed each time it was read.
    Unsteady,
}

/// What a new file is filled with.
pub(super) enum Source<'a> {
    Bytes(&'a [u8]),
    /// A file that shares its blocks with the new one, and its content should
    /// the file system not do that.
    Shared(&'a std::fs::File, &'a [u8]),
}

impl Stat {
    fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            modified: Moment { seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() },
            changed: Moment { seconds: metadata.ctime(), nanoseconds: metadata.ctime_nsec() },
            inode: metadata.ino(),
            mode: metadata.mode(),
        }
    }

    /// As git sees it: whether the owner may execute it.
    pub(super) fn is_executable(&self) -> bool {
        self.mode & 0o100 != 0
    }
}

impl Found {
    pub(super) fn of(metadata: &Metadata) -> Self {
        const KIND: u32 = 0o170_000;
        match metadata.mode() & KIND {
            0o100_000 => Self::File(Stat::of(metadata)),
            0o120_000 => Self::Symlink(Stat::of(metadata)),
            0o040_000 => Self::Directory,
            0o010_000 => Self::Special("named pipe"),
            0o140_000 => Self::Special("socket"),
            _ => Self::Special("device"),
        }
    }
}

/// The clock by which file systems stamp what changes.
pub(super) fn now() -> Moment {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    Moment { seconds: now.tv_sec, nanoseconds: now.tv_nsec }
}

/// A name as the path it is below its directory.
pub(super) fn as_path(name: &BStr) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(name))
}

/// What `name` is, if anything.
pub(super) fn look(dir: &Dir, name: &BStr) -> io::Result<Option<Found>> {
    match dir.symlink_metadata(as_path(name)) {
        Ok(metadata) => Ok(Some(Found::of(&metadata))),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err),
    }
}

/// All entries of a directory, in no useful order, none if there are more than
/// `most`. What vanishes meanwhile is left out.
pub(super) fn list(dir: &Dir, most: u64) -> io::Result<Option<Vec<(BString, Found)>>> {
    let mut found = Vec::new();
    for entry in dir.entries()? {
        if found.len() as u64 >= most {
            return Ok(None);
        }
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) => {
                let name = BString::from(entry.file_name().into_vec());
                found.push((name, Found::of(&metadata)));
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => return Err(err),
        }
    }
    Ok(Some(found))
}

/// Reads a regular file of up to `limit` bytes.
pub(super) fn read_file(dir: &Dir, name: &BStr, limit: u64) -> io::Result<Read> {
    for _ in 0..ATTEMPTS {
        let file = match dir.open_with(as_path(name), &reading()) {
            Ok(file) => file,
            Err(err) if is_replaced(&err) => return Ok(Read::Replaced),
            Err(err) => return Err(err),
        };
        let Found::File(before) = Found::of(&file.metadata()?) else { return Ok(Read::Replaced) };
        if before.size > limit {
            return Ok(Read::TooLarge);
        }
        let mut content = Vec::with_capacity(usize::try_from(before.size).unwrap_or(0));
        // One byte more shows a file that grows.
        (&file).take(before.size.saturating_add(1)).read_to_end(&mut content)?;
        let is_whole = content.len() as u64 == before.size;
        if is_whole && Found::of(&file.metadata()?) == Found::File(before) {
            return Ok(Read::Content(content.into(), before));
        }
    }
    Ok(Read::Unsteady)
}

/// Reads the target of a symlink.
pub(super) fn read_link(dir: &Dir, name: &BStr) -> io::Result<Read> {
    for _ in 0..ATTEMPTS {
        let Some(Found::Symlink(before)) = look(dir, name)? else { return Ok(Read::Replaced) };
        let target = match dir.read_link_contents(as_path(name)) {
            Ok(target) => target.into_os_string().into_vec(),
            Err(err) if is_replaced(&err) => return Ok(Read::Replaced),
            Err(err) => return Err(err),
        };
        if look(dir, name)? == Some(Found::Symlink(before)) {
            return Ok(Read::Content(target.into(), before));
        }
    }
    Ok(Read::Unsteady)
}

/// Makes a file where there is nothing; fails where there is something. One
/// that could not be filled is removed.
pub(super) fn create_file(
    dir: &Dir,
    name: &BStr,
    source: &Source<'_>,
    mode: u32,
) -> io::Result<Stat> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode).follow(FollowSymlinks::No);
    let mut file = dir.open_with(as_path(name), &options)?;
    fill(&mut file, source).inspect_err(|_| remove_own(dir, name, &file))
}

fn fill(file: &mut File, source: &Source<'_>) -> io::Result<Stat> {
    match source {
        Source::Bytes(bytes) => file.write_all(bytes)?,
        Source::Shared(shared, bytes) => {
            if rustix::fs::ioctl_ficlone(&*file, shared).is_err() {
                file.write_all(bytes)?;
            }
        }
    }
    Ok(Stat::of(&file.metadata()?))
}

/// Removes a name if it still stands for this file. The error that led here is
/// the one to report.
fn remove_own(dir: &Dir, name: &BStr, file: &File) {
    let Ok(metadata) = file.metadata() else { return };
    if let Ok(Some(Found::File(stat))) = look(dir, name)
        && stat.inode == metadata.ino()
    {
        let _ = dir.remove_file(as_path(name));
    }
}

/// Makes a symlink where there is nothing; fails where there is something.
pub(super) fn create_symlink(dir: &Dir, name: &BStr, target: &BStr) -> io::Result<Option<Stat>> {
    dir.symlink_contents(as_path(target), as_path(name))?;
    Ok(match look(dir, name)? {
        Some(Found::Symlink(stat)) => Some(stat),
        _ => None,
    })
}

fn reading() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    options.custom_flags(rustix::fs::OFlags::NOCTTY.bits().cast_signed());
    options
}

/// Whether an entry that was there is gone, or no longer what it was.
pub(super) fn is_replaced(err: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(err);
    // A symlink that was not followed, a socket, a missing device.
    matches!(errno, Some(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO | Errno::INVAL))
}
