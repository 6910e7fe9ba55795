//! A plugin written in Python, built by componentize-py against the same WIT, is accepted by
//! the host, does the same twice, and is rolled out over the chain of the demo.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::venv;
use crate::checkout::{Checkout, run as run_command};
use crate::phase::Phases;
use crate::{demo, guests};

/// The scaffold asks once per round; any reply serves.
const SCRIPT: &str = r#"{"version": 1, "replies": {"*": [{"content": "read"}]}}"#;

/// The file into which it writes the reply.
const ANSWER: &str = "ANSWER.md";

const RUN_FILE: &str = r#"
version = 1
name = "python-guest"
chains = "chains.json"
threshold = 0.8
refinements = 0
on_reject = "stop"
mode = "carried"
on_conflict = "markers"

[repositories]
"gridline/gridline" = "gridline.git"

[scaffold]
plugin = "scaffold-python"
grant = { model = true, workspace = "read-write" }

[judge]
plugin = "judge-diff"

[model]
kind = "scripted"
script = "python-script.json"
"#;

pub(super) fn run(checkout: &Checkout, phases: &mut Phases) -> anyhow::Result<()> {
    demo::build(checkout, phases)?;
    let plugin = checkout.target.join("plugins/scaffold-python");
    phases.begin("build `scaffold-python` with componentize-py");
    guests::build_python_guest(&checkout.root, &plugin)?;
    phases.begin("check it against the host");
    run_command(
        Command::new(checkout.built("catena")).args(["plugin", "check"]).arg(&plugin),
        "the message above says which part of the plugin contract it does not keep",
    )?;
    phases.begin("compare the traces of two rounds of it");
    let mut suite = checkout.cargo();
    suite.args(["test", "--workspace", "--test", "determinism", "every_shipped_plugin"]);
    run_command(&mut suite, "the message above says where its two traces differ")?;
    phases.begin("roll it out");
    let dir = venv::scratch(checkout, "python-guest")?.join("out");
    roll_out(checkout, &dir)
}

/// Runs the scaffold over the chain of a demo, and wants its answer to have
/// reached the judge.
fn roll_out(checkout: &Checkout, dir: &Path) -> anyhow::Result<()> {
    let catena = || Command::new(checkout.built("catena"));
    let hint = "the message above says what failed";
    run_command(
        catena().args(["--json", "demo", "--dir"]).arg(dir).stdout(std::process::Stdio::null()),
        hint,
    )?;
    let run_file = dir.join("python.toml");
    for (path, text) in [(&run_file, RUN_FILE), (&dir.join("python-script.json"), SCRIPT)] {
        fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    let run_dir = dir.join("python-run");
    run_command(catena().arg("run").arg(&run_file).arg("--dir").arg(&run_dir), hint)?;
    run_command(catena().arg("verify").arg(&run_dir), hint)?;
    let journal = run_dir.join("rollouts/gridline-alignment.1.journal");
    let text = fs::read_to_string(&journal)
        .with_context(|| format!("cannot read `{}`", journal.display()))?;
    anyhow::ensure!(
        text.lines().any(|line| line.contains("\"judged\"") && line.contains(ANSWER)),
        "the judge did not see the file that the plugin writes"
    );
    Ok(())
}
