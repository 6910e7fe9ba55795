//! The real mini-swe-agent, versions 2 and 1, and `scaffold-mini` come to the
//! same messages from the same replies, under the real one's own templates; and
//! its inspector shows what Catena exports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::venv;
use crate::checkout::{Checkout, run as run_command};
use crate::demo;
use crate::phase::Phases;

/// Nothing is accepted, so the rollout ends with its first stage and round.
const RUN_FILE: &str = r#"
version = 1
name = "mini-swe-agent"
chains = "chains.json"
threshold = 1.0
refinements = 0
"#;

const MODEL: &str = r#"
[model]
kind = "scripted"
price = { input = 1_000, output = 1_000 }
"#;

const HINT: &str = "the message above says what failed";

const LOG_HINT: &str =
    "the end of `compat/mini-swe-agent/log.txt` in the target directory says why";

pub(super) fn run(checkout: &Checkout, phases: &mut Phases) -> anyhow::Result<()> {
    demo::build(checkout, phases)?;
    phases.begin("python environments");
    let version_2 = venv::prepare(checkout, "mini-swe-agent")?;
    let version_1 = venv::prepare(checkout, "mini-swe-agent-1")?;
    phases.begin("roll the episodes out with `scaffold-mini`");
    let dir = venv::scratch(checkout, "mini-swe-agent")?;
    let demo_dir = dir.join("demo");
    run_command(
        catena(checkout).args(["--json", "demo", "--dir"]).arg(&demo_dir).stdout(Stdio::null()),
        HINT,
    )?;
    let script = checkout.root.join("xtask/compat/mini_swe_agent.py");
    let list = checkout.root.join("xtask/compat/mini_swe_agent_episodes.json");
    let episodes: Vec<Value> = serde_json::from_str(&read(&list)?).context("the episodes")?;
    let first = first_stage(&demo_dir)?;
    for episode in &episodes {
        let mode = text(episode, "mode")?;
        let python = if mode == "text-v1" { &version_1 } else { &version_2 };
        let templates = templates(python, &script, mode)?;
        roll_out(checkout, &dir, episode, &templates)?;
        check_out(&demo_dir, &first.base, &dir.join("checkouts").join(text(episode, "name")?))?;
    }
    let task = dir.join("task.txt");
    write(&task, &first.query)?;
    for (version, python) in [("2", &version_2), ("1", &version_1)] {
        phases.begin(&format!("play them to mini-swe-agent {version}"));
        run_command(
            Command::new(python)
                .arg(&script)
                .arg("compare")
                .arg(&list)
                .args([dir.join("trajectories"), dir.join("checkouts")])
                .arg(&task)
                .env("MSWEA_GLOBAL_CONFIG_DIR", dir.join("config"))
                .env("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
            "the lines above name the message and what differs",
        )?;
    }
    Ok(())
}

fn catena(checkout: &Checkout) -> Command {
    Command::new(checkout.built("catena"))
}

/// What the first stage of the demo's chain begins with.
struct FirstStage {
    base: String,
    query: String,
}

fn first_stage(demo_dir: &Path) -> anyhow::Result<FirstStage> {
    let chains: Value = serde_json::from_str(&read(&demo_dir.join("chains.json"))?)?;
    let found = |pointer: &str| {
        let value = chains.pointer(pointer).and_then(Value::as_str);
        value.map(str::to_owned).with_context(|| format!("no `{pointer}` in the demo's chains"))
    };
    Ok(FirstStage {
        base: found("/chains/0/stages/0/base/tree")?,
        query: found("/chains/0/stages/0/query")?,
    })
}

/// The templates that the installed mini-swe-agent ships.
fn templates(python: &Path, script: &Path, mode: &str) -> anyhow::Result<toml::Table> {
    let output = Command::new(python).arg(script).args(["templates", mode]).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Plays an episode to `scaffold-mini` and exports its trajectory.
fn roll_out(
    checkout: &Checkout,
    dir: &Path,
    episode: &Value,
    templates: &toml::Table,
) -> anyhow::Result<()> {
    let name = text(episode, "name")?;
    let (demo_dir, run_dir) = (dir.join("demo"), dir.join("runs").join(name));
    let script = json!({"version": 1, "replies": {"*": episode["replies"]}});
    let script_file = demo_dir.join(format!("{name}.json"));
    write(&script_file, &script.to_string())?;
    let mut run_file: toml::Table = toml::from_str(&format!("{RUN_FILE}{}{MODEL}", demo::AGENT))?;
    let script_name = toml::Value::String(format!("{name}.json"));
    table(&mut run_file, "model")?.insert("script".to_owned(), script_name);
    let config = config(episode, templates)?;
    table(&mut run_file, "scaffold")?.insert("config".to_owned(), config.into());
    let run_file_path = demo_dir.join(format!("{name}.toml"));
    write(&run_file_path, &toml::to_string(&run_file)?)?;
    run_command(
        catena(checkout)
            .arg("--json")
            .arg("run")
            .arg(&run_file_path)
            .arg("--dir")
            .arg(&run_dir)
            .stdout(Stdio::null())
            .stderr(log(dir)?),
        LOG_HINT,
    )?;
    run_command(
        catena(checkout).arg("verify").arg(&run_dir).stdout(Stdio::null()).stderr(log(dir)?),
        LOG_HINT,
    )?;
    run_command(
        catena(checkout)
            .arg("export")
            .arg(&run_dir)
            .args(["--profile", "mini-swe-agent", "--output"])
            .arg(dir.join("trajectories").join(name))
            .stdout(Stdio::null()),
        HINT,
    )
}

/// Where the many rollouts say how they go.
fn log(dir: &Path) -> anyhow::Result<fs::File> {
    let path = dir.join("log.txt");
    let file = fs::File::options().create(true).append(true).open(&path);
    file.with_context(|| format!("cannot write `{}`", path.display()))
}

/// The scaffold's configuration: the episode's limits, and no others.
fn config(episode: &Value, templates: &toml::Table) -> anyhow::Result<toml::Table> {
    let number = |key: &str| episode.get(key).and_then(Value::as_i64).unwrap_or(0);
    let mut config = toml::Table::new();
    config.insert("mode".to_owned(), text(episode, "mode")?.into());
    for key in ["step_limit", "wall_time_limit_seconds"] {
        config.insert(key.to_owned(), number(key).into());
    }
    let cost_limit = episode.get("cost_limit").and_then(Value::as_f64).unwrap_or(0.0);
    config.insert("cost_limit".to_owned(), cost_limit.into());
    let timeout = number("timeout");
    let timeout = if timeout > 0 { timeout } else { 30 };
    config.insert("timeout_seconds".to_owned(), timeout.into());
    config.insert("templates".to_owned(), templates.clone().into());
    Ok(config)
}

/// Writes the files of a tree to a directory, as a repository without history.
fn check_out(demo_dir: &Path, tree: &str, dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(dir)?;
    let repository = demo_dir.join("gridline.git");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(&repository).arg("--work-tree").arg(dir).args(arguments);
        command.env("GIT_INDEX_FILE", dir.with_extension("index"));
        run_command(&mut command, "git is needed")
    };
    git(&["read-tree", tree])?;
    git(&["checkout-index", "--all"])
}

fn table<'a>(file: &'a mut toml::Table, key: &str) -> anyhow::Result<&'a mut toml::Table> {
    file.get_mut(key).and_then(toml::Value::as_table_mut).with_context(|| format!("no `{key}`"))
}

fn text<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    value.get(key).and_then(Value::as_str).with_context(|| format!("no `{key}` in {value}"))
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}
