//! `catena.lock`: what an operator approved of each plugin that a run file uses, beside the
//! run file.
//!
//! A plugin that is not in it yet is pinned by the first run that uses it. One that is in
//! it and differs in its component, its manifest, its world or its rights keeps a run from
//! being begun until [`approve`] is called.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use catena_plugin::{Digest, Effective};
use serde::{Deserialize, Serialize};

use super::RunOptions;
use super::error::RunError;
use super::inputs::make_paths_absolute;
use super::plugins::{self, Crew};
use crate::ledger::digest;
use crate::run_file::RunFile;

/// Name of the file.
const LOCK_FILE: &str = "catena.lock";

/// Version of its form.
const LOCK_VERSION: u32 = 1;

const HEAD: &str =
    "# What was approved of the plugins of run files here. `catena lock RUN.TOML` writes it.\n";

/// What becomes of plugins that were never approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unpinned {
    /// The run that uses them first pins them.
    #[default]
    Pinned,
    /// They keep a run from being begun.
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

/// What was approved for one run file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// Digests of what `[native]` says of commands outside the sandbox, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub native: BTreeMap<String, Digest>,
    /// Plugins and programs, by name.
    #[serde(default)]
    pub plugins: BTreeMap<String, Pinned>,
}

/// What was approved of one plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// Digest of its component.
    pub component: Digest,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// Digest of what the component imports and exports, with all types.
    pub world: Digest,
    /// What it may do: asked for and granted.
    pub rights: Effective,
}

/// Something that is not as it was approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The plugin, or the name of commands outside the sandbox.
    pub plugin: String,
    /// `component`, `manifest`, `world`, `commands`, `plugin`, or the right.
    pub part: String,
    /// What was approved; none where nothing was.
    pub was: Option<String>,
    /// What it is; none where the run file does not use it any more.
    pub is: Option<String>,
}

/// Digits of a digest that people are shown.
const SHORT: usize = 12;

fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(SHORT).collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, part, .. } = self;
        match (&self.was, &self.is) {
            (Some(was), Some(is)) => write!(f, "`{plugin}`: {part} was {was}, is {is}"),
            (None, Some(_)) if part == "plugin" => write!(f, "`{plugin}`: never approved"),
            (None, Some(is)) => write!(f, "`{plugin}`: {part} came: {is}"),
            (Some(_), None) if part == "plugin" => write!(f, "`{plugin}`: not used any more"),
            (Some(was), None) => write!(f, "`{plugin}`: {part} went: {was}"),
            (None, None) => write!(f, "`{plugin}`: {part}"),
        }
    }
}

