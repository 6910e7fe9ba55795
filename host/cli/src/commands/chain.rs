//! `catena chain`.

use std::path::PathBuf;
use std::process::ExitCode;

use catena_chain::{ChainFile, RepositoryName};
use catena_mine::resolve::Progress;
use catena_mine::{ChainLists, Resolution, ResolveOptions, resolve};
use catena_tree::ObjectDatabase;
use clap::ValueHint;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Format, print_json, say};
use crate::watch;

/// Make chain files.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Turn lists of pull request numbers into a chain file, by a clone's history
    Resolve(Resolve),
}

#[derive(clap::Args)]
pub(crate) struct Resolve {
    /// A clone of the repository; nothing is written to it
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
    clone: PathBuf,
    /// Lists of pull request numbers, as docs/chains.md describes them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    chains: PathBuf,
    /// The chain file to write
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// The repository, where the lists don't say
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<RepositoryName>,
    /// The branch the pull requests were merged into; that of `HEAD` by default
    #[arg(long)]
    branch: Option<String>,
}

pub(crate) fn run(command: Command, format: Format) -> Result<ExitCode, Failure> {
    let Command::Resolve(arguments) = command;
    let lists = ChainLists::load(&arguments.chains).map_err(|err| {
        Failure::input(err).with_hint("docs/chains.md describes the form of the lists")
    })?;
    let clone = ObjectDatabase::open(&arguments.clone).map_err(|err| {
        Failure::input(err).with_hint("`--clone` takes the path of a git repository")
    })?;
    let options = ResolveOptions { repository: arguments.repository, branch: arguments.branch };
    let bar = watch::bar(format, "resolving");
    let resolution = resolve(&clone, &lists, &options, &mut |progress| match progress {
        Progress::History { commits } => bar.set_message(format!("reading history: {commits}")),
        Progress::Chains { done, all } => {
            bar.set_message("resolving");
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
    });
    bar.finish_and_clear();
    let resolution = resolution.map_err(|err| {
        Failure::input(err).with_hint("`--repository OWNER/NAME` and `--branch NAME` say it too")
    })?;
    resolution.file.save(&arguments.output).map_err(anyhow::Error::from)?;
    match format {
        Format::Json => print_json(&as_json(&resolution, &arguments.output))?,
        Format::Text => print_text(&resolution, &arguments.output),
    }
    Ok(ExitCode::SUCCESS)
}

fn counts(file: &ChainFile) -> (usize, usize) {
    let stages = file.chains.iter().flat_map(|chain| &chain.stages);
    let without = stages.clone().filter(|stage| !stage.reference_patch.is_available()).count();
    (stages.count(), without)
}

fn as_json(resolution: &Resolution, output: &std::path::Path) -> serde_json::Value {
    let (stages, without_patch) = counts(&resolution.file);
    let refused: Vec<_> = resolution
        .refused
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
        .collect();
    json!({
        "output": output,
        "chains": resolution.file.chains.len(),
        "stages": stages,
        "stages_without_patch": without_patch,
        "refused": refused,
    })
}

fn print_text(resolution: &Resolution, output: &std::path::Path) {
    let (stages, without_patch) = counts(&resolution.file);
    let resolved = resolution.file.chains.len();
    let all = resolved + resolution.refused.len();
    say!("{resolved} of {all} chains resolved, {stages} stages: {}", output.display());
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
