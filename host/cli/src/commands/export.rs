//! `catena export`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use catena_dataset::export::{Provenance, manifest_path};
use catena_dataset::{Manifest, Profile, export};
use catena_rollout::run::{planned, summaries};
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
    /// The file to write; a manifest is written beside it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ProfileName {
    /// Chat fine-tuning files, JSON lines
    Openai,
}

pub(crate) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    let ProfileName::Openai = arguments.profile;
    let manifest = export_run(&arguments.run, Profile::Openai, &arguments.output)?;
    if format == Format::Json {
        let manifest = serde_json::to_value(&manifest)?;
        print_json(&json!({"output": arguments.output, "manifest": manifest}))?;
    } else {
        print_export(&manifest, &arguments.output);
    }
    Ok(ExitCode::SUCCESS)
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
