//! One call into a guest. Every call gets a store of its own; deadline, fuel
//! and memory limit are set before the guest exists, and a store that failed is
//! thrown away.

mod ending;
mod native;
mod programs;
mod tools;

use std::sync::Arc;
use std::time::{Duration, Instant};

use catena_model::ModelError;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde::{Deserialize, Serialize};
use wasmtime::component::{Instance, ResourceTable};
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use crate::bindings::{control, judge, writer};
use crate::engine::{Enforced, TICK};
use crate::imports::output::{Output, Pipe};
use crate::limits::{Limits, Used};
use crate::meter::{Limiter, MemoryBound, Meter};
use crate::refusals::{OfFiles, Refusal, Refusals};
use crate::session::{LoadedPlugin, Session, lock};
use crate::state::State;
use crate::task::{ChainBrief, Ending, Queries, Submission, Task, Verdict};

use ending::ShortOf;
pub(crate) use programs::{Caller, run_program};
pub use tools::{ToolFailure, Tried, run_tool, try_tool};
pub(crate) use tools::{call_tool, definitions};

/// How a call ended that did not return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "failure", content = "detail", rename_all = "kebab-case")]
pub enum CallFailure {
    /// The guest's code trapped.
    #[error("trapped: {0}")]
    Trapped(String),
    /// Its wall-clock time was up.
    #[error("ran out of its wall-clock time, `wall`: {0}")]
    TimedOut(String),
    /// Its fuel was used up.
    #[error("used up its `fuel`: {0}")]
    OutOfFuel(u64),
    /// It was refused memory and could not go on.
    #[error("ran out of its memory, {0}")]
    OutOfMemory(String),
    /// It used up another of its limits.
    #[error("reached its limit of {0}")]
    LimitReached(String),
    /// It could not be started, or broke the contract of its interface.
    #[error("{0}")]
    Contract(String),
}

/// How a scaffold's round ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptEnd {
    /// It came to an end of its own.
    Ended(Ending),
    /// It could not do its work for want of the model.
    Model(ModelError),
    /// It reports that it could not do its work.
    Errored(String),
    /// A command line that the operator has run first failed; the scaffold was not called.
    NotSetUp {
        /// Which.
        command: String,
        /// The last of what it said.
        told: String,
    },
    /// A plugin failed: the scaffold, or a tool that was asked what it offers.
    Failed {
        /// Which plugin.
        plugin: String,
        /// How.
        failure: CallFailure,
    },
}

/// A round, with what is left behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// How it ended.
    pub end: AttemptEnd,
    /// Worktree, scratch, edits and use.
    pub session: crate::session::SessionEnd,
}

/// What a judge made of a submission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judged {
    /// It came to a verdict.
    Verdict(Verdict),
    /// It says that it could not.
    NoVerdict(String),
    /// It failed.
    Failed(CallFailure),
}

/// What a writer made of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Written {
    /// One query for each stage, and an overview.
    Queries(Queries),
    /// It says that it could not.
    NoQueries(String),
    /// It failed.
    Failed(CallFailure),
}

/// Runs one round of a scaffold, after these command lines.
pub fn attempt(
    session: &Arc<Session>,
    scaffold: &LoadedPlugin,
    set_up: &[String],
    task: &Task,
) -> AttemptEnd {
    if let Err((plugin, failure)) = session.ask_tools() {
        return AttemptEnd::Failed { plugin, failure };
    }
    if let Err((command, told)) = tools::set_up(session, set_up) {
        return AttemptEnd::NotSetUp { command, told };
    }
    session.begin_attempt(scaffold.spec.limits.wall.0);
    let (result, _) = with_instance(session, scaffold, |store, instance| {
        let guest = control::ControlPlugin::new(&mut *store, instance)?;
        let main = lock(&session.conversations).main();
        let handle =
            store.data_mut().table.push(crate::imports::model::ConversationHandle(main))?;
        let borrowed = wasmtime::component::Resource::new_borrow(handle.rep());
        guest.catena_plugin_scaffold().call_attempt(
            store,
            &crate::imports::task_to_wit(task),
            borrowed,
        )
    });
    match result {
        Ok(answer) => crate::imports::ending_from_wit(answer),
        Err(failure) => AttemptEnd::Failed { plugin: scaffold.name().to_owned(), failure },
    }
}

