//! Limits on one plugin's calls, and what was used of them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::PluginKind;
use crate::refusals::Refusals;
use crate::units::{ByteSize, Span, StackSize};

/// What a manifest or a run file says about limits. What it leaves out is the
/// default of the plugin's kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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
    /// Stack of an instance, from 64KiB to 8MiB. A program that is started has one of its
    /// own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackSize>,
}

impl LimitsRequest {
    /// The first limit under which no plugin could run, with what it is.
    pub fn impossible(&self) -> Option<(&'static str, String)> {
        let sizes = [("memory", self.memory), ("host_call", self.host_call)];
        let sizes = sizes.map(|(key, is)| (key, is.map(|is| (is.0 == 0, is.to_string()))));
        let number = |is: Option<u64>| is.map(|is| (is == 0, is.to_string()));
        let others = [
            ("fuel", number(self.fuel)),
            ("handles", number(self.handles.map(u64::from))),
            ("tables", number(self.tables.map(u64::from))),
            ("wall", self.wall.map(|wall| (wall.0.is_zero(), wall.to_string()))),
        ];
        let all = sizes.into_iter().chain(others);
        all.filter_map(|(key, is)| Some((key, is?)))
            .find_map(|(key, (is_nothing, is))| is_nothing.then_some((key, is)))
    }
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
    /// Stack of an instance.
    #[serde(default)]
    pub stack: StackSize,
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
            stack: StackSize::default(),
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
            stack: least(self.stack, request.stack),
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
            stack: operator.stack.unwrap_or(self.stack),
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
            stack: Some(limits.stack),
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
    /// Deepest stack in bytes at a call of the host, or the limit where it was reached. Not
    /// the same on every machine, as it is machine code's.
    #[serde(default)]
    pub peak_stack: u64,
    /// Most bytes that streams, files and programs moved in one call of the host.
    #[serde(default)]
    pub peak_host_call: u64,
    /// What was refused, by kind.
    pub refused: Refusals,
}

impl Used {
    /// Adds the use of further calls.
    pub fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.peak_memory = self.peak_memory.max(other.peak_memory);
        self.fuel = self.fuel.saturating_add(other.fuel);
        self.peak_fuel = self.peak_fuel.max(other.peak_fuel);
        self.wall_us = self.wall_us.saturating_add(other.wall_us);
        self.output = self.output.saturating_add(other.output);
        self.peak_tables = self.peak_tables.max(other.peak_tables);
        self.peak_handles = self.peak_handles.max(other.peak_handles);
        self.transferred = self.transferred.saturating_add(other.transferred);
        self.processes = self.processes.saturating_add(other.processes);
        self.peak_stack = self.peak_stack.max(other.peak_stack);
        self.peak_host_call = self.peak_host_call.max(other.peak_host_call);
        self.refused.add(&other.refused);
    }
}
