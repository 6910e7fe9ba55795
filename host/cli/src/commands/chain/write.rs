//! `catena chain write`.
//!
//! What a writer wrote is paid for: each chain is appended to `FILE.part` as soon
//! as it is done, and a command that was interrupted goes on after it. What was
//! paid in vain stands there too.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use catena_chain::{Chain, ChainFile, ChainId};
use catena_model::Usage;
use catena_rollout::run::writing::{Writing, WritingError, WrittenChain};
use clap::ValueHint;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::commands::run::{WallsAsked, tell_of_pins, tell_of_walls};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::{Format, dollars, grouped, print_json, say};
use crate::watch;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The run file, whose `[writer]` writes for its chains
    #[arg(value_name = "RUN.TOML", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// The chain file to write; chains that the run file leaves out stay as they are
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// How often the writer is asked for texts that give nothing away
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    tries: u32,
    #[command(flatten)]
    walls: WallsAsked,
}

/// Exit code where some chains got no texts; the same command goes on with them.
const INCOMPLETE: u8 = 3;

pub(crate) fn run(
    arguments: &Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let spill = tempfile::tempdir().context("can't make a temporary directory")?;
    let options = arguments.walls.of(machine.run_options(watch::watcher(format)));
    let writing = Writing::create(&arguments.file, spill.path(), &options)?;
    tell_of_pins(writing.pinned_in());
    let mut part = Part::open(&arguments.output, &writing)?;
    let bar = watch::bar(format, "writing queries");
    bar.set_length(writing.selected().len() as u64);
    bar.set_position(part.done.len() as u64);
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    tell_of_walls(&runtime.block_on(writing.try_walls())?);
    let writing = Arc::new(writing);
    let ended = runtime.block_on(write_all(&writing, arguments.tries, &mut part, &bar));
    bar.finish_and_clear();
    let report = ended?;
    let mut file = writing.chains().clone();
    if report.failed.is_empty() {
        for chain in &mut file.chains {
            if let Some(written) = part.done.remove(&chain.id) {
                *chain = written;
            }
        }
        file.save(&arguments.output).map_err(anyhow::Error::from)?;
        part.remove()?;
    }
    match format {
        Format::Json => print_json(&report.as_json(&file, &arguments.output))?,
        Format::Text => report.print(&file, &arguments.output),
    }
    let is_complete = report.failed.is_empty();
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

/// What came of it.
#[derive(Default)]
struct Report {
    written: usize,
    tries: u32,
    usage: Usage,
    failed: Vec<(ChainId, String)>,
}

async fn write_all(
    writing: &Arc<Writing>,
    tries: u32,
    part: &mut Part,
    bar: &ProgressBar,
) -> anyhow::Result<Report> {
    let places = Arc::new(Semaphore::new(writing.concurrency()));
    let mut tasks: JoinSet<(ChainId, Usage, Result<WrittenChain, WritingError>)> = JoinSet::new();
    for chain in writing.selected() {
        if part.done.contains_key(&chain.id) {
            continue;
        }
        let (writing, places, chain) = (writing.clone(), places.clone(), chain.clone());
        tasks.spawn(async move {
            // The semaphore is never closed.
            let _place = places.acquire().await;
            let (usage, written) = writing.write(&chain, tries).await;
            (chain.id, usage, written)
        });
    }
    let mut report = Report::default();
    while let Some(ended) = tasks.join_next().await {
        let (id, usage, written) = ended.context("a chain's task broke; this is a bug")?;
        report.usage += usage;
        match written {
            Ok(written) => {
                report.written += 1;
                report.tries += written.tries;
                part.add(Done { usage, chain: Some(written.chain) })?;
            }
            Err(err) => {
                part.add(Done { usage, chain: None })?;
                report.failed.push((id, format!("{:#}", anyhow::Error::from(err))));
            }
        }
        bar.inc(1);
    }
    report.failed.sort();
    Ok(report)
}

impl Report {
    fn as_json(&self, file: &ChainFile, output: &Path) -> serde_json::Value {
        let failed = self.failed.iter().map(|(id, why)| json!({"chain": id, "reason": why}));
        let ((stages, marked), (overviews, marked_overviews)) = (marked(file), overviews(file));
        json!({
            "output": self.failed.is_empty().then_some(output),
            "chains_written": self.written,
            "tries": self.tries,
            "usage": self.usage,
            "stages": stages,
            "stages_marked": marked,
            "overviews": overviews,
            "overviews_marked": marked_overviews,
            "failed": failed.collect::<Vec<_>>(),
        })
    }

    fn print(&self, file: &ChainFile, output: &Path) {
        let usage = &self.usage;
        say!(
            "{} chains written in {} tries: {} tokens, {}",
            self.written,
            self.tries,
            grouped(usage.tokens()),
            dollars(usage.cost_microusd)
        );
        for (id, why) in &self.failed {
            say!("{id}: {why}");
        }
        if self.failed.is_empty() {
            let (stages, marked) = marked(file);
            say!("{marked} of {stages} queries still give something away and are marked");
            let (overviews, marked) = overviews(file);
            if marked > 0 {
                say!("{marked} of {overviews} overviews do so too");
            }
            say!("chain file: {}", output.display());
        } else {
            say!("nothing is in {} yet; the same command goes on", output.display());
        }
    }
}

/// Stages, and those whose query gives something away.
fn marked(file: &ChainFile) -> (usize, usize) {
    let stages = file.chains.iter().flat_map(|chain| &chain.stages);
    let marked = stages.clone().filter(|stage| !stage.leaks.is_empty()).count();
    (stages.count(), marked)
}

/// Overviews, and those that give something away of some stage.
fn overviews(file: &ChainFile) -> (usize, usize) {
    let marked = file.chains.iter().filter(|chain| !chain.leaks.is_empty()).count();
    (file.chains.len(), marked)
}

/// A line of the file of chains that are written.
#[derive(Serialize, Deserialize)]
struct Done {
    usage: Usage,
    /// Nothing where what was paid for brought no texts.
    chain: Option<Chain>,
}

/// Chains that are written already, beside the file that is to be.
struct Part {
    path: PathBuf,
    file: File,
    done: BTreeMap<ChainId, Chain>,
}

impl Part {
    /// Reads what an earlier command left. Chains that are not the same any more
    /// are passed over, and a line that was cut off as well.
    fn open(output: &Path, writing: &Writing) -> anyhow::Result<Self> {
        let mut path = output.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let failed = || format!("can't write `{}`", path.display());
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).read(true).open(&path).with_context(failed)?;
        let mut done = BTreeMap::new();
        let mut text = Vec::new();
        (&file).read_to_end(&mut text).with_context(failed)?;
        for line in text.split(|byte| *byte == b'\n') {
            let Ok(Done { usage, chain }) = serde_json::from_slice(line) else { continue };
            writing.charge(&usage);
            let Some(chain) = chain else { continue };
            if writing.selected().iter().any(|known| is_same(known, &chain)) {
                done.insert(chain.id.clone(), chain);
            }
        }
        let is_cut = text.last().is_some_and(|byte| *byte != b'\n');
        let part = Self { path, file, done };
        part.file.try_lock().map_err(|_| {
            anyhow::anyhow!(
                "another process is writing `{}`; wait for it, or stop it",
                part.path.display()
            )
        })?;
        if is_cut {
            (&part.file).write_all(b"\n").with_context(|| part.failed())?;
        }
        Ok(part)
    }

    fn failed(&self) -> String {
        format!("can't write `{}`", self.path.display())
    }

    fn add(&mut self, done: Done) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(&done)?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .and_then(|()| self.file.sync_data())
            .with_context(|| self.failed())?;
        self.done.extend(done.chain.map(|chain| (chain.id.clone(), chain)));
        Ok(())
    }

    fn remove(self) -> anyhow::Result<()> {
        std::fs::remove_file(&self.path).with_context(|| self.failed())
    }
}

/// Whether a chain is one that was written for: all but the texts is as it was,
/// and what was declared is still.
fn is_same(known: &Chain, written: &Chain) -> bool {
    let bare = |chain: &Chain| {
        let mut chain = chain.clone();
        (chain.overview, chain.leaks) = (String::new(), Vec::new());
        for stage in &mut chain.stages {
            (stage.query, stage.leaks, stage.interface) = (String::new(), Vec::new(), Vec::new());
        }
        chain
    };
    let mut stages = known.stages.iter().zip(&written.stages);
    let is_declared = stages.all(|(known, written)| {
        known.interface.iter().all(|name| written.interface.contains(name))
    });
    bare(known) == bare(written) && is_declared
}