/// All that differs, as one line each.
pub(super) fn in_lines(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Pinned {
    /// How `self` differs from what it was.
    pub(super) fn differences(&self, name: &str, was: &Self) -> Vec<Difference> {
        let digests = [
            ("component", &was.component, &self.component),
            ("manifest", &was.manifest, &self.manifest),
            ("world", &was.world, &self.world),
        ];
        let difference = |part: &str, was: String, is: String| Difference {
            plugin: name.to_owned(),
            part: part.to_owned(),
            was: Some(was),
            is: Some(is),
        };
        let changed = digests.into_iter().filter(|(_, was, is)| was != is);
        let mut all: Vec<Difference> =
            changed.map(|(part, was, is)| difference(part, short(was), short(is))).collect();
        let rights = was.rights.describe().into_iter().zip(self.rights.describe());
        let rights = rights.filter(|((_, was), (_, is))| was != is);
        all.extend(rights.map(|((right, was), (_, is))| difference(right, was, is)));
        all
    }
}

impl Approved {
    /// How what is in use differs from what was approved of the same, and what of it never
    /// was.
    fn differences(&self, was: &Self) -> (Vec<Difference>, Vec<Difference>) {
        let (mut changed, mut new) = (Vec::new(), Vec::new());
        let unknown = |name: &String, part: &str| Difference {
            plugin: name.clone(),
            part: part.to_owned(),
            was: None,
            is: Some("in use".to_owned()),
        };
        for (name, pinned) in &self.plugins {
            match was.plugins.get(name) {
                Some(was) => changed.extend(pinned.differences(name, was)),
                None => new.push(unknown(name, "plugin")),
            }
        }
        for (name, is) in &self.native {
            match was.native.get(name) {
                Some(was) if was == is => {}
                Some(was) => changed.push(Difference {
                    plugin: name.clone(),
                    part: "commands".to_owned(),
                    was: Some(short(was)),
                    is: Some(short(is)),
                }),
                None => new.push(unknown(name, "commands")),
            }
        }
        (changed, new)
    }

    /// What was approved and is not in use.
    fn gone(&self, was: &Self) -> Vec<Difference> {
        let names = was.plugins.keys().filter(|name| !self.plugins.contains_key(*name));
        let gone = |name: &String| Difference {
            plugin: name.clone(),
            part: "plugin".to_owned(),
            was: Some("approved".to_owned()),
            is: None,
        };
        names.map(gone).collect()
    }

    fn digest(&self) -> Digest {
        digest(self)
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
        if file.version != LOCK_VERSION {
            return Err(RunError::LockVersion { path, found: file.version });
        }
        Ok(Self { path, name, file })
    }

    fn approved(&self) -> Approved {
        self.file.runs.get(&self.name).cloned().unwrap_or_default()
    }

    /// Checks that all that was approved of what is in use is as it was. Returns what
    /// never was.
    pub(super) fn check(&self, used: &Approved) -> Result<Vec<Difference>, RunError> {
        let (changed, new) = used.differences(&self.approved());
        if changed.is_empty() {
            return Ok(new);
        }
        Err(RunError::NotApproved { path: self.path.clone(), differences: in_lines(&changed) })
    }

    /// The same for a run, which pins what never was approved, or is refused for it.
    /// Nothing is written yet.
    pub(super) fn check_run(
        mut self,
        used: &Approved,
        unpinned: Unpinned,
    ) -> Result<Checked, RunError> {
        let new = self.check(used)?;
        if !new.is_empty() && unpinned == Unpinned::Refused {
            let differences = in_lines(&new);
            return Err(RunError::NotApproved { path: self.path, differences });
        }
        if !new.is_empty() {
            let entry = self.file.runs.entry(self.name.clone()).or_default();
            entry.plugins.extend(used.plugins.clone());
            entry.native.extend(used.native.clone());
        }
        Ok(Checked { digest: used.digest(), pinned: new, lock: self })
    }

    /// Writes the file, which is there whole or not at all.
    fn write(&self) -> Result<(), RunError> {
        let to_error = |err: std::io::Error| RunError::io(&self.path, err);
        let text = toml::to_string_pretty(&self.file)
            .map_err(|err| to_error(std::io::Error::other(err)))?;
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
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

/// Who looks at a repository may read what was approved in it.
fn readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// A lock file that lets a run be begun.
pub(super) struct Checked {
    /// Of what the run uses.
    pub(super) digest: Digest,
    /// What it did not have before.
    pub(super) pinned: Vec<Difference>,
    lock: Lock,
}

impl Checked {
    /// Pins what is new. Returns the file if it was written.
    pub(super) fn pin(self) -> Result<Option<PathBuf>, RunError> {
        if self.pinned.is_empty() {
            return Ok(None);
        }
        self.lock.write()?;
        Ok(Some(self.lock.path))
    }
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
    let mut file = RunFile::load(run_file)?;
    make_paths_absolute(&mut file, run_file, &options.plugin_dirs)?;
    let mut used = plugins::prepare(&file, Crew::All, options)?.pins();
    if let Some(writer) = &file.writer {
        used.plugins.extend(plugins::prepare_writer(writer, options)?.1.plugins);
    }
    let mut lock = Lock::beside(run_file)?;
    let was = lock.approved();
    let (mut changes, new) = used.differences(&was);
    changes.extend(new);
    changes.extend(used.gone(&was));
    if approving == Approving::Write && (!changes.is_empty() || !lock.path.exists()) {
        lock.file.runs.insert(lock.name.clone(), used.clone());
        lock.write()?;
    }
    Ok(Approval { lock: lock.path, changes, approved: used })
}