/// Has a judge score one submission.
pub fn evaluate(session: &Arc<Session>, plugin: &LoadedPlugin, submission: &Submission) -> Judged {
    let (result, _) = with_instance(session, plugin, |store, instance| {
        let guest = judge::JudgePlugin::new(&mut *store, instance)?;
        let submission = crate::imports::submission_to_wit(submission);
        guest.catena_plugin_judge().call_evaluate(store, &submission)
    });
    match result {
        Ok(answer) => crate::imports::verdict_from_wit(answer),
        Err(failure) => Judged::Failed(failure),
    }
}

/// Has a writer write the queries of one chain.
pub fn write_queries(session: &Arc<Session>, plugin: &LoadedPlugin, chain: &ChainBrief) -> Written {
    let (result, _) = with_instance(session, plugin, |store, instance| {
        let guest = writer::WriterPlugin::new(&mut *store, instance)?;
        let chain = crate::imports::chain_to_wit(chain);
        guest.catena_plugin_writer().call_write(store, &chain)
    });
    match result {
        Ok(answer) => crate::imports::queries_from_wit(chain.stages.len(), answer),
        Err(failure) => Written::Failed(failure),
    }
}

/// Makes an instance of a plugin, of which only what it does at its start is run, and
/// throws it away.
pub fn start_and_end(session: &Arc<Session>, plugin: &LoadedPlugin) -> Result<(), CallFailure> {
    with_instance(session, plugin, |_, _| Ok(())).0
}

/// Makes a fresh instance of `plugin` and runs `work` on it.
fn with_instance<R>(
    session: &Arc<Session>,
    plugin: &LoadedPlugin,
    work: impl FnOnce(&mut Store<State>, &Instance) -> wasmtime::Result<R>,
) -> (Result<R, CallFailure>, Used) {
    let begin = Instant::now();
    let limits = &plugin.spec.limits;
    let state = new_state(session, plugin, begin);
    let done = in_store(session, plugin, limits, state, work);
    let result = done.result.map_err(|err| ending::classify(&err, limits, done.short_of));
    (result, done.used)
}

/// What came of a store that is gone.
struct Done<R> {
    result: wasmtime::Result<R>,
    used: Used,
    short_of: ShortOf,
}

/// What ended it, if code of the guest was ended.
fn trap_of<R>(result: &wasmtime::Result<R>) -> Option<&Trap> {
    result.as_ref().err().and_then(|err| err.downcast_ref::<Trap>())
}

/// Runs `work` on an instance over `state`, with the limits set before it exists,
/// and counts what it used.
fn in_store<R>(
    session: &Session,
    plugin: &LoadedPlugin,
    limits: &Limits,
    state: State,
    work: impl FnOnce(&mut Store<State>, &Instance) -> wasmtime::Result<R>,
) -> Done<R> {
    let begin = Instant::now();
    let before = session.refused_of_files();
    let mut store = Store::new(plugin.ready.engine(), state);
    let bounded = bound(&mut store, limits, plugin.enforced);
    let result = bounded
        .and_then(|()| plugin.ready.instantiate(&mut store))
        .and_then(|instance| work(&mut store, &instance));
    let fuel = limits.fuel - store.get_fuel().unwrap_or(0).min(limits.fuel);
    if trap_of(&result) == Some(&Trap::StackOverflow) {
        store.data_mut().meter.note_full_stack();
    }
    let state = store.data();
    state.output.finish();
    let used = Used {
        fuel,
        peak_fuel: fuel,
        wall_us: u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX),
        output: state.output.written(),
        refused: refused(session, state, limits, before, &result),
        ..state.meter.used()
    };
    session.add_used(plugin.name(), &used);
    // It might go on longer another time.
    if trap_of(&result) == Some(&Trap::Interrupt) {
        session.note_timeout();
    }
    let Limiter { refused_memory, tables_refused, .. } = state.meter.limiter;
    Done { result, used, short_of: ShortOf { memory: refused_memory, tables: tables_refused } }
}

