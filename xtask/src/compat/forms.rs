//! Every form of export goes through the code that reads it in its consumer:
//! `datasets`, trl, verl, LLaMA-Factory, Harbor, and slime where a checkout of it
//! is named. Rows, turns and learned tokens must be those of the manifest.

use std::path::Path;
use std::process::{Command, Stdio};

use super::venv;
use crate::checkout::{Checkout, run as run_command};
use crate::demo;
use crate::phase::Phases;

/// Forms with the files they are written to.
const EXPORTS: [(&str, &str); 7] = [
    ("openai", "openai.jsonl"),
    ("slime", "slime.jsonl"),
    ("sharegpt", "sharegpt.jsonl"),
    ("trl", "trl.jsonl"),
    ("preference", "preference.jsonl"),
    ("verl", "verl.parquet"),
    ("atif", "atif.jsonl"),
];

pub(super) fn run(
    checkout: &Checkout,
    phases: &mut Phases,
    slime: Option<&Path>,
) -> anyhow::Result<()> {
    demo::build(checkout, phases)?;
    phases.begin("python environment");
    let python = venv::prepare(checkout, "forms")?;
    let dir = venv::scratch(checkout, "forms")?;
    let cache = venv::scratch(checkout, "datasets-cache")?;
    let script = checkout.root.join("xtask/compat/forms.py");
    phases.begin("write every form");
    run_command(Command::new(&python).arg(&script).arg("make").arg(&dir), "see above")?;
    for (profile, file) in EXPORTS {
        run_command(
            Command::new(checkout.built("catena"))
                .arg("export")
                .arg(dir.join("made.jsonl"))
                .args(["--profile", profile, "--output"])
                .arg(dir.join(file))
                .arg("--tokenizer")
                .arg(dir.join("tokenizer.json"))
                .stdout(Stdio::null()),
            "the message above says what failed",
        )?;
    }
    phases.begin("read them as their consumers do");
    run_command(
        Command::new(python)
            .arg(script)
            .arg("check")
            .arg(&dir)
            .args(slime)
            .env("HF_HOME", &cache)
            .env("HF_HUB_OFFLINE", "1")
            .env("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
            .env("TRANSFORMERS_VERBOSITY", "error"),
        "the message above names the consumer and what it lost",
    )
}

/// Measures exports of many long trajectories beside Harbor's exporter.
pub(super) fn costs(
    checkout: &Checkout,
    phases: &mut Phases,
    trajectories: u32,
) -> anyhow::Result<()> {
    demo::build(checkout, phases)?;
    phases.begin("python environment");
    let python = venv::prepare(checkout, "forms")?;
    let dir = venv::scratch(checkout, "export-costs")?;
    phases.begin("export");
    run_command(
        Command::new(python)
            .arg(checkout.root.join("xtask/compat/export_costs.py"))
            .arg(checkout.built("catena"))
            .arg(&dir)
            .arg(trajectories.to_string())
            .env("HF_HUB_OFFLINE", "1")
            .env("HF_DATASETS_DISABLE_PROGRESS_BARS", "1"),
        "the message above says what failed",
    )
}
