//! `catena verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use catena_rollout::{Run, Verified};
use clap::ValueHint;
use serde_json::json;

use crate::failure::{CHECK_FAILED, Failure};
use crate::machine::Machine;
use crate::output::{Format, print_json, say};
use crate::watch;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the run
    #[arg(value_hint = ValueHint::DirPath)]
    run: PathBuf,
}

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let options = machine.offline_options(watch::watcher(format));
    let run = Run::open_to_verify(&arguments.run, &options)?;
    drop(options);
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    let results = runtime.block_on(run.verify());
    let mut passed = true;
    let mut rows = Vec::new();
    for (id, result) in results {
        let rollout = id.to_string();
        match result {
            Ok(verified) => {
                let (reproduced, words) = describe(&verified);
                passed &= reproduced == Some(true);
                if format == Format::Text {
                    say!("rollout {rollout}: {words}");
                }
                rows.push(json!({"rollout": rollout, "reproduced": reproduced, "why": words}));
            }
            Err(err) => {
                passed = false;
                rows.push(json!({"rollout": rollout, "reproduced": false, "why": err.to_string()}));
                Failure::from(err).report(Format::Text);
            }
        }
    }
    if format == Format::Json {
        print_json(&json!({"run": arguments.run, "passed": passed, "rollouts": rows}))?;
    } else if !passed {
        say!("not every rollout was reproduced");
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(CHECK_FAILED) })
}

/// Whether the rollout was reproduced, if that could be tried, and in words.
fn describe(verified: &Verified) -> (Option<bool>, String) {
    match verified {
        Verified::Reproduced { end, taken, native } => {
            let mut words = format!("every record reproduced ({})", end.word());
            let exceptions = [
                (*taken, "call", "that ran out of wall-clock time"),
                (*native, "command", "outside the sandbox"),
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
                let is = if *taken + *native == 1 { "was" } else { "were" };
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
