//! `catena resume`.

use std::path::PathBuf;
use std::process::ExitCode;

use catena_rollout::Run;
use clap::ValueHint;

use crate::commands::run::carry_out;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::Format;
use crate::watch;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the run
    #[arg(value_hint = ValueHint::DirPath)]
    run: PathBuf,
    /// Go on only where all walls around workers stand; `catena doctor` tells which do
    #[arg(long)]
    require_walls: bool,
}

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let mut options = machine.run_options(watch::watcher(format));
    options.require_walls = arguments.require_walls;
    let run = Run::open(&arguments.run, &options)?;
    drop(options);
    carry_out(run, format)
}
