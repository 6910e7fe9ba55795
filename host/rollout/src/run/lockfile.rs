//! `catena.lock`: what an operator approved of a run file, beside it. What is pinned is in
//! [`pins`], of all plugins together in [`bounds`], of models in [`models`].
//!
//! The first use of a run file pins all that it names. From then on, whatever differs from
//! what was pinned or was not there keeps a run from being begun until [`approve`] is
//! called: who could add a plugin could put it in the place of another.

mod bounds;
mod models;
mod pins;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use catena_plugin::Digest;
use serde::{Deserialize, Serialize};

use super::RunOptions;
use super::error::RunError;
use super::inputs::make_paths_absolute;
use super::plugins::{self, Crew};
use crate::run_file::RunFile;

pub use bounds::{Acceptance, PinnedBounds};
pub use models::PinnedModel;
pub(super) use models::described;
use pins::in_lines;
pub use pins::{Approved, Difference, Pinned};

/// Name of the file.
const LOCK_FILE: &str = "catena.lock";

/// Version of its form. Files of version 1 lack limits, configurations, secrets and bounds,
/// those of version 2 recipes, models and what is accepted, which were then never approved.
const LOCK_VERSION: u32 = 3;

const HEAD: &str =
    "# What was approved of the plugins of run files here. `catena lock RUN.TOML` writes it.\n";

/// What becomes of a run file of which nothing was ever approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unpinned {
    /// Its first use pins all that it names.
    #[default]
    Pinned,
    /// No run of it is begun.
    Refused,
}

/// The file, by names of run files in its directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    version: u32,
    #[serde(default)]
    runs: BTreeMap<String, Approved>,
}

impl Approved {
    /// Checks that all of it is as the lock file at `path` has it.
    fn check(&self, was: &Self, path: &Path) -> Result<(), RunError> {
        let differences = self.differences(was);
        if differences.is_empty() {
            return Ok(());
        }
        let (path, differences) = (path.to_owned(), in_lines(&differences));
        Err(RunError::NotApproved { path, differences })
    }
}

/// What a lock file says of one run file, opened.
pub(super) struct Lock {
    path: PathBuf,
    name: String,
    file: LockFile,
}

impl Lock {
    /// The one beside a run file, which need not be there.
    pub(super) fn beside(run_file: &Path) -> Result<Self, RunError> {
        let path = run_file.with_file_name(LOCK_FILE);
        let name = run_file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|source| RunError::LockFile {
                path: path.clone(),
                source: source.into(),
            })?,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
                LockFile { version: LOCK_VERSION, runs: BTreeMap::new() }
            }
            Err(err) => return Err(RunError::io(&path, err)),
        };
        if !(1..=LOCK_VERSION).contains(&file.version) {
            return Err(RunError::LockVersion { path, found: file.version });
        }
        Ok(Self { path, name, file })
    }

    fn approved(&self) -> Option<&Approved> {
        self.file.runs.get(&self.name)
    }

    /// Reads the file again, has `change` its entry, and writes it, while no other process
    /// does. Nothing is written where `change` returns none.
    fn update(
        run_file: &Path,
        change: impl FnOnce(&Self) -> Result<Option<Approved>, RunError>,
    ) -> Result<Option<PathBuf>, RunError> {
        let dir = parent(run_file);
        let held = File::open(dir).map_err(|err| RunError::io(dir, err))?;
        // Not every network file system can; there the last one to write wins.
        if let Err(err) = held.lock() {
            tracing::warn!(%err, "can't lock the directory of the lock file");
        }
        let mut lock = Self::beside(run_file)?;
        let Some(approved) = change(&lock)? else { return Ok(None) };
        lock.file.runs.insert(lock.name.clone(), approved);
        lock.file.version = LOCK_VERSION;
        lock.write()?;
        Ok(Some(lock.path))
    }

    /// Writes the file, which is there whole or not at all.
    fn write(&self) -> Result<(), RunError> {
        let to_error = |err: std::io::Error| RunError::io(&self.path, err);
        let text = toml::to_string_pretty(&self.file)
            .map_err(|err| to_error(std::io::Error::other(err)))?;
        let dir = parent(&self.path);
        let write = || -> std::io::Result<()> {
            let mut part = tempfile::Builder::new();
            let mut part = part.permissions(readable()).tempfile_in(dir)?;
            part.write_all(HEAD.as_bytes())?;
            part.write_all(text.as_bytes())?;
            part.as_file().sync_all()?;
            part.persist(&self.path)?;
            File::open(dir)?.sync_all()
        };
        write().map_err(to_error)
    }
}

