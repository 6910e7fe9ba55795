//! The process between the host and what confines a command. It is this same
//! program again: it sets its own limits, which all that follows inherits, opens
//! the file in which the end of the command is told, and becomes the backend.
//!
//! Done here and not in the host's process: between two threads of the host, an
//! open file or a limit meant for one child could come to another.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::inherited;

/// How the process in between is started.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The program, which is this one.
    pub program: PathBuf,
    /// The arguments by which it calls [`launch`].
    pub arguments: Vec<OsString>,
}

/// What it is told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchOrder {
    /// The file in which the backend tells how the command ended.
    pub status: PathBuf,
    /// Bytes of memory that each process may ask for.
    pub memory: u64,
    /// Processes and threads that it may have.
    pub processes: u64,
    /// Bytes of each file that is written.
    pub file: u64,
    /// Files into which it writes `0` to belong to the command's control group.
    pub joins: Vec<PathBuf>,
    /// The backend with its arguments.
    pub command: Vec<OsString>,
}

/// The system counts all threads of a user, those of the host and of other commands
/// among them. So its limit is a wide one, against storms between two looks of the
/// host at what is running: as if this many commands took all they may.
const COMMANDS: u64 = 16;

/// Files that each process may have open.
const OPEN_FILES: u64 = 4096;

impl LaunchOrder {
    /// The order as arguments, as [`Self::from_arguments`] reads them.
    pub fn into_arguments(self) -> Vec<OsString> {
        let numbers = [self.memory, self.processes, self.file].map(|number| number.to_string());
        let numbers = numbers.into_iter().map(OsString::from);
        let mut arguments = vec![self.status.into_os_string()];
        arguments.extend(numbers);
        arguments.push(self.joins.len().to_string().into());
        arguments.extend(self.joins.into_iter().map(PathBuf::into_os_string));
        arguments.extend(self.command);
        arguments
    }

    /// The order that arguments hold, if they hold one.
    pub fn from_arguments(arguments: Vec<OsString>) -> Option<Self> {
        let mut arguments = arguments.into_iter();
        let status = arguments.next()?.into();
        let mut number = || arguments.next()?.to_str()?.parse().ok();
        let (memory, processes, file) = (number()?, number()?, number()?);
        let joins = usize::try_from(number()?).ok()?;
        let joins = arguments.by_ref().take(joins).map(PathBuf::from).collect();
        let command: Vec<OsString> = arguments.collect();
        (!command.is_empty()).then_some(Self { status, memory, processes, file, joins, command })
    }
}

/// Becomes the backend. Returns only if that fails.
pub fn launch(order: LaunchOrder) -> io::Error {
    match prepare(order) {
        Ok(mut command) => command.exec(),
        Err(err) => err,
    }
}

fn prepare(order: LaunchOrder) -> io::Result<Command> {
    let mut line = order.command.into_iter();
    let program = line.next().ok_or(io::ErrorKind::InvalidInput)?;
    inherited::keep()?;
    // As workers do, whose rollouts a build should not outlive. Where it can't be said, the
    // kernel chooses.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    for group in &order.joins {
        std::fs::write(group, "0")?;
    }
    let status = OpenOptions::new().create(true).truncate(true).write(true).open(order.status)?;
    let limits = [
        (Resource::Core, 0),
        (Resource::Data, order.memory),
        (Resource::Nproc, threads_of_user() + order.processes.saturating_mul(COMMANDS)),
        (Resource::Fsize, order.file),
        (Resource::Nofile, OPEN_FILES),
    ];
    for (resource, most) in limits {
        let had = rustix::process::getrlimit(resource);
        let most = had.maximum.map_or(most, |had| had.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    fcntl_setfd(&status, FdFlags::empty())?;
    let mut command = Command::new(program);
    command.arg("--json-status-fd").arg(status.as_raw_fd().to_string());
    command.args(line).env_clear();
    // The backend closes it; this process is about to be no more.
    let _ = status.into_raw_fd();
    Ok(command)
}

/// Threads of this process's user, or none where the system does not tell.
fn threads_of_user() -> u64 {
    let user = rustix::process::getuid().as_raw();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let own = processes.filter(|process| {
        process.metadata().is_ok_and(|metadata| metadata.uid() == user) && {
            let name = process.file_name();
            name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        }
    });
    let threads = |process: std::fs::DirEntry| {
        let tasks = std::fs::read_dir(process.path().join("task"));
        tasks.into_iter().flatten().count() as u64
    };
    own.map(threads).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_read_as_it_was_written() {
        let order = LaunchOrder {
            status: "status".into(),
            memory: 1,
            processes: 2,
            file: 3,
            joins: vec!["group/cgroup.procs".into()],
            command: vec!["bwrap".into(), "--".into(), "make".into()],
        };
        let read = LaunchOrder::from_arguments(order.clone().into_arguments());
        assert_eq!(read, Some(order));
        let too_few = ["status", "1", "2", "3", "1", "group"].map(OsString::from).to_vec();
        assert_eq!(LaunchOrder::from_arguments(too_few), None);
    }
}
