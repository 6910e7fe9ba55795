//! One attack: the run in which it is made, beside an honest rollout, and what came of
//! both.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use catena_plugin::units::{ByteSize, Span};
use catena_plugin::{CompileError, Compiler as _};
use catena_rollout::RolloutEnd;
use catena_tree::TreeId;
use catena_worker::{CompileLimits, ConfinedCompiler};

use super::arena::{ATTACKER, Arena, NEIGHBOUR, Place};
use super::attack::{Attack, End, Means, Swap};
use super::ground::Ground;
use super::measures::Measures;
use super::meter::{Watched, watch, watch_workers};
use super::outcome::{self, left, rollout};
use super::scorecard::Row;
use super::swap::Swapped;
use crate::machine::Machine;

/// How long a run may take, whatever its limits say.
const PATIENCE: Duration = Duration::from_mins(3);

/// What compiling an attack may use: less than it may in a run, so that its end is not
/// waited for long.
const COMPILING: CompileLimits = CompileLimits {
    component: ByteSize(128 << 20),
    memory: ByteSize(512 << 20),
    code: ByteSize(64 << 20),
    wall: Span(Duration::from_secs(2)),
};

/// How it is said that the worker died that compiled.
const COMPILER_FAILED: &str = "the compiler failed";

/// What the honest rollout comes to where nobody attacks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Undisturbed {
    tree: Option<TreeId>,
    worker_peak: u64,
    host_peak: u64,
}

/// Makes attacks in one arena, one after the other.
pub(crate) struct Contest<'a> {
    machine: &'a Machine,
    arena: Arena,
    undisturbed: BTreeMap<Ground, Undisturbed>,
}

impl<'a> Contest<'a> {
    /// A contest on this machine.
    pub(crate) fn new(machine: &'a Machine, arena: Arena) -> Self {
        Self { machine, arena, undisturbed: BTreeMap::new() }
    }

    /// Makes an attack.
    pub(crate) fn hold(&mut self, attack: &Attack) -> anyhow::Result<Row> {
        let ground = Ground::of(attack);
        let undisturbed = self.undisturbed(ground)?;
        let place = self.arena.place(attack.name, ground, Some(attack))?;
        let fought = match attack.means {
            Means::Component(_) => self.take_component(&place)?,
            Means::Bomb(code) => self.compile(&place, &code())?,
            Means::Cache(swap) => self.swap_in_cache(&place, swap)?,
            _ => self.roll_out(attack, &place)?,
        };
        let neighbour = neighbour(&place.run(), &undisturbed);
        let over =
            |peak: u64, usual: u64, more: u64| peak.saturating_sub(usual).saturating_sub(more);
        let (let_have, wall) = match attack.means {
            Means::Bomb(_) => (COMPILING.memory.0, COMPILING.wall.0),
            _ => (attack.bounds.memory, attack.bounds.wall),
        };
        let measures = Measures {
            worker: over(fought.watched.worker_peak, undisturbed.worker_peak, let_have),
            host: over(fought.watched.own_peak, undisturbed.host_peak, 0),
            stopped_after: fought.stopped_after,
        };
        let mut harm = self.arena.planted().harm();
        harm.extend(measures.exceeded(attack, wall));
        let contained =
            attack.expects(fought.end, &fought.detail) && neighbour.is_none() && harm.is_empty();
        Ok(Row {
            name: attack.name,
            by: attack.means.word(),
            tries: attack.tries,
            expected: attack.expected,
            end: fought.end,
            detail: fought.detail,
            stopped_after: fought.stopped_after,
            because: attack.because,
            memory_over: measures.worker,
            host_memory: measures.host,
            neighbour,
            harm,
            contained,
        })
    }

    /// What comes of the honest rollout where there is no attack; found out once.
    fn undisturbed(&mut self, ground: Ground) -> anyhow::Result<Undisturbed> {
        if let Some(known) = self.undisturbed.get(&ground) {
            return Ok(known.clone());
        }
        let name = format!("undisturbed-{}", ground.name());
        let place = self.arena.place(&name, ground, None)?;
        let (watched, said) = self.run(&place, &place.run(), None)?;
        let tree = rollout(&place.run(), NEIGHBOUR).and_then(|rollout| left(&rollout));
        if tree.is_none() {
            anyhow::bail!("a run without any attack does not end well: {}", last_words(&said));
        }
        let (worker_peak, host_peak) = (watched.worker_peak, watched.own_peak);
        let found = Undisturbed { tree, worker_peak, host_peak };
        self.undisturbed.insert(ground, found.clone());
        Ok(found)
    }

    /// A run in which one rollout attacks.
    fn roll_out(&self, attack: &Attack, place: &Place) -> anyhow::Result<Fought> {
        let (watched, said) = self.run(place, &place.run(), None)?;
        let Some(attacker) = rollout(&place.run(), ATTACKER) else {
            let failed = ended(&watched).map_or(End::HostFailed, |_| End::Refused);
            return Ok(Fought::new(failed, last_words(&said), watched));
        };
        let (mut end, mut detail) =
            outcome::of(attack, &place.run(), &attacker, self.arena.planted());
        if ended(&watched).is_none() {
            (end, detail) = (End::HostFailed, last_words(&said));
        }
        let used = ["attack", "judge-redteam", "scaffold-redteam", "tool-bash"];
        let used = used.iter().find_map(|plugin| attacker.used.get(*plugin));
        let stopped_after = used.map_or(watched.took, |used| Duration::from_micros(used.wall_us));
        Ok(Fought { stopped_after, ..Fought::new(end, detail, watched) })
    }

