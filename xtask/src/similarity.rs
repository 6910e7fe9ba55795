//! `cargo xtask similarity`: how `judge-diff` scores what is made of real pull
//! requests. The judge's own code runs as an example of its crate.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::checkout::{Checkout, run as run_command};

const HINT: &str = "it needs git, and `ruff` and `rustfmt` to reformat files";

/// Prints distributions of scores as Markdown.
#[derive(clap::Args)]
pub(crate) struct Similarity {
    /// Clones of repositories whose pull requests land as one commit each
    #[arg(required = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    clones: Vec<PathBuf>,
    /// How many pull requests of each, the newest first
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    count: u32,
}

pub(crate) fn run(checkout: &Checkout, what: &Similarity) -> anyhow::Result<()> {
    let mut cargo = checkout.cargo();
    cargo
        .current_dir(checkout.root.join("guests"))
        .env("CARGO_TARGET_DIR", checkout.target.join("guests-native"))
        .args(["run", "--quiet", "--release", "--package", "judge-diff", "--example", "measure"])
        .args(["--", &what.count.to_string()]);
    for clone in &what.clones {
        let whole = clone.canonicalize();
        cargo.arg(whole.with_context(|| format!("no directory `{}`", clone.display()))?);
    }
    run_command(&mut cargo, HINT)
}
