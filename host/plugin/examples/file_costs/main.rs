//! Measures what files cost a guest, beside the same loops outside the sandbox
//! and over a directory that wasmtime's WASI has preopened.
//!
//! `cargo run --release -p catena-plugin --example file_costs -- REPOSITORY [PLUGIN [ROW]]`
//!
//! REPOSITORY is a clone; up to 50 MB of the files of its HEAD become the
//! worktree. PLUGIN is the directory of the built `tool-file-costs`, by default
//! where `cargo xtask guests` puts it. Searching is compared with `rg`, where
//! that is installed, by the clock on the wall; all else is processor time of one
//! thread. Every figure is the least of several; ratios are of the same run. With
//! the beginning of a ROW's name, that row alone is run, in the sandbox, for a
//! profiler to look at.
#![allow(clippy::print_stdout, reason = "a program for people")]

#[path = "../../../../tests/guests/tool-file-costs/src/loops.rs"]
mod loops;
#[path = "../../tests/filesystem/preopen.rs"]
mod preopen;
mod sample;
mod sandbox;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use loops::Work;
use preopen::Preopened;
use sample::Sample;
use sandbox::Sandbox;
use serde_json::{Value, json};

type Failure = Box<dyn Error>;

/// How often everything is measured.
const ROUNDS: u32 = 7;

/// How much more is done for a profiler.
const PROFILED: u32 = 20;

/// Files that are visited.
const FILES: usize = 1000;

/// Size of the file that is read and written.
const BIG: usize = 4 << 20;

/// What searching looks for: a word, and a pattern that begins with none.
const PATTERNS: [&str; 2] = ["deprecated", r"\w+_tol\s*="];

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let repository = PathBuf::from(args.next().ok_or("usage: file_costs REPOSITORY [PLUGIN]")?);
    let plugin = args.next().map_or_else(default_plugin, |dir| Ok(PathBuf::from(dir)))?;
    let sample = Sample::of_head(&repository)?;
    let dir = tempfile::tempdir()?;
    let root = dir.path().join("workspace");
    sample.check_out(&root)?;
    let bench = Bench {
        only: args.next(),
        sandbox: Sandbox::open(&sample, &plugin)?,
        preopened: Preopened::load(&plugin.join("tool_file_costs.wasm")),
        root,
    };
    println!(
        "{} files of {} MB; load {}",
        sample.files.len(),
        sample.bytes / 1_000_000,
        std::fs::read_to_string("/proc/loadavg")?.trim(),
    );
    println!("{:34} {:>10} {:>18} {:>18}", "", "native", "preopened", "sandbox");
    bench.all_files(&sample)?;
    bench.searches()?;
    println!("load {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    Ok(())
}

fn default_plugin() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).ok_or("no target directory")?;
    Ok(target.join("plugins-test/tool-file-costs"))
}

/// The three ways to the same files.
struct Bench {
    only: Option<String>,
    sandbox: Sandbox,
    preopened: Preopened,
    root: PathBuf,
}

impl Bench {
    fn all_files(&self, sample: &Sample) -> Result<(), Failure> {
        let step = (sample.files.len() / FILES).max(1);
        let files: Vec<_> = sample.files.iter().step_by(step).take(FILES).cloned().collect();
        let visits = f64::from(u32::try_from(files.len())?);
        let (a, b, c) = (files.clone(), files.clone(), files);
        self.row("stat, open, read 4 KiB, close", 10, visits, &|root| Work::Visit {
            root: root.to_owned(),
            files: a.clone(),
        })?;
        self.row("stat", 20, visits, &|root| Work::Stat {
            root: root.to_owned(),
            files: b.clone(),
        })?;
        self.row("open, close", 20, visits, &|root| Work::Open {
            root: root.to_owned(),
            files: c.clone(),
        })?;
        let walk = |root: &Path| Work::Walk { root: root.to_owned() };
        let entries = f64::from(u32::try_from(loops::run(&walk(&self.root), 1)?)?);
        self.row("walk with metadata, an entry", 4, entries, &walk)?;
        for step in [4 << 10, 64 << 10] {
            let kib = step >> 10;
            self.row(&format!("write 4 MiB by {kib} KiB, all"), 20, 1.0, &|root| Work::Write {
                file: root.join("big"),
                size: BIG,
                step,
            })?;
            self.row(&format!("read 4 MiB by {kib} KiB, all"), 60, 1.0, &|root| Work::Read {
                file: root.join("big"),
                step,
            })?;
        }
        Ok(())
    }

