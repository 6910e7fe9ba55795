//! `catena export`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use catena_dataset::export::{Provenance, manifest_path};
use catena_dataset::mini_swe_agent::{self, Scaffold, Written};
use catena_dataset::{Manifest, Profile, export};
use catena_rollout::RunFile;
use catena_rollout::run::{planned, summaries};
use catena_rollout::run_file::ModelChoice;
use clap::ValueHint;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Format, grouped, print_json, say};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the run
    #[arg(value_hint = ValueHint::DirPath)]
    run: PathBuf,
    /// The form of the data
    #[arg(long, value_enum)]
    profile: ProfileName,
    /// The file to write, with a manifest beside it; the directory for `mini-swe-agent`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ProfileName {
    /// Chat fine-tuning files, JSON lines
    Openai,
    /// A directory of `*.traj.json`, failed rollouts included, for mini-swe-agent's inspector
    MiniSweAgent,
}

pub(crate) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    if let ProfileName::MiniSweAgent = arguments.profile {
        return trajectories(arguments, format);
    }
    let manifest = export_run(&arguments.run, Profile::Openai, &arguments.output)?;
    if format == Format::Json {
        let manifest = serde_json::to_value(&manifest)?;
        print_json(&json!({"output": arguments.output, "manifest": manifest}))?;
    } else {
        print_export(&manifest, &arguments.output);
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes trajectory files as mini-swe-agent does.
fn trajectories(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    let planned = planned(&arguments.run)?;
    let plugin = planned.scaffold();
    let scaffold = Scaffold {
        name: plugin.map_or("", |(name, _)| name),
        config: plugin.map_or(&serde_json::Value::Null, |(_, plugin)| &plugin.config),
        model: &model_name(&planned.file),
    };
    let written = mini_swe_agent::write(&summaries(&arguments.run)?, scaffold, &arguments.output);
    let Written { files, dropped } = written.map_err(anyhow::Error::from)?;
    if format == Format::Json {
        print_json(&json!({"output": arguments.output, "files": files, "dropped": dropped}))?;
        return Ok(ExitCode::SUCCESS);
    }
    for file in &files {
        say!("{}", file.display());
    }
    let noun = if files.len() == 1 { "trajectory" } else { "trajectories" };
    say!("{} {noun}: {}", files.len(), arguments.output.display());
    for dropped in &dropped {
        say!("left out: rollout {} ({})", dropped.rollout, dropped.reason);
    }
    Ok(ExitCode::SUCCESS)
}

/// The name of the scaffold's model, as far as the run file has one.
fn model_name(file: &RunFile) -> String {
    match (&file.scaffold.model, &file.model) {
        (Some(name), _) | (None, Some(ModelChoice::Named(name))) => name.clone(),
        (None, Some(ModelChoice::Here(model))) => model.info().name,
        (None, None) => String::new(),
    }
}

/// Exports a run.
pub(crate) fn export_run(dir: &Path, profile: Profile, output: &Path) -> Result<Manifest, Failure> {
    let planned = planned(dir)?;
    let repository = &planned.chains.repository;
    let provenance =
        Provenance { repository: repository.name.as_str(), license: repository.license.as_deref() };
    let manifest = export(&summaries(dir)?, provenance, profile, output);
    Ok(manifest.map_err(anyhow::Error::from)?)
}

/// Says what was exported and what was not.
pub(crate) fn print_export(manifest: &Manifest, output: &Path) {
    let turns: u64 = manifest.samples.iter().map(|sample| sample.model_turns).sum();
    let calls: u64 = manifest.samples.iter().map(|sample| sample.tool_calls).sum();
    say!(
        "{} samples with {} model turns and {} tool calls: {}",
        manifest.samples.len(),
        grouped(turns),
        grouped(calls),
        output.display(),
    );
    say!("manifest: {}", manifest_path(output).display());
    for dropped in &manifest.dropped {
        say!("left out: rollout {} ({})", dropped.rollout, dropped.reason);
    }
}
