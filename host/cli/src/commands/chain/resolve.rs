//! `catena chain resolve`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use catena_chain::RepositoryName;
use catena_mine::{ChainLists, Resolution, ResolveOptions, resolve};
use catena_tree::ObjectDatabase;
use clap::ValueHint;
use serde_json::json;

use super::{counts, print_doubts, refused_json, show_progress};
use crate::failure::{CHECK_FAILED, Failure};
use crate::output::{Format, print_json, say};
use crate::watch;

#[derive(clap::Args)]
pub(crate) struct Arguments {
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

pub(crate) fn run(arguments: Arguments, format: Format) -> Result<ExitCode, Failure> {
    let lists = ChainLists::load(&arguments.chains).map_err(|err| {
        Failure::input(err).with_hint("docs/chains.md describes the form of the lists")
    })?;
    let clone = ObjectDatabase::open(&arguments.clone).map_err(|err| {
        Failure::input(err).with_hint("`--clone` takes the path of a git repository")
    })?;
    let options = ResolveOptions { repository: arguments.repository, branch: arguments.branch };
    let bar = watch::bar(format, "resolving");
    let resolution =
        resolve(&clone, &lists, &options, &mut |progress| show_progress(&bar, progress));
    bar.finish_and_clear();
    let resolution = resolution.map_err(|err| {
        Failure::input(err).with_hint("`--repository OWNER/NAME` and `--branch NAME` say it too")
    })?;
    // A file of no chains would take the place of a good one.
    let is_nothing = resolution.file.chains.is_empty();
    let output = Some(arguments.output.as_path()).filter(|_| !is_nothing);
    if let Some(output) = output {
        resolution.file.save(output).map_err(anyhow::Error::from)?;
    }
    match format {
        Format::Json => print_json(&as_json(&resolution, output))?,
        Format::Text => print_text(&resolution, output),
    }
    Ok(if is_nothing { ExitCode::from(CHECK_FAILED) } else { ExitCode::SUCCESS })
}

fn as_json(resolution: &Resolution, output: Option<&Path>) -> serde_json::Value {
    let (stages, without_patch) = counts(&resolution.file);
    json!({
        "output": output,
        "chains": resolution.file.chains.len(),
        "stages": stages,
        "stages_without_patch": without_patch,
        "refused": refused_json(&resolution.refused),
    })
}

fn print_text(resolution: &Resolution, output: Option<&Path>) {
    let (stages, _) = counts(&resolution.file);
    let resolved = resolution.file.chains.len();
    let all = resolved + resolution.refused.len();
    match output {
        Some(output) => {
            say!("{resolved} of {all} chains resolved, {stages} stages: {}", output.display());
        }
        None => say!("{resolved} of {all} chains resolved, nothing was written"),
    }
    print_doubts(resolution);
}