/// Sets limits before there is a guest.
fn bound(store: &mut Store<State>, limits: &Limits, enforced: Enforced) -> wasmtime::Result<()> {
    if enforced.memory {
        store.limiter(|state| &mut state.meter.limiter);
    }
    let most = if enforced.host_call { limits.host_call.0 } else { u64::MAX };
    store.set_hostcall_fuel(usize::try_from(most).unwrap_or(usize::MAX));
    if enforced.wall() {
        store.set_epoch_deadline(ticks(store.data().time_left()));
        store.epoch_deadline_callback(|ctx| match ctx.data().time_left() {
            Duration::ZERO => Err(Trap::Interrupt.into()),
            left => Ok(UpdateDeadline::Continue(ticks(left))),
        });
    }
    if enforced.fuel() { store.set_fuel(limits.fuel) } else { Ok(()) }
}

/// What was refused in a call that has ended, not in those that it made.
fn refused<R>(
    session: &Session,
    state: &State,
    limits: &Limits,
    before: OfFiles,
    result: &wasmtime::Result<R>,
) -> Refusals {
    let mut refused = state.refused.clone();
    session.refused_of_files().without(before).count_in(&mut refused);
    for mount in &state.mounts {
        mount.count_in(&mut refused);
    }
    let ended_by = result.as_ref().err().and_then(|err| ending::limit_of(err, limits));
    let limit = ended_by.map(|(limit, _)| limit);
    let tables = state.meter.limiter.tables_refused.then_some("tables");
    let memory = state.meter.limiter.refused_memory.map(|bound| match bound {
        MemoryBound::Own => "memory",
        MemoryBound::Rollout(_) => "guest_memory",
    });
    let output = (state.output.written() > limits.output.0).then_some("output");
    for limit in [limit, memory, tables, output].into_iter().flatten() {
        refused.count(Refusal::Limit(limit), 1);
    }
    refused
}

/// The longest time between two looks at the clock, in ticks: on a machine with more to
/// do than it can, ticks come late, and a long wait for them would end later still.
const LOOK: u64 = 20;

fn ticks(wall: Duration) -> u64 {
    let ticks = u64::try_from(wall.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX);
    ticks.saturating_add(1).min(LOOK)
}

fn new_state(session: &Arc<Session>, plugin: &LoadedPlugin, begin: Instant) -> State {
    let spec = &plugin.spec;
    let output =
        Arc::new(Output::new(session.outside.clone(), plugin.name(), spec.limits.output.0));
    let mut wasi = deterministic_wasi(session);
    wasi.stdout(Pipe::new(output.clone(), "stdout")).stderr(Pipe::new(output.clone(), "stderr"));
    let mut table = ResourceTable::new();
    table.set_max_capacity(spec.limits.handles as usize);
    State {
        session: session.clone(),
        mounts: session.mounts(&spec.rights),
        rights: spec.rights.clone(),
        config: spec.config.clone(),
        plugin: plugin.name().to_owned(),
        output,
        meter: Meter::new(&spec.limits, session.guest_memory.clone()),
        refused: Refusals::default(),
        missing: Vec::new(),
        depth: 0,
        deadline: begin + spec.limits.wall.0,
        waited_before: session.waited(),
        table,
        wasi: wasi.build(),
    }
}

/// Clocks and random numbers that are the same in every replay, and no network.
fn deterministic_wasi(session: &Session) -> WasiCtxBuilder {
    // Every call of every plugin draws from a stream of its own.
    let stream = lock(&session.conversations).next_random_stream();
    let rng = |salt: u64| {
        let mut rng = ChaCha12Rng::seed_from_u64(session.seed);
        rng.set_stream(stream * 2 + salt);
        rng
    };
    let mut wasi = WasiCtx::builder();
    wasi.secure_random(rng(0))
        .insecure_random(rng(1))
        .insecure_random_seed(u128::from(session.seed))
        .wall_clock(session.clock.clone())
        .monotonic_clock(session.clock.clone())
        .allow_tcp(false)
        .allow_udp(false);
    wasi
}
