//! `catena verify`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use catena_rollout::run::judging::{JudgingRun, are_judgements, judgements_path};
use catena_rollout::{RolloutId, Run, RunError, Verified};
use clap::ValueHint;
use serde_json::{Value, json};

use crate::failure::{CHECK_FAILED, Failure};
use crate::machine::Machine;
use crate::output::{Format, print_json, say};
use crate::watch;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the run, whose judgements are replayed as well, or of judgements alone
    #[arg(value_hint = ValueHint::DirPath)]
    run: PathBuf,
}

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let dir = &arguments.run;
    let options = machine.offline_options(watch::watcher(format));
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    let (mut passed, mut rows) = (true, Vec::new());
    if !are_judgements(dir) {
        let run = Run::open_to_verify(dir, &options)?;
        let results = runtime.block_on(run.verify());
        rows = report("", results, format, &mut passed);
    }
    let mut judgements = BTreeMap::new();
    for dir in judgements_of(dir)? {
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let run = JudgingRun::open_to_verify(&dir, &options)?;
        let results = runtime.block_on(run.verify());
        let place = format!("judgements `{name}`, ");
        judgements.insert(name, report(&place, results, format, &mut passed));
    }
    drop(options);
    if format == Format::Json {
        print_json(&json!({
            "run": dir, "passed": passed, "rollouts": rows, "judgements": judgements,
        }))?;
    } else if !passed {
        say!("not every rollout was reproduced");
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(CHECK_FAILED) })
}

/// The directories of judgements: this one, or those beside a run.
fn judgements_of(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    if are_judgements(dir) {
        return Ok(vec![dir.to_owned()]);
    }
    let all = judgements_path(dir, "");
    if !all.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&all);
    let entries = entries.with_context(|| format!("can't read `{}`", all.display()))?;
    let mut dirs: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("plan.json").exists())
        .collect();
    dirs.sort();
    Ok(dirs)
}

/// Says what came of each replay.
fn report(
    place: &str,
    results: Vec<(RolloutId, Result<Verified, RunError>)>,
    format: Format,
    passed: &mut bool,
) -> Vec<Value> {
    let mut rows = Vec::new();
    for (id, result) in results {
        let rollout = id.to_string();
        match result {
            Ok(verified) => {
                let (reproduced, words) = describe(&verified);
                *passed &= reproduced == Some(true);
                if format == Format::Text {
                    say!("{place}rollout {rollout}: {words}");
                }
                rows.push(json!({"rollout": rollout, "reproduced": reproduced, "why": words}));
            }
            Err(err) => {
                *passed = false;
                rows.push(json!({"rollout": rollout, "reproduced": false, "why": err.to_string()}));
                Failure::from(err).report(Format::Text);
            }
        }
    }
    rows
}

/// Whether the rollout was reproduced, if that could be tried, and in words.
fn describe(verified: &Verified) -> (Option<bool>, String) {
    match verified {
        Verified::Reproduced { end, taken, native, requests } => {
            let mut words = format!("every record reproduced ({})", end.word());
            let exceptions = [
                (*taken, "call", "that ran out of wall-clock time"),
                (*native, "command", "outside the sandbox"),
                (*requests, "request", "to the network"),
            ];
            let exceptions = exceptions.iter().filter(|(count, ..)| *count > 0);
            let exceptions: Vec<String> = exceptions
                .map(|(count, what, which)| {
                    let many = if *count == 1 { "" } else { "s" };
                    format!("{count} {what}{many} {which}")
                })
                .collect();
            if !exceptions.is_empty() {
                let told = exceptions.join(" and ");
                let is = if *taken + *native + *requests == 1 { "was" } else { "were" };
                words = format!("{words}, but for {told}, which {is} taken as recorded");
            }
            (Some(true), words)
        }
        Verified::Interrupted { end } => {
            (None, format!("skipped: ended as {}; `catena resume` comes first", end.word()))
        }
        Verified::NotBegun => (None, "skipped: not begun; `catena resume` begins it".to_owned()),
    }
}
