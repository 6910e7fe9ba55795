//! Real chains of pure-Python repositories whose own tests run in the sandbox: at
//! each stage the human answer passes tests that the state before it does not.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::checkout::{Checkout, run as run_command};
use crate::demo;
use crate::phase::Phases;

/// A chain by the numbers of its pull requests.
pub(super) struct Numbers {
    pub(super) repository: &'static str,
    pub(super) pull_requests: &'static [u32],
}

pub(super) const CHAINS: [Numbers; 6] = [
    Numbers { repository: "pallets/click", pull_requests: &[3224, 3240] },
    Numbers { repository: "pallets/click", pull_requests: &[2788, 2956] },
    Numbers { repository: "python-attrs/attrs", pull_requests: &[1328, 1331] },
    Numbers { repository: "python-attrs/attrs", pull_requests: &[1401, 1417] },
    Numbers { repository: "python-attrs/attrs", pull_requests: &[1448, 1449] },
    Numbers { repository: "python-attrs/attrs", pull_requests: &[1457, 1454] },
];

/// What the tests need beside the repositories.
const PACKAGES: [&str; 3] = ["pytest", "freezegun", "hypothesis<6.140"];

/// The program that has them.
pub(super) const PROGRAM: &str = "python-tests";

pub(super) const HINT: &str = "the message above says what failed";

/// Checks each chain in the clone `DIR/NAME` of its repository.
pub(super) fn run(checkout: &Checkout, phases: &mut Phases, clones: &Path) -> anyhow::Result<()> {
    demo::build(checkout, phases)?;
    let dir = checkout.target.join("compat").join("chains");
    std::fs::create_dir_all(&dir).context("can't create the check's directory")?;
    phases.begin("add CPython for the sandbox");
    add_python(checkout)?;
    let mut table = String::from(
        "| chain | stage | fail to pass | pass to pass | failing in both |\n|---|---|---|---|---|\n",
    );
    let mut failed = Vec::new();
    for numbers in &CHAINS {
        let name = numbers.repository.rsplit('/').next().unwrap_or_default();
        let chain = numbers.pull_requests.iter().map(|number| format!("#{number}"));
        let chain = format!("{name} {}", chain.collect::<Vec<_>>().join(" "));
        phases.begin(&chain);
        let told = check(checkout, &dir, numbers, &clones.join(name))?;
        for stage in told.get("stages").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| stage.get(key).map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(
                table,
                "| {chain} | {} | {} | {} | {} |",
                text("stage").trim_matches('"'),
                text("fail_to_pass"),
                text("pass_to_pass"),
                text("failing"),
            );
        }
        if told.get("passed") != Some(&Value::Bool(true)) {
            failed.push(chain);
        }
    }
    println!("{table}");
    anyhow::ensure!(failed.is_empty(), "chains that do not execute: {}", failed.join(", "));
    Ok(())
}

/// The program, with a store of programs that outlives this check.
pub(super) fn catena(checkout: &Checkout) -> Command {
    let mut command = Command::new(checkout.built("catena"));
    command.env("CATENA_PROGRAMS", checkout.target.join("compat/programs"));
    command
}

pub(super) fn add_python(checkout: &Checkout) -> anyhow::Result<()> {
    let listed = catena(checkout).args(["--json", "program", "list"]).output()?;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap_or_default();
    let has = |wanted: &str| {
        let mut programs = listed.as_array().into_iter().flatten();
        programs.any(|program| program.get("name").is_some_and(|name| name == wanted))
    };
    if !has("python") {
        run_command(catena(checkout).args(["program", "add", "python"]), HINT)?;
    }
    if has(PROGRAM) {
        return Ok(());
    }
    let install = ["program", "python", "install", "--name", PROGRAM];
    run_command(catena(checkout).args(install).args(PACKAGES).stdout(Stdio::null()), HINT)
}

/// Resolves a chain and has its tests run.
fn check(
    checkout: &Checkout,
    dir: &Path,
    numbers: &Numbers,
    clone: &Path,
) -> anyhow::Result<Value> {
    let (lists, chains) = (dir.join("lists.json"), dir.join("chains.json"));
    let list = json!({"repository": numbers.repository, "chains": [numbers.pull_requests]});
    std::fs::write(&lists, list.to_string())?;
    let arguments = ["chain", "resolve", "--clone"];
    run_command(
        catena(checkout)
            .args(arguments)
            .arg(clone)
            .arg("--chains")
            .arg(&lists)
            .arg("--output")
            .arg(&chains)
            .stdout(Stdio::null()),
        HINT,
    )?;
    let output = catena(checkout)
        .args(["--json", "chain", "check", "--program", PROGRAM, "--clone"])
        .arg(clone)
        .arg(&chains)
        .output()?;
    serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}
