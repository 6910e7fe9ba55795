//! `catena fork`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use catena_rollout::run::{ForkPoint, fork};
use clap::ValueHint;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Format, print_json, say};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the run
    #[arg(value_hint = ValueHint::DirPath)]
    run: PathBuf,
    /// Where the fork leaves the run: the beginning of a stage, or of a round of it
    #[arg(long, value_name = "STAGE[:ROUND]")]
    from: ForkPoint,
    /// Fork this rollout alone; the others are copied as they are
    #[arg(long, value_name = "CHAIN.TRIAL")]
    rollout: Option<String>,
    /// Directory for the new run; `<RUN>-fork` by default
    #[arg(long, value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    let dir = arguments.dir.clone().unwrap_or_else(|| default_dir(&arguments.run));
    let forked = fork(&arguments.run, &dir, arguments.from, arguments.rollout.as_deref())?;
    let forked: Vec<String> = forked.iter().map(ToString::to_string).collect();
    if format == Format::Json {
        print_json(&json!({"run": dir, "rollouts": forked}))?;
    } else {
        say!("forked before {}: {}", arguments.from, forked.join(", "));
        say!("run: {}", dir.display());
        eprintln!("hint: `catena resume {}` goes on from there", dir.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// `RUN-fork`, or the first of `RUN-fork-2`, `RUN-fork-3`, … that is free.
fn default_dir(run: &Path) -> PathBuf {
    let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let candidates = (1..).map(|number| match number {
        1 => run.with_file_name(format!("{name}-fork")),
        _ => run.with_file_name(format!("{name}-fork-{number}")),
    });
    let mut free = candidates.filter(|dir| !dir.exists());
    free.next().unwrap_or_else(|| run.with_file_name(format!("{name}-fork")))
}
