//! What of the confinement works on this machine, found out by trying it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use catena_groups::Group;
use catena_plugin::units::Span;
use catena_plugin::{NativeBytes, NativeOutcome, NativeStart, Standing, WorkspaceAccess};
use catena_tree::TreeId;

use crate::confinement::{self, Places};
use crate::execute::{Executed, Execution};
use crate::launch::Launcher;
use crate::settings::{Backend, NativeLimits, NativeUse, NativeUseError};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// Commands run, and reach nothing that they should not.
    Works {
        /// The backend and its version.
        backend: String,
        /// Whether each has a control group of its own, which bounds its memory and the
        /// number of its processes exactly.
        has_groups: bool,
    },
    /// The backend is not there.
    Missing,
    /// Commands can't be run; says why.
    Fails(String),
    /// Commands reach what they should not; says what.
    Leaks(String),
}

/// What a command tries: to write, to read a file of the host's, to change the
/// kernel's settings, and to see the host's network.
const SCRIPT: &str = "echo made > /workspace/made && echo wrote; \
    test -e \"$SECRET\" && echo secret; \
    test -e /etc/shadow && echo shadow; \
    test -w /proc/sys/kernel/core_pattern && echo kernel; \
    cat /proc/net/tcp; echo end";

/// How long it has.
const PATIENCE: Duration = Duration::from_secs(20);

/// Checks, by running one in `dir`, that commands are confined on this machine.
pub fn check(dir: &Path, launcher: &Launcher) -> Result<(), NativeUseError> {
    match probe(dir, launcher) {
        Ok(Probed::Works { .. }) => Ok(()),
        Ok(Probed::Missing) => Err(NativeUseError::NoBackend),
        Ok(Probed::Fails(why)) => Err(NativeUseError::Unconfined(why)),
        Ok(Probed::Leaks(what)) => Err(NativeUseError::Unconfined(format!("they reach {what}"))),
        Err(err) => Err(NativeUseError::Unconfined(err.to_string())),
    }
}

/// Runs a command in `dir`, which must be there, and looks at what it reaches.
pub fn probe(dir: &Path, launcher: &Launcher) -> io::Result<Probed> {
    let Some(backend) = confinement::find_backend() else { return Ok(Probed::Missing) };
    if let Err(err) = confinement::check_version(&backend) {
        return Ok(Probed::Fails(err.to_string()));
    }
    let room = tempfile::tempdir_in(dir)?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let secret = room.path().join("secret");
    fs::write(&secret, "secret")?;
    let place = |name: &str| -> io::Result<PathBuf> {
        let path = room.path().join(name);
        fs::create_dir(&path).map(|()| path)
    };
    let places = Places {
        worktree: place("workspace")?,
        temporary: place("tmp")?,
        home: place("home")?,
        shared: place("shared")?,
        etc: place("etc")?,
    };
    confinement::write_identity(&places.etc)?;
    let version = confinement::version(&backend);
    let settings = settings(&secret);
    let execution = Execution {
        backend: &backend,
        launcher,
        settings: &settings,
        places: &places,
        status: room.path().join("status.json"),
        file: 1 << 20,
        written: Vec::new(),
    };
    let ended = match execution.run(&start()) {
        Ok(ended) => ended,
        Err(err) => return Ok(Probed::Fails(err.to_string())),
    };
    let was_written = fs::read_to_string(places.worktree.join("made")).is_ok();
    let port = listener.local_addr()?.port();
    if let Some(found) = fault(&ended, port, was_written) {
        return Ok(found);
    }
    let (major, minor) = version.unwrap_or_default();
    let has_groups = Group::new(settings.limits.memory.0, 1).is_some();
    Ok(Probed::Works { backend: format!("bubblewrap {major}.{minor}"), has_groups })
}

/// What is wrong with the confinement, by what came of the command.
fn fault(ended: &Executed, port: u16, was_written: bool) -> Option<Probed> {
    let said = String::from_utf8_lossy(&ended.stdout.bytes);
    match &ended.outcome {
        NativeOutcome::NotStarted(why) => return Some(Probed::Fails(why.clone())),
        NativeOutcome::Ended(0) => {}
        other => {
            let told = String::from_utf8_lossy(&ended.stderr.bytes);
            return Some(Probed::Fails(format!("{other:?}: {}", told.trim())));
        }
    }
    let has = |word: &str| said.lines().any(|line| line == word);
    if has("secret") || has("shadow") {
        Some(Probed::Leaks("files of the host".to_owned()))
    } else if has("kernel") {
        Some(Probed::Leaks("settings of the kernel".to_owned()))
    } else if said.contains(&format!(":{port:04X} ")) {
        Some(Probed::Leaks("the network of the host".to_owned()))
    } else if was_written && said.ends_with("end\n") {
        None
    } else {
        Some(Probed::Fails("a command ran, and not as it should".to_owned()))
    }
}

fn settings(secret: &Path) -> NativeUse {
    let secret = secret.to_string_lossy().into_owned();
    NativeUse {
        backend: Backend::Bubblewrap,
        commands: Vec::new(),
        read_only: Vec::new(),
        path: Vec::new(),
        environment: BTreeMap::from([("SECRET".to_owned(), secret)]),
        limits: NativeLimits { wall: Span(PATIENCE), ..NativeLimits::default() },
    }
}

fn start() -> NativeStart {
    let nothing = Standing { tree: TreeId::EMPTY, empty: Vec::new() };
    NativeStart {
        plugin: String::new(),
        program: String::new(),
        command: ["sh", "-c", SCRIPT].map(str::to_owned).to_vec(),
        environment: Vec::new(),
        directory: "/workspace".to_owned(),
        stdin: NativeBytes::default(),
        access: WorkspaceAccess::ReadWrite,
        worktree: nothing.clone(),
        scratch: nothing,
        wall: PATIENCE,
    }
}
