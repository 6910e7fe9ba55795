//! `cargo xtask commands`: which commands and options agents type, counted in
//! trajectories that lie on this machine.
//!
//! The counting is an example of `tool-bash`, because it takes lines apart with
//! that tool's parser, whose dependencies the host's workspace has no use for.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::checkout::{Checkout, run as run_command};

const HINT: &str = "the message above says which directory can't be read";

/// Prints the counts of directories as Markdown.
#[derive(clap::Args)]
pub(crate) struct Commands {
    /// Directories with trajectories, demonstrations, logs or scripts
    #[arg(required = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    directories: Vec<PathBuf>,
    /// Show what does not parse on standard error
    #[arg(long)]
    not_parsed: bool,
}

pub(crate) fn run(checkout: &Checkout, what: &Commands) -> anyhow::Result<()> {
    let mut cargo = checkout.cargo();
    cargo
        .current_dir(checkout.root.join("guests"))
        .env("CARGO_TARGET_DIR", checkout.target.join("guests-native"))
        .args(["run", "--quiet", "--package", "tool-bash", "--example", "count_commands", "--"]);
    if what.not_parsed {
        cargo.arg("--not-parsed");
    }
    for directory in &what.directories {
        let whole = directory.canonicalize();
        cargo.arg(whole.with_context(|| format!("no directory `{}`", directory.display()))?);
    }
    run_command(&mut cargo, HINT)
}
