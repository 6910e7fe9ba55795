//! The `datasets` library loads what Catena exports, and the model wrote it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::venv;
use crate::checkout::{Checkout, run as run_command};
use crate::demo;
use crate::phase::Phases;

/// Loads `data`; where it is not given, the export of a demo, whose journals
/// are compared too.
pub(super) fn run(
    checkout: &Checkout,
    phases: &mut Phases,
    data: Option<&Path>,
) -> anyhow::Result<()> {
    let sources = match data {
        Some(data) => vec![data.to_owned()],
        None => export_of_demo(checkout, phases)?,
    };
    phases.begin("python environment");
    let python = venv::prepare(checkout, "datasets")?;
    let cache = venv::scratch(checkout, "datasets-cache")?;
    phases.begin("load the export with `datasets`");
    run_command(
        Command::new(python)
            .arg(checkout.root.join("xtask/compat/load_datasets.py"))
            .args(sources)
            .env("HF_HOME", &cache)
            .env("HF_HUB_OFFLINE", "1")
            .env("HF_DATASETS_DISABLE_PROGRESS_BARS", "1"),
        "the message above names the row and what is wrong with it",
    )
}

/// The exported file and the directory of its run.
fn export_of_demo(checkout: &Checkout, phases: &mut Phases) -> anyhow::Result<Vec<PathBuf>> {
    demo::build(checkout, phases)?;
    phases.begin("catena demo");
    let dir = venv::scratch(checkout, "demo")?.join("out");
    run_command(
        Command::new(checkout.built("catena"))
            .args(["--json", "demo", "--dir"])
            .arg(&dir)
            .stdout(Stdio::null()),
        "`cargo xtask demo` shows more",
    )?;
    Ok(vec![dir.join("train.jsonl"), dir.join("run")])
}
