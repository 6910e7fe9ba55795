//! `catena show`.

mod trajectory;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use catena_plugin::Judged;
use catena_rollout::run::calibration::CalibrationState;
use catena_rollout::run::{Planned, Readable, planned, readable};
use catena_rollout::summary::RoundSummary;
use catena_rollout::{RolloutSummary, RunError};
use clap::ValueHint;
use serde_json::{Value, json};

use crate::commands::follow;
use crate::failure::Failure;
use crate::output::{
    Format, bytes, dollars, grouped, headline, limit_table, print_json, say, stage_table, table,
    tokens,
};
use crate::refused;
use trajectory::Whole;

/// From this many rollouts on, a run is shown as one table.
const MANY: usize = 4;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the run, a file of `--profile canonical`, or another program's trajectory
    #[arg(value_name = "RUN|FILE", value_hint = ValueHint::AnyPath)]
    run: PathBuf,
    /// Show this rollout alone, with everything there is
    #[arg(long, value_name = "CHAIN.TRIAL")]
    rollout: Option<String>,
    /// Show all that was said as well, turn by turn
    #[arg(long, conflicts_with = "follow")]
    trajectory: bool,
    /// Print what happens as it happens, until nobody works on the run any more
    #[arg(long)]
    follow: bool,
}

pub(crate) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    if arguments.follow {
        return follow::run(&arguments.run, arguments.rollout.as_deref(), format);
    }
    let (run, only) = (&arguments.run, arguments.rollout.as_deref());
    let whole = if arguments.trajectory { Whole::Trajectory } else { Whole::Figures };
    if run.is_file() {
        trajectory::show_file(run, only, whole, format)?;
        return Ok(ExitCode::SUCCESS);
    }
    let about = if whole == Whole::Trajectory && format == Format::Json {
        json!({"run": run, "trajectories": trajectory::of_run(run, only)?})
    } else {
        json!({"run": run})
    };
    let code = show(run, only, format, about)?;
    if whole == Whole::Trajectory && format == Format::Text {
        trajectory::print_run(run, only)?;
    }
    Ok(code)
}

