//! Starts of programs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::Store;
use wasmtime::component::{Instance, ResourceTable};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;

use super::native::run_native;
use super::{CallFailure, deterministic_wasi, ending, in_store};
use crate::bindings::control::catena::plugin::process::{
    Command, Finished, PartialOutput, ProcessError,
};
use crate::capability::Effective;
use crate::check::COMMAND;
use crate::imports::output::{Capture, Output};
use crate::limits::{Limits, LimitsRequest, Used};
use crate::meter::Meter;
use crate::outside::Event;
use crate::program::{DirectoryUse, MAX_DEPTH};
use crate::refusals::Refusals;
use crate::session::{LoadedProgram, Session, absolute};
use crate::state::State;
use crate::units::{ByteSize, Span};

/// Exit status of a command whose code trapped, as of one that aborts.
const ABORTED: i32 = 134;

/// Who starts a program, and what is left of its limits.
pub(crate) struct Caller<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) rights: &'a Effective,
    pub(crate) depth: u32,
    pub(crate) deadline: Instant,
    pub(crate) fuel: u64,
    pub(crate) memory: u64,
    pub(crate) transfer: u64,
    pub(crate) processes: u32,
    /// Its limits, of which some bound each program by itself.
    pub(crate) limits: &'a Limits,
}

/// A program's end, and what it took of its caller's limits.
pub(crate) struct Ran {
    pub(crate) answer: Result<Finished, ProcessError>,
    pub(crate) fuel: u64,
    pub(crate) transferred: u64,
    /// Programs that were started, itself included.
    pub(crate) processes: u64,
}

impl Ran {
    /// What was not started.
    fn not(err: ProcessError) -> Self {
        Self { answer: Err(err), fuel: 0, transferred: 0, processes: 0 }
    }
}

/// Runs a program to its end, and records that.
pub(crate) fn run_program(session: &Arc<Session>, caller: &Caller<'_>, command: Command) -> Ran {
    if caller.processes == 0 {
        return Ran::not(ProcessError::LimitReached("started programs".to_owned()));
    }
    let native = session.programs.native(&command.program, caller.rights);
    if let Some(offer) = native.filter(|_| caller.depth == 0) {
        let begin = Instant::now();
        let answer = run_native(session, caller, offer, command);
        record(session, caller, &offer.name, &answer, begin.elapsed());
        return Ran { answer, fuel: 0, transferred: 0, processes: 1 };
    }
    let program = match find(session, caller, &command) {
        Ok(program) => program,
        Err(err) => return Ran::not(err),
    };
    let begin = Instant::now();
    let limits = limits(&program, caller, command.timeout_ms);
    let ran = start(session, caller, &program, &limits, command);
    record(session, caller, program.plugin.name(), &ran.answer, begin.elapsed());
    ran
}

fn find(
    session: &Session,
    caller: &Caller<'_>,
    command: &Command,
) -> Result<Arc<LoadedProgram>, ProcessError> {
    let name = &command.program;
    let granted = &caller.rights.programs;
    let program = match session.programs.serving(name, caller.rights) {
        Some(program) if granted.contains(program.plugin.name()) => program,
        None if granted.contains(name) => return Err(ProcessError::UnknownProgram(name.clone())),
        _ => return Err(ProcessError::NotGranted(name.clone())),
    };
    if caller.depth >= MAX_DEPTH {
        let what = format!("programs start programs to a depth of {MAX_DEPTH} at most");
        return Err(ProcessError::LimitReached(what));
    }
    Ok(program)
}

/// The program's own limits within what is left of the caller's.
fn limits(program: &LoadedProgram, caller: &Caller<'_>, timeout_ms: Option<u64>) -> Limits {
    let left = caller.deadline.saturating_duration_since(Instant::now());
    let wall = timeout_ms.map_or(left, |ms| left.min(Duration::from_millis(ms)));
    program.plugin.spec.limits.lowered_to(&LimitsRequest {
        memory: Some(ByteSize(caller.memory)),
        fuel: Some(caller.fuel),
        transfer: Some(ByteSize(caller.transfer)),
        processes: Some(caller.processes.saturating_sub(1)),
        handles: Some(caller.limits.handles),
        tables: Some(caller.limits.tables),
        host_call: Some(caller.limits.host_call),
        wall: Some(Span(wall)),
        ..LimitsRequest::default()
    })
}

