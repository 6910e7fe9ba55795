//! `catena schema`: what files that people write may hold, as their editors read it.

use std::process::ExitCode;

use catena_chain::ChainFile;
use catena_plugin::PluginManifest;
use catena_rollout::RunFile;
use schemars::schema_for;

use crate::failure::Failure;
use crate::output::print_json;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Which file
    #[arg(value_enum)]
    of: Described,
}

/// A file that has a schema.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Described {
    /// `run.toml`
    Run,
    /// `plugin.toml`
    Plugin,
    /// A chain file
    Chain,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    print_json(&match arguments.of {
        Described::Run => schema_for!(RunFile),
        Described::Plugin => schema_for!(PluginManifest),
        Described::Chain => schema_for!(ChainFile),
    })?;
    Ok(ExitCode::SUCCESS)
}
