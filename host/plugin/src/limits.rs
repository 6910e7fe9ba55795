//! Limits on one plugin's calls, and what was used of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

use crate::manifest::PluginKind;
use crate::refusals::Refusals;
use crate::units::{ByteSize, Span};

/// What a manifest or a run file says about limits. What it leaves out is the
/// default of the plugin's kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsRequest {
    /// Linear memory, summed over all memories of an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Fuel, wasmtime's deterministic measure of CPU: about one unit per
    /// instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Wall-clock time of one call, host calls and instantiation included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall: Option<Span>,
    /// Bytes written to stdout, stderr and the log together; more is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<ByteSize>,
    /// Open handles and other resources at one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handles: Option<u32>,
    /// Bytes that one host call may take in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_call: Option<ByteSize>,
    /// Bytes that streams, files and programs may move between guest and host in all
    /// host calls together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<ByteSize>,
    /// Elements of tables, summed over all tables of an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<u32>,
    /// Programs and commands that may be started, by the plugin and by those that it
    /// starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
}

/// Limits on each call of a plugin, all of them enforced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory, summed over all memories of an instance.
    pub memory: ByteSize,
    /// Fuel per call.
    pub fuel: u64,
    /// Wall-clock time per call.
    pub wall: Span,
    /// Bytes of output kept per call.
    pub output: ByteSize,
    /// Open handles at one time.
    pub handles: u32,
    /// Bytes that one host call may take in.
    pub host_call: ByteSize,
    /// Bytes that streams, files and programs may move per call.
    #[serde(default = "Limits::default_transfer")]
    pub transfer: ByteSize,
    /// Elements of tables, summed over all tables of an instance.
    #[serde(default = "Limits::default_tables")]
    pub tables: u32,
    /// Programs and commands that may be started per call.
    #[serde(default = "Limits::default_processes")]
    pub processes: u32,
}

impl Limits {
    /// The limits of a kind of plugin when nobody says otherwise.
    pub fn defaults(kind: PluginKind) -> Self {
        let (fuel, wall) = match kind {
            PluginKind::Scaffold => (500_000_000_000, Duration::from_hours(1)),
            PluginKind::Tool => (100_000_000_000, Duration::from_mins(2)),
            PluginKind::Judge | PluginKind::Writer => (200_000_000_000, Duration::from_mins(10)),
            // What bounds a program is its caller.
            PluginKind::Program => (u64::MAX, Duration::from_hours(1)),
        };
        // A program's output is its caller's input, in a pipeline for example.
        let output = if kind == PluginKind::Program { 16 << 20 } else { 1 << 20 };
        Self {
            memory: ByteSize(512 << 20),
            fuel,
            wall: Span(wall),
            output: ByteSize(output),
            handles: 1024,
            host_call: ByteSize(64 << 20),
            transfer: Self::default_transfer(),
            tables: Self::default_tables(),
            processes: Self::default_processes(),
        }
    }

    fn default_transfer() -> ByteSize {
        ByteSize(64 << 30)
    }

    fn default_tables() -> u32 {
        200_000
    }

    fn default_processes() -> u32 {
        10_000
    }

    /// What `request` asks for within `self` as the ceiling.
    #[must_use]
    pub fn lowered_to(&self, request: &LimitsRequest) -> Self {
        fn least<T: Ord + Copy>(ceiling: T, asked: Option<T>) -> T {
            asked.map_or(ceiling, |asked| asked.min(ceiling))
        }
        Self {
            memory: least(self.memory, request.memory),
            fuel: least(self.fuel, request.fuel),
            wall: least(self.wall, request.wall),
            output: least(self.output, request.output),
            handles: least(self.handles, request.handles),
            host_call: least(self.host_call, request.host_call),
            transfer: least(self.transfer, request.transfer),
            tables: least(self.tables, request.tables),
            processes: least(self.processes, request.processes),
        }
    }

    /// These limits with the operator's values in place of the defaults.
    #[must_use]
    pub fn replaced_by(&self, operator: &LimitsRequest) -> Self {
        Self {
            memory: operator.memory.unwrap_or(self.memory),
            fuel: operator.fuel.unwrap_or(self.fuel),
            wall: operator.wall.unwrap_or(self.wall),
            output: operator.output.unwrap_or(self.output),
            handles: operator.handles.unwrap_or(self.handles),
            host_call: operator.host_call.unwrap_or(self.host_call),
            transfer: operator.transfer.unwrap_or(self.transfer),
            tables: operator.tables.unwrap_or(self.tables),
            processes: operator.processes.unwrap_or(self.processes),
        }
    }
}

impl From<&Limits> for LimitsRequest {
    /// What asks for just these. Fuel without a bound, as of a program, is left out.
    fn from(limits: &Limits) -> Self {
        Self {
            memory: Some(limits.memory),
            fuel: Some(limits.fuel).filter(|fuel| *fuel < u64::MAX),
            wall: Some(limits.wall),
            output: Some(limits.output),
            handles: Some(limits.handles),
            host_call: Some(limits.host_call),
            transfer: Some(limits.transfer),
            tables: Some(limits.tables),
            processes: Some(limits.processes),
        }
    }
}

/// What the calls of one plugin used. Sums, but for the peaks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Used {
    /// Calls into the plugin.
    pub calls: u64,
    /// Largest sum of linear memory in bytes at any time.
    pub peak_memory: u64,
    /// Fuel.
    pub fuel: u64,
    /// Most fuel of one call, which is what the limit is on.
    pub peak_fuel: u64,
    /// Wall-clock time in microseconds. Not the same in every replay.
    pub wall_us: u64,
    /// Bytes written to stdout, stderr and the log, before any cut.
    pub output: u64,
    /// Largest sum of table elements at any time.
    #[serde(default)]
    pub peak_tables: u64,
    /// Most handles that were open at one time, as far as files and streams tell.
    #[serde(default)]
    pub peak_handles: u64,
    /// Bytes that streams, files and programs moved.
    #[serde(default)]
    pub transferred: u64,
    /// Programs and commands that were started, by those that were started too.
    #[serde(default)]
    pub processes: u64,
    /// What was refused, by kind.
    pub refused: Refusals,
}

impl Used {
    /// Adds the use of further calls.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.peak_memory = self.peak_memory.max(other.peak_memory);
        self.fuel += other.fuel;
        self.peak_fuel = self.peak_fuel.max(other.peak_fuel);
        self.wall_us += other.wall_us;
        self.output += other.output;
        self.peak_tables = self.peak_tables.max(other.peak_tables);
        self.peak_handles = self.peak_handles.max(other.peak_handles);
        self.transferred = self.transferred.saturating_add(other.transferred);
        self.processes = self.processes.saturating_add(other.processes);
        self.refused.add(&other.refused);
    }
}

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
}

impl Meter {
    pub(crate) fn new(limits: &Limits, shared: Arc<SharedMemory>) -> Self {
        let limiter = Limiter::new(limits, shared);
        Self { limits: limits.clone(), limiter, transferred: 0, processes: 0, peak_handles: 0 }
    }

    /// Counts bytes that go between guest and host.
    pub(crate) fn transfer(&mut self, bytes: u64) -> Result<(), LimitReached> {
        if bytes > self.transfer_left() {
            return Err(LimitReached(format!("{} between guest and host", self.limits.transfer)));
        }
        self.transferred += bytes;
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
            ..Used::default()
        }
    }
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
