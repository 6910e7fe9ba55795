//! `catena:plugin/process`: programs, each in a store of its own within what is
//! left of the caller's limits.
//!
//! What a program used is taken from its caller's fuel, which only the store
//! knows, so these functions are linked by hand.

use std::time::{Duration, Instant};

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::bindings::control::catena::plugin::process::{Command, Finished, ProcessError};
use crate::call::{Caller, run_program};
use crate::program::MAX_DEPTH;
use crate::refusals::Refusal;
use crate::state::State;

/// The part of what is left of fuel that a program may not take from its caller, and
/// the most of it; and the same of time. Without it code that is judged could end its
/// judge.
const RESERVED_PART: u32 = 16;
const MOST_FUEL_RESERVED: u64 = 20_000_000_000;
const MOST_TIME_RESERVED: Duration = Duration::from_secs(10);

const INTERFACE: &str = "catena:plugin/process@0.1.0";

/// Links the interface.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut interface = linker.instance(INTERFACE)?;
    interface.func_wrap("programs", |store: StoreContextMut<'_, State>, ()| {
        let state = store.data();
        Ok((state.session.programs.commands(&state.rights),))
    })?;
    interface.func_wrap("run", |store: StoreContextMut<'_, State>, (command,): (Command,)| {
        Ok((run(store, command)?,))
    })
}

fn run(
    mut store: StoreContextMut<'_, State>,
    command: Command,
) -> wasmtime::Result<Result<Finished, ProcessError>> {
    let fuel = store.get_fuel()?;
    let state = store.data_mut();
    let given: usize = command.arguments.iter().map(String::len).sum();
    let environment = command.environment.iter().map(|(name, value)| name.len() + value.len());
    state.transfer(command.stdin.len() + given + environment.sum::<usize>())?;
    let left = state.time_left();
    if left.is_zero() {
        return Err(wasmtime::Trap::Interrupt.into());
    }
    let session = state.session.clone();
    let left_to_start = state.meter.processes_left();
    let caller = Caller {
        plugin: &state.plugin,
        rights: &state.rights,
        depth: state.depth,
        deadline: Instant::now()
            + left.saturating_sub((left / RESERVED_PART).min(MOST_TIME_RESERVED)),
        fuel: fuel - (fuel / u64::from(RESERVED_PART)).min(MOST_FUEL_RESERVED),
        memory: state.meter.limiter.memory_left(),
        transfer: state.meter.transfer_left(),
        processes: left_to_start,
        limits: &state.meter.limits,
    };
    tracing::event!(tracing::Level::TRACE, ?command, fuel, "call");
    let ran = run_program(&session, &caller, command);
    tracing::event!(tracing::Level::TRACE, answer = ?ran.answer, ran.fuel, "return");
    match &ran.answer {
        Err(ProcessError::NotGranted(name)) => state.refuse(Refusal::Program(name)),
        Err(ProcessError::LimitReached(_)) if state.depth >= MAX_DEPTH => {
            state.refuse(Refusal::Limit("depth"));
        }
        Err(ProcessError::LimitReached(_)) if left_to_start == 0 => {
            state.refuse(Refusal::Limit("processes"));
        }
        _ => {}
    }
    state.meter.count_processes(ran.processes);
    let output = match &ran.answer {
        Ok(end) => end.stdout.len() + end.stderr.len(),
        Err(ProcessError::TimedOut(partial)) => partial.stdout.len() + partial.stderr.len(),
        Err(_) => 0,
    };
    store.set_fuel(fuel.saturating_sub(ran.fuel))?;
    store.data_mut().meter.transfer(ran.transferred.saturating_add(output as u64))?;
    Ok(ran.answer)
}
