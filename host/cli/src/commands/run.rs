//! `catena run`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use catena_rollout::rollout::RolloutError;
use catena_rollout::stop::Asked;
use catena_rollout::{
    RolloutEnd, RolloutId, Run, RunError, RunOptions, Stop, Uncalibrated, Unpinned,
};
use catena_worker::Walls;
use clap::ValueHint;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::commands::{estimate, show};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::Format;
use crate::watch;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The run file
    #[arg(value_name = "RUN.TOML", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Directory for the run, which must be new; `runs/<name of the run>` by default
    #[arg(long, value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// Begin even if the judges are not known to tell good patches from bad ones; the run says so
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    walls: WallsAsked,
    #[command(flatten)]
    pins: PinsAsked,
    /// Say what the run may take in tokens, money and time, and begin nothing
    #[arg(long, conflicts_with = "dir")]
    estimate: bool,
    /// A past run, or a directory of runs, to estimate from; `runs` by default
    #[arg(long, value_name = "DIR", requires = "estimate", value_hint = ValueHint::DirPath)]
    past: Vec<PathBuf>,
}

/// What is asked of the walls around workers.
#[derive(clap::Args)]
pub(crate) struct WallsAsked {
    /// Begin only where all walls around workers stand; `catena doctor` tells which do
    #[arg(long)]
    require_walls: bool,
}

impl WallsAsked {
    /// The options with it.
    pub(crate) fn of(&self, options: RunOptions) -> RunOptions {
        RunOptions { require_walls: self.require_walls, ..options }
    }
}

/// What is asked of `catena.lock`.
#[derive(clap::Args)]
struct PinsAsked {
    /// Begin only if `catena.lock` has all plugins already
    #[arg(long)]
    locked: bool,
}

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    if arguments.estimate {
        return estimate::run(&arguments.file, &arguments.past, machine, format);
    }
    let dir = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => default_dir(&arguments.file)?,
    };
    let mut options = arguments.walls.of(machine.run_options(watch::watcher(format)));
    if arguments.force {
        options.uncalibrated = Uncalibrated::Noted;
    }
    if arguments.pins.locked {
        options.unpinned = Unpinned::Refused;
    }
    let run = Run::create(&arguments.file, &dir, &options)?;
    tell_of_pins(run.pinned_in());
    drop(options);
    carry_out(run, format)
}

/// Says where plugins were pinned, if they were.
pub(crate) fn tell_of_pins(lock: Option<&Path>) {
    if let Some(lock) = lock {
        eprintln!("note: plugins are pinned in `{}`", lock.display());
    }
}

/// `runs/NAME`, or the first of `runs/NAME-2`, `runs/NAME-3`, … that is free.
fn default_dir(file: &Path) -> Result<PathBuf, Failure> {
    let name = catena_rollout::RunFile::load(file).map_err(RunError::from)?.name;
    let name: String =
        name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '-' }).collect();
    let candidates = (1..).map(|number| match number {
        1 => format!("runs/{name}"),
        _ => format!("runs/{name}-{number}"),
    });
    let free = candidates.map(PathBuf::from).find(|dir| !dir.exists());
    Ok(free.unwrap_or_else(|| PathBuf::from("runs").join(name)))
}

/// Executes a run and shows what came of it.
pub(crate) fn carry_out(run: Run, format: Format) -> Result<ExitCode, Failure> {
    let dir = run.dir().to_owned();
    let finished = execute(run)?;
    if finished.is_some() {
        show::show(&dir, None, format, json!({ "run": dir }))?;
    }
    Ok(exit_code(&dir, finished))
}

/// Executes a run and leaves showing it to the caller.
pub(crate) fn carry_out_silently(run: Run) -> Result<ExitCode, Failure> {
    let dir = run.dir().to_owned();
    let finished = execute(run)?;
    Ok(exit_code(&dir, finished))
}

type Results = Vec<(RolloutId, Result<RolloutEnd, RunError>)>;

/// `None` if the user stopped it at once.
fn execute(run: Run) -> Result<Option<Results>, Failure> {
    let stop = run.stop();
    let work = async {
        tell_of_walls(&run.try_walls().await?);
        Ok(Arc::new(run).execute().await)
    };
    until_stopped(&stop, work)?.transpose()
}

/// Warns where guests run behind fewer walls than they should.
pub(crate) fn tell_of_walls(walls: &Walls) {
    if !walls.stand() {
        eprintln!("warning: guests run behind fewer walls than they should: {walls}");
    }
}

/// Carries out what heeds `stop`; `None` if the user stopped it at once.
pub(crate) fn until_stopped<T>(
    stop: &Stop,
    work: impl Future<Output = T>,
) -> Result<Option<T>, Failure> {
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    let done = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(Some(done)),
                () = signals.next() => {}
            }
            if stop.asked() == Asked::Stop {
                return Ok(None);
            }
            stop.ask();
            eprintln!("stopping when the turns under way have ended; again to stop at once");
        }
    });
    runtime.shutdown_background();
    done
}

/// What asks a program to end: Ctrl-C, and what a service manager sends.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).context("can't listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn exit_code(dir: &Path, results: Option<Results>) -> ExitCode {
    let Some(mut results) = results else { return stopped(dir) };
    let count = results.len();
    results.retain(|(_, result)| !is_stopped(result));
    if results.len() < count {
        return stopped(dir);
    }
    let mut code = ExitCode::SUCCESS;
    let mut failures = Vec::new();
    tell_of_failed_plugins(dir, &results);
    for (_, result) in results {
        match result {
            Ok(RolloutEnd::Infrastructure { .. }) => code = ExitCode::from(3),
            Ok(_) => {}
            Err(err) => failures.push(Failure::from(err)),
        }
    }
    if code == ExitCode::from(3) {
        eprintln!("hint: `catena resume {}` tries again what was interrupted", dir.display());
    }
    for failure in failures {
        code = failure.report(Format::Text);
    }
    code
}

/// Says how many rollouts say nothing of the agent, as a plugin failed them.
fn tell_of_failed_plugins(dir: &Path, results: &Results) {
    let of = results.len();
    let ended = |is: fn(&RolloutEnd) -> bool| {
        let ended = results.iter().filter(|(_, result)| result.as_ref().is_ok_and(is));
        ended.map(|(id, _)| id).collect::<Vec<_>>()
    };
    let failed = ended(|end| matches!(end, RolloutEnd::PluginFailed { .. }));
    let unjudged = ended(|end| matches!(end, RolloutEnd::NoVerdict { .. }));
    for (rollouts, why) in [(&failed, "a plugin failed"), (&unjudged, "there was no verdict")] {
        if !rollouts.is_empty() {
            eprintln!("warning: {} of {of} rollouts ended because {why}", rollouts.len());
        }
    }
    if let Some(id) = failed.first().or(unjudged.first()) {
        eprintln!("hint: `catena show {} --rollout {id}` tells how", dir.display());
    }
}

/// Whether a rollout was kept from its end by the user.
pub(crate) fn is_stopped(result: &Result<RolloutEnd, RunError>) -> bool {
    matches!(result, Err(RunError::Rollout { source, .. })
        if matches!(**source, RolloutError::Stopped))
}

fn stopped(dir: &Path) -> ExitCode {
    eprintln!("stopped; nothing that was answered is lost");
    eprintln!("hint: `catena resume {}` goes on", dir.display());
    ExitCode::from(130)
}
