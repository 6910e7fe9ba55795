//! `catena judge RUN --with OTHER`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use catena_rollout::agreement::{Metric, alpha};
use catena_rollout::progress::Unwatched;
use catena_rollout::run::judging::{JudgingRun, Rejudged, rejudged};
use catena_rollout::run::planned;
use clap::ValueHint;
use serde_json::json;

use super::imports::{self, Said};
use crate::commands::run::{WallsAsked, until_stopped};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::{Format, print_json, say, table};

#[derive(clap::Args)]
pub(crate) struct Submissions {
    /// Directory of a run, or a file of imports; both stay as they are
    #[arg(value_name = "RUN|FILE", value_hint = ValueHint::AnyPath, required = true)]
    pub(super) run: PathBuf,
    /// The judge: an installed plugin's name, a directory, or a run file with judges
    #[arg(long = "with", value_name = "JUDGE|RUN.TOML", value_hint = ValueHint::AnyPath, required = true)]
    pub(super) other: PathBuf,
    /// Name of the judgements, in RUN/judgements or FILE.judgements; that of JUDGE or RUN.TOML by
    /// default
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// What may be said beside them.
#[derive(clap::Args)]
pub(crate) struct Beside {
    #[command(flatten)]
    pub(super) walls: WallsAsked,
    #[command(flatten)]
    pub(super) said: Said,
}

pub(crate) fn run(
    arguments: &Submissions,
    beside: &Beside,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    if arguments.run.is_file() {
        return imports::run(arguments, beside, machine, format);
    }
    beside.said.refused()?;
    let name = name(arguments)?;
    let options = beside.walls.of(machine.run_options(Arc::new(Unwatched)));
    let judging = JudgingRun::of_submissions(&arguments.run, &arguments.other, &name, &options)?;
    let dir = judging.dir().to_owned();
    if judging.trees() == 0 {
        return Err(Failure::input(anyhow::anyhow!(
            "no rollout of `{}` has ended with a submission",
            arguments.run.display()
        ))
        .with_hint("`catena show` tells how far rollouts have come"));
    }
    super::announce(&judging, format);
    let judging = Arc::new(judging);
    let ended = until_stopped(&options.stop, super::behind_walls(judging))?.transpose()?;
    let Some(failed) = super::failures(ended)? else { return Ok(super::stopped()) };
    let pairs = rejudged(&arguments.run, &dir)?;
    let threshold = planned(&arguments.run)?.file.threshold;
    let report = Report::of(&pairs, threshold);
    match format {
        Format::Json => print_json(&json!({
            "judgements": dir,
            "threshold": threshold,
            "submissions": pairs,
            "alpha_scores": report.scores,
            "alpha_accepted": report.accepted,
            "failed": failed,
        }))?,
        Format::Text => {
            report.print(&pairs, threshold);
            for why in &failed {
                say!("not judged to the end: {why}");
            }
            say!("judgements: {}", dir.display());
        }
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(super::INCOMPLETE) })
}

/// The name that was given, or that of the judge.
pub(super) fn name(arguments: &Submissions) -> Result<String, Failure> {
    let own = arguments.other.file_stem().map(|name| name.to_string_lossy().into_owned());
    let name = arguments.name.clone().or(own).unwrap_or_default();
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && name.chars().any(|c| c.is_ascii_alphanumeric());
    if is_name {
        return Ok(name);
    }
    Err(Failure::input(anyhow::anyhow!("`{name}` is no name for judgements"))
        .with_hint("give one of letters, digits, `-`, `_` and `.` with `--name`"))
}

/// How far old and new scores agree.
struct Report {
    scores: Option<f64>,
    accepted: Option<f64>,
}

impl Report {
    fn of(pairs: &[Rejudged], threshold: f64) -> Self {
        let accepted = |score: Option<f64>| score.map(|it| f64::from(u8::from(it >= threshold)));
        let scores: Vec<_> = pairs.iter().map(|pair| vec![pair.old, pair.new]).collect();
        let ends: Vec<_> =
            pairs.iter().map(|pair| vec![accepted(pair.old), accepted(pair.new)]).collect();
        Self { scores: alpha(&scores, Metric::Interval), accepted: alpha(&ends, Metric::Nominal) }
    }

    fn print(&self, pairs: &[Rejudged], threshold: f64) {
        let mut rows = table(&["rollout", "stage", "round", "old", "new", "accepted", "why"]);
        for pair in pairs {
            let word = |score: Option<f64>| match score {
                Some(score) if score >= threshold => "yes",
                Some(_) => "no",
                None => "-",
            };
            let score = |score: Option<f64>| score.map_or("-".to_owned(), |it| format!("{it:.2}"));
            rows.add_row(vec![
                pair.rollout.to_string(),
                pair.stage.to_string(),
                pair.round.to_string(),
                score(pair.old),
                score(pair.new),
                format!("{} → {}", word(pair.old), word(pair.new)),
                pair.reason.clone().unwrap_or_default(),
            ]);
        }
        say!("{rows}");
        let figure = |alpha: Option<f64>| match alpha {
            Some(alpha) => format!("{alpha:.3}"),
            None => "undefined, as nothing differs".to_owned(),
        };
        say!("agreement (Krippendorff's alpha): scores {}", figure(self.scores));
        say!("agreement (Krippendorff's alpha): accepted or not {}", figure(self.accepted));
    }
}