/// The directory that a file is in.
pub(super) fn parent(path: &Path) -> &Path {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    dir.unwrap_or(Path::new("."))
}

/// Who looks at a repository may read what was approved in it.
fn readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// What is in use, found to be as it was approved.
pub(super) struct Checked {
    /// Of what is in use.
    pub(super) digest: Digest,
    run_file: PathBuf,
    /// All that the run file names, where nothing was approved of it.
    first: Option<Approved>,
}

/// Checks that what is in use of a run file is as the lock file beside it has it. Nothing
/// is written yet.
pub(super) fn check(
    run_file: &Path,
    used: &Approved,
    options: &RunOptions,
) -> Result<Checked, RunError> {
    let lock = Lock::beside(run_file)?;
    let first = match (lock.approved(), options.unpinned) {
        (Some(approved), _) => {
            used.check(approved, &lock.path)?;
            None
        }
        (None, Unpinned::Refused) => {
            used.check(&Approved::default(), &lock.path)?;
            None
        }
        (None, Unpinned::Pinned) => {
            let all = named_by(run_file, options)?;
            // Either is read from the disk anew.
            used.check(&all, &lock.path)?;
            Some(all)
        }
    };
    Ok(Checked { digest: used.digest(), run_file: run_file.to_owned(), first })
}

impl Checked {
    /// Pins what the run file names, if nothing was. Returns the lock file if it was
    /// written.
    pub(super) fn pin(self) -> Result<Option<PathBuf>, RunError> {
        let Some(first) = self.first else { return Ok(None) };
        Lock::update(&self.run_file, |lock| match lock.approved() {
            Some(approved) => first.check(approved, &lock.path).map(|()| None),
            None => Ok(Some(first.clone())),
        })
    }
}

/// All that a run file names, the writer included.
fn named_by(run_file: &Path, options: &RunOptions) -> Result<Approved, RunError> {
    let mut file = RunFile::load(run_file)?;
    let models = described(&file, parent(run_file))?;
    make_paths_absolute(&mut file, run_file, &options.plugin_dirs)?;
    let mut all = Approved { models, ..plugins::prepare(&file, Crew::All, options)?.pins() };
    let Some(writer) = &file.writer else { return Ok(all) };
    for (name, pinned) in plugins::prepare_writer(writer, options)?.1.plugins {
        if all.plugins.insert(name.clone(), pinned).is_some() {
            return Err(RunError::PluginTwice(name));
        }
    }
    Ok(all)
}

/// Whether [`approve`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approving {
    /// It does.
    Write,
    /// It tells what it would change.
    Look,
}

/// What a run file's plugins are, and what was not approved of them before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Approval {
    /// The lock file.
    pub lock: PathBuf,
    /// What differs from it.
    pub changes: Vec<Difference>,
    /// All that is in use.
    #[serde(flatten)]
    pub approved: Approved,
}

/// Approves of all plugins of a run file as they are, the writer included.
pub fn approve(
    run_file: &Path,
    approving: Approving,
    options: &RunOptions,
) -> Result<Approval, RunError> {
    let approved = named_by(run_file, options)?;
    let compare = |lock: &Lock| {
        let none = Approved::default();
        let was = lock.approved().unwrap_or(&none);
        let mut changes = approved.differences(was);
        changes.extend(approved.gone(was));
        changes
    };
    let lock = Lock::beside(run_file)?;
    let mut changes = compare(&lock);
    if approving == Approving::Write {
        Lock::update(run_file, |lock| {
            changes = compare(lock);
            let is_written = lock.approved() == Some(&approved);
            Ok((!is_written).then(|| approved.clone()))
        })?;
    }
    Ok(Approval { lock: lock.path, changes, approved })
}
