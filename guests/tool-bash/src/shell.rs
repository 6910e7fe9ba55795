//! One command in one fresh shell.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bashkit::{
    Bash, BashBuilder, Error, ExecOptions, ExecResult, ExecutionBudgetExceeded, ExecutionLimits,
    InMemoryFs, LimitExceeded, MountableFs, PosixFs, SessionLimits, StreamData,
};
use catena_sdk::tools::{ToolError, ToolOutput};

use crate::config::Config;
use crate::diff::Diff;
use crate::filesystem::{Mounted, MovingAcross, SetExecutable};
use crate::git::Git;
use crate::ls::Ls;
use crate::no_network::COMMANDS as NO_NETWORK;
use crate::output::{Output, Text};
use crate::places::Places;
use crate::program::Program;
use crate::session::Session;
use crate::shred::Shred;
use crate::streams::{Cat, Grep, Head, Tail, Wc};
use crate::time_limit::TimeLimit;

/// Where commands start.
pub(crate) const DIRECTORY: &str = catena_sdk::workspace::ROOT;

/// Live bytes of all pipes and buffers of one command.
const BUFFER_BYTES: u64 = 256 * 1024 * 1024;

/// A directory the shell sees.
pub(crate) struct Mount {
    /// Its path in the shell.
    pub(crate) path: &'static str,
    /// The directory behind it. One that does not exist is left to the shell,
    /// which keeps such files in memory.
    pub(crate) directory: std::path::PathBuf,
    /// How its files are made executable.
    pub(crate) set_executable: SetExecutable,
}

/// What a command finds around it.
pub(crate) struct Surroundings {
    pub(crate) mounts: Vec<Mount>,
    /// Names of the programs that may be started.
    pub(crate) programs: Vec<String>,
    /// Where the shell's state is kept, if it is.
    pub(crate) session: Option<Session>,
}

/// The shell could not be set up.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error("no executor for the shell")]
    Executor(#[source] std::io::Error),
    #[error("can't mount {path}")]
    Mount { path: &'static str, source: Error },
}

/// Runs a command to its end or to its time limit.
pub(crate) fn run(
    command: &str,
    timeout: Duration,
    config: &Config,
    surroundings: Surroundings,
) -> Result<ToolOutput, ToolError> {
    let Surroundings { mounts, programs, session } = surroundings;
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|err| setup_failed(&SetupError::Executor(err)))?;
    let overdue = Arc::new(AtomicBool::new(false));
    let places = places(&mounts);
    let mut builder =
        open(timeout, config, mounts, places.clone()).map_err(|err| setup_failed(&err))?;
    for name in &programs {
        let program = Program::new(name, timeout, Arc::clone(&overdue));
        builder = builder.builtin(name, Box::new(program));
    }
    let mut bash = builder.builtin("timeout", Box::new(TimeLimit::new(programs))).build();
    let written = Arc::new(Mutex::new(Written::new(config.output_limit)));
    let tells = |note: String| lock(&written).say(&format!("bash: {note}\n"));
    if let Some(session) = &session {
        session.bring_back(&mut bash, |path| is_directory_at(&places, path)).map(tells);
    }
    let options = ExecOptions::new().streaming(Box::new({
        let written = Arc::clone(&written);
        move |stdout, stderr| lock(&written).add(stdout, stderr)
    }));
    let ended = executor.block_on(bash.exec_with_options(command, options));
    let timed_out = ended.as_ref().is_err_and(is_timeout);
    if let Some(session) = session.filter(|_| !timed_out) {
        session.keep(&bash).map(tells);
    }
    let written = std::mem::replace(&mut *lock(&written), Written::new(0));
    if overdue.load(Ordering::Relaxed) {
        return Err(ToolError::TimedOut(written.output.into_text().content));
    }
    report(ended, written, config.output_limit)
}

/// Where the mounts lie.
fn places(mounts: &[Mount]) -> Places {
    let mut places = Places::default();
    for mount in mounts.iter().filter(|mount| mount.directory.is_dir()) {
        places.add(Path::new(mount.path), &mount.directory);
    }
    places
}

