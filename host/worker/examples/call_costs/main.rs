//! Measures what a call costs, and what each limit adds to it when it is not reached.
//!
//! `cargo xtask guests`, then `cargo run --release --example call_costs`, or the same of
//! the development build. The plugins are looked for where `cargo xtask guests` puts
//! them, the program for the worker beside the examples' directory. Every figure is a
//! median; what is compared is measured in turns, in one run.
#![allow(clippy::print_stdout, reason = "a program for people")]

mod guests;
mod raw;
mod through_worker;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use catena_plugin::engine::Time;
use catena_plugin::{Enforced, LoadedPlugin, start_and_end};
use guests::{Calls, Guest};
use raw::Raw;

type Failure = Box<dyn Error>;

/// How often what takes microseconds is measured.
const TIMES: usize = 300;

/// How often all ways of a comparison are gone through.
const ROUNDS: usize = 5;

/// Tool calls of a round.
const CALLS: usize = 300;

/// Up to where primes are counted, which takes some tenths of a second.
const PRIMES: usize = 20_000_000;

fn main() -> Result<(), Failure> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).ok_or("no target directory")?;
    println!("load {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    loads_and_starts(target)?;
    calls(target, &program)?;
    limits(target)?;
    println!("load {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    Ok(())
}

/// Where `cargo xtask guests` puts a plugin.
fn plugin(target: &Path, name: &str) -> PathBuf {
    let shipped = target.join("plugins").join(name);
    if shipped.exists() { shipped } else { target.join("plugins-test").join(name) }
}

fn loads_and_starts(target: &Path) -> Result<(), Failure> {
    println!("\n{:24} {:>12} {:>12}", "loaded from the cache", "wasmtime", "catena");
    let dir = tempfile::tempdir()?;
    let names = ["tool-works", "tool-files", "scaffold-mini", "tool-bash"];
    for name in names {
        let guest = Guest::compile(&plugin(target, name), dir.path(), Enforced::ALL)?;
        let raw = Raw::compile(&guest.component, dir.path())?;
        let native = median(TIMES / 3, || raw.load().map(drop))?;
        let ours = median(TIMES / 3, || {
            Ok(LoadedPlugin::load(&guest.engine, guest.spec.clone()).map(drop)?)
        })?;
        println!("{name:24} {:>12} {:>12}", shown(native), shown(ours));
    }
    println!("\n{:24} {:>12} {:>12}", "started and ended", "wasmtime", "catena");
    for name in names {
        let guest = Guest::compile(&plugin(target, name), dir.path(), Enforced::ALL)?;
        let raw = Raw::compile(&guest.component, dir.path())?;
        let loaded = raw.load()?;
        let native = median(TIMES, || raw.start(&loaded))?;
        let session = guests::session(Vec::new(), std::sync::Arc::default());
        let loaded = LoadedPlugin::load(&guest.engine, guest.spec.clone())?;
        let ours = median(TIMES, || Ok(start_and_end(&session, &loaded)?))?;
        println!("{name:24} {:>12} {:>12}", shown(native), shown(ours));
    }
    Ok(())
}

/// The calls that are measured.
fn works() -> [(&'static str, String); 2] {
    [
        ("does nothing", "{}".to_owned()),
        ("writes, reads 4 KiB", r#"{"file": "/workspace/file"}"#.to_owned()),
    ]
}

fn calls(target: &Path, program: &Path) -> Result<(), Failure> {
    println!("\n{:24} {:>12} {:>12} {:>12}", "a tool call that", "p50", "p90", "p99");
    let dir = tempfile::tempdir()?;
    let row = |name: &str, mut walls: Vec<Duration>| {
        walls.sort();
        let at = |part: usize| walls.get(walls.len() * part / 100).copied().unwrap_or_default();
        println!("{name:24} {:>12} {:>12} {:>12}", shown(at(50)), shown(at(90)), shown(at(99)));
    };
    for (name, arguments) in works() {
        let calls = Calls::prepare(target, dir.path(), Enforced::ALL, &arguments, CALLS)?;
        calls.run()?;
        row(name, calls.run()?);
        let took = through_worker::run(program, dir.path(), &calls)?;
        row("  the same, in a worker", took.calls);
    }
    let none = Calls::prepare(target, dir.path(), Enforced::ALL, "{}", 0)?;
    let ready: Result<Vec<Duration>, Failure> = (0..TIMES / 6)
        .map(|_| Ok(through_worker::run(program, dir.path(), &none)?.ready))
        .collect();
    row("  a worker, until ready", ready?);
    let file = dir.path().join("file");
    let line = format!("head -c 4096 /dev/zero > {0}; cat {0}", file.display());
    let plain = ["bash", "-c", &line];
    row("  bash -c", subprocess(&plain)?);
    let walls = "bwrap --unshare-all --die-with-parent --dev-bind / / --";
    let confined: Vec<&str> = walls.split(' ').chain(plain).collect();
    match subprocess(&confined) {
        Ok(walls) => row("  bubblewrap, bash -c", walls),
        Err(err) => println!("  bubblewrap: {err}"),
    }
    Ok(())
}

fn subprocess(line: &[&str]) -> Result<Vec<Duration>, Failure> {
    let (program, arguments) = line.split_first().ok_or("an empty line")?;
    let run = || -> Result<Duration, Failure> {
        let begin = Instant::now();
        let status = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if status.success() { Ok(begin.elapsed()) } else { Err(status.to_string().into()) }
    };
    (0..TIMES / 3).map(|_| run()).collect()
}

fn limits(target: &Path) -> Result<(), Failure> {
    let all = Enforced::ALL;
    let ways = [
        ("none", Enforced::NONE),
        ("fuel", Enforced { time: Time::Fuel, ..Enforced::NONE }),
        ("wall-clock time", Enforced { time: Time::Wall, ..Enforced::NONE }),
        ("memory and tables", Enforced { memory: true, ..Enforced::NONE }),
        ("bytes of a host call", Enforced { host_call: true, ..Enforced::NONE }),
        ("all", all),
    ];
    let dir = tempfile::tempdir()?;
    let computes = ("counts primes", format!(r#"{{"primes": {PRIMES}}}"#));
    println!("\n{:24} {:>12} {:>8}", "limits, of a call that", "p50", "ratio");
    for (name, arguments) in works().into_iter().chain([computes]) {
        let times = if name == "counts primes" { 2 } else { CALLS };
        let prepared = ways
            .map(|(_, enforced)| Calls::prepare(target, dir.path(), enforced, &arguments, times));
        let mut walls = ways.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (calls, walls) in prepared.iter().zip(&mut walls) {
                walls.extend(calls.as_ref().map_err(ToString::to_string)?.run()?);
            }
        }
        println!("{name}");
        let mut least = Duration::ZERO;
        for ((way, _), mut walls) in ways.iter().zip(walls) {
            walls.sort();
            let wall = walls.get(walls.len() / 2).copied().unwrap_or_default();
            least = if least.is_zero() { wall } else { least };
            let ratio = wall.as_secs_f64() / least.as_secs_f64();
            println!("  {way:22} {:>12} {ratio:>8.2}", shown(wall));
        }
    }
    Ok(())
}

fn median(
    times: usize,
    mut work: impl FnMut() -> Result<(), Failure>,
) -> Result<Duration, Failure> {
    work()?;
    let mut walls = Vec::with_capacity(times);
    for _ in 0..times {
        let begin = Instant::now();
        work()?;
        walls.push(begin.elapsed());
    }
    walls.sort();
    Ok(walls.get(times / 2).copied().unwrap_or_default())
}

fn shown(wall: Duration) -> String {
    match wall.as_nanos() {
        0..10_000_000 => format!("{:.1} µs", wall.as_secs_f64() * 1e6),
        _ => format!("{:.1} ms", wall.as_secs_f64() * 1e3),
    }
}
