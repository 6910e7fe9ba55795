//! What a run file says of commands outside the sandbox.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use catena_plugin::NativeOffer;
use catena_plugin::units::{ByteSize, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::confinement;

/// What confines commands. A container is to be another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// `bwrap`: namespaces of its own, over the toolchains of this machine.
    #[default]
    Bubblewrap,
}

/// Commands that plugins may be granted under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NativeUse {
    /// What confines them.
    #[serde(default)]
    pub backend: Backend,
    /// Names under which the shell knows them. They may start any other program
    /// that they can read.
    pub commands: Vec<String>,
    /// Files and directories of this machine that they can read, beside `/usr`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_only: Vec<PathBuf>,
    /// Directories in which commands are looked for, before those of the system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<PathBuf>,
    /// Variables, where the caller sets no other value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Limits on each command.
    #[serde(default)]
    pub limits: NativeLimits,
}

/// Limits on one command with all that it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NativeLimits {
    /// Memory of each of its processes, and of all of them together.
    pub memory: ByteSize,
    /// Wall-clock time; ends within the caller's in any case.
    pub wall: Span,
    /// Bytes of output that are kept, of both streams each.
    pub output: ByteSize,
    /// Processes and threads at a time.
    pub processes: u32,
}

impl Default for NativeLimits {
    fn default() -> Self {
        Self {
            memory: ByteSize(2 << 30),
            wall: Span(Duration::from_mins(10)),
            output: ByteSize(4 << 20),
            processes: 256,
        }
    }
}

/// Why commands can't be offered as a run file says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NativeUseError {
    /// What confines them is missing.
    #[error("`bwrap` is not on this machine")]
    NoBackend,
    /// What confines them can't forbid them namespaces of their own.
    #[error("`bwrap` is version {0}, and {least} is the oldest that confines enough",
        least = confinement::LEAST)]
    OldBackend(String),
    /// No command can be run on this machine, or not confined.
    #[error("commands can't be confined here: {0}")]
    Unconfined(String),
    /// A name of a command is none.
    #[error("`{0}` is no name of a command")]
    Name(String),
    /// There is no such command.
    #[error("there is no command `{command}` in {looked}")]
    NoCommand {
        /// The command.
        command: String,
        /// Where it was looked for.
        looked: String,
    },
    /// A path that commands are to read can't be shown to them.
    #[error("`{path}` can't be shown to commands: {why}")]
    ReadOnly {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What is shown to commands has something of the host's in it.
    #[error("commands that can read `{shown}` could read `{secret}`")]
    Exposes {
        /// What they can read.
        shown: PathBuf,
        /// What is not for them.
        secret: PathBuf,
    },
}

/// Places that are the sandbox's or the confinement's own, of which parts can be shown.
const TAKEN: [&str; 3] = ["/", "/tmp", "/home"];

/// Places of which no part can: the confinement's own, and where the sockets of
/// services are.
const WHOLLY_TAKEN: [&str; 7] =
    ["/workspace", "/home/agent", "/proc", "/dev", "/sys", "/run", "/var/run"];

impl NativeUse {
    /// What plugins that are granted `name` may start.
    pub fn offer(&self, name: &str) -> NativeOffer {
        NativeOffer { name: name.to_owned(), commands: self.commands.clone() }
    }

    /// Checks that the commands are there and that `secrets`, such as the object
    /// database and the clones, are out of their reach.
    pub fn check(&self, secrets: &[PathBuf]) -> Result<(), NativeUseError> {
        let backend = confinement::find_backend().ok_or(NativeUseError::NoBackend)?;
        confinement::check_version(&backend)?;
        for path in &self.read_only {
            let wrong = |why| Err(NativeUseError::ReadOnly { path: path.clone(), why });
            if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
                return wrong("it is not an absolute path");
            }
            if is_taken(path) || is_taken(&real(path)) {
                return wrong("that place is the sandbox's own");
            }
            if !path.exists() {
                return wrong("it does not exist");
            }
        }
        for shown in self.shown() {
            let exposed = secrets
                .iter()
                .find(|secret| is_within(secret, &shown) || is_within(&shown, secret));
            if let Some(secret) = exposed {
                return Err(NativeUseError::Exposes { shown, secret: secret.clone() });
            }
        }
        self.commands.iter().try_for_each(|command| self.check_command(command))
    }

    fn check_command(&self, command: &str) -> Result<(), NativeUseError> {
        let is_name = |name: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._+-[]".contains(c);
            !name.is_empty() && !name.starts_with('-') && name.chars().all(plain)
        };
        if !is_name(command) {
            return Err(NativeUseError::Name(command.to_owned()));
        }
        let places = self.places();
        if places.iter().any(|place| place.join(command).is_file()) {
            return Ok(());
        }
        let looked = places.iter().map(|place| format!("`{}`", place.display()));
        let looked = looked.collect::<Vec<_>>().join(", ");
        Err(NativeUseError::NoCommand { command: command.to_owned(), looked })
    }

    /// Where commands are looked for, in order.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        let system = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
        self.path.iter().cloned().chain(system).collect()
    }

    /// All that they can read of this machine.
    fn shown(&self) -> Vec<PathBuf> {
        let system = confinement::SYSTEM.iter().map(PathBuf::from);
        system.chain(self.read_only.iter().cloned()).collect()
    }
}

