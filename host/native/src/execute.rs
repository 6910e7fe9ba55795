//! One confined command from its start to its end. When this returns, nothing
//! of it is alive.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use catena_groups::Group;
use catena_plugin::{NativeOutcome, NativeStart};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::capture::{Capture, Captured};
use crate::confinement::{self, Places};
use crate::launch::{LaunchOrder, Launcher};
use crate::settings::NativeUse;
use crate::watch::{Allowance, Size, Watch};

/// Time between two looks at what a command takes.
const LOOK: Duration = Duration::from_millis(100);

/// How long killed processes are waited for. The kernel takes microseconds, but
/// for one that waits for a disk.
const LAST_MOMENTS: Duration = Duration::from_secs(10);

/// What one command is run with.
pub(crate) struct Execution<'a> {
    pub(crate) backend: &'a Path,
    pub(crate) launcher: &'a Launcher,
    pub(crate) settings: &'a NativeUse,
    pub(crate) places: &'a Places,
    /// A file for what the backend tells.
    pub(crate) status: PathBuf,
    /// Bytes of the largest file that it may write.
    pub(crate) file: u64,
    /// Directories, and what may be in them.
    pub(crate) written: Vec<(PathBuf, Size)>,
}

/// How a command ended, and what it wrote.
pub(crate) struct Executed {
    pub(crate) outcome: NativeOutcome,
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
}

/// Whether a process can't be started for what its arguments are.
fn is_of_arguments(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::ArgumentListTooLong | io::ErrorKind::InvalidInput)
}

