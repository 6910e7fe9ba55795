//! `catena stats`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use catena_dataset::select::Reason;
use catena_dataset::stats::{Funnels, Gather, Spread, Stats, plot};
use catena_dataset::{Counter, ExportError, Rollouts};
use clap::ValueHint;

use crate::commands::export::Selection;
use crate::failure::Failure;
use crate::output::{Format, dollars, grouped, print_json, say, table, tokens};
use crate::refused;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directories of runs, or files of `--profile canonical`
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    selection: Selection,
    /// Count tokens with this `tokenizer.json`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    tokenizer: Option<PathBuf>,
    /// Draw the histogram of scores into this file as well
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    svg: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    let (criteria, _) = arguments.selection.criteria()?;
    let counter = arguments.tokenizer.as_deref().map(Counter::load).transpose();
    let counter = counter.map_err(Failure::input)?;
    let mut gather = Gather::new(counter.as_ref());
    for path in &arguments.runs {
        let rollouts = Rollouts::open_judged(path, arguments.selection.judgements());
        for rollout in rollouts.map_err(ExportError::from)? {
            match rollout {
                Ok(rollout) => gather.add(&rollout, &criteria),
                Err(_) => gather.unreadable(),
            }
        }
    }
    let stats = gather.finish();
    if let Some(path) = &arguments.svg {
        let svg = plot::svg(&stats.scores, "Scores of rounds");
        std::fs::write(path, svg).with_context(|| format!("can't write `{}`", path.display()))?;
    }
    if format == Format::Json {
        print_json(&stats)?;
    } else {
        print(&stats);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(stats: &Stats) {
    say!(
        "{} rollouts, {} stages begun, {} accepted, {} samples",
        grouped(stats.rollouts),
        grouped(stats.stages),
        grouped(stats.stages_accepted),
        grouped(stats.samples),
    );
    let mut repositories =
        table(&["repository", "chains", "pull requests", "queries", "rollouts", "samples"]);
    for (name, of) in &stats.repositories {
        let numbers = [of.chains, of.pull_requests, of.queries, of.rollouts, of.samples];
        let cells = std::iter::once(name.clone()).chain(numbers.into_iter().map(grouped));
        repositories.add_row(cells.collect::<Vec<_>>());
    }
    say!("{repositories}");
    let mut spreads = table(&["", "mean", "median", "p90", "max", "sum"]);
    let of_samples = [
        ("tokens of a sample, by the tokenizer", stats.tokens),
        ("those to be learned", stats.trained_tokens),
        ("tokens of a sample, by the server", Some(stats.served_tokens)),
        ("tool calls of a sample", Some(stats.tool_calls)),
        ("turns of a sample", Some(stats.turns)),
        ("stages of a sample", Some(stats.sample_stages)),
        ("rounds of a judged stage", Some(stats.rounds)),
    ];
    for (what, spread) in of_samples {
        let Some(Spread { mean, median, p90, max, sum, .. }) = spread else { continue };
        let numbers = [p90, max, sum].map(grouped);
        let means = [what.to_owned(), format!("{mean:.1}"), format!("{median:.1}")];
        let cells = means.into_iter().chain(numbers);
        spreads.add_row(cells.collect::<Vec<_>>());
    }
    say!("{spreads}");
    if let Some(mean) = stats.mean_score {
        say!("scores of rounds, mean {mean:.2}\n{}", plot::text(&stats.scores).trim_end());
    }
    say!(
        "{} tokens for {}, of them {} tokens for {} by rollouts that gave samples",
        grouped(tokens(&stats.usage)),
        dollars(stats.usage.cost_microusd),
        grouped(tokens(&stats.usage_of_samples)),
        dollars(stats.usage_of_samples.cost_microusd),
    );
    if tokens(&stats.judging_usage) > 0 {
        say!(
            "{} tokens for {} by judges",
            grouped(tokens(&stats.judging_usage)),
            dollars(stats.judging_usage.cost_microusd),
        );
    }
    refused::print(&stats.refused);
    say!("{}", funnel(&stats.funnel));
}

/// How many rollouts, stages and samples were left after each condition.
fn funnel(funnels: &Funnels) -> comfy_table::Table {
    let all = [&funnels.rollouts, &funnels.stages, &funnels.samples];
    let steps = all.iter().flat_map(|steps| steps.iter());
    let reasons: BTreeSet<Option<Reason>> = steps.map(|step| step.reason).collect();
    let mut rows =
        table(&["", "rollouts left", "out", "stages left", "out", "samples left", "out"]);
    let mut left = all.map(|_| 0);
    for reason in reasons {
        let mut cells = vec![reason.map_or("there are", Reason::word).to_owned()];
        for (steps, left) in all.iter().zip(&mut left) {
            let step = steps.iter().find(|step| step.reason == reason);
            *left = step.map_or(*left, |step| step.left);
            let out = step.map_or(0, |step| step.out);
            cells.push(grouped(*left));
            cells.push(if out == 0 { String::new() } else { grouped(out) });
        }
        rows.add_row(cells);
    }
    rows
}
