//! The file in which an index lasts: changes, appended as they are made.
//!
//! Each frame stands whole or not at all: what was being written when the
//! process was killed is cut off at the next opening. When the changes take
//! more room than the index itself, the file is written anew beside itself and
//! renamed. A lock, on a file of its own, keeps a second process out.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use cap_std::fs::{Dir, File, OpenOptions};

use super::index::{Change, Index};
use crate::ids::TreeId;

const NAME: &str = "index";
const NEW_NAME: &str = "index.new";
const LOCK_NAME: &str = "lock";
const MAGIC: &[u8] = b"catena directory index 1\n";

/// Bytes of changes below which a file is not written anew.
const WORTH_COMPACTING: u64 = 1 << 20;

/// Why the index of a directory cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be read or written.
    #[error("the index of the directory cannot be read or written")]
    Io(#[from] io::Error),
    /// Another process works on the directory.
    #[error("another process is synchronising this directory")]
    Locked,
    /// The file is not an index.
    #[error("the index of the directory is damaged: {0}")]
    Damaged(String),
    /// Changes could not be encoded.
    #[error("the index of the directory cannot be encoded")]
    Encode(#[from] rmp_serde::encode::Error),
}

/// The open file.
pub(super) struct Log {
    state: Dir,
    file: std::fs::File,
    _lock: Lock,
    /// Bytes of the file, and those when it was last written anew.
    len: u64,
    compact_len: u64,
    /// The tree of a push that has not ended.
    begun: Option<TreeId>,
}

/// A locked file.
struct Lock(std::fs::File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that was forked just now has the file too.
        let _ = self.0.unlock();
    }
}

/// What a file held.
pub(super) struct Kept {
    pub(super) log: Log,
    pub(super) index: Index,
    /// The tree that the directory was being made equal to when its process ended.
    pub(super) begun: Option<TreeId>,
}

impl Log {
    /// Starts a file in `state`; fails if there is one.
    pub(super) fn create(state: Dir) -> Result<Self, LogError> {
        let lock = lock(&state)?;
        let mut file = open(&state, NAME, OpenOptions::new().create_new(true))?;
        file.write_all(MAGIC)?;
        let len = MAGIC.len() as u64;
        Ok(Self { state, file, _lock: lock, len, compact_len: len, begun: None })
    }

    /// Reads the file in `state`; none if there is none.
    pub(super) fn open(state: Dir) -> Result<Option<Kept>, LogError> {
        let lock = lock(&state)?;
        let mut file = match open(&state, NAME, &mut OpenOptions::new()) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        if content.len() < MAGIC.len() && MAGIC.starts_with(&content) {
            // Killed before the first line was written.
            file.rewind()?;
            file.write_all(MAGIC)?;
            content = MAGIC.to_vec();
        }
        let (index, begun, len) = replay(&content)?;
        let len = len as u64;
        file.set_len(len)?;
        file.seek(SeekFrom::Start(len))?;
        // A file that was written anew begins with one frame of everything.
        let compact_len = len.min((MAGIC.len() + first_frame_len(&content)) as u64);
        let log = Self { state, file, _lock: lock, len, compact_len, begun };
        Ok(Some(Kept { log, index, begun }))
    }

    /// Adds changes that `index` has taken.
    pub(super) fn append(&mut self, changes: &[Change], index: &Index) -> Result<(), LogError> {
        let added = self.len.saturating_sub(self.compact_len);
        let begun = begun_after(self.begun, changes);
        let ends = !matches!(changes, [Change::Begin(_)]);
        if ends && added > WORTH_COMPACTING && added > self.compact_len {
            self.write_anew(index, begun)?;
            self.begun = begun;
            return Ok(());
        }
        let frame = frame(changes)?;
        // The seek undoes an append that failed halfway, as on a full disk.
        self.file.seek(SeekFrom::Start(self.len))?;
        self.file.write_all(&frame)?;
        self.len += frame.len() as u64;
        self.begun = begun;
        Ok(())
    }

    fn write_anew(&mut self, index: &Index, begun: Option<TreeId>) -> Result<(), LogError> {
        let changes: Vec<_> = index.as_changes().chain(begun.map(Change::Begin)).collect();
        let mut file = open(&self.state, NEW_NAME, OpenOptions::new().create(true))?;
        file.set_len(0)?;
        let content = [MAGIC, &frame(&changes)?].concat();
        file.write_all(&content)?;
        self.state.rename(NEW_NAME, &self.state, NAME)?;
        self.file = file;
        self.len = content.len() as u64;
        self.compact_len = self.len;
        Ok(())
    }
}

/// The index that a file stands for, the tree begun last, and the bytes up to
/// the end of the last whole frame.
fn replay(content: &[u8]) -> Result<(Index, Option<TreeId>, usize), LogError> {
    let damaged = |reason: &dyn std::fmt::Display| LogError::Damaged(reason.to_string());
    let first = content.strip_prefix(MAGIC);
    let mut rest = first.ok_or_else(|| damaged(&"its first line is another"))?;
    let mut index = Index::new();
    let mut begun = None;
    while let Some((frame, after)) = next_frame(rest) {
        let changes: Vec<Change> = rmp_serde::from_slice(frame).map_err(|err| damaged(&err))?;
        begun = begun_after(begun, &changes);
        for change in &changes {
            index.apply(change);
        }
        rest = after;
    }
    Ok((index, begun, content.len() - rest.len()))
}

/// The tree of the push that has not ended after some changes.
fn begun_after(before: Option<TreeId>, changes: &[Change]) -> Option<TreeId> {
    let last = changes.iter().rev().find_map(|change| match change {
        Change::Begin(tree) => Some(Some(*tree)),
        Change::End => Some(None),
        _ => None,
    });
    last.unwrap_or(before)
}

/// Bytes of the first frame after the first line.
fn first_frame_len(content: &[u8]) -> usize {
    let frames = content.strip_prefix(MAGIC).unwrap_or_default();
    next_frame(frames).map_or(0, |(_, rest)| frames.len() - rest.len())
}

fn open(state: &Dir, name: &str, options: &mut OpenOptions) -> io::Result<std::fs::File> {
    state.open_with(name, options.read(true).write(true)).map(File::into_std)
}

fn lock(state: &Dir) -> Result<Lock, LogError> {
    let file = open(state, LOCK_NAME, OpenOptions::new().create(true))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(LogError::Locked),
        Err(std::fs::TryLockError::Error(err)) => Err(err.into()),
    }
}

/// Length, checksum, content.
fn frame(changes: &[Change]) -> Result<Vec<u8>, LogError> {
    let content = rmp_serde::to_vec(changes)?;
    let len = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let checksum = crc32fast::hash(&content);
    Ok([&len.to_le_bytes()[..], &checksum.to_le_bytes(), &content].concat())
}

/// The first frame and what follows it; none at the end or where one is cut off.
fn next_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<8>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
    // Nobody writes an empty frame; zeros after a power loss look like one.
    let (frame, rest) = rest.split_at_checked(len).filter(|_| len > 0)?;
    (crc32fast::hash(frame) == u32::from_le_bytes(*checksum)).then_some((frame, rest))
}
