//! Limits on one plugin's calls, and what was used of them.

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
        }
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
        self.refused.add(&other.refused);
    }
}

/// Largest sum of table elements of an instance.
const MAX_TABLE_ELEMENTS: usize = 200_000;

/// Sums the memory and the tables of one store and refuses what goes over.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_limit: usize,
    memory: usize,
    table_elements: usize,
    pub(crate) peak_memory: usize,
    pub(crate) memory_refused: bool,
    /// What the last accepted growth added, to be taken back if it fails.
    pending: usize,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_limit: usize::try_from(limits.memory.0).unwrap_or(usize::MAX),
            memory: 0,
            table_elements: 0,
            peak_memory: 0,
            memory_refused: false,
            pending: 0,
        }
    }

    /// Bytes that may still be taken.
    pub(crate) fn memory_left(&self) -> u64 {
        self.memory_limit.saturating_sub(self.memory) as u64
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
            self.memory_refused = true;
            return Ok(false);
        }
        self.memory = sum;
        self.pending = added;
        self.peak_memory = self.peak_memory.max(sum);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory = self.memory.saturating_sub(self.pending);
        self.pending = 0;
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let sum = self.table_elements.saturating_add(desired.saturating_sub(current));
        if sum > MAX_TABLE_ELEMENTS {
            return Ok(false);
        }
        self.table_elements = sum;
        Ok(true)
    }
}
