//! The state behind one instance, and the linker: all a guest can reach is on
//! this screen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use catena_tree::Deadline;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable, ResourceType};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::p2::bindings::sync as wasi;
use wasmtime_wasi::p2::bindings::{cli, clocks, random};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::bindings::control::catena::plugin as own;
use crate::bindings::http::wasi::http;
use crate::bindings::judge::catena::plugin::judging;
use crate::capability::Effective;
use crate::check::SOCKETS;
use crate::engine::Engine;
use crate::imports::output::Output;
use crate::manifest::PluginKind;
use crate::meter::Meter;
use crate::outside::Event;
use crate::refusals::{Refusal, Refusals};
use crate::resolved::Digest;
use crate::session::{Mount, Session};

/// Everything behind one instance of a plugin.
pub(crate) struct State {
    pub(crate) session: Arc<Session>,
    pub(crate) plugin: String,
    pub(crate) rights: Effective,
    pub(crate) config: String,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) output: Arc<Output>,
    pub(crate) meter: Meter,
    pub(crate) refused: Refusals,
    /// The rights that were missing.
    pub(crate) missing: Vec<&'static str>,
    /// How many programs started each other until this one; 0 for a plugin.
    pub(crate) depth: u32,
    /// When the call's wall-clock time would be up if no model were waited for.
    pub(crate) deadline: Instant,
    /// How long models had been waited for when the call began.
    pub(crate) waited_before: Duration,
    pub(crate) table: ResourceTable,
    pub(crate) wasi: WasiCtx,
}

impl State {
    /// What is left of the call's wall-clock time and of the round's. Waiting for
    /// a model takes nothing of either.
    pub(crate) fn time_left(&self) -> Duration {
        let waited = self.session.waited().saturating_sub(self.waited_before);
        let own = (self.deadline + waited).saturating_duration_since(Instant::now());
        self.session.time_left(own)
    }

    /// The state that a host call works on, which every one begins with.
    fn serving(&mut self) -> &mut Self {
        self.meter.look_at_stack();
        self
    }

    /// When the answer of a host call that begins now is no longer wanted: the guest is
    /// ended as soon as it has it.
    pub(crate) fn answer_by(&self) -> Deadline {
        Instant::now().checked_add(self.time_left()).map_or(Deadline::NEVER, Deadline::at)
    }

    /// Counts bytes that go between guest and host, and ends the call when there are too
    /// many.
    pub(crate) fn transfer(&mut self, bytes: usize) -> wasmtime::Result<()> {
        Ok(self.meter.transfer(bytes as u64)?)
    }

    /// Counts bytes that go between guest and host, and has `tracing` know which.
    pub(crate) fn transfer_bytes(&mut self, bytes: &[u8]) -> wasmtime::Result<()> {
        tell(bytes);
        self.transfer(bytes.len())
    }

    /// Counts that a call was refused, and records the right that was missing.
    pub(crate) fn refuse(&mut self, refusal: Refusal<'_>) {
        self.refused.count(refusal, 1);
        let Some(right) = refusal.right() else { return };
        // The count is in the call's use; the record needs each right once.
        if self.missing.contains(&right) {
            return;
        }
        self.missing.push(right);
        self.session
            .outside
            .record(Event::Refused { plugin: self.plugin.clone(), right: right.to_owned() });
    }
}

/// Has `tracing` know bytes that go between guest and host, by their digest: the bindings
/// of WASI tell of a list that there is one. Nothing is computed where nobody listens.
pub(crate) fn tell(bytes: &[u8]) {
    if tracing::enabled!(tracing::Level::TRACE) {
        let digest = Digest::of(bytes);
        tracing::event!(tracing::Level::TRACE, %digest, length = bytes.len(), "bytes");
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.meter.look_at_stack();
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Links what a plugin of `kind` may import.
pub(crate) fn link(engine: &Engine, kind: PluginKind) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine.wasmtime());
    link_wasi(&mut linker)?;
    let it = &mut linker;
    own::types::add_to_linker::<_, HasSelf<State>>(it, State::serving)?;
    own::log::add_to_linker::<_, HasSelf<State>>(it, State::serving)?;
    own::config::add_to_linker::<_, HasSelf<State>>(it, State::serving)?;
    crate::imports::link_process(it)?;
    http::types::add_to_linker::<_, HasSelf<State>>(it, State::serving)?;
    http::outgoing_handler::add_to_linker::<_, HasSelf<State>>(it, State::serving)?;
    if !matches!(kind, PluginKind::Tool | PluginKind::Program) {
        own::model::add_to_linker::<_, HasSelf<State>>(it, State::serving)?;
    }
    if kind != PluginKind::Writer {
        own::workspace::add_to_linker::<_, HasSelf<State>>(it, State::serving)?;
    }
    if kind == PluginKind::Judge {
        judging::add_to_linker::<_, HasSelf<State>>(it, State::serving)?;
    }
    if kind == PluginKind::Scaffold {
        own::tools::add_to_linker::<_, HasSelf<State>>(it, State::serving)?;
        own::reference::add_to_linker::<_, HasSelf<State>>(it, State::serving)?;
    }
    Ok(linker)
}

/// Links the sockets that a component names so that every call of one traps.
pub(crate) fn deny_sockets(
    engine: &Engine,
    linker: &mut Linker<State>,
    component: &Component,
) -> wasmtime::Result<()> {
    let engine = engine.wasmtime();
    for (interface, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        if !interface.starts_with(SOCKETS) {
            continue;
        }
        let mut stubs = linker.instance(interface)?;
        for (name, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(_) => stubs.func_new(name, |mut store, _, _, _| {
                    store.data_mut().refuse(Refusal::Socket);
                    Err(wasmtime::Error::msg("plugins have no sockets"))
                })?,
                ComponentItem::Resource(_) => {
                    stubs.resource(name, socket_resource(name), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A resource of a socket: one of `wasi:io` that its interface uses, or one that
/// nobody can get hold of.
fn socket_resource(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<DynPollable>(),
        "input-stream" => ResourceType::host::<DynInputStream>(),
        "output-stream" => ResourceType::host::<DynOutputStream>(),
        _ => ResourceType::host::<()>(),
    }
}

/// The part of WASI 0.2 that is served. Files, the clocks and waiting are our
/// own; the rest is wasmtime's over deterministic sources. No sockets.
fn link_wasi(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasi::io::error::add_to_linker::<State, HasSelf<State>>(linker, State::serving)?;
    wasi::io::poll::add_to_linker::<State, HasSelf<State>>(linker, State::serving)?;
    wasi::io::streams::add_to_linker::<State, HasSelf<State>>(linker, State::serving)?;
    clocks::wall_clock::add_to_linker::<State, HasSelf<State>>(linker, State::serving)?;
    clocks::monotonic_clock::add_to_linker::<State, HasSelf<State>>(linker, State::serving)?;
    random::random::add_to_linker::<State, HasSelf<State>>(linker, State::serving)?;
    random::insecure::add_to_linker::<State, HasSelf<State>>(linker, State::serving)?;
    random::insecure_seed::add_to_linker::<State, HasSelf<State>>(linker, State::serving)?;
    cli::environment::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::exit::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::stdin::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::stdout::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::stderr::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    wasi::filesystem::types::add_to_linker::<State, HasSelf<State>>(linker, State::serving)?;
    crate::imports::link_paths(linker)?;
    wasi::filesystem::preopens::add_to_linker::<State, HasSelf<State>>(linker, State::serving)
}
