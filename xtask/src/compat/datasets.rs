//! The `datasets` library loads what Catena exports.

use std::path::Path;
use std::process::Command;

use super::venv;
use crate::checkout::{Checkout, run as run_command};
use crate::phase::Phases;

pub(super) fn run(checkout: &Checkout, phases: &mut Phases, data: &Path) -> anyhow::Result<()> {
    phases.begin("python environment");
    let python = venv::prepare(checkout)?;
    let cache = venv::scratch(checkout, "datasets-cache")?;
    phases.begin("load the export with `datasets`");
    run_command(
        Command::new(python)
            .arg(checkout.root.join("xtask/compat/load_datasets.py"))
            .arg(data)
            .env("HF_HOME", &cache)
            .env("HF_HUB_OFFLINE", "1"),
        "the script names the row and what is wrong with it",
    )
}
