//! `catena judge calibrate`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use catena_rollout::progress::Unwatched;
use catena_rollout::run::calibration::{
    Calibrating, Calibration, CalibrationState, DEFAULT_STAGES, LEAST_STAGES,
};
use clap::ValueHint;

use crate::commands::run::{WallsAsked, until_stopped};
use crate::failure::{CHECK_FAILED, Failure};
use crate::machine::Machine;
use crate::output::{Format, dollars, grouped, print_json, say, table};

/// Reasons for no verdict that are printed, at most.
const REASONS: usize = 5;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The run file, whose judges are tried on stages of its chains
    #[arg(value_name = "RUN.TOML", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Stages to make patches of, spread over the chains; of several calibrations, that of most
    /// stages counts
    #[arg(long, value_name = "N", default_value_t = DEFAULT_STAGES, value_parser = clap::value_parser!(u32).range(1..))]
    stages: u32,
    #[command(flatten)]
    walls: WallsAsked,
}

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let options = arguments.walls.of(machine.run_options(Arc::new(Unwatched)));
    let calibrating = Calibrating::create(&arguments.file, arguments.stages, &options)?;
    let run = calibrating.judging();
    super::announce(&run, format);
    let ended = until_stopped(&options.stop, super::behind_walls(run))?.transpose()?;
    let Some(failed) = super::failures(ended)? else { return Ok(super::stopped()) };
    if !failed.is_empty() {
        let failed = failed.join("; ");
        return Err(Failure::from(anyhow::anyhow!("not judged to the end: {failed}"))
            .with_hint("the same command goes on"));
    }
    let calibration = calibrating.finish()?;
    match format {
        Format::Json => print_json(&calibration)?,
        Format::Text => {
            print(&calibration);
            say!("calibration: {}", calibrating.dir().display());
        }
    }
    let passed = calibration.state() == CalibrationState::Passed;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(CHECK_FAILED) })
}

fn print(calibration: &Calibration) {
    let titles = [
        "patches",
        "number",
        "accepted",
        "rejected",
        "no verdict",
        "mean score",
        "may be accepted",
    ];
    let mut rows = table(&titles);
    for row in &calibration.rows {
        let (least, most) = row.kind.bounds();
        let bound = match (least > 0.0, most > 0.0) {
            (true, _) => format!("at least {:.0} %", least * 100.0),
            (false, true) => format!("at most {:.0} %", most * 100.0),
            (false, false) => "none".to_owned(),
        };
        rows.add_row(vec![
            row.kind.word().to_owned(),
            row.patches().to_string(),
            row.accepted.to_string(),
            row.rejected.to_string(),
            row.no_verdict.to_string(),
            row.mean_score.map_or("-".to_owned(), |score| format!("{score:.2}")),
            bound,
        ]);
    }
    say!("{rows}");
    for reason in calibration.reasons.iter().take(REASONS) {
        say!("no verdict: {reason}");
    }
    let judges = calibration.judges.join("`, `");
    let stages = calibration.stages;
    let usage = &calibration.usage;
    if usage.tokens() > 0 {
        say!("{} tokens, {}", grouped(usage.tokens()), dollars(usage.cost_microusd));
    }
    match calibration.state() {
        CalibrationState::Failed => {
            say!("`{judges}` can't tell them apart: {}", calibration.failures.join("; "));
        }
        CalibrationState::TooFew => say!(
            "`{judges}` can tell them apart, on patches of {stages} stages; {LEAST_STAGES} are \
             needed for a run to rely on that"
        ),
        _ => say!("`{judges}` can tell them apart, on patches of {stages} stages"),
    }
}