fn start(
    session: &Arc<Session>,
    caller: &Caller<'_>,
    program: &LoadedProgram,
    limits: &Limits,
    command: Command,
) -> Ran {
    let plugin = &program.plugin;
    let rights = plugin.spec.rights.intersection(caller.rights);
    let Some(mounts) = session.program_mounts(program, &rights, &command.directory) else {
        let what = format!("there is no directory `{}`", absolute(&command.directory));
        return Ran::not(ProcessError::Other(what));
    };
    let capture = Capture::new(limits.output.0);
    let mut wasi = deterministic_wasi(session);
    wasi.stdout(capture.stdout()).stderr(capture.stderr());
    set_command(&mut wasi, program, command);
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits.handles as usize);
    let state = State {
        session: session.clone(),
        mounts,
        rights,
        config: plugin.spec.config.clone(),
        plugin: plugin.name().to_owned(),
        // What it writes goes to the caller; this is for its log.
        output: Arc::new(Output::new(session.outside.clone(), plugin.name(), limits.output.0)),
        meter: Meter::new(limits, session.guest_memory.clone()),
        refused: Refusals::default(),
        missing: Vec::new(),
        depth: caller.depth + 1,
        deadline: Instant::now() + limits.wall.0,
        waited_before: session.waited(),
        table,
        wasi: wasi.build(),
    };
    let done = in_store(session, plugin, limits, state, run_command);
    let answer = match status(done.result) {
        Ok(status) => Ok(capture.finished(status)),
        Err(err) => ended_by(ending::classify(&err, limits, done.short_of), &capture),
    };
    let Used { fuel, transferred, processes, .. } = done.used;
    Ran { answer, fuel, transferred, processes: processes + 1 }
}

/// Arguments, environment, standard input and working directory.
fn set_command(
    wasi: &mut wasmtime_wasi::WasiCtxBuilder,
    program: &LoadedProgram,
    command: Command,
) {
    let table = program.table();
    wasi.arg(table.program_path.as_deref().unwrap_or(&command.program));
    wasi.args(&table.arguments).args(&command.arguments);
    let is_set = |name: &str| command.environment.iter().any(|(set, _)| set == name);
    let own = table.environment.iter().filter(|(name, _)| !is_set(name));
    for (name, value) in own {
        wasi.env(name, value);
    }
    let directory = absolute(&command.directory);
    let environment = command.environment.iter().filter(|(name, _)| name != "PWD");
    for (name, value) in environment {
        wasi.env(name, value);
    }
    wasi.env("PWD", &directory);
    wasi.initial_cwd(match table.directory {
        DirectoryUse::Opened => ".",
        DirectoryUse::Variable => &directory,
    });
    wasi.stdin(MemoryInputPipe::new(command.stdin));
}

/// Calls the command that a component exports.
fn run_command(store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Result<(), ()>> {
    let ty = instance.instance_pre(&*store).component().component_type();
    let found = ty.exports(store.engine()).map(|(name, _)| name.to_owned());
    let interface = found.into_iter().find(|name| name.starts_with(COMMAND));
    let missing = || wasmtime::Error::msg("the program exports no command");
    let interface = interface.ok_or_else(missing)?;
    let exports = instance.get_export_index(&mut *store, None, &interface).ok_or_else(missing)?;
    let run = instance.get_export_index(&mut *store, Some(&exports), "run").ok_or_else(missing)?;
    let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, &run)?;
    Ok(run.call(store, ())?.0)
}

/// The exit status, if it came to one.
fn status(result: wasmtime::Result<Result<(), ()>>) -> wasmtime::Result<i32> {
    match result {
        Ok(Ok(())) => Ok(0),
        Ok(Err(())) => Ok(1),
        Err(err) => match err.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(exit.0),
            None => Err(err),
        },
    }
}

/// What a caller is told of a program that came to no end of its own.
fn ended_by(failure: CallFailure, capture: &Capture) -> Result<Finished, ProcessError> {
    match failure {
        CallFailure::TimedOut(_) => {
            let Finished { stdout, stderr, .. } = capture.finished(0);
            Err(ProcessError::TimedOut(PartialOutput { stdout, stderr }))
        }
        CallFailure::OutOfFuel(_) => Err(ProcessError::LimitReached("fuel".to_owned())),
        CallFailure::OutOfMemory(_) => Err(ProcessError::LimitReached("memory".to_owned())),
        CallFailure::LimitReached(what) => Err(ProcessError::LimitReached(what)),
        CallFailure::Trapped(how) => {
            let mut finished = capture.finished(ABORTED);
            finished.stderr.extend(format!("aborted: {how}\n").into_bytes());
            Ok(finished)
        }
        CallFailure::Contract(why) => Err(ProcessError::Other(why)),
    }
}

fn record(
    session: &Session,
    caller: &Caller<'_>,
    program: &str,
    answer: &Result<Finished, ProcessError>,
    wall: Duration,
) {
    let (outcome, status, output_bytes) = match answer {
        Ok(end) => ("ended", Some(end.status), end.stdout.len() + end.stderr.len()),
        Err(ProcessError::TimedOut(partial)) => {
            ("timed-out", None, partial.stdout.len() + partial.stderr.len())
        }
        Err(ProcessError::LimitReached(_)) => ("limit-reached", None, 0),
        Err(ProcessError::NotGranted(_)) => ("not-granted", None, 0),
        Err(ProcessError::UnknownProgram(_)) => ("unknown-program", None, 0),
        Err(ProcessError::Other(_)) => ("other", None, 0),
    };
    session.outside.record(Event::Program {
        plugin: caller.plugin.to_owned(),
        program: program.to_owned(),
        outcome: outcome.to_owned(),
        status,
        output_bytes: output_bytes as u64,
        wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
    });
}
