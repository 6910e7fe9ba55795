//! Content beyond what memory is to hold, in one file that nobody else sees.
//!
//! A [`Spill`] has a budget of memory and, where it was given one, a file. Who
//! holds content counts it here, and past the budget puts it into the file as
//! [`Spilled`] instead: blocks of equal size, taken from a free list, that copies
//! of the content share until one of them is written. The file has no name and is
//! handed over open, so that a process without a file system can use it.
//!
//! It leaves to its users when to spill. Its invariant: a block that is handed
//! out reads as zeros, and is given back when the last content with it goes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, fallocate};

mod spilled;

pub use spilled::Spilled;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64 << 10;

/// Why content can't be put into the file or be read from it.
#[derive(Debug, thiserror::Error)]
pub enum SpillError {
    /// The disk or the share of it that may be used is full.
    #[error("no space is left for content on disk")]
    Full,
    /// The file fails.
    #[error("content on disk: {0}")]
    Io(#[from] io::Error),
}

impl SpillError {
    fn of_write(err: io::Error) -> Self {
        match err.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full,
            _ => Self::Io(err),
        }
    }
}

/// How much may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpillLimits {
    /// Bytes of content in memory from which on content goes to the file.
    pub memory: u64,
    /// Most bytes of the file.
    pub disk: u64,
    /// Content up to this size stays in memory all the same.
    pub small: u64,
}

impl Default for SpillLimits {
    /// 64 MiB in memory, 1 GiB on disk, and 4 KiB are small.
    fn default() -> Self {
        Self { memory: 64 << 20, disk: 1 << 30, small: 4 << 10 }
    }
}

/// How much is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpillUsage {
    /// Bytes of content in memory.
    pub memory: u64,
    /// Bytes of the file that hold content.
    pub spilled: u64,
    /// The most bytes ever in memory.
    pub peak_memory: u64,
    /// The most bytes of the file that ever held content.
    pub peak_spilled: u64,
}

/// A budget of memory, and the file for what is beyond it.
pub struct Spill {
    file: Option<File>,
    limits: SpillLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    usage: SpillUsage,
    /// Blocks that were used before.
    free: BTreeSet<u32>,
    /// The first block that was never used.
    end: u32,
    /// Whether the file system can't punch holes, so that free blocks have content.
    keeps_old_bytes: bool,
}

impl Spill {
    /// Memory alone, without bound: only the figures are kept.
    pub fn unlimited() -> Arc<Self> {
        let limits = SpillLimits { memory: u64::MAX, disk: 0, small: u64::MAX };
        Arc::new(Self { file: None, limits, state: Mutex::default() })
    }

    /// A budget with a file, which must be empty and no one else's.
    pub fn to_file(file: File, limits: SpillLimits) -> Arc<Self> {
        Arc::new(Self { file: Some(file), limits, state: Mutex::default() })
    }

    /// How much is held.
    pub fn usage(&self) -> SpillUsage {
        self.state().usage
    }

    /// Whether `more` bytes, now part of content of `len` bytes, belong in the file.
    pub(crate) fn wants(&self, len: u64, more: u64) -> bool {
        self.file.is_some()
            && len > self.limits.small
            && self.state().usage.memory.saturating_add(more) > self.limits.memory
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_memory(&self, less: u64, more: u64) {
        let usage = &mut self.state().usage;
        usage.memory = usage.memory.saturating_sub(less).saturating_add(more);
        usage.peak_memory = usage.peak_memory.max(usage.memory);
    }

    /// Takes a block that reads as zeros.
    fn take(&self) -> Result<u32, SpillError> {
        let mut state = self.state();
        let spilled = state.usage.spilled.saturating_add(BLOCK as u64);
        if spilled > self.limits.disk {
            return Err(SpillError::Full);
        }
        let used = state.free.pop_first();
        let number = used.unwrap_or(state.end);
        if used.is_none() {
            state.end = number.checked_add(1).ok_or(SpillError::Full)?;
        }
        if used.is_some()
            && state.keeps_old_bytes
            && let Err(err) = self.write_at(number, 0, &vec![0; BLOCK])
        {
            state.free.insert(number);
            return Err(err);
        }
        state.usage.spilled = spilled;
        state.usage.peak_spilled = state.usage.peak_spilled.max(spilled);
        Ok(number)
    }

    /// Takes a block back, and gives its place on the disk back with it.
    fn give_back(&self, number: u32) {
        let hole = self.file.as_ref().map(|file| {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(file, flags, position(number, 0), BLOCK as u64)
        });
        let mut state = self.state();
        state.keeps_old_bytes |= !matches!(hole, Some(Ok(())));
        state.usage.spilled = state.usage.spilled.saturating_sub(BLOCK as u64);
        state.free.insert(number);
    }

    /// Writes at a place of a block, which may go on into those behind it.
    fn write_at(&self, number: u32, within: usize, bytes: &[u8]) -> Result<(), SpillError> {
        let file = self.file.as_ref().ok_or(SpillError::Full)?;
        file.write_all_at(bytes, position(number, within)).map_err(SpillError::of_write)
    }

    /// Reads from a place of a block on. What is behind the end of the file is zeros.
    fn read_at(&self, number: u32, within: usize, target: &mut [u8]) -> Result<(), SpillError> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut at = position(number, within);
        let mut rest = target;
        while !rest.is_empty() {
            match file.read_at(rest, at) {
                Ok(0) => {
                    rest.fill(0);
                    return Ok(());
                }
                Ok(count) => {
                    at += count as u64;
                    rest = rest.get_mut(count..).unwrap_or_default();
                }
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err.into()),
            }
        }
        Ok(())
    }
}

fn position(number: u32, within: usize) -> u64 {
    u64::from(number) * BLOCK as u64 + within as u64
}

/// Bytes in memory that count against a budget while this lives.
pub(crate) struct Charge {
    spill: Arc<Spill>,
    bytes: u64,
}

impl Charge {
    pub(crate) fn new(spill: Arc<Spill>, bytes: u64) -> Self {
        spill.count_memory(0, bytes);
        Self { spill, bytes }
    }

    pub(crate) fn set(&mut self, bytes: u64) {
        self.spill.count_memory(self.bytes, bytes);
        self.bytes = bytes;
    }

    pub(crate) fn spill(&self) -> &Arc<Spill> {
        &self.spill
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.spill.count_memory(self.bytes, 0);
    }
}

#[cfg(test)]
mod tests;
