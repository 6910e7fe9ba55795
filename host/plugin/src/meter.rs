//! What a call uses of its limits while it runs: counted, and refused where it is too much.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::ResourceLimiter;

use crate::limits::{Limits, Used};

/// A call has used up one of its limits, which ends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reached its limit of {0}")]
pub(crate) struct LimitReached(pub(crate) String);

/// What one call has used of its limits, beside fuel and time, which the store knows.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) limits: Limits,
    pub(crate) limiter: Limiter,
    transferred: u64,
    processes: u64,
    peak_handles: u64,
    /// An address at the begin of the guest's stack.
    stack_begin: usize,
    peak_stack: u64,
    peak_host_call: u64,
}

impl Meter {
    pub(crate) fn new(limits: &Limits, shared: Arc<SharedMemory>) -> Self {
        let limiter = Limiter::new(limits, shared);
        Self {
            limits: limits.clone(),
            limiter,
            transferred: 0,
            processes: 0,
            peak_handles: 0,
            stack_begin: stack_address(),
            peak_stack: 0,
            peak_host_call: 0,
        }
    }

    /// Notes how deep the stack of a guest is that calls the host.
    pub(crate) fn look_at_stack(&mut self) {
        let deep = self.stack_begin.saturating_sub(stack_address()) as u64;
        self.peak_stack = self.peak_stack.max(deep.min(self.limits.stack.bytes()));
    }

    /// Notes that there was no more stack.
    pub(crate) fn note_full_stack(&mut self) {
        self.peak_stack = self.limits.stack.bytes();
    }

    /// Counts bytes that go between guest and host.
    pub(crate) fn transfer(&mut self, bytes: u64) -> Result<(), LimitReached> {
        if bytes > self.transfer_left() {
            return Err(LimitReached(format!("{} between guest and host", self.limits.transfer)));
        }
        self.transferred += bytes;
        self.peak_host_call = self.peak_host_call.max(bytes);
        Ok(())
    }

    /// Bytes that may still go between guest and host.
    pub(crate) fn transfer_left(&self) -> u64 {
        self.limits.transfer.0.saturating_sub(self.transferred)
    }

    /// Counts programs that were started.
    pub(crate) fn count_processes(&mut self, started: u64) {
        self.processes += started;
    }

    /// Programs that may still be started.
    pub(crate) fn processes_left(&self) -> u32 {
        let left = u64::from(self.limits.processes).saturating_sub(self.processes);
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// Counts handles by the number of the newest, as numbers that are free are given
    /// again.
    pub(crate) fn count_handle(&mut self, number: u32) {
        self.peak_handles = self.peak_handles.max(u64::from(number) + 1);
    }

    /// What was used of what it counts, of one call.
    pub(crate) fn used(&self) -> Used {
        Used {
            calls: 1,
            peak_memory: self.limiter.peak_memory as u64,
            peak_tables: self.limiter.peak_tables as u64,
            peak_handles: self.peak_handles,
            transferred: self.transferred,
            processes: self.processes,
            peak_stack: self.peak_stack,
            peak_host_call: self.peak_host_call,
            ..Used::default()
        }
    }
}

/// Where the stack of this thread is at the moment, about.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

/// Linear memory of all guests of a rollout that live at one time.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    limit: u64,
    live: AtomicU64,
    peak: AtomicU64,
}

impl SharedMemory {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, live: AtomicU64::new(0), peak: AtomicU64::new(0) }
    }

    /// Most that there was at one time.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Takes so much, if there is as much left. One thread runs all guests of a session.
    fn take(&self, bytes: u64) -> bool {
        let sum = self.live.load(Ordering::Relaxed).saturating_add(bytes);
        if sum > self.limit {
            return false;
        }
        self.live.store(sum, Ordering::Relaxed);
        self.peak.fetch_max(sum, Ordering::Relaxed);
        true
    }

    fn give_back(&self, bytes: u64) {
        self.live.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The bound that memory was refused by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryBound {
    /// The limit of the instance.
    Own,
    /// That of all guests of the rollout, in bytes.
    Rollout(u64),
}

/// Sums the memory and the tables of one store and refuses what goes over.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_limit: usize,
    memory: usize,
    shared: Arc<SharedMemory>,
    table_limit: usize,
    table_elements: usize,
    pending_elements: usize,
    pub(crate) peak_memory: usize,
    pub(crate) peak_tables: usize,
    pub(crate) refused_memory: Option<MemoryBound>,
    pub(crate) tables_refused: bool,
    /// What the last accepted growth added, to be taken back if it fails.
    pending: usize,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits, shared: Arc<SharedMemory>) -> Self {
        Self {
            memory_limit: usize::try_from(limits.memory.0).unwrap_or(usize::MAX),
            memory: 0,
            shared,
            table_limit: limits.tables as usize,
            table_elements: 0,
            pending_elements: 0,
            peak_memory: 0,
            peak_tables: 0,
            refused_memory: None,
            tables_refused: false,
            pending: 0,
        }
    }

    /// Bytes that may still be taken.
    pub(crate) fn memory_left(&self) -> u64 {
        self.memory_limit.saturating_sub(self.memory) as u64
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.shared.give_back(self.memory as u64);
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let added = desired.saturating_sub(current);
        let sum = self.memory.saturating_add(added);
        if sum > self.memory_limit {
            self.refused_memory = Some(MemoryBound::Own);
            return Ok(false);
        }
        if !self.shared.take(added as u64) {
            self.refused_memory = Some(MemoryBound::Rollout(self.shared.limit));
            return Ok(false);
        }
        self.memory = sum;
        self.pending = added;
        self.peak_memory = self.peak_memory.max(sum);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        let failed = std::mem::take(&mut self.pending).min(self.memory);
        self.memory -= failed;
        self.shared.give_back(failed as u64);
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let sum = self.table_elements.saturating_add(desired.saturating_sub(current));
        if sum > self.table_limit {
            self.tables_refused = true;
            return Ok(false);
        }
        self.pending_elements = sum - self.table_elements;
        self.table_elements = sum;
        self.peak_tables = self.peak_tables.max(sum);
        Ok(true)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        let failed = std::mem::take(&mut self.pending_elements);
        self.table_elements = self.table_elements.saturating_sub(failed);
        Ok(())
    }
}
