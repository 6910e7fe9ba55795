//! The shell of `tool-bash` beside bash and GNU's tools: standard output, exit
//! status and the resulting tree of command lines in kind as agents type them.
//!
//! `xtask/compat/shell-lines.txt` has the lines, `shell-differences.txt` beside it
//! those that are known to differ, with reasons. A line that differs and is not
//! listed fails the check, and so does a listed one that no longer differs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::venv;
use crate::checkout::{Checkout, run as run_command};
use crate::demo;
use crate::phase::Phases;

const HINT: &str = "bash, git and GNU's tools are needed";

/// What the lines work on.
const FILES: [(&str, &str); 12] = [
    ("README.md", "# Grid\n\nA grid of cells, one row after the other.\n\nUse `Grid(3, 4)`.\n"),
    ("notes.txt", "one\ntwo\na.b c\nlast\n"),
    ("setup.cfg", "# settings\n[metadata]\nname: grid\npaths = src/grid\n"),
    ("run.sh", "#!/bin/bash\necho running $1\n"),
    ("data/rows.csv", "name,size\nred,3\nblue,10\ngreen,7\n"),
    ("data/meta.json", "{\"name\": \"grid\", \"tags\": [\"a\", \"b\"], \"size\": 3}\n"),
    ("src/grid/__init__.py", "from grid.core import Grid\n"),
    (
        "src/grid/core.py",
        "import os\n\n\nclass Grid:\n    def __init__(self, width, height):\n        \
         self.cells = [[0] * width for row in range(height)]\n\n    def width(self):\n        \
         return len(self.cells[0])\n\n    def height(self):\n        return len(self.cells)\n",
    ),
    (
        "src/grid/text.py",
        "from grid.core import Grid\n\n\ndef parse(text):\n    # TODO: check the width\n    \
         return Grid(len(text), 1)\n",
    ),
    ("tests/__init__.py", ""),
    (
        "tests/test_core.py",
        "from grid import Grid\n\n\ndef test_width():\n    assert Grid(2, 1).width() == 2\n",
    ),
    ("tests/test_text.py", "def test_parse():\n    pass  # FIXME\n"),
];

pub(super) fn run(checkout: &Checkout, phases: &mut Phases) -> anyhow::Result<()> {
    demo::build(checkout, phases)?;
    phases.begin("run command lines in the sandbox and in bash");
    let dir = venv::scratch(checkout, "shell")?;
    let lines = listed(checkout, "shell-lines.txt")?;
    let known: BTreeMap<String, String> = listed(checkout, "shell-differences.txt")?
        .iter()
        .filter_map(|line| line.split_once(" ## "))
        .map(|(line, reason)| (line.to_owned(), reason.to_owned()))
        .collect();
    let original = dir.join("tree");
    lay_out(&original)?;
    let ours = in_sandbox(checkout, &dir, &original, &lines)?;
    let mut wrong = Vec::new();
    let mut alike = 0;
    for (number, (line, ours)) in lines.iter().zip(&ours).enumerate() {
        let theirs = natively(&dir, &original, number, line)?;
        match (*ours == theirs, known.contains_key(line)) {
            (true, false) => alike += 1,
            (true, true) => wrong.push(format!("no longer differs: {line}")),
            (false, true) => {}
            (false, false) => {
                wrong.push(format!("differs: {line}\n  here {ours:?}\n  bash {theirs:?}"));
            }
        }
    }
    println!("{alike} of {} command lines alike, {} known to differ", lines.len(), known.len());
    anyhow::ensure!(wrong.is_empty(), "{} unexpected:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// What a line came to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    stdout: String,
    status: Option<i64>,
    tree: String,
}

/// The lines of a list but for comments and empty ones.
fn listed(checkout: &Checkout, name: &str) -> anyhow::Result<Vec<String>> {
    let path = checkout.root.join("xtask/compat").join(name);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{name}`"))?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

fn lay_out(dir: &Path) -> anyhow::Result<()> {
    for (path, content) in FILES {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap_or(dir))?;
        fs::write(path, content)?;
    }
    Ok(())
}

fn in_sandbox(
    checkout: &Checkout,
    dir: &Path,
    original: &Path,
    lines: &[String],
) -> anyhow::Result<Vec<Outcome>> {
    let calls = lines.iter().map(|line| json!({"command": quiet(line)}).to_string());
    let file = dir.join("calls.jsonl");
    fs::write(&file, calls.collect::<Vec<_>>().join("\n"))?;
    let output = Command::new(checkout.built("catena"))
        .args(["--json", "plugin", "try", "tool-bash", "--dir"])
        .arg(original)
        .arg("--calls")
        .arg(&file)
        .output()?;
    let answers = String::from_utf8(output.stdout)?;
    let text = |answer: &Value, key: &str| {
        answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let outcomes = answers.lines().map(|answer| {
        let answer: Value = serde_json::from_str(answer)?;
        Ok(Outcome {
            stdout: text(&answer, "content"),
            status: answer.get("exit_status").and_then(Value::as_i64),
            tree: text(&answer, "tree"),
        })
    });
    let outcomes = outcomes.collect::<anyhow::Result<Vec<_>>>()?;
    anyhow::ensure!(outcomes.len() == lines.len(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(outcomes)
}

/// The line without its errors, which are worded otherwise.
fn quiet(line: &str) -> String {
    format!("exec 2>/dev/null\n{line}\n")
}

fn natively(dir: &Path, original: &Path, number: usize, line: &str) -> anyhow::Result<Outcome> {
    let place = dir.join(format!("copy-{number}"));
    run_command(Command::new("cp").arg("-r").args([original, &place]), HINT)?;
    let output = Command::new("bash")
        .args(["-c", &quiet(line)])
        .current_dir(&place)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/home/agent")
        .env("LC_ALL", "C.UTF-8")
        .env("LANG", "C.UTF-8")
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .output()?;
    let shown = place.to_string_lossy();
    let outcome = Outcome {
        stdout: String::from_utf8_lossy(&output.stdout).replace(&*shown, "/workspace"),
        status: output.status.code().map(i64::from),
        tree: tree_of(&dir.join("objects.git"), &place)?,
    };
    fs::remove_dir_all(&place)?;
    Ok(outcome)
}

/// The id of the tree that a directory is, by git.
fn tree_of(database: &PathBuf, place: &Path) -> anyhow::Result<String> {
    let git = |arguments: &[&str]| -> anyhow::Result<String> {
        let output = Command::new("git")
            .args(["-c", "core.fileMode=true", "--git-dir"])
            .arg(database)
            .arg("--work-tree")
            .arg(place)
            .args(arguments)
            .current_dir(place)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if !database.exists() {
        git(&["init", "--quiet"])?;
    }
    git(&["add", "--all", "--force", "."])?;
    git(&["write-tree"])
}
