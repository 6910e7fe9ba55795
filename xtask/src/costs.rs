//! `cargo xtask costs`: what a command line costs an agent in the sandbox, beside
//! the same line in a bash of its own and in one that bubblewrap confines.
//!
//! Its figures are of one machine and one moment; ratios say more than times.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::ValueHint;
use serde_json::{Value, json};

use crate::checkout::{Checkout, run as run_command};
use crate::demo;
use crate::phase::Phases;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Costs {
    /// A directory to work over; the checkout's own sources by default
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// The program to measure; that of the development build by default
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    catena: Option<PathBuf>,
    /// How often each line is run
    #[arg(long, default_value_t = 50)]
    times: usize,
}

/// A line with what it is called in the table.
const LINES: [(&str, &str); 4] = [
    ("echo", "echo hello"),
    ("grep", "grep -rn 'fn run' . | head -n 50"),
    ("sed", "f=$(ls *.txt *.md *.toml 2>/dev/null | head -n 1); sed -i 's/e/e/' \"$f\""),
    ("python", "python3 -c 'print(1)'"),
];

/// Measures and prints.
pub(crate) fn run(checkout: &Checkout, phases: &mut Phases, costs: &Costs) -> anyhow::Result<()> {
    demo::build(checkout, phases)?;
    let dir = checkout.target.join("costs");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    let bench = Bench {
        catena: costs.catena.clone().unwrap_or_else(|| checkout.built("catena")),
        programs: checkout.target.join("compat/programs"),
        dir: dir.join("files"),
        times: costs.times.max(1),
    };
    fs::create_dir_all(&bench.dir)?;
    let from = costs.dir.clone().unwrap_or_else(|| checkout.root.join("host"));
    let all = from.join(".");
    run_command(
        Command::new("cp").arg("-r").args([&all, &bench.dir]),
        "`--dir` takes a directory",
    )?;
    let mut table = String::from(
        "| line | sandbox p50 | bash p50 | bubblewrap p50 | sandbox / bash |\n|---|---|---|---|---|\n",
    );
    for (name, line) in LINES {
        phases.begin(name);
        let sandbox = bench.sandboxed(line)?;
        let bash = bench.subprocess(&["bash", "-c", line])?;
        let walls = bench.walls();
        let walls: Vec<&str> =
            walls.iter().map(String::as_str).chain(["bash", "-c", line]).collect();
        let confined = bench.subprocess(&walls).map_or_else(|err| err.to_string(), shown);
        let _ = writeln!(
            table,
            "| {name} | {} | {} | {confined} | {:.2} |",
            shown(sandbox),
            shown(bash),
            sandbox.as_secs_f64() / bash.as_secs_f64(),
        );
    }
    println!("{table}");
    Ok(())
}

struct Bench {
    catena: PathBuf,
    programs: PathBuf,
    dir: PathBuf,
    times: usize,
}

impl Bench {
    /// The median of a line's calls within one session, as an agent makes them. The
    /// first one, which reads the tool, is left out.
    fn sandboxed(&self, line: &str) -> anyhow::Result<Duration> {
        let calls = self.dir.with_file_name("calls.jsonl");
        let call = json!({"command": line}).to_string();
        fs::write(&calls, vec![call; self.times + 1].join("\n"))?;
        let mut command = Command::new(&self.catena);
        command.args(["--json", "plugin", "try", "tool-bash", "--keep", "--dir"]).arg(&self.dir);
        if self.programs.is_dir() {
            command.env("CATENA_PROGRAMS", &self.programs).args(["--program", "python"]);
        }
        let output = command.arg("--calls").arg(&calls).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let wall = |line: &str| {
            let told: Value = serde_json::from_str(line).ok()?;
            Some(Duration::from_micros(told.get("wall_us")?.as_u64()?))
        };
        let walls: Vec<Duration> = text.lines().skip(1).filter_map(wall).collect();
        let said = || String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(walls.len() == self.times, "the sandbox did not answer: {}", said());
        median(walls)
    }

    /// The median of a process from its start to its end.
    fn subprocess(&self, line: &[&str]) -> anyhow::Result<Duration> {
        let (program, arguments) = line.split_first().context("an empty line")?;
        let mut walls = Vec::new();
        for _ in 0..self.times {
            let begin = Instant::now();
            Command::new(program)
                .args(arguments)
                .current_dir(&self.dir)
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .output()
                .with_context(|| format!("no `{program}`"))?;
            walls.push(begin.elapsed());
        }
        median(walls)
    }

    /// The walls that a run builds, without limits and records.
    fn walls(&self) -> Vec<String> {
        let dir = self.dir.to_string_lossy();
        let fixed = "bwrap --unshare-all --unshare-user --die-with-parent --new-session --ro-bind / / \
                     --proc /proc --dev /dev --tmpfs /tmp";
        let mut walls: Vec<String> = fixed.split_whitespace().map(str::to_owned).collect();
        walls.extend(["--bind", &dir, &dir, "--chdir", &dir, "--"].map(str::to_owned));
        walls
    }
}

fn median(mut walls: Vec<Duration>) -> anyhow::Result<Duration> {
    walls.sort();
    walls.get(walls.len() / 2).copied().context("nothing was measured")
}

fn shown(wall: Duration) -> String {
    format!("{:.2} ms", wall.as_secs_f64() * 1000.0)
}
