//! `catena run --estimate`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use catena_rollout::estimate::{Basis, Estimate, StageCost, estimate};
use indicatif::HumanDuration;
use serde_json::json;

use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::{Format, dollars, grouped, print_json, say, table};

/// Where runs lie by default.
const RUNS: &str = "runs";

pub(crate) fn run(
    file: &Path,
    past: &[PathBuf],
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let options = machine.offline_options(Arc::new(catena_rollout::progress::Unwatched));
    let past = if past.is_empty() { vec![PathBuf::from(RUNS)] } else { past.to_vec() };
    let runs: Vec<PathBuf> = past.iter().flat_map(|dir| runs_in(dir)).collect();
    let runs: Vec<&Path> = runs.iter().map(PathBuf::as_path).collect();
    let estimate = estimate(file, &runs, &options)?;
    if format == Format::Json {
        print_json(&json!({"run_file": file, "estimate": estimate}))?;
    } else {
        print(&estimate);
    }
    Ok(ExitCode::SUCCESS)
}

/// A directory that is a run, or the runs in it.
fn runs_in(dir: &Path) -> Vec<PathBuf> {
    if dir.join("plan.json").exists() {
        return vec![dir.to_owned()];
    }
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let mut runs: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.join("plan.json").exists()).collect();
    runs.sort();
    runs
}

fn print(estimate: &Estimate) {
    say!("{} rollouts with {} stages, if each is come to", estimate.rollouts, estimate.stages);
    let mut rows = table(&["", "expected", "high"]);
    let both = |figure: &dyn Fn(&StageCost) -> String| {
        [figure(&estimate.expected), figure(&estimate.high)]
    };
    let mut add = |name: &str, [expected, high]: [String; 2]| {
        rows.add_row(vec![name.to_owned(), expected, high]);
    };
    add("turns", both(&|cost| grouped(cost.turns)));
    add("tokens in", both(&|cost| grouped(cost.usage.input_tokens)));
    add("of them cached", both(&|cost| grouped(cost.usage.cached_tokens)));
    add("tokens out", both(&|cost| grouped(cost.usage.output_tokens)));
    if estimate.priced {
        add("money", both(&|cost| dollars(cost.usage.cost_microusd)));
    }
    let time = |ms: u64| HumanDuration(Duration::from_millis(ms)).to_string();
    add("time", [estimate.expected_run_ms, estimate.high_run_ms].map(time));
    say!("{rows}");
    say!("{}", origin(estimate));
    if let Some(most) = estimate.most_tokens {
        say!("the run file bounds it to {} tokens", grouped(most));
    }
    if let Some(most) = estimate.most_microusd {
        say!("the run file bounds it to {}", dollars(most));
    }
    if !estimate.priced {
        say!("the model has no price, so nothing is said about money");
    }
}

fn origin(estimate: &Estimate) -> String {
    let stages = estimate.past_stages;
    match estimate.basis {
        Basis::PastRuns => {
            format!("from {stages} stages of past runs with this scaffold and model")
        }
        Basis::OtherModels => {
            format!("from {stages} stages of past runs with this scaffold and other models")
        }
        Basis::Sizes => "by rules of thumb over the sizes of queries and patches, as there is no \
                         past run with this scaffold; expect it to be wrong by a factor of three"
            .to_owned(),
    }
}
