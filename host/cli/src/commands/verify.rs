//! `catena verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use catena_rollout::{RolloutEnd, Run};
use clap::ValueHint;
use serde_json::json;

use crate::failure::Failure;
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
    let run = Run::open(&arguments.run, &options)?;
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    let results = runtime.block_on(run.verify());
    let mut passed = true;
    let mut rows = Vec::new();
    for (id, result) in results {
        match result {
            Ok(end @ RolloutEnd::Infrastructure { .. }) => {
                if format == Format::Text {
                    let word = end.word();
                    say!("rollout {id}: ended as {word}; `catena resume` comes first");
                }
                rows.push(json!({"rollout": id.to_string(), "reproduced": null}));
            }
            Ok(end) => {
                if format == Format::Text {
                    say!("rollout {id}: every record reproduced ({})", end.word());
                }
                rows.push(json!({"rollout": id.to_string(), "reproduced": true}));
            }
            Err(err) => {
                passed = false;
                rows.push(json!({"rollout": id.to_string(), "reproduced": false}));
                Failure::from(err).report(Format::Text);
            }
        }
    }
    if format == Format::Json {
        print_json(&json!({"run": arguments.run, "passed": passed, "rollouts": rows}))?;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(4) })
}