/// Shows a run, and fails once that is done if journals can't be read. `about` goes into
/// the JSON as it is.
pub(crate) fn show(
    dir: &Path,
    only: Option<&str>,
    format: Format,
    mut about: Value,
) -> Result<ExitCode, Failure> {
    let planned = planned(dir)?;
    let Readable { rollouts: mut all, mut damaged } = readable(dir)?;
    if let Some(wanted) = only {
        all.retain(|summary| summary.rollout.to_string() == wanted);
        damaged.retain(|err| err.path().file_stem().is_some_and(|name| name == wanted));
        if all.is_empty() && damaged.is_empty() {
            return Err(Failure::input(anyhow::anyhow!("the run has no rollout `{wanted}`"))
                .with_hint(format!("`catena show {}` lists them", dir.display())));
        }
    }
    if format == Format::Json {
        if let Some(about) = about.as_object_mut() {
            let rollouts = serde_json::to_value(&all).map_err(anyhow::Error::from)?;
            about.insert("rollouts".to_owned(), rollouts);
            if !damaged.is_empty() {
                let reasons: Vec<String> = damaged.iter().map(ToString::to_string).collect();
                about.insert("damaged".to_owned(), reasons.into());
            }
        }
        print_json(&about)?;
        return Ok(if damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if all.len() >= MANY {
        print_many(&all);
    } else {
        for summary in &all {
            print_one(summary, &planned, only.is_some());
        }
    }
    if let Some(note) = planned.calibration.filter(|note| note.forced) {
        say!("judges: {}; begun by `--force`", uncalibrated(note.state));
    }
    say!("run: {}", dir.display());
    match damaged.pop() {
        None => Ok(ExitCode::SUCCESS),
        Some(last) => {
            for err in &damaged {
                eprintln!("error: {err}");
            }
            Err(RunError::from(last).into())
        }
    }
}

/// What was known of judges that a run was begun with all the same.
fn uncalibrated(state: CalibrationState) -> &'static str {
    match state {
        CalibrationState::Passed => "they can tell good patches from bad ones",
        CalibrationState::TooFew => {
            "they were tried on too few stages to know whether they can tell good patches from bad ones"
        }
        CalibrationState::Failed => "they can't tell good patches from bad ones",
        CalibrationState::Missing => {
            "it was not known whether they can tell good patches from bad ones"
        }
    }
}

fn print_one(summary: &RolloutSummary, planned: &Planned, with_feedback: bool) {
    say!("{}\n{}", headline(summary), stage_table(summary));
    say!(
        "{} turns, {} tool calls, {} tokens ({} cached), {}",
        summary.turns,
        summary.tool_calls,
        grouped(tokens(&summary.usage)),
        grouped(summary.usage.cached_tokens),
        dollars(summary.usage.cost_microusd),
    );
    if summary.judging_turns > 0 {
        say!(
            "judges beside that: {} turns, {} tokens ({} cached), {}",
            summary.judging_turns,
            grouped(tokens(&summary.judging_usage)),
            grouped(summary.judging_usage.cached_tokens),
            dollars(summary.judging_usage.cost_microusd),
        );
    }
    if summary.failed_attempts > 0 {
        say!(
            "{} attempts at the model failed and were made again, after {}s of waiting",
            summary.failed_attempts,
            summary.waited_ms / 1000,
        );
    }
    if summary.requests > 0 {
        say!("{} requests to the network were made for plugins", summary.requests);
    }
    if summary.forks + summary.replacements > 0 {
        say!(
            "conversations: {} forked, {} times other messages took the place of a history",
            summary.forks,
            summary.replacements,
        );
    }
    say!("\nlimits used\n{}", limit_table(summary, planned));
    let quota = &planned.file.workspace;
    say!(
        "worktree: at most {} of {} and {} of {} entries added, {} writes refused, \
         {} changes of protected paths refused, {} in memory, {} on disk\n",
        bytes(summary.workspace_bytes),
        quota.bytes,
        grouped(summary.workspace_entries),
        grouped(quota.entries),
        summary.workspace_refused,
        summary.workspace_protected,
        bytes(summary.workspace_memory),
        bytes(summary.workspace_spilled),
    );
    refused::print(&refused::of([summary]));
    print_conflicts(summary);
    if with_feedback {
        print_feedback(summary);
        for (plugin, level, text) in &summary.logs {
            say!("log {plugin} {level}: {text}");
        }
    }
}

fn print_conflicts(summary: &RolloutSummary) {
    for stage in &summary.stages {
        for conflict in stage.carry.conflicts() {
            say!("stage {}: conflict in {} ({})", stage.stage, conflict.path, conflict.kind);
        }
    }
}

fn print_feedback(summary: &RolloutSummary) {
    for stage in &summary.stages {
        for round in stage.rounds.iter().filter(|round| !round.judges.is_empty()) {
            say!("stage {} round {}: {}", stage.stage, round.round, scores(round));
            let feedback = round.verdict.as_ref().map_or("", |verdict| &verdict.feedback);
            for line in feedback.lines() {
                say!("  {line}");
            }
            match round.cut.len() {
                0 => {}
                1 => say!("  1 thing that only the reference has was cut from the feedback"),
                cut => {
                    say!("  {cut} things that only the reference has were cut from the feedback");
                }
            }
            if let Some(why) = &round.withheld {
                say!("  all of the feedback was kept back: {why}");
            }
        }
    }
}

/// What a round's judges came to, and each of them where there are several.
fn scores(round: &RoundSummary) -> String {
    let score = match &round.verdict {
        Some(verdict) => format!("{:.2}", verdict.score),
        None => "no verdict".to_owned(),
    };
    let Some(rule) = round.combine else { return score };
    let each = round.judges.iter().map(|judge| match &judge.judged {
        Judged::Verdict(verdict) => format!("{} {:.2}", judge.judge, verdict.score),
        Judged::NoVerdict(_) | Judged::Failed(_) => format!("{} no verdict", judge.judge),
    });
    format!("{score} by `{}`: {}", rule.word(), each.collect::<Vec<_>>().join(", "))
}

fn print_many(all: &[RolloutSummary]) {
    let mut table = table(&["rollout", "end", "accepted", "carry", "turns", "tokens", "why"]);
    for summary in all {
        let carries: Vec<&str> = summary.stages.iter().map(|stage| stage.carry.word()).collect();
        let why = summary.end.as_ref().and_then(catena_rollout::RolloutEnd::reason);
        table.add_row(vec![
            summary.rollout.to_string(),
            summary.end.as_ref().map_or("not finished", |end| end.word()).to_owned(),
            format!("{} of {}", summary.accepted_prefix(), summary.stages.len()),
            carries.join(" "),
            summary.turns.to_string(),
            grouped(tokens(&summary.usage)),
            why.unwrap_or_default(),
        ]);
    }
    say!("{table}");
    refused::print(&refused::of(all.iter().filter(|summary| !summary.control)));
}