fn is_taken(path: &Path) -> bool {
    TAKEN.iter().any(|taken| path == Path::new(taken))
        || WHOLLY_TAKEN.iter().any(|taken| path.starts_with(taken))
}

/// Whether a path leads below another one, by name or by where links lead.
fn is_within(path: &Path, dir: &Path) -> bool {
    path.starts_with(dir) || real(path).starts_with(real(dir))
}

/// Where links lead, of as much of a path as is there.
fn real(path: &Path) -> PathBuf {
    let found = path.ancestors().find_map(|there| {
        let rest = path.strip_prefix(there).ok()?;
        there.canonicalize().ok().map(|there| there.join(rest))
    });
    found.unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(path: &Path) -> NativeUse {
        NativeUse {
            backend: Backend::Bubblewrap,
            commands: Vec::new(),
            read_only: vec![path.to_owned()],
            path: Vec::new(),
            environment: BTreeMap::new(),
            limits: NativeLimits::default(),
        }
    }

    #[test]
    fn what_holds_the_hosts_own_files_is_not_shown() {
        if confinement::find_backend().is_none() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("runs/first");
        std::fs::create_dir_all(&run).unwrap();
        let toolchain = dir.path().join("toolchain");
        std::fs::create_dir(&toolchain).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("runs"), &link).unwrap();
        let secrets = [run.clone()];
        assert_eq!(reading(&toolchain).check(&secrets), Ok(()));
        for exposing in [dir.path(), &link, &run] {
            let checked = reading(exposing).check(&secrets);
            assert!(matches!(checked, Err(NativeUseError::Exposes { .. })), "{exposing:?}");
        }
        let part = run.join("objects.git");
        std::fs::create_dir(&part).unwrap();
        let checked = reading(&part).check(&secrets);
        assert!(matches!(checked, Err(NativeUseError::Exposes { .. })));
        // A run that is not there yet, by another name of the directory it is to be in.
        let checked = reading(&dir.path().join("runs")).check(&[link.join("second")]);
        assert!(matches!(checked, Err(NativeUseError::Exposes { .. })));
        let to_sockets = dir.path().join("sockets");
        std::os::unix::fs::symlink("/run", &to_sockets).unwrap();
        let checked = reading(&to_sockets).check(&secrets);
        assert!(matches!(checked, Err(NativeUseError::ReadOnly { .. })));
        for wrong in ["/", "/proc", "/proc/1", "/dev/shm", "/run", "relative", "/usr/../etc"] {
            let checked = reading(Path::new(wrong)).check(&secrets);
            assert!(matches!(checked, Err(NativeUseError::ReadOnly { .. })), "{wrong}");
        }
        let checked = reading(Path::new("/no/such/place")).check(&secrets);
        assert!(matches!(checked, Err(NativeUseError::ReadOnly { .. })));
    }

    #[test]
    fn command_must_be_a_name_that_is_there() {
        if confinement::find_backend().is_none() {
            return;
        }
        let commands = |name: &str| NativeUse {
            commands: vec![name.to_owned()],
            read_only: Vec::new(),
            ..reading(Path::new("/"))
        };
        assert_eq!(commands("sh").check(&[]), Ok(()));
        let missing = commands("no-such-command").check(&[]);
        assert!(matches!(missing, Err(NativeUseError::NoCommand { .. })));
        for wrong in ["", "-c", "/bin/sh", "a b"] {
            assert!(matches!(commands(wrong).check(&[]), Err(NativeUseError::Name(_))), "{wrong}");
        }
    }
}
