//! What a worktree holds beyond its base, and the quota on it.

use super::error::FsError;
use crate::spill::Spill;

/// How much may be added over the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of files and symlinks that were written.
    pub bytes: u64,
    /// Files, directories and symlinks that were created.
    pub entries: u64,
}

impl Default for Quota {
    /// 1 GiB and 200,000 entries.
    fn default() -> Self {
        Self { bytes: 1 << 30, entries: 200_000 }
    }
}

/// What was added over the base. A written file counts with its whole size,
/// content and entries that came from a tree count nothing. What is unlinked
/// counts until it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorktreeUsage {
    /// Bytes held now.
    pub bytes: u64,
    /// Entries held now.
    pub entries: u64,
    /// The most bytes ever held.
    pub peak_bytes: u64,
    /// The most entries ever held.
    pub peak_entries: u64,
    /// Operations that the quota refused.
    pub refused_writes: u64,
    /// Changes that the policy refused.
    pub refused_changes: u64,
    /// Looks for what the policy hides, by its name.
    pub hidden_lookups: u64,
    /// Bytes in memory now, those that snapshots keep included, of all worktrees
    /// that share the budget.
    pub memory_bytes: u64,
    /// Bytes of the file on disk that they take now.
    pub spilled_bytes: u64,
    /// The most bytes ever in memory.
    pub peak_memory_bytes: u64,
    /// The most bytes ever on disk.
    pub peak_spilled_bytes: u64,
}

/// Usage under a quota.
#[derive(Debug)]
pub(super) struct Meter {
    quota: Quota,
    usage: WorktreeUsage,
}

impl Meter {
    pub(super) fn new(quota: Quota) -> Self {
        Self { quota, usage: WorktreeUsage::default() }
    }

    pub(super) fn quota(&self) -> Quota {
        self.quota
    }

    /// Goes on from what was counted before.
    pub(super) fn set(&mut self, usage: WorktreeUsage) {
        self.usage = usage;
    }

    pub(super) fn usage(&self, spill: &Spill) -> WorktreeUsage {
        let held = spill.usage();
        WorktreeUsage {
            memory_bytes: held.memory,
            spilled_bytes: held.spilled,
            peak_memory_bytes: held.peak_memory,
            peak_spilled_bytes: held.peak_spilled,
            ..self.usage
        }
    }

    /// Checks that `less` bytes can become `more` and that `entries` can be added.
    pub(super) fn check(&mut self, less: u64, more: u64, entries: u64) -> Result<(), FsError> {
        let bytes = self.usage.bytes.saturating_sub(less).saturating_add(more);
        let fits = (more <= less || bytes <= self.quota.bytes)
            && (entries == 0 || self.usage.entries.saturating_add(entries) <= self.quota.entries);
        if fits {
            return Ok(());
        }
        self.usage.refused_writes += 1;
        Err(FsError::Quota)
    }

    /// Counts a change that was checked before.
    pub(super) fn replace(&mut self, less: u64, more: u64) {
        let usage = &mut self.usage;
        usage.bytes = usage.bytes.saturating_sub(less).saturating_add(more);
        usage.peak_bytes = usage.peak_bytes.max(usage.bytes);
    }

    pub(super) fn add_entry(&mut self) {
        self.usage.entries += 1;
        self.usage.peak_entries = self.usage.peak_entries.max(self.usage.entries);
    }

    pub(super) fn remove_entry(&mut self) {
        self.usage.entries = self.usage.entries.saturating_sub(1);
    }
}