fn open(
    timeout: Duration,
    config: &Config,
    mounts: Vec<Mount>,
    places: Places,
) -> Result<BashBuilder, SetupError> {
    let limits = ExecutionLimits::cli()
        .timeout(timeout)
        .parser_timeout(timeout)
        .max_parser_operations(10_000_000)
        .max_commands(config.command_limit)
        .max_work_units(u64::MAX)
        .max_live_intermediate_bytes(BUFFER_BYTES)
        .max_aggregate_input_bytes(u64::MAX)
        .max_word_split_fields(usize::MAX)
        .max_word_split_bytes(usize::MAX)
        .max_history_entries(0);
    let tree = MountableFs::new(Arc::new(InMemoryFs::new()));
    for mount in mounts.into_iter().filter(|mount| Path::is_dir(&mount.directory)) {
        let backend = Mounted::new(mount.directory, mount.set_executable, config.file_limit);
        tree.mount(mount.path, Arc::new(PosixFs::new(backend)))
            .map_err(|source| SetupError::Mount { path: mount.path, source })?;
    }
    let builder = NO_NETWORK
        .into_iter()
        .fold(Bash::builder(), |builder, command| builder.builtin(command.name, Box::new(command)));
    Ok(builder
        .fs(Arc::new(MovingAcross::new(tree)))
        .username("agent")
        .hostname("sandbox")
        .env("HOME", catena_sdk::workspace::HOME)
        .env("SHELL", "/bin/bash")
        .env("LANG", "C.UTF-8")
        .env("TERM", "dumb")
        .env("PAGER", "cat")
        .cwd(DIRECTORY)
        .limits(limits)
        .session_limits(SessionLimits::unlimited())
        .builtin("diff", Box::new(Diff))
        .builtin("git", Box::new(Git))
        .builtin("ls", Box::new(Ls))
        .builtin("shred", Box::new(Shred))
        .command("grep", Grep(places.clone()))
        .command("cat", Cat(places.clone()))
        .command("head", Head(places.clone()))
        .command("tail", Tail(places.clone()))
        .command("wc", Wc(places)))
}

/// What a command wrote, in the order in which it did.
struct Written {
    output: Output,
    bytes: usize,
}

impl Written {
    fn new(limit: usize) -> Self {
        Self { output: Output::with_limit(limit), bytes: 0 }
    }

    /// Adds what the shell itself has to say.
    fn say(&mut self, note: &str) {
        self.output.write(note.as_bytes());
        self.bytes += note.len();
    }

    fn add(&mut self, stdout: &StreamData, stderr: &StreamData) {
        for stream in [stdout, stderr] {
            self.output.write(stream.as_bytes());
            self.bytes += stream.len();
        }
    }
}

fn report(
    ended: bashkit::Result<ExecResult>,
    written: Written,
    output_limit: usize,
) -> Result<ToolOutput, ToolError> {
    match ended {
        Ok(result) => {
            let output = complete(written, &result, output_limit);
            Ok(finished(output.into_text(), result.exit_code))
        }
        Err(err) if is_timeout(&err) => {
            Err(ToolError::TimedOut(written.output.into_text().content))
        }
        Err(err) => {
            let mut output = written.output;
            output.write(format!("bash: {err}\n").as_bytes());
            let status = if matches!(err, Error::Parse { .. }) { 2 } else { 1 };
            Ok(finished(output.into_text(), status))
        }
    }
}

/// A command that redirects the shell's own streams (`exec 2>&1`) writes some
/// only to the result: then the order is lost, but nothing else.
fn complete(written: Written, result: &ExecResult, output_limit: usize) -> Output {
    if written.bytes >= result.stdout.len() + result.stderr.len() {
        return written.output;
    }
    let mut output = Output::with_limit(output_limit);
    output.write(result.stdout.as_bytes());
    output.write(result.stderr.as_bytes());
    output
}

fn finished(text: Text, status: i32) -> ToolOutput {
    ToolOutput {
        content: text.content,
        is_error: status != 0,
        exit_status: Some(status),
        omitted_bytes: text.omitted_bytes,
    }
}

fn is_timeout(err: &Error) -> bool {
    let Error::ResourceLimit(limit) = err else { return false };
    matches!(
        limit,
        LimitExceeded::Timeout(_)
            | LimitExceeded::ParserTimeout(_)
            | LimitExceeded::ExecutionBudget(
                ExecutionBudgetExceeded::Deadline { .. }
                    | ExecutionBudgetExceeded::WorkUnits { .. }
            )
    )
}

/// Whether the shell finds a directory at a path.
fn is_directory_at(places: &Places, path: &Path) -> bool {
    path == Path::new("/") || places.locate(path, "").is_some_and(|place| place.is_dir())
}

fn setup_failed(err: &SetupError) -> ToolError {
    use std::error::Error as _;
    let cause = err.source().map(|source| format!(": {source}")).unwrap_or_default();
    ToolError::Other(format!("{err}{cause}"))
}

fn lock(written: &Mutex<Written>) -> std::sync::MutexGuard<'_, Written> {
    written.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
