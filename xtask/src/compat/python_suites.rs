//! Test suites of pure-Python packages, run by an agent's shell in the sandbox and
//! by this machine's Python.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::Value;

use super::venv;
use crate::checkout::{Checkout, run as run_command};
use crate::demo;
use crate::phase::Phases;

/// A package with its tests in the source distribution.
struct Suite {
    name: &'static str,
    version: &'static str,
    /// What its tests need beside pytest and itself.
    needs: &'static [&'static str],
    /// Tests that pass in the sandbox, at least.
    passing: u32,
}

const SUITES: [Suite; 6] = [
    Suite { name: "itsdangerous", version: "2.2.0", needs: &["freezegun"], passing: 297 },
    Suite { name: "attrs", version: "26.1.0", needs: &["hypothesis<6.140"], passing: 1380 },
    Suite { name: "click", version: "8.5.1", needs: &[], passing: 2000 },
    Suite { name: "pluggy", version: "1.7.0", needs: &[], passing: 219 },
    Suite { name: "more-itertools", version: "11.2.1", needs: &[], passing: 750 },
    Suite { name: "idna", version: "3.20", needs: &[], passing: 6400 },
];

/// Runs in both worlds: the directory is the unpacked distribution.
const PYTEST: &str = "COLUMNS=200 python -m pytest -q --tb=line -rfE -p no:warnings -p no:cacheprovider \
                      --continue-on-collection-errors";

const HINT: &str = "the message above says what failed";

pub(super) fn run(checkout: &Checkout, phases: &mut Phases) -> anyhow::Result<()> {
    demo::build(checkout, phases)?;
    let bench = Bench::new(checkout)?;
    phases.begin("add CPython for the sandbox");
    bench.add_python()?;
    let mut table = String::from(
        "| package | passed | failed | errors | skipped | natively passed | failed | errors |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let mut causes = String::new();
    let mut short = Vec::new();
    for suite in &SUITES {
        phases.begin(&format!("test {} {}", suite.name, suite.version));
        let source = bench.source(suite)?;
        let (here, sandboxed) = (bench.natively(suite, &source)?, bench.sandboxed(suite, &source)?);
        let _ = writeln!(
            table,
            "| {} {} | {} | {} | {} | {} | {} | {} | {} |",
            suite.name,
            suite.version,
            sandboxed.count("passed"),
            sandboxed.count("failed"),
            sandboxed.count("error"),
            sandboxed.count("skipped"),
            here.count("passed"),
            here.count("failed"),
            here.count("error"),
        );
        for (cause, tests) in sandboxed.causes_beyond(&here) {
            let _ = writeln!(causes, "{}: {tests} times {cause}", suite.name);
        }
        if sandboxed.count("passed") < suite.passing {
            short.push(format!("{} {}", suite.name, suite.version));
        }
    }
    println!("{table}\ncauses of what fails in the sandbox alone:\n{causes}");
    anyhow::ensure!(short.is_empty(), "fewer tests pass than before: {}", short.join(", "));
    Ok(())
}

struct Bench<'a> {
    checkout: &'a Checkout,
    dir: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(checkout: &'a Checkout) -> anyhow::Result<Self> {
        let dir = venv::scratch(checkout, "python-suites")?;
        Ok(Self { checkout, dir })
    }

    /// The program, with a store of programs that outlives this check.
    fn catena(&self) -> Command {
        let mut command = Command::new(self.checkout.built("catena"));
        command.env("CATENA_PROGRAMS", self.checkout.target.join("compat/programs"));
        command
    }

    fn add_python(&self) -> anyhow::Result<()> {
        let listed = self.catena().args(["--json", "program", "list"]).output()?;
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap_or_default();
        let programs = listed.as_array().cloned().unwrap_or_default();
        if programs.iter().any(|program| program.get("name").is_some_and(|name| name == "python")) {
            return Ok(());
        }
        run_command(self.catena().args(["program", "add", "python"]), HINT)
    }

    /// Has pip download a source distribution, and unpacks it.
    fn source(&self, suite: &Suite) -> anyhow::Result<PathBuf> {
        let dir = self.dir.join(suite.name);
        let package = format!("{}=={}", suite.name, suite.version);
        run_command(
            Command::new("python3")
                .args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"])
                .arg("--dest")
                .arg(&dir)
                .arg(package),
            HINT,
        )?;
        let archive = only_entry(&dir)?;
        let unpacked = dir.join("unpacked");
        run_command(
            Command::new("python3")
                .args(["-m", "tarfile", "-e"])
                .args([&archive, &unpacked])
                .stdout(Stdio::null()),
            HINT,
        )?;
        only_entry(&unpacked)
    }

    fn natively(&self, suite: &Suite, source: &Path) -> anyhow::Result<Outcome> {
        let environment = self.dir.join(suite.name).join("venv");
        run_command(Command::new("python3").args(["-m", "venv"]).arg(&environment), HINT)?;
        let bin = environment.join("bin");
        run_command(
            Command::new(bin.join("python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(packages(suite)),
            HINT,
        )?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)))?;
        let output = Command::new("bash")
            .args(["-c", &command_line(source)])
            .current_dir(source)
            .env("PATH", path)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .output()?;
        Ok(Outcome::read(&String::from_utf8_lossy(&output.stdout)))
    }

    fn sandboxed(&self, suite: &Suite, source: &Path) -> anyhow::Result<Outcome> {
        let name = format!("python-{}", suite.name);
        run_command(
            self.catena()
                .args(["program", "python", "install", "--name", &name])
                .args(packages(suite))
                .stdout(Stdio::null()),
            HINT,
        )?;
        let arguments =
            serde_json::json!({"command": command_line(source), "timeout_seconds": 600});
        let output = self
            .catena()
            .args(["--json", "plugin", "try", "tool-bash", "--patience", "20"])
            .args(["--program", &name, "--dir"])
            .arg(source)
            .arg(arguments.to_string())
            .output()?;
        let answer: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        Ok(Outcome::read(answer.get("content").and_then(Value::as_str).unwrap_or_default()))
    }
}

