//! The files of a run.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use catena_chain::ChainFile;
use catena_model::Usage;
use catena_plugin::{Digest, Effective, Limits, PluginKind};
use serde::{Deserialize, Serialize};

use super::calibration::CalibrationNote;
use super::error::RunError;
use super::judging::PlannedPatch;
use super::lockfile::Pinned;
use crate::journal::{Journal, JournalError};
use crate::record::RolloutId;
use crate::run_file::RunFile;
use crate::summary::RolloutSummary;

/// Version of `plan.json`.
pub(super) const PLAN_VERSION: u32 = 1;

/// A number that is another one after every start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// How long a held lock is waited for.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);

/// `plan.json`: what a run was begun with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanFile {
    pub(super) version: u32,
    /// Version of the program that began the run.
    pub(super) catena: String,
    pub(super) file: RunFile,
    pub(super) chains: Digest,
    /// The plugins, by name.
    pub(super) plugins: BTreeMap<String, PlannedPlugin>,
    /// What was known of the judges, where the run needs that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) calibration: Option<CalibrationNote>,
    /// The patches of other programs' agents that are judged, where it is about such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) patches: Vec<PlannedPatch>,
    /// Digest of what was approved of the plugins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) approved: Option<Digest>,
}

/// A plugin as a run uses it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedPlugin {
    /// What it does. Plans of older versions do not say.
    #[serde(default)]
    pub kind: Option<PluginKind>,
    /// Digest of its component.
    pub component: Digest,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// What it may do.
    pub rights: Effective,
    /// What each of its calls may use.
    pub limits: Limits,
    /// Its configuration, with the run file's values over the manifest's.
    #[serde(default)]
    pub config: serde_json::Value,
}

impl PlannedPlugin {
    /// What of it people are told that has changed.
    pub(super) fn changes(&self, name: &str, was: &Self) -> String {
        let pin = |plugin: &Self| Pinned {
            component: plugin.component,
            manifest: plugin.manifest,
            // Plans do not say; another world is another component.
            world: Digest::of(b""),
            config: None,
            limits: (&plugin.limits).into(),
            rights: plugin.rights.clone(),
        };
        let changed = pin(self).differences(name, &pin(was));
        let parts: Vec<&str> = changed.iter().map(|change| change.part.as_str()).collect();
        format!(" ({})", parts.join(", "))
    }

    /// Whether it is the same plugin with the same rights and limits. What it
    /// does and its configuration follow from the manifest and the run file.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let Self { component, manifest, rights, limits, kind: _, config: _ } = self;
        (component, manifest, rights, limits)
            == (&other.component, &other.manifest, &other.rights, &other.limits)
    }
}

/// What a run was begun with.
pub struct Planned {
    /// The run file, with absolute paths.
    pub file: RunFile,
    /// The chain file.
    pub chains: ChainFile,
    /// The plugins, by name.
    pub plugins: BTreeMap<String, PlannedPlugin>,
    /// What was known of the judges, where the run needs that.
    pub calibration: Option<CalibrationNote>,
    /// The patches of other programs' agents that are judged, where it is about such.
    pub patches: Vec<PlannedPatch>,
}

impl Planned {
    /// The scaffold's name and what is planned for it.
    pub fn scaffold(&self) -> Option<(&str, &PlannedPlugin)> {
        let mut plugins = self.plugins.iter();
        let (name, plugin) =
            plugins.find(|(_, plugin)| plugin.kind == Some(PluginKind::Scaffold))?;
        Some((name, plugin))
    }
}

/// Reads what a run was begun with.
pub fn planned(dir: &Path) -> Result<Planned, RunError> {
    let plan = read_plan(dir)?;
    let chains = ChainFile::load(&chains_path(dir))?;
    let PlanFile { file, plugins, calibration, patches, .. } = plan;
    Ok(Planned { file, chains, plugins, calibration, patches })
}

/// What the journals of a run tell, as far as they can be read.
#[derive(Debug)]
pub struct Readable {
    /// What the rollouts have come to.
    pub rollouts: Vec<RolloutSummary>,
    /// Why the journals of the others can't be read.
    pub damaged: Vec<JournalError>,
}

/// Reads what a run has come to, from its journals alone, by rollout. A journal that
/// can't be read keeps nobody from the others.
pub fn readable(dir: &Path) -> Result<Readable, RunError> {
    read_plan(dir)?;
    let mut readable = Readable { rollouts: Vec::new(), damaged: Vec::new() };
    for path in journals(dir)? {
        match Journal::read(&path) {
            Ok(records) => readable.rollouts.extend(RolloutSummary::of(&records)),
            Err(err) => readable.damaged.push(err),
        }
    }
    readable.rollouts.sort_by(|a, b| a.rollout.cmp(&b.rollout));
    Ok(readable)
}

/// The same where each journal must be readable.
pub fn summaries(dir: &Path) -> Result<Vec<RolloutSummary>, RunError> {
    let Readable { rollouts, damaged } = readable(dir)?;
    damaged.into_iter().next().map_or(Ok(rollouts), |err| Err(err.into()))
}

