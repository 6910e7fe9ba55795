//! `catena chain`: making chain files and looking at them.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod lint;
pub(crate) mod resolve;
pub(crate) mod show;
pub(crate) mod write;

use std::process::ExitCode;

use catena_chain::ChainFile;
use catena_mine::resolve::Progress;
use catena_mine::{Refused, Resolution};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::{Format, say};

/// Make chain files and look at them.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Choose chains among mined pull requests and write a chain file
    Build(build::Arguments),
    /// Look for what gives answers away, in queries and in the code before them
    Lint(lint::Arguments),
    /// Turn lists of pull request numbers into a chain file, by a clone's history
    Resolve(resolve::Arguments),
    /// Find out whether the tests of each pull request tell its two states apart
    Check(check::Arguments),
    /// Explain the chains of a chain file, with the evidence for each link
    Show(show::Arguments),
    /// Have a writer plugin write the queries of chains, and check them for leaks
    Write(write::Arguments),
}

pub(crate) fn run(
    command: Command,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    match command {
        Command::Build(arguments) => build::run(&arguments, format),
        Command::Lint(arguments) => lint::run(&arguments, machine, format),
        Command::Check(arguments) => check::run(arguments, machine, format),
        Command::Resolve(arguments) => resolve::run(arguments, format),
        Command::Show(arguments) => show::run(&arguments, format),
        Command::Write(arguments) => write::run(&arguments, machine, format),
    }
}

fn show_progress(bar: &ProgressBar, progress: Progress) {
    match progress {
        Progress::History { commits } => bar.set_message(format!("reading history: {commits}")),
        Progress::Chains { done, all } => {
            bar.set_message("resolving");
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
    }
}

/// Stages, and those whose patch the clone cannot give.
fn counts(file: &ChainFile) -> (usize, usize) {
    let stages = file.chains.iter().flat_map(|chain| &chain.stages);
    let without = stages.clone().filter(|stage| !stage.reference_patch.is_available()).count();
    (stages.count(), without)
}

fn refused_json(refused: &[Refused]) -> Vec<Value> {
    refused
        .iter()
        .map(|refused| {
            let faults = refused.faults.iter().map(
                |fault| json!({"pull_request": fault.number, "reason": fault.reason.to_string()}),
            );
            json!({
                "position": refused.position,
                "pull_requests": refused.numbers,
                "faults": faults.collect::<Vec<_>>(),
            })
        })
        .collect()
}

/// Says what stands against chains and stages.
fn print_doubts(resolution: &Resolution) {
    let (_, without_patch) = counts(&resolution.file);
    if without_patch > 0 {
        say!("{without_patch} stages lack objects in this clone: they can be carried, not judged");
    }
    for refused in &resolution.refused {
        let numbers: Vec<String> =
            refused.numbers.iter().map(|number| format!("#{number}")).collect();
        say!("refused: {}", numbers.join(" "));
        for fault in &refused.faults {
            match fault.number {
                Some(number) => say!("  #{number} {}", fault.reason),
                None => say!("  {}", fault.reason),
            }
        }
    }
}