fn packages(suite: &Suite) -> Vec<String> {
    let own = format!("{}=={}", suite.name, suite.version);
    let needed = suite.needs.iter().map(|name| (*name).to_owned());
    [own, "pytest".to_owned()].into_iter().chain(needed).collect()
}

fn command_line(source: &Path) -> String {
    if source.join("src").is_dir() { format!("PYTHONPATH=src {PYTEST}") } else { PYTEST.to_owned() }
}

fn only_entry(dir: &Path) -> anyhow::Result<PathBuf> {
    let mut entries = std::fs::read_dir(dir)?;
    let entry = entries.next().context("nothing was downloaded or unpacked")??;
    Ok(entry.path())
}

/// What pytest said at its end.
struct Outcome {
    counts: BTreeMap<String, u32>,
    /// What failed, with the reason.
    failures: BTreeMap<String, String>,
}

impl Outcome {
    fn read(text: &str) -> Self {
        let mut outcome = Self { counts: BTreeMap::new(), failures: BTreeMap::new() };
        for line in text.lines() {
            let named = line.strip_prefix("FAILED ").or_else(|| line.strip_prefix("ERROR "));
            if let Some(named) = named {
                let (name, reason) = named.split_once(" - ").unwrap_or((named, "unknown"));
                outcome.failures.insert(name.to_owned(), reason.to_owned());
            }
        }
        let mut lines = text.lines().rev().map(|line| line.trim_matches(['=', ' ']));
        let last = lines.find(|line| line.contains(" in ") && line.ends_with('s'));
        for part in last.unwrap_or_default().split(',') {
            let mut words = part.split_whitespace();
            if let (Some(Ok(count)), Some(word)) = (words.next().map(str::parse), words.next()) {
                outcome.counts.insert(word.trim_end_matches('s').to_owned(), count);
            }
        }
        outcome
    }

    fn count(&self, word: &str) -> u32 {
        self.counts.get(word).copied().unwrap_or(0)
    }

    /// Reasons of what failed here and not in `other`, the commonest first.
    fn causes_beyond(&self, other: &Self) -> Vec<(String, usize)> {
        let mut causes: BTreeMap<String, usize> = BTreeMap::new();
        for (test, reason) in &self.failures {
            if !other.failures.contains_key(test) {
                *causes.entry(reason.clone()).or_default() += 1;
            }
        }
        let mut causes: Vec<_> = causes.into_iter().collect();
        causes.sort_by_key(|(_, tests)| std::cmp::Reverse(*tests));
        causes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pytest_says_at_its_end_is_counted() {
        let outcome = Outcome::read(
            "..F\nFAILED tests/a.py::b - OSError: no\nERROR tests/c.py\n\
             === 1 failed, 20 passed, 3 skipped, 2 errors in 0.50s ===\n",
        );
        assert_eq!(outcome.count("passed"), 20);
        assert_eq!(outcome.count("error"), 2);
        let nothing = Outcome::read("");
        assert_eq!(outcome.causes_beyond(&nothing).len(), 2);
        assert!(outcome.causes_beyond(&outcome).is_empty());
    }
}