    /// A component that is to be taken in, beside a run.
    fn take_component(&self, place: &Place) -> anyhow::Result<Fought> {
        let (checked, run) = thread::scope(|scope| {
            let run = scope.spawn(|| self.run(place, &place.run(), None));
            let said = place.said("check");
            let plugin = place.plugin();
            let mut command = self.command(place);
            command.args(["plugin", "check"]).arg(plugin);
            let checked =
                start(command, &said).and_then(|child| Ok((watch(child, PATIENCE)?, read(&said))));
            (checked, run.join())
        });
        let (watched, said) = checked?;
        run.map_err(|_| anyhow::anyhow!("the run beside it could not be watched"))??;
        let end = match ended(&watched) {
            None => End::HostFailed,
            Some(0) => End::Harmless,
            Some(_) if said.contains(COMPILER_FAILED) => End::WorkerDied,
            Some(_) => End::Refused,
        };
        Ok(Fought::new(end, last_words(&said), watched))
    }

    /// A component that is to be compiled within tight limits, beside a run.
    fn compile(&self, place: &Place, code: &[u8]) -> anyhow::Result<Fought> {
        let confined = ConfinedCompiler {
            limits: COMPILING,
            ..ConfinedCompiler::new(self.machine.worker_command(), place.dir().to_owned())
        };
        let begin = Instant::now();
        let (beside, (made, worker_peak)) = thread::scope(|scope| {
            let run = scope.spawn(|| self.run(place, &place.run(), None));
            let made = watch_workers(|| (confined.compile(code), begin.elapsed()));
            (run.join(), made)
        });
        let (made, took) = made.map_err(|_| anyhow::anyhow!("the compiler's thread failed"))?;
        let (mut watched, _) =
            beside.map_err(|_| anyhow::anyhow!("the run beside it could not be watched"))??;
        watched.worker_peak = worker_peak;
        let (end, detail) = match made {
            Ok(made) => (End::Harmless, format!("compiled to {} bytes", made.code.len())),
            Err(CompileError::Failed(why)) => (End::WorkerDied, why),
            Err(err) => (End::Refused, err.to_string()),
        };
        Ok(Fought { stopped_after: took, ..Fought::new(end, detail, watched) })
    }

    /// A run over a cache in which each compiled component is something else.
    fn swap_in_cache(&self, place: &Place, swap: Swap) -> anyhow::Result<Fought> {
        let cache = place.cache();
        self.run(place, &place.second_run(), Some(&cache))?;
        let swapped = Swapped::put(&cache.join("components"), swap)?;
        let (watched, said) = self.run(place, &place.run(), Some(&cache))?;
        let taken = swapped.taken();
        let end = match ended(&watched) {
            Some(_) if taken > 0 => End::Reached,
            Some(0) => End::Refused,
            _ => End::HostFailed,
        };
        let (count, said) = (swapped.len(), last_words(&said));
        let detail = format!("{} of {count} were compiled anew; {said}", count - taken);
        Ok(Fought::new(end, detail, watched))
    }

    /// Runs a place's run file and returns what was seen of that and what was said.
    fn run(
        &self,
        place: &Place,
        dir: &Path,
        cache: Option<&Path>,
    ) -> anyhow::Result<(Watched, String)> {
        let mut command = self.command(place);
        if let Some(cache) = cache {
            command.env("CATENA_CACHE", cache);
        }
        command.arg("run").arg(place.run_file()).arg("--dir").arg(dir);
        let said = place.said("run");
        let watched = watch(start(command, &said)?, PATIENCE)?;
        Ok((watched, read(&said)))
    }

    fn command(&self, place: &Place) -> Command {
        let mut command = Command::new(self.machine.program());
        for dir in self.machine.plugin_dirs() {
            command.arg("--plugins").arg(dir);
        }
        let (variable, word) = self.arena.variable();
        command.arg("--json").env("CATENA_PROGRAMS", place.programs()).env(variable, word);
        command
    }
}

/// What came of an attack.
struct Fought {
    end: End,
    detail: String,
    stopped_after: Duration,
    watched: Watched,
}

impl Fought {
    fn new(end: End, detail: String, watched: Watched) -> Self {
        Self { end, detail, stopped_after: watched.took, watched }
    }
}

fn start(mut command: Command, said: &Path) -> anyhow::Result<Child> {
    let file = File::create(said).with_context(|| format!("can't write `{}`", said.display()))?;
    let out = file.try_clone()?;
    command.stdin(Stdio::null()).stdout(out).stderr(file);
    command.spawn().context("can't start this program again")
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// The exit status, if the program came to one of its own.
fn ended(watched: &Watched) -> Option<i32> {
    watched.status.and_then(|status| status.code()).filter(|code| *code != 101)
}

/// What a program said of its failure, which is one line of JSON.
fn last_words(said: &str) -> String {
    let told = said.lines().find_map(|line| serde_json::from_str::<Words>(line).ok());
    match told {
        Some(told) => told.causes.last().unwrap_or(&told.error).clone(),
        None => said
            .lines()
            .find(|line| !line.starts_with(['{', ' ', '}']))
            .unwrap_or_default()
            .to_owned(),
    }
}

/// A failure as this program tells it to programs.
#[derive(serde::Deserialize)]
struct Words {
    error: String,
    #[serde(default)]
    causes: Vec<String>,
}

/// What is wrong with the honest rollout, if anything is.
fn neighbour(run: &Path, undisturbed: &Undisturbed) -> Option<String> {
    let Some(rollout) = rollout(run, NEIGHBOUR) else {
        return Some("it did not begin".to_owned());
    };
    if left(&rollout) == undisturbed.tree {
        return None;
    }
    let end = rollout.end.as_ref().map_or("it has no end", RolloutEnd::word);
    let reason = rollout.end.as_ref().and_then(RolloutEnd::reason).unwrap_or_default();
    Some(format!("{end}, left another tree; {reason}"))
}