/// What all exchanges took that are in the journals of a run, those included
/// that were made again after a failure.
pub(super) fn spent(dir: &Path) -> Result<Usage, RunError> {
    let mut spent = Usage::default();
    for path in journals(dir)? {
        spent += Journal::spent(&path).map_err(|err| RunError::io(&path, err))?;
    }
    Ok(spent)
}

/// The journals of a run, in order of rollouts.
pub fn journals(dir: &Path) -> Result<Vec<PathBuf>, RunError> {
    let rollouts = rollouts_dir(dir);
    let entries = fs::read_dir(&rollouts).map_err(|err| RunError::io(&rollouts, err))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|err| RunError::io(&rollouts, err))?.path();
        if path.extension().is_some_and(|extension| extension == "journal") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Where the journal of a rollout lies.
pub fn journal_path(dir: &Path, id: &RolloutId) -> PathBuf {
    rollouts_dir(dir).join(format!("{id}.journal"))
}

pub(super) fn rollouts_dir(dir: &Path) -> PathBuf {
    dir.join("rollouts")
}

pub(super) fn chains_path(dir: &Path) -> PathBuf {
    dir.join("chains.json")
}

pub(super) fn objects_path(dir: &Path) -> PathBuf {
    dir.join("objects.git")
}

/// Whether a new run may be made in `dir`.
pub(super) fn check_free(dir: &Path) -> Result<(), RunError> {
    if dir.exists() && !fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none()) {
        return Err(RunError::Exists(dir.to_owned()));
    }
    Ok(())
}

/// Makes the directories of a new run and writes its plan, which comes last: a
/// directory with a plan is a run.
pub(super) fn write_plan(dir: &Path, plan: &PlanFile, chains: &[u8]) -> Result<Lock, RunError> {
    let rollouts = rollouts_dir(dir);
    fs::create_dir_all(&rollouts).map_err(|err| RunError::io(&rollouts, err))?;
    let lock = take_lock(dir)?;
    write_file(&chains_path(dir), chains)?;
    let text = serde_json::to_vec_pretty(plan).map_err(|err| RunError::io(dir, err))?;
    write_file(&dir.join("plan.json"), &text)?;
    Ok(lock)
}

pub(super) fn read_plan(dir: &Path) -> Result<PlanFile, RunError> {
    let not_a_run = |source| RunError::NotARun { path: dir.to_owned(), source };
    let text = fs::read(dir.join("plan.json")).map_err(not_a_run)?;
    serde_json::from_slice(&text).map_err(|err| not_a_run(err.into()))
}

/// A run that this process works on, until it is dropped.
pub(super) struct Lock {
    file: File,
    /// What became of the one who held it before.
    pub(super) last: LastHolder,
}

/// What became of the process that held a lock before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastHolder {
    /// Whatever it wrote is there.
    Whole,
    /// It was at work when the machine stopped, so that files may have lost what
    /// was not synced.
    Lost,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Empty means that nobody was at work; if that can't be said, files are
        // taken for incomplete, which costs time and nothing else.
        let _ = self.file.set_len(0);
    }
}

/// Keeps other processes from working on the run until the lock is dropped.
///
/// A process that was killed while it started a worker leaves the lock to that
/// worker for the instant before it runs, so a held lock is looked at again.
pub(super) fn take_lock(dir: &Path) -> Result<Lock, RunError> {
    let path = dir.join("lock");
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|err| RunError::io(&path, err))?;
    let begin = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(fs::TryLockError::WouldBlock) if begin.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(LOCK_PATIENCE / 20);
            }
            Err(fs::TryLockError::WouldBlock) => return Err(RunError::Locked(dir.to_owned())),
            Err(fs::TryLockError::Error(err)) => return Err(RunError::io(&path, err)),
        }
    }
    let last = last_holder(&file).map_err(|err| RunError::io(&path, err))?;
    Ok(Lock { file, last })
}

/// Whether a process works on the run.
pub fn is_worked_on(dir: &Path) -> bool {
    let lock = File::open(dir.join("lock"));
    lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

/// Finds out whether the machine was started anew since a process that did not
/// come to its end, and writes down that this one is at work.
fn last_holder(mut file: &File) -> std::io::Result<LastHolder> {
    let mut before = String::new();
    file.read_to_string(&mut before)?;
    // Where there is no such number, a start of the machine is not noticed.
    let now = fs::read_to_string(BOOT_ID).unwrap_or_default();
    let is_lost = !before.is_empty() && before != now;
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(now.as_bytes())?;
    file.sync_data()?;
    Ok(if is_lost { LastHolder::Lost } else { LastHolder::Whole })
}

/// Writes a file that is there whole or not at all.
pub(super) fn write_file(path: &Path, content: &[u8]) -> Result<(), RunError> {
    let part = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        fs::write(&part, content)?;
        File::open(&part)?.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(|err| RunError::io(path, err))
}
