//! `cargo xtask load`: many rollouts that wait on a slow model server, with and
//! without parking, and what a turn costs beside the model.
//!
//! Its figures are of one machine and one moment; they are for notes and docs.

mod processes;
mod server;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use crate::checkout::{Checkout, run as run_command};
use crate::demo;
use crate::phase::Phases;
use processes::{Memory, measure};
use server::SlowServer;

/// Rollouts that have a worker at a time, where others wait without one.
const AT_WORK: u32 = 4;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Load {
    /// Rollouts that wait without a worker
    #[arg(long, default_value_t = 1000)]
    rollouts: u32,
    /// Rollouts that wait with one, for comparison
    #[arg(long, default_value_t = 50)]
    unparked: u32,
    /// Turns of each
    #[arg(long, default_value_t = 3)]
    turns: usize,
    /// How long the server takes for a reply, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Measures and prints.
pub(crate) fn run(checkout: &Checkout, phases: &mut Phases, load: &Load) -> anyhow::Result<()> {
    demo::build(checkout, phases)?;
    let dir = checkout.target.join("load");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    let catena = checkout.built("catena");
    run_command(
        Command::new(&catena).args(["demo", "--dir"]).arg(dir.join("demo")).stdout(Stdio::null()),
        "the message above says what failed",
    )?;
    let bench = Bench { catena, dir };
    phases.begin("one rollout of 100 turns, server without delay");
    bench.overhead(100)?;
    let delay = Duration::from_secs(load.seconds);
    phases.begin("rollouts that wait with a worker");
    bench.waiting("unparked", load.unparked, load.unparked, 0, load.turns, delay)?;
    phases.begin("rollouts that wait without one");
    bench.waiting("parked", load.rollouts, AT_WORK, load.rollouts, load.turns, delay)
}

struct Bench {
    catena: PathBuf,
    dir: PathBuf,
}

impl Bench {
    /// Starts a run over the first stage of the demo's chain.
    fn start(&self, name: &str, keys: &str, model: &str) -> anyhow::Result<Child> {
        let demo = self.dir.join("demo");
        let text = format!(
            "version = 1\nname = \"{name}\"\nchains = \"chains.json\"\nrefinements = 0\n{keys}\n\
             {}\n[scaffold.config]\nstep_limit = 0\ncost_limit = 0.0\n\n{model}",
            demo::AGENT
        );
        let file = demo.join(format!("{name}.toml"));
        fs::write(&file, text)?;
        let log = fs::File::create(self.dir.join(format!("{name}.log")))?;
        Command::new(&self.catena)
            .arg("run")
            .arg(&file)
            .arg("--dir")
            .arg(self.run_dir(name))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("can't start catena")
    }

    fn run_dir(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The time between a reply and the next request, and what of it the tool took.
    fn overhead(&self, turns: usize) -> anyhow::Result<()> {
        let server = SlowServer::start(turns, Duration::ZERO)?;
        let mut run = self.start("overhead", "", &model(&server, 1))?;
        run.wait()?;
        let mut gaps = server.state.gaps.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let gap = median(&mut gaps);
        let journal = fs::read_to_string(first_journal(&self.run_dir("overhead"))?)?;
        let mut tools: Vec<Duration> = journal.lines().filter_map(tool_time).collect();
        let tool = median(&mut tools);
        println!("from a reply to the next request, p50: {gap:.2?}, of which the tool {tool:.2?}");
        println!("syncs included: {:.2?}, p50 of 100 in the same directory", self.sync_time()?);
        Ok(())
    }

    /// What it takes to sync 4 KiB here.
    fn sync_time(&self) -> anyhow::Result<Duration> {
        use std::io::Write as _;
        let mut file = fs::File::create(self.dir.join("sync"))?;
        let mut times = Vec::new();
        for _ in 0..100 {
            let begin = Instant::now();
            file.write_all(&[0; 4096])?;
            file.sync_data()?;
            times.push(begin.elapsed());
        }
        Ok(median(&mut times))
    }

    /// Runs rollouts that all wait at the same time, and tells what they take.
    fn waiting(
        &self,
        name: &str,
        rollouts: u32,
        at_work: u32,
        parked: u32,
        turns: usize,
        delay: Duration,
    ) -> anyhow::Result<()> {
        let server = SlowServer::start(turns, delay)?;
        let keys = format!("trials = {rollouts}\nconcurrency = {at_work}");
        let parking = format!("[parking]\nafter = \"20ms\"\nmost = {parked}\n\n");
        let model = parking + &model(&server, rollouts);
        let begin = Instant::now();
        let mut run = self.start(name, &keys, &model)?;
        let (mut most, mut memory) = (0, Memory::default());
        while run.try_wait()?.is_none() {
            let waiting = server.state.waiting.load(Ordering::SeqCst);
            if waiting > most {
                most = waiting;
                memory = measure(run.id());
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        let took = begin.elapsed();
        let turns_served = server.state.served.load(Ordering::SeqCst);
        println!("{}", told(most, memory, turns_served, took, rollouts, turns));
        Ok(())
    }
}

fn told(
    most: u64,
    memory: Memory,
    served: u64,
    took: Duration,
    rollouts: u32,
    turns: usize,
) -> String {
    let mut text = format!("{most} waited at once with {} workers; ", memory.workers);
    let per_rollout = (memory.host + memory.of_workers) / most.max(1);
    let _ = write!(
        text,
        "host {} MiB, workers {} MiB, {per_rollout} KiB for each that waited\n\
         {served} of {} turns in {:.1}s, {:.1} a second",
        memory.host >> 10,
        memory.of_workers >> 10,
        u64::from(rollouts) * turns as u64,
        took.as_secs_f64(),
        f64::from(u32::try_from(served).unwrap_or(u32::MAX)) / took.as_secs_f64(),
    );
    text
}

fn model(server: &SlowServer, places: u32) -> String {
    format!(
        "[model]\nkind = \"openai\"\nbase_url = \"{}\"\nmodel = \"slow\"\nstream = false\n\
         concurrency = {places}\n",
        server.base_url
    )
}

fn first_journal(run: &Path) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(run.join("rollouts"))?.filter_map(Result::ok);
    let mut journals = entries.map(|entry| entry.path());
    let is_journal = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "journal");
    journals.find(is_journal).context("the run left no journal")
}

fn tool_time(line: &str) -> Option<Duration> {
    let record: Value = serde_json::from_str(line.get(9..)?).ok()?;
    let is_call = record.get("event").is_some_and(|event| event == "tool-call");
    let micros = record.get("wall_us").and_then(Value::as_u64)?;
    is_call.then(|| Duration::from_micros(micros))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