    /// Measures `work` so many times in a row and prints what one of its `parts` takes.
    fn row(
        &self,
        name: &str,
        times: u32,
        parts: f64,
        work: &dyn Fn(&Path) -> Work,
    ) -> Result<(), Failure> {
        let (outside, inside) = (work(&self.root), work(Path::new("/workspace")));
        let request = json!({"files": inside});
        if let Some(only) = &self.only {
            if name.starts_with(only.as_str()) {
                self.sandbox.call(&request, times * PROFILED)?;
            }
            return Ok(());
        }
        let (mut native, mut preopened, mut sandbox) = (Least::new(), Least::new(), Least::new());
        for _ in 0..ROUNDS {
            native.measure(times, &|times| Ok(loops::run(&outside, times)?))?;
            preopened.measure(times, &|times| self.preopened(&request, times))?;
            sandbox.measure(times, &|times| self.sandbox.call(&request, times))?;
        }
        let nanos = |least: Least| least.beyond_idle() / f64::from(times) / parts;
        print_row(name, [native, preopened, sandbox].map(nanos));
        Ok(())
    }

    fn preopened(&self, request: &Value, times: u32) -> Result<u64, Failure> {
        let arguments = json!({"work": request, "times": times}).to_string();
        let answer = self.preopened.call("costs", &arguments, &self.root, "/workspace");
        Ok(answer.parse().map_err(|_| answer)?)
    }

    fn searches(&self) -> Result<(), Failure> {
        if self.only.is_some() {
            return Ok(());
        }
        for pattern in PATTERNS {
            let request = json!({"grep": pattern});
            let found = self.sandbox.call(&request, 1)?;
            let mut least = [Duration::MAX; 2];
            for _ in 0..ROUNDS {
                let Ok(native) = timed_by_the_clock(|| self.ripgrep(pattern, found)) else {
                    println!("`rg` finds nothing, or something else, for `{pattern}`");
                    return Ok(());
                };
                let sandbox = timed_by_the_clock(|| self.sandbox.call(&request, 1))?;
                least = [least[0].min(native), least[1].min(sandbox)];
            }
            let [native, sandbox] = least.map(|took| took.as_secs_f64() * 1e9);
            print_row(&format!("grep `{pattern}`"), [native, f64::NAN, sandbox]);
        }
        Ok(())
    }

    /// Searches with ripgrep, which must find the same number of lines.
    fn ripgrep(&self, pattern: &str, expected: u64) -> Result<u64, Failure> {
        let mut rg = Command::new("rg");
        rg.args(["--threads=1", "--no-config", "--no-ignore", "--hidden", "--line-number"]);
        rg.args(["--no-heading", "--color=never", pattern]).arg(&self.root);
        let output = rg.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        let found = output.stdout.split(|byte| *byte == b'\n').count() as u64 - 1;
        if found.abs_diff(expected) > expected / 100 {
            println!("rg finds {found} lines, the sandbox {expected}");
            return Err("other lines".into());
        }
        Ok(found)
    }
}

/// The least that a call took that does nothing, and one that does its work.
struct Least {
    idle: Duration,
    busy: Duration,
}

impl Least {
    fn new() -> Self {
        Self { idle: Duration::MAX, busy: Duration::MAX }
    }

    fn measure(
        &mut self,
        times: u32,
        call: &dyn Fn(u32) -> Result<u64, Failure>,
    ) -> Result<(), Failure> {
        call(1)?;
        self.idle = self.idle.min(timed(|| call(0))?);
        self.busy = self.busy.min(timed(|| call(times))?);
        Ok(())
    }

    /// What the work takes, in nanoseconds.
    fn beyond_idle(&self) -> f64 {
        self.busy.saturating_sub(self.idle).as_secs_f64() * 1e9
    }
}

/// The processor time of this thread that `work` takes, the kernel's included:
/// other programs on the machine do not count.
fn timed<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<Duration, Failure> {
    let start = processor_time()?;
    work()?;
    Ok(processor_time()?.saturating_sub(start))
}

fn processor_time() -> Result<Duration, Failure> {
    // The kernel counts when a thread gives way.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split(' ').next().ok_or("no time of this thread")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

fn timed_by_the_clock<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<Duration, Failure> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn print_row(name: &str, [native, preopened, sandbox]: [f64; 3]) {
    let shown = |nanos: f64| match nanos {
        nanos if nanos.is_nan() => "-".to_owned(),
        nanos if nanos < 1e5 => format!("{:.2} µs", nanos / 1e3),
        nanos => format!("{:.2} ms", nanos / 1e6),
    };
    let beside = |nanos: f64| match nanos {
        nanos if nanos.is_nan() => "-".to_owned(),
        nanos => format!("{} {:>5.1}x", shown(nanos), nanos / native),
    };
    println!("{name:34} {:>10} {:>18} {:>18}", shown(native), beside(preopened), beside(sandbox));
}
