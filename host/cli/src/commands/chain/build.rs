//! `catena chain build`.

use std::path::PathBuf;
use std::process::ExitCode;

use catena_chain::EdgeKind;
use catena_mine::{
    Built, Catalogue, Funnel, SelectOptions, Spread, StageLimits, Statistics, Strategy, build,
};
use catena_tree::ObjectDatabase;
use clap::{ValueEnum, ValueHint};
use comfy_table::{Cell, CellAlignment};
use serde_json::{Value, json};

use super::{counts, print_doubts, refused_json, show_progress};
use crate::failure::Failure;
use crate::output::{Format, grouped, print_json, say, table};
use crate::watch;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The catalogue that `catena mine` wrote
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    catalogue: PathBuf,
    /// The clone it was mined from; nothing is written to it
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
    clone: PathBuf,
    /// The chain file to write
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// How pull requests are put into chains
    #[arg(long, value_enum, default_value_t)]
    strategy: StrategyName,
    /// Fewest stages of a chain
    #[arg(long, value_name = "N", default_value_t = 3)]
    min_stages: usize,
    /// Most stages of a chain
    #[arg(long, value_name = "N", default_value_t = 5)]
    max_stages: usize,
    /// Weakest link that holds, from 0 to 1
    #[arg(long, value_name = "S", default_value_t = SelectOptions::default().min_strength)]
    min_strength: f64,
    /// Most files a stage may change
    #[arg(long, value_name = "N", default_value_t = StageLimits::default().files)]
    max_files: usize,
    /// Most lines a stage may add and delete together
    #[arg(long, value_name = "N", default_value_t = StageLimits::default().lines)]
    max_lines: u64,
    /// SPDX expression of the repository's licence, for the chain file
    #[arg(long, value_name = "SPDX")]
    license: Option<String>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum StrategyName {
    /// Along links, strongest first
    #[default]
    Semantic,
    /// As they follow each other in time, linked or not
    Temporal,
    /// Each pull request by itself
    Single,
}

pub(crate) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    let options = options(arguments)?;
    let catalogue = Catalogue::load(&arguments.catalogue).map_err(|err| {
        Failure::input(err).with_hint("`catena mine --clone PATH --output FILE` makes one")
    })?;
    let clone = ObjectDatabase::open(&arguments.clone).map_err(|err| {
        Failure::input(err).with_hint("`--clone` takes the path of a git repository")
    })?;
    let bar = watch::bar(format, "resolving");
    let license = arguments.license.clone();
    let built = build(&clone, &catalogue, &options, license, &mut |step| show_progress(&bar, step));
    bar.finish_and_clear();
    let built = built.map_err(|err| {
        Failure::input(err).with_hint("name the clone the catalogue was mined from")
    })?;
    built.resolution.file.save(&arguments.output).map_err(anyhow::Error::from)?;
    let statistics = Statistics::of(&catalogue, &built.links, &built.resolution.file);
    match format {
        Format::Json => print_json(&as_json(&built, &statistics, arguments))?,
        Format::Text => print_text(&built, &statistics, arguments),
    }
    Ok(ExitCode::SUCCESS)
}

fn options(arguments: &Arguments) -> Result<SelectOptions, Failure> {
    if arguments.min_stages == 0 || arguments.min_stages > arguments.max_stages {
        let told = format!(
            "chains of {} to {} stages cannot be",
            arguments.min_stages, arguments.max_stages
        );
        return Err(Failure::input(anyhow::anyhow!(told))
            .with_hint("`--min-stages` is at least 1 and at most `--max-stages`"));
    }
    if !(0.0..=1.0).contains(&arguments.min_strength) {
        let told = format!("no link can have the strength {}", arguments.min_strength);
        return Err(Failure::input(anyhow::anyhow!(told))
            .with_hint("`--min-strength` takes a number from 0 to 1"));
    }
    Ok(SelectOptions {
        strategy: match arguments.strategy {
            StrategyName::Semantic => Strategy::Semantic,
            StrategyName::Temporal => Strategy::Temporal,
            StrategyName::Single => Strategy::Single,
        },
        min_stages: arguments.min_stages,
        max_stages: arguments.max_stages,
        min_strength: arguments.min_strength,
        stage: StageLimits { files: arguments.max_files, lines: arguments.max_lines },
    })
}

