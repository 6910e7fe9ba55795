//! `catena resume`.

use std::path::PathBuf;
use std::process::ExitCode;

use catena_rollout::Run;
use clap::ValueHint;

use crate::commands::run::{WallsAsked, carry_out};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::Format;
use crate::watch;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the run
    #[arg(value_hint = ValueHint::DirPath)]
    run: PathBuf,
    #[command(flatten)]
    walls: WallsAsked,
}

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let options = arguments.walls.of(machine.run_options(watch::watcher(format)));
    let run = Run::open(&arguments.run, &options)?;
    drop(options);
    carry_out(run, format)
}
