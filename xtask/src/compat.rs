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
        /// Exported JSONL; the demo's, where none is named
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        data: Option<PathBuf>,
    },
    /// Build the plugin written in Python, check it against the host, and roll it out
    PythonGuest,
}

/// Runs one check, or all of them where none is chosen.
pub(crate) fn run(
    checkout: &Checkout,
    phases: &mut Phases,
    check: Option<Check>,
) -> anyhow::Result<()> {
    match check {
        Some(Check::Datasets { data }) => datasets::run(checkout, phases, data.as_deref()),
        Some(Check::PythonGuest) => python_guest::run(checkout, phases),
        None => {
            datasets::run(checkout, phases, None)?;
            python_guest::run(checkout, phases)
        }
    }
}
