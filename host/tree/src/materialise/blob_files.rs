//! Contents as files, one per blob, from which new files take their blocks.
//!
//! Worth it only where the file system can share blocks (`FICLONE`); elsewhere
//! nothing is ever stored. A file here is complete or absent, and may be
//! removed at any time. Never hard links: those would carry a program's writes
//! back into this directory.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::Path;

use bstr::ByteSlice as _;
use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, OpenOptions};
use rustix::fs::{Mode, OFlags};

use super::{MaterialiseError, open_dir};
use crate::ids::BlobId;

/// Contents below this size are copied: the call costs more than the copy.
const WORTH_SHARING: usize = 16 << 10;

/// A directory of contents, for one object database.
pub struct BlobFiles {
    dir: Dir,
    shares_blocks: bool,
}

impl BlobFiles {
    /// Uses a directory, which nobody else may write to. Fails where it cannot be
    /// opened; a file system that shares no blocks is no failure.
    pub fn open(path: &Path) -> Result<Self, MaterialiseError> {
        let dir = open_dir(path)?;
        let shares_blocks = probe(&dir, &dir).unwrap_or(false);
        Ok(Self { dir, shares_blocks })
    }

    /// Whether its file system shares blocks.
    pub fn shares_blocks(&self) -> bool {
        self.shares_blocks
    }

    /// Whether new files in a directory, maybe of another file system, can have
    /// blocks of these.
    pub(super) fn shares_blocks_with(&self, dir: &Dir) -> bool {
        self.shares_blocks && probe(&self.dir, dir).unwrap_or(false)
    }

    /// The file with a content; none where sharing is not worth it or fails.
    pub(super) fn file(&self, id: BlobId, content: &[u8]) -> Option<std::fs::File> {
        if !self.shares_blocks || content.len() < WORTH_SHARING {
            return None;
        }
        self.find(id, content).or_else(|_| self.add(id, content)).ok()
    }

    fn find(&self, id: BlobId, content: &[u8]) -> io::Result<std::fs::File> {
        let (above, name) = place_of(id);
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        let file = self.dir.open_dir_nofollow(above)?.open_with(name, &options)?.into_std();
        if file.metadata()?.len() == content.len() as u64 {
            Ok(file)
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    fn add(&self, id: BlobId, content: &[u8]) -> io::Result<std::fs::File> {
        let (above, name) = place_of(id);
        match self.dir.create_dir(&above) {
            Err(err) if err.kind() != io::ErrorKind::AlreadyExists => return Err(err),
            _ => {}
        }
        let dir = self.dir.open_dir_nofollow(above)?;
        // A random name, so that what a killed process left is in nobody's way.
        let unfinished = format!("{name}.{:016x}", RandomState::new().hash_one(id));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).follow(FollowSymlinks::No);
        let mut file = dir.open_with(&unfinished, &options)?;
        let stored = file.write_all(content).and_then(|()| dir.rename(&unfinished, &dir, &name));
        if let Err(err) = stored {
            dir.remove_file(&unfinished)?;
            return Err(err);
        }
        Ok(file.into_std())
    }
}

/// Directory and name of a blob's file.
fn place_of(id: BlobId) -> (String, String) {
    let hex = id.to_string();
    let (above, name) = hex.as_bytes().split_at(2);
    (above.to_str_lossy().into_owned(), name.to_str_lossy().into_owned())
}

/// Whether new files in `to` can share blocks with files in `from`. The files it
/// takes to know that have no names; where there are no such files, blocks are
/// not shared either.
fn probe(from: &Dir, to: &Dir) -> io::Result<bool> {
    let unnamed = |dir: &Dir| {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        rustix::fs::openat(dir, ".", flags, Mode::RUSR | Mode::WUSR).map(std::fs::File::from)
    };
    let (mut from, to) = (unnamed(from)?, unnamed(to)?);
    from.write_all(b"probe")?;
    Ok(rustix::fs::ioctl_ficlone(&to, &from).is_ok())
}
