//! The walls around a command, as arguments of what builds them.
//!
//! For bubblewrap: namespaces of its own for users, processes, files, network,
//! names of the machine and messages; a root that has nothing but what is listed
//! here; no terminal, no capabilities, no variables of the host's.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use catena_plugin::{NativeStart, WorkspaceAccess};

use crate::settings::{NativeUse, NativeUseError};

/// What all commands can read of this machine: where toolchains are, and what
/// the dynamic linker and `cc` need to find them.
pub(crate) const SYSTEM: [&str; 11] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
];

/// Where `bwrap` may be.
const PLACES: [&str; 3] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];

/// Processes that belong to the confinement and not to the command.
pub(crate) const PROCESSES: u32 = 3;

/// The first version that can forbid further user namespaces.
const FORBIDS_NAMESPACES: (u32, u32) = (0, 8);

/// The same for people.
pub(crate) const LEAST: &str = "0.8";

/// User and group inside.
const IDENTITY: &str = "1000";

/// Directories of the host that become those of a command.
pub(crate) struct Places {
    pub(crate) worktree: PathBuf,
    pub(crate) temporary: PathBuf,
    pub(crate) home: PathBuf,
    /// What processes share in the place of memory.
    pub(crate) shared: PathBuf,
    /// `passwd` and `group`.
    pub(crate) etc: PathBuf,
}

/// The program that confines, if this machine has it.
pub(crate) fn find_backend() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|place| place.is_file())
}

/// The version of the program that confines.
pub(crate) fn version(program: &Path) -> Option<(u32, u32)> {
    let told = Command::new(program).arg("--version").env_clear().output().ok()?.stdout;
    let told = String::from_utf8_lossy(&told);
    let mut numbers = told.split_whitespace().last()?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Checks that the program can confine as much as is asked of it.
pub(crate) fn check_version(program: &Path) -> Result<(), NativeUseError> {
    match version(program) {
        Some(found) if found >= FORBIDS_NAMESPACES => Ok(()),
        Some((major, minor)) => Err(NativeUseError::OldBackend(format!("{major}.{minor}"))),
        None => Err(NativeUseError::Unconfined("`bwrap` does not tell its version".to_owned())),
    }
}

/// Writes the files that say who one is.
pub(crate) fn write_identity(etc: &Path) -> std::io::Result<()> {
    let user = format!("agent:x:{IDENTITY}:{IDENTITY}::/home/agent:/bin/sh\n");
    fs::write(etc.join("passwd"), user)?;
    fs::write(etc.join("group"), format!("agent:x:{IDENTITY}:\n"))
}

/// The whole command line for a confined command. The launcher adds where its
/// end is told.
pub(crate) fn command_line(
    backend: &Path,
    settings: &NativeUse,
    places: &Places,
    start: &NativeStart,
) -> Vec<OsString> {
    let mut line = Line(vec![backend.into()]);
    line.add(["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]);
    line.add([
        "--disable-userns",
        "--uid",
        IDENTITY,
        "--gid",
        IDENTITY,
        "--hostname",
        "catena",
        "--clearenv",
    ]);
    for (name, value) in environment(settings, start) {
        line.add(["--setenv", &name, &value]);
    }
    for path in SYSTEM.map(Path::new) {
        line.system(path);
    }
    for name in ["passwd", "group"] {
        line.bind("--ro-bind", &places.etc.join(name), &Path::new("/etc").join(name));
    }
    line.add(["--proc", "/proc", "--dev", "/dev"]);
    for path in &settings.read_only {
        line.bind("--ro-bind", path, path);
    }
    let worktree = match start.access {
        WorkspaceAccess::ReadWrite => "--bind",
        WorkspaceAccess::None | WorkspaceAccess::Read => "--ro-bind",
    };
    line.bind(worktree, &places.worktree, Path::new("/workspace"));
    line.bind("--bind", &places.temporary, Path::new("/tmp"));
    line.bind("--bind", &places.home, Path::new("/home/agent"));
    line.bind("--bind", &places.shared, Path::new("/dev/shm"));
    // What is written to two of these would be in memory that nothing bounds. The
    // third has settings of the kernel, which a host that is root could change.
    line.add(["--remount-ro", "/dev", "--remount-ro", "/", "--remount-ro", "/proc"]);
    line.add(["--chdir", &start.directory, "--"]);
    line.add(start.command.iter());
    line.0
}

struct Line(Vec<OsString>);

impl Line {
    fn add<T: AsRef<OsStr>>(&mut self, arguments: impl IntoIterator<Item = T>) {
        self.0.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
    }

    fn bind(&mut self, how: &str, from: &Path, to: &Path) {
        self.add([OsStr::new(how), from.as_os_str(), to.as_os_str()]);
    }

    /// Shows what there is of the system as it is there: links stay links.
    fn system(&mut self, path: &Path) {
        match fs::read_link(path) {
            Ok(target) => {
                self.add([OsStr::new("--symlink"), target.as_os_str(), path.as_os_str()]);
            }
            Err(_) => self.bind("--ro-bind-try", path, path),
        }
    }
}

/// Variables that mean something else out here than in the sandbox's shell.
const OURS: [&str; 7] = ["PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "TMPDIR", "_"];

/// The variables of a command, in order; of those with one name the last counts.
fn environment(settings: &NativeUse, start: &NativeStart) -> Vec<(String, String)> {
    let owned = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut all = vec![
        owned("LANG", "C.UTF-8"),
        owned("TERM", "dumb"),
        owned("TZ", "UTC"),
        owned("USER", "agent"),
    ];
    all.extend(settings.environment.clone());
    let callers = start.environment.iter();
    all.extend(callers.filter(|(name, _)| is_settable(name)).cloned());
    let places = settings.places();
    let path = places.iter().map(|place| place.to_string_lossy()).collect::<Vec<_>>().join(":");
    let path = match settings.environment.get("PATH") {
        Some(given) => given.clone(),
        None => path,
    };
    all.push(("PATH".to_owned(), path));
    all.push(owned("HOME", "/home/agent"));
    all.push(owned("TMPDIR", "/tmp"));
    all.push(owned("PWD", &start.directory));
    all
}

fn is_settable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !OURS.contains(&name)
}