impl Execution<'_> {
    /// Runs a command to its end.
    pub(crate) fn run(&self, start: &NativeStart) -> io::Result<Executed> {
        let limits = &self.settings.limits;
        let processes = limits.processes.saturating_add(confinement::PROCESSES);
        let group = Group::new(limits.memory.0, processes);
        let mut child = match self.spawn(start, group.as_ref()) {
            // The command line is the caller's.
            Err(err) if is_of_arguments(&err) => {
                let nothing = || Captured { bytes: Vec::new(), omitted: 0 };
                let outcome = NativeOutcome::NotStarted(err.to_string());
                return Ok(Executed { outcome, stdout: nothing(), stderr: nothing() });
            }
            spawned => spawned?,
        };
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (output, input) = (limits.output.0, &start.stdin.0);
        let watch = Watch::new(
            Allowance {
                memory: limits.memory.0,
                processes: limits.processes,
                written: self.written.clone(),
            },
            group,
        );
        thread::scope(|scope| {
            let reading = |stream: Option<Box<dyn io::Read + Send>>| {
                scope.spawn(move || {
                    Capture::new(output).read_all(stream.unwrap_or_else(|| Box::new(io::empty())))
                })
            };
            let stdout = reading(stdout.map(|stream| Box::new(stream) as _));
            let stderr = reading(stderr.map(|stream| Box::new(stream) as _));
            scope.spawn(move || {
                if let Some(mut stdin) = stdin {
                    // Who does not read its input need not.
                    let _ = stdin.write_all(input);
                }
            });
            let walking = scope.spawn(|| watch.walk());
            let ended_by = self.wait(&child, start, &watch);
            let killed = child.kill().and_then(|()| child.wait());
            watch.end(walking.thread());
            let all_ended = self.wait_for_all();
            let joined = |thread: thread::ScopedJoinHandle<'_, Captured>| {
                thread.join().unwrap_or(Captured { bytes: Vec::new(), omitted: 0 })
            };
            let (stdout, stderr) = (joined(stdout), joined(stderr));
            killed?;
            all_ended?;
            let outcome = match (ended_by?, watch.exhausted()) {
                (Some(outcome), _) => outcome,
                // The backend may have been among what was killed.
                (None, Some(which)) => NativeOutcome::LimitReached(which.to_owned()),
                (None, None) => self.outcome(&stderr)?,
            };
            Ok(Executed { outcome, stdout, stderr })
        })
    }

    fn spawn(&self, start: &NativeStart, group: Option<&Group>) -> io::Result<Child> {
        // What a command before this one left is not this one's end.
        match fs::remove_file(&self.status) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
        let line = confinement::command_line(self.backend, self.settings, self.places, start);
        let limits = &self.settings.limits;
        let order = LaunchOrder {
            status: self.status.clone(),
            // A group bounds what is used; programs that reserve more may then do so.
            memory: if group.is_some() { u64::MAX } else { limits.memory.0 },
            processes: u64::from(limits.processes),
            file: self.file,
            joins: group.map(Group::joins).unwrap_or_default(),
            command: line,
        };
        Command::new(&self.launcher.program)
            .args(&self.launcher.arguments)
            .args(order.into_arguments())
            .env_clear()
            .current_dir("/")
            // Signals of a terminal are for the host.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    /// Waits for the end. Says why it is to be ended before its own.
    fn wait(
        &self,
        child: &Child,
        start: &NativeStart,
        watch: &Watch,
    ) -> io::Result<Option<NativeOutcome>> {
        let deadline = Instant::now() + start.wall.min(self.settings.limits.wall.0);
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let handle = pidfd_open(pid.ok_or(io::ErrorKind::NotFound)?, PidfdFlags::empty())?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).min(LOOK);
            let timeout = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let mut polled = [PollFd::new(&handle, PollFlags::IN)];
            match poll(&mut polled, Some(&timeout)) {
                Ok(0) => {}
                Ok(_) => return Ok(None),
                Err(rustix::io::Errno::INTR) => continue,
                Err(err) => return Err(err.into()),
            }
            if Instant::now() >= deadline {
                return Ok(Some(NativeOutcome::TimedOut));
            }
            if let Some(which) = watch.exceeded(self.told("child-pid")) {
                return Ok(Some(NativeOutcome::LimitReached(which)));
            }
        }
    }

    /// What the backend tells under a name.
    fn told(&self, name: &str) -> Option<u32> {
        let text = fs::read_to_string(&self.status).ok()?;
        let told = text.lines().filter_map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).ok()?;
            u32::try_from(value.get(name)?.as_u64()?).ok()
        });
        told.reduce(|_, last| last)
    }

    /// Waits until the first process of the namespace has ended, which it does when
    /// all others have. What is still alive could change files while they are taken.
    fn wait_for_all(&self) -> io::Result<()> {
        let Some(first) = self.told("child-pid") else { return Ok(()) };
        let begin = Instant::now();
        let is_alive = || {
            let stat = fs::read_to_string(format!("/proc/{first}/stat")).unwrap_or_default();
            let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
            state.is_some_and(|state| state != 'Z' && state != 'X')
        };
        while is_alive() {
            if begin.elapsed() > LAST_MOMENTS {
                let what = "processes of the command do not end";
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// How the command ended. Where the backend did not come to start it, that is the
    /// machine's fault, but for what the caller named.
    fn outcome(&self, stderr: &Captured) -> io::Result<NativeOutcome> {
        if let Some(status) = self.told("exit-code") {
            return Ok(NativeOutcome::Ended(i32::try_from(status).unwrap_or(255)));
        }
        let said = String::from_utf8_lossy(&stderr.bytes).trim().to_owned();
        let last = said.lines().last().unwrap_or_default();
        if last.starts_with("bwrap: execvp ") {
            let is_missing = last.ends_with("No such file or directory");
            return Ok(NativeOutcome::Ended(if is_missing { 127 } else { 126 }));
        }
        if last.starts_with("bwrap: Can't chdir to ") {
            return Ok(NativeOutcome::NotStarted(said));
        }
        Err(io::Error::other(if said.is_empty() { "the backend failed".to_owned() } else { said }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    use catena_plugin::{NativeBytes, Standing, WorkspaceAccess};
    use catena_tree::TreeId;

    use super::*;
    use crate::settings::{Backend, NativeLimits};

    /// What comes of a command where this script is the backend.
    fn executed(script: &str) -> io::Result<NativeOutcome> {
        let dir = tempfile::tempdir().unwrap();
        let backend = dir.path().join("backend");
        fs::write(&backend, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&backend, fs::Permissions::from_mode(0o755)).unwrap();
        let place = || dir.path().to_owned();
        let places = Places {
            worktree: place(),
            temporary: place(),
            home: place(),
            shared: place(),
            etc: place(),
        };
        let settings = NativeUse {
            backend: Backend::Bubblewrap,
            commands: Vec::new(),
            read_only: Vec::new(),
            path: Vec::new(),
            environment: BTreeMap::new(),
            limits: NativeLimits::default(),
        };
        // In the place of `catena native`: the order's words, the last of which counts
        // files of groups; these; then the backend, which a shell reads so that nobody who
        // starts a process at this moment has it open.
        let launcher = Launcher {
            program: "/bin/sh".into(),
            arguments: [
                "-c",
                "status=$1; shift 4; shift $(($1 + 1)); exec sh \"$@\" 3>\"$status\"",
                "launcher",
            ]
            .map(Into::into)
            .to_vec(),
        };
        let execution = Execution {
            backend: &backend,
            launcher: &launcher,
            settings: &settings,
            places: &places,
            status: dir.path().join("status.json"),
            file: 1 << 20,
            written: Vec::new(),
        };
        let nothing = Standing { tree: TreeId::EMPTY, empty: Vec::new() };
        let start = NativeStart {
            plugin: String::new(),
            program: String::new(),
            command: vec!["true".to_owned()],
            environment: Vec::new(),
            directory: "/workspace".to_owned(),
            stdin: NativeBytes::default(),
            access: WorkspaceAccess::ReadWrite,
            worktree: nothing.clone(),
            scratch: nothing,
            wall: Duration::from_mins(1),
        };
        execution.run(&start).map(|executed| executed.outcome)
    }

    #[test]
    fn fault_of_the_machine_is_no_result_of_a_command() {
        let forbidden = "echo 'bwrap: No permissions to create new namespace' >&2; exit 1";
        let err = executed(forbidden).unwrap_err();
        assert_eq!(err.to_string(), "bwrap: No permissions to create new namespace");
        assert_eq!(executed("exit 1").unwrap_err().to_string(), "the backend failed");
    }

    #[test]
    fn what_the_caller_named_wrongly_is_a_result() {
        let missing = executed("echo 'bwrap: execvp x: No such file or directory' >&2; exit 1");
        assert_eq!(missing.unwrap(), NativeOutcome::Ended(127));
        let denied = executed("echo 'bwrap: execvp x: Permission denied' >&2; exit 1");
        assert_eq!(denied.unwrap(), NativeOutcome::Ended(126));
        let moved = executed("echo \"bwrap: Can't chdir to /gone: Not a directory\" >&2; exit 1");
        assert!(matches!(moved.unwrap(), NativeOutcome::NotStarted(_)));
        let ended = executed("echo '{\"exit-code\": 3}' >&3");
        assert_eq!(ended.unwrap(), NativeOutcome::Ended(3));
    }
}