fn as_json(built: &Built, statistics: &Statistics, arguments: &Arguments) -> Value {
    let (stages, without_patch) = counts(&built.resolution.file);
    let funnel = &built.selection.funnel;
    let named = |counts: Vec<(String, usize)>| -> Value { counts.into_iter().collect() };
    json!({
        "output": arguments.output,
        "chains": built.resolution.file.chains.len(),
        "stages": stages,
        "stages_without_patch": without_patch,
        "funnel": {
            "pull_requests": funnel.pull_requests,
            "excluded": named(excluded(funnel)),
            "candidates": funnel.candidates,
            "links": funnel.links,
            "unused": named(unused(funnel)),
            "used": funnel.used,
            "references_that_are_no_links": named(rejected(built)),
            "paths": funnel.paths,
        },
        "statistics": statistics,
        "refused": refused_json(&built.resolution.refused),
    })
}

fn excluded(funnel: &Funnel) -> Vec<(String, usize)> {
    funnel.excluded.iter().map(|(reason, count)| (reason.to_string(), *count)).collect()
}

fn unused(funnel: &Funnel) -> Vec<(String, usize)> {
    funnel.unused.iter().map(|(reason, count)| (reason.to_string(), *count)).collect()
}

/// Rejected references by reason, whatever the branch.
fn rejected(built: &Built) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for reference in &built.links.rejected {
        let reason = match &reference.reason {
            catena_mine::NoLink::OtherBranch(_) => "landed on another branch".to_owned(),
            other => other.to_string(),
        };
        match counts.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => counts.push((reason, 1)),
        }
    }
    counts.sort();
    counts
}

fn print_text(built: &Built, statistics: &Statistics, arguments: &Arguments) {
    let funnel = &built.selection.funnel;
    let mut rows = table(&["step", "count"]);
    let mut row = |step: String, count: usize| {
        let count = Cell::new(grouped(count as u64)).set_alignment(CellAlignment::Right);
        rows.add_row(vec![Cell::new(step), count]);
    };
    row("pull requests".to_owned(), funnel.pull_requests);
    for (reason, count) in excluded(funnel) {
        row(format!("  not taken: {reason}"), count);
    }
    row("can be stages".to_owned(), funnel.candidates);
    row("links between pull requests".to_owned(), funnel.links);
    for (reason, count) in unused(funnel) {
        row(format!("  not used: {reason}"), count);
    }
    row("links used".to_owned(), funnel.used);
    for (reason, count) in rejected(built) {
        row(format!("  no link: {reason}"), count);
    }
    for (stages, count) in &funnel.paths {
        let dropped = if *stages < arguments.min_stages { ", too short" } else { "" };
        let noun = if *stages == 1 { "pull request" } else { "pull requests" };
        row(format!("paths of {stages} {noun}{dropped}"), *count);
    }
    row("chains refused in the clone".to_owned(), built.resolution.refused.len());
    row("chains".to_owned(), built.resolution.file.chains.len());
    let (stages, _) = counts(&built.resolution.file);
    row("stages".to_owned(), stages);
    say!("{rows}");
    print_statistics(built, statistics);
    print_doubts(&built.resolution);
    say!("chain file: {}", arguments.output.display());
}

/// The paper's Table 4, and what its chains are like.
fn print_statistics(built: &Built, statistics: &Statistics) {
    let count = |value: usize| grouped(value as u64);
    let mut rows = table(&["repository", "total PRs", "task queries", "chains", "languages"]);
    let endings = statistics.endings.iter().take(4);
    let endings = endings.map(|(ending, stages)| format!(".{ending} {stages}"));
    rows.add_row(vec![
        built.resolution.file.repository.name.to_string(),
        count(statistics.pull_requests),
        count(statistics.task_queries),
        count(statistics.chains),
        endings.collect::<Vec<_>>().join(", "),
    ]);
    say!("{rows}");
    let mut rows = table(&["", "median", "9 of 10 up to", "most"]);
    let mut row = |what: &str, spread: &Spread| {
        let Spread { median, p90, max } = spread;
        rows.add_row(vec![what.to_owned(), grouped(*median), grouped(*p90), grouped(*max)]);
    };
    row("files of a stage", &statistics.files);
    row("lines of a stage", &statistics.lines);
    row("days of a chain", &statistics.days);
    say!("{rows}");
    say!("{} of the stages change tests", count(statistics.with_tests));
    let kinds = |counts: &std::collections::BTreeMap<EdgeKind, usize>| {
        let shown = counts.iter().map(|(kind, links)| format!("{} {}", count(*links), word(*kind)));
        shown.collect::<Vec<_>>().join(", ")
    };
    say!("links by kind: {}", kinds(&statistics.links));
    say!("links within chains: {}", kinds(&statistics.links_in_chains));
}

fn word(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Fixes => "fix",
        EdgeKind::Reverts => "revert",
        EdgeKind::Supersedes => "supersede",
        EdgeKind::FollowsUp => "follow up",
        EdgeKind::Mentions => "mention",
        EdgeKind::TouchesLinesOf => "touch lines",
    }
}
