//! `catena run`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use catena_rollout::{RolloutEnd, RolloutId, Run, RunError};
use clap::ValueHint;
use serde_json::json;

use crate::commands::show;
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
}

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let dir = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => default_dir(&arguments.file)?,
    };
    let options = machine.run_options(watch::watcher(format));
    let run = Run::create(&arguments.file, &dir, &options)?;
    drop(options);
    carry_out(run, format)
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

/// `None` if the user stopped it.
fn execute(run: Run) -> Result<Option<Results>, Failure> {
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    let results = runtime.block_on(async {
        tokio::select! {
            results = Arc::new(run).execute() => Some(results),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    runtime.shutdown_background();
    Ok(results)
}

fn exit_code(dir: &Path, results: Option<Results>) -> ExitCode {
    let Some(results) = results else {
        eprintln!("stopped; nothing that was answered is lost");
        eprintln!("hint: `catena resume {}` goes on", dir.display());
        return ExitCode::from(130);
    };
    let mut code = ExitCode::SUCCESS;
    let mut failures = Vec::new();
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
