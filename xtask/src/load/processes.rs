//! What a process and those that it started take of the memory.

use std::collections::HashMap;
use std::fs;

/// Processes and their memory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    /// Processes but the first.
    pub(super) workers: u64,
    /// Kibibytes of the first process, shared pages divided among those who share.
    pub(super) host: u64,
    /// The same of all others together.
    pub(super) of_workers: u64,
}

/// Measures a process and its children.
pub(super) fn measure(host: u32) -> Memory {
    let mut memory = Memory { host: proportional(host), ..Memory::default() };
    for (process, parent) in parents() {
        if parent == host {
            memory.workers += 1;
            memory.of_workers += proportional(process);
        }
    }
    memory
}

fn proportional(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn parents() -> HashMap<u32, u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id: u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(") ")?;
        Some((id, rest.split_whitespace().nth(1)?.parse().ok()?))
    })
    .collect()
}
