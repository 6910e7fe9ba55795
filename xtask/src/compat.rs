//! `cargo xtask compat`: Catena against software of others.
//!
//! These checks fetch packages from a registry, so they are no part of
//! `cargo xtask test`. All they install lies in a virtual environment below the
//! target directory. Their figures are for notes and docs.

mod datasets;
mod python_guest;
mod venv;

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use crate::checkout::Checkout;
use crate::phase::Phases;

/// What to check.
#[derive(Subcommand)]
pub(crate) enum Check {
    /// Load an export with the `datasets` library
    Datasets {
        /// Exported JSONL
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        data: PathBuf,
    },
    /// Build the plugin written in Python and check it against the host
    PythonGuest,
}

/// Runs one check.
pub(crate) fn run(checkout: &Checkout, phases: &mut Phases, check: &Check) -> anyhow::Result<()> {
    match check {
        Check::Datasets { data } => datasets::run(checkout, phases, data),
        Check::PythonGuest => python_guest::run(checkout, phases),
    }
}
