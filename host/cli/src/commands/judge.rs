//! `catena judge`: judges over submissions that are there, over patches of other
//! programs' agents, and over patches that are known to be good or bad.

mod again;
mod calibrate;
mod imports;

use std::process::ExitCode;
use std::sync::Arc;

use catena_rollout::run::judging::JudgingRun;
use catena_rollout::{RolloutEnd, RolloutId, RunError};
use clap::{Args, Subcommand};

use crate::commands::run::{is_stopped, tell_of_pins, tell_of_walls};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::Format;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    again: Option<again::Submissions>,
    #[command(flatten)]
    beside: again::Beside,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Find out whether the judges of a run file can tell good patches from bad ones
    Calibrate(calibrate::Arguments),
}

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    match (&arguments.command, &arguments.again) {
        (Some(Command::Calibrate(arguments)), _) => calibrate::run(arguments, machine, format),
        (None, Some(again)) => again::run(again, &arguments.beside, machine, format),
        (None, None) => Err(Failure::input(anyhow::anyhow!("there is nothing to judge"))
            .with_hint("`catena judge --help` tells what can be")),
    }
}

/// Exit code where not all could be judged; the same command goes on.
const INCOMPLETE: u8 = 3;

/// Exit code where the user stopped it; the same command goes on.
const STOPPED: u8 = 130;

/// What came of each rollout, if its judges could be heard at all.
type Ended = Result<Vec<(RolloutId, Result<RolloutEnd, RunError>)>, Failure>;

/// Has everything judged, after a word on what stands around workers.
async fn behind_walls(run: Arc<JudgingRun>) -> Ended {
    tell_of_walls(&run.try_walls().await?);
    Ok(run.execute().await)
}

/// What kept judges from being heard to the end; nothing at all where the user did.
fn failures(
    ended: Option<Vec<(RolloutId, Result<RolloutEnd, RunError>)>>,
) -> Result<Option<Vec<String>>, RunError> {
    let Some(ended) = ended else { return Ok(None) };
    let mut failed = Vec::new();
    for (id, result) in ended {
        if is_stopped(&result) {
            return Ok(None);
        }
        if let end @ RolloutEnd::Infrastructure { .. } = result? {
            failed.push(format!("{id}: {}", end.reason().unwrap_or_default()));
        }
    }
    Ok(Some(failed))
}

/// Says how much there is to judge.
fn announce(run: &JudgingRun, format: Format) {
    tell_of_pins(run.pinned_in());
    if format == Format::Text {
        eprintln!("judging {} patches; what was judged before is not judged again", run.trees());
    }
}

fn stopped() -> ExitCode {
    eprintln!("stopped; nothing that was answered is lost");
    eprintln!("hint: the same command goes on");
    ExitCode::from(STOPPED)
}
