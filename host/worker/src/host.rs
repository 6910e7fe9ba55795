//! The host's end of the pipe.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use catena_groups::Group;
use catena_model::{ModelError, Reply};
use catena_plugin::session::PluginSpec;
use catena_plugin::{
    BeforeTool, Event, Exchange, HttpEnd, HttpStart, NativeEnd, NativeStart, NewObject, ToolStart,
};
use catena_tree::{BlobId, ObjectError, TreeEntry, TreeId};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};

use crate::frame::{FrameError, receive_async, send_async};
use crate::handover::give_file;
use crate::message::{Attack, FromWorker, Job, JobResult, ToWorker};
use crate::walls::{Needs, Walls};

/// How long a worker may go on past the wall-clock limits of its plugins, which
/// it enforces itself, before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// How long a plugin may take to be loaded.
const LOADING: Duration = Duration::from_mins(1);

/// How long a worker that closed its pipe has for its end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Bytes of a dead worker's stderr that are read.
const MAX_STDERR: u64 = 64 << 10;

/// Bytes of a dead worker's stderr that are reported.
const STDERR_KEPT: usize = 2000;

/// Keeps the allocator of glibc from opening a file when it gives back a thread's memory,
/// which ends a process behind its walls.
const ALLOCATOR: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.arena_max=1");

/// Threads of a worker beside those that compile.
const OTHER_THREADS: u32 = 8;

/// The end of a worker that somebody else brought about, such as a kernel that is short of
/// memory.
const KILLED: &str = "signal 9";

/// The end of a worker that was killed for what it had of memory.
const OUT_OF_MEMORY: &str = "it took more memory than its control group has";

/// The end of a worker that wrote a larger file than it may.
pub(crate) const FILE_TOO_LARGE: &str = "it wrote a larger file than it may";

/// The end of a worker that made a system call which is not on the list of its walls.
const FORBIDDEN: &str = "it made a system call that workers may not make";

/// How a worker is started.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The program, which is this one.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Why a job came to nothing: a failure of the infrastructure, but where it
/// [may be of guests](Self::may_be_of_guests).
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The process can't be started.
    #[error("can't start a worker process `{program}`")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The process ended before its job was done.
    #[error("the worker process died ({status}){stderr}")]
    Died {
        /// How it ended.
        status: String,
        /// The end of what it wrote to stderr, or nothing.
        stderr: String,
    },
    /// The process ended, or did not end in time, before a guest could run.
    #[error("before guests could run: {0}")]
    NotBegun(Box<Self>),
    /// The process did not keep to the protocol.
    #[error("the worker process broke the protocol")]
    Protocol(#[source] FrameError),
    /// The process was killed for taking too long.
    #[error("the worker process did not end within {0:?} and was killed")]
    Overdue(Duration),
    /// The worker reports that the job could not be done.
    #[error("the worker could not do its job: {0}")]
    Failed(String),
    /// The host's own side can't go on, such as a journal that can't be written.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl WorkerError {
    /// Whether guests can have brought it about: a process that ended by itself, or did not
    /// end in time.
    pub fn may_be_of_guests(&self) -> bool {
        match self {
            Self::Overdue(_) => true,
            Self::Died { status, .. } => status != KILLED,
            _ => false,
        }
    }
}

/// Why a host can't serve a worker any more.
pub type HostError = Box<dyn std::error::Error + Send + Sync>;

/// What the host does for a worker. An error ends the job. A host has no tree but the
/// empty one, no model and no commands, and stores nothing, unless it says otherwise.
#[async_trait]
pub trait HostSide: Send {
    /// Serves a tree.
    fn tree(&mut self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        if id == TreeId::EMPTY {
            Ok(Arc::new([]))
        } else {
            Err(ObjectError::Refused(id.to_string()))
        }
    }
    /// Serves a blob.
    fn blob(&mut self, id: BlobId) -> Result<Bytes, ObjectError> {
        Err(ObjectError::Refused(id.to_string()))
    }
    /// Says how many bytes a blob has.
    fn blob_size(&mut self, id: BlobId) -> Result<u64, ObjectError> {
        Err(ObjectError::Refused(id.to_string()))
    }
    /// Stores objects.
    fn put(&mut self, _objects: Vec<NewObject>) -> Result<(), ObjectError> {
        Ok(())
    }
    /// Has a model take its turn. The inner result is the guest's.
    async fn complete(
        &mut self,
        _exchange: Exchange,
    ) -> Result<Result<Reply, ModelError>, HostError> {
        Ok(Err(ModelError::Unavailable("there is no model here".to_owned())))
    }
    /// Says whether a tool call is to be made.
    fn before_tool(&mut self, _start: ToolStart) -> Result<BeforeTool, HostError> {
        Ok(BeforeTool::Run)
    }
    /// Runs a command outside the sandbox. The inner result is the guest's.
    async fn native(
        &mut self,
        _start: NativeStart,
    ) -> Result<Result<NativeEnd, ObjectError>, HostError> {
        Err("there are no commands outside the sandbox".into())
    }
    /// Makes a request. The inner result is the guest's.
    async fn http(&mut self, _start: HttpStart) -> Result<Result<HttpEnd, ObjectError>, HostError> {
        Ok(Err(ObjectError::Io("no network is reached from here".to_owned())))
    }
    /// Takes note of what stands between the worker and the machine. No guest has run by
    /// then; an error keeps them from it.
    fn walled(&mut self, walls: Walls) -> Result<(), HostError>;
    /// Takes note of what happened.
    fn record(&mut self, _event: Event) -> Result<(), HostError> {
        Ok(())
    }
}

/// A started worker process. Dropping it kills it.
pub struct Worker {
    is_walled: bool,
    child: Child,
    /// Has to go after the process.
    group: Option<Group>,
    pipe: UnixStream,
}

impl Worker {
    /// Starts a worker with nothing of the host's environment and no handle but the pipe, over
    /// which it gets a file without a name on the disk of `spill_dir`.
    pub fn start(command: &WorkerCommand, spill_dir: &Path) -> Result<Self, WorkerError> {
        let to_error = |source| WorkerError::Start { program: command.program.clone(), source };
        Self::start_with(command, &tempfile::tempfile_in(spill_dir).map_err(to_error)?)
    }

    /// The same, with this file.
    pub(crate) fn start_with(command: &WorkerCommand, file: &File) -> Result<Self, WorkerError> {
        let start = || -> std::io::Result<Self> {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
            give_file(&ours, file)?;
            ours.set_nonblocking(true)?;
            let child = Command::new(&command.program)
                .args(&command.arguments)
                .env_clear()
                .env(ALLOCATOR.0, ALLOCATOR.1)
                .current_dir("/")
                // Signals of a terminal are for the host.
                .process_group(0)
                .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            Ok(Self { is_walled: false, child, group: None, pipe: UnixStream::from_std(ours)? })
        };
        start().map_err(|source| WorkerError::Start { program: command.program.clone(), source })
    }

    /// The process id, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Has the worker do `job`, serving it from `host`, within `wall` and a
    /// little more. Time that the host takes to answer does not count.
    pub async fn run(
        mut self,
        job: Job,
        wall: Duration,
        host: &mut dyn HostSide,
    ) -> Result<JobResult, WorkerError> {
        // A compiler does not look at the clock, so there is nothing to wait for.
        let grace = if matches!(job, Job::Compile(_)) { Duration::ZERO } else { GRACE };
        let result = match self.serve(job, wall + grace, host).await {
            Err(WorkerError::Protocol(FrameError::Closed)) => Err(self.obituary().await),
            Ok(JobResult::Failed(reason)) => Err(WorkerError::Failed(reason)),
            result => result,
        };
        let result = match result {
            Err(err @ (WorkerError::Died { .. } | WorkerError::Overdue(_))) if !self.is_walled => {
                Err(WorkerError::NotBegun(Box::new(err)))
            }
            result => result,
        };
        // Who is told that the job is over may count on the process's memory. Left to
        // the runtime, a process that was killed can stay a zombie until the next signal.
        let _ = tokio::time::timeout(LAST_WORDS, self.child.kill()).await;
        result
    }

    async fn serve(
        &mut self,
        job: Job,
        limit: Duration,
        host: &mut dyn HostSide,
    ) -> Result<JobResult, WorkerError> {
        self.group = self.child.id().and_then(|process| group(process, &job.needs()));
        let mut deadline = Instant::now() + limit;
        let sent = timeout_at(deadline, self.send(&ToWorker::Run(Box::new(job)))).await;
        sent.map_err(|_| WorkerError::Overdue(limit))??;
        loop {
            let received = timeout_at(deadline, receive_async(&mut self.pipe)).await;
            let message = received.map_err(|_| WorkerError::Overdue(limit))?;
            // What the host takes is not the worker's doing: models, commands and requests
            // have their own ends, and syncs come on top.
            let begin = Instant::now();
            let answer = match message.map_err(WorkerError::Protocol)? {
                FromWorker::Tree(id) => {
                    ToWorker::Tree(host.tree(id).map(|tree| tree.to_vec()).map_err(Into::into))
                }
                FromWorker::Blob(id) => ToWorker::Blob(host.blob(id).map_err(Into::into)),
                FromWorker::BlobSize(id) => {
                    ToWorker::BlobSize(host.blob_size(id).map_err(Into::into))
                }
                FromWorker::Put(objects) => ToWorker::Stored(host.put(objects).map_err(Into::into)),
                FromWorker::Complete(exchange) => {
                    ToWorker::Completed(host.complete(*exchange).await?)
                }
                FromWorker::Native(start) => {
                    ToWorker::Native(Box::new(host.native(*start).await?.map_err(Into::into)))
                }
                FromWorker::Http(start) => {
                    ToWorker::Http(Box::new(host.http(*start).await?.map_err(Into::into)))
                }
                FromWorker::BeforeTool(start) => ToWorker::Tool(Box::new(host.before_tool(start)?)),
                FromWorker::Walled(walls) if !self.is_walled => {
                    host.walled(Walls { control_group: self.group.is_some(), ..walls })?;
                    self.is_walled = true;
                    ToWorker::Begin
                }
                FromWorker::Done(result)
                    if self.is_walled || matches!(*result, JobResult::Failed(_)) =>
                {
                    return Ok(*result);
                }
                _ if !self.is_walled => {
                    let reason = "it did not tell of its walls before all else".to_owned();
                    return Err(WorkerError::Failed(reason));
                }
                FromWorker::Record(event) => {
                    host.record(event)?;
                    continue;
                }
                FromWorker::Walled(_) | FromWorker::Done(_) => {
                    return Err(WorkerError::Failed("it told of its walls twice".to_owned()));
                }
            };
            deadline += begin.elapsed();
            // A worker need not read what it asked for.
            let sent = timeout_at(deadline, self.send(&answer)).await;
            sent.map_err(|_| WorkerError::Overdue(limit))??;
        }
    }

    async fn send(&mut self, message: &ToWorker) -> Result<(), WorkerError> {
        send_async(&mut self.pipe, message).await.map_err(WorkerError::Protocol)
    }

    /// Says how the process ended.
    async fn obituary(&mut self) -> WorkerError {
        let mut text = Vec::new();
        if tokio::time::timeout(LAST_WORDS, self.child.wait()).await.is_err() {
            // It has closed the pipe and lives on. Killing it can only fail if
            // it has ended after all.
            let _ = self.child.start_kill();
        }
        if let Some(stderr) = self.child.stderr.take() {
            // What was written before the end is worth more than a failure to read it.
            let mut stderr = stderr.take(MAX_STDERR);
            let _ = tokio::time::timeout(LAST_WORDS, stderr.read_to_end(&mut text)).await;
        }
        let status = match self.child.wait().await {
            Ok(_) if self.group.as_ref().and_then(Group::exhausted) == Some("memory") => {
                OUT_OF_MEMORY.to_owned()
            }
            Ok(status) => describe(status),
            Err(err) => err.to_string(),
        };
        let tail = text.get(text.len().saturating_sub(STDERR_KEPT)..).unwrap_or_default();
        let tail = String::from_utf8_lossy(tail).trim().to_owned();
        let stderr = if tail.is_empty() { String::new() } else { format!(": {tail}") };
        WorkerError::Died { status, stderr }
    }
}

/// A control group around a worker, which has not been told of its job yet. It bounds what
/// the limits of the process do not see: memory that is shared, that of the kernel, and on
/// some disks that of files.
fn group(process: u32, needs: &Needs) -> Option<Group> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = u32::try_from(threads).unwrap_or(u32::MAX).saturating_add(OTHER_THREADS);
    let group = Group::new(needs.memory_with_files(), threads)?;
    group.take_in(process).ok()?;
    Some(group)
}

/// Starts a worker in which no guest runs, and returns what stands between it and this
/// machine.
pub async fn try_walls(command: &WorkerCommand, spill_dir: &Path) -> Result<Walls, WorkerError> {
    let mut onlooker = Onlooker::default();
    let worker = Worker::start(command, spill_dir)?;
    worker.run(Job::Attack(Attack::None), Duration::ZERO, &mut onlooker).await?;
    Ok(onlooker.walls)
}

/// Has a worker try what its walls forbid. Returns what came of it where it was not ended
/// for that.
pub async fn try_attack(
    command: &WorkerCommand,
    spill_dir: &Path,
    attack: Attack,
) -> Result<Repelled, WorkerError> {
    let worker = Worker::start(command, spill_dir)?;
    let done = worker.run(Job::Attack(attack), Duration::ZERO, &mut Onlooker::default()).await;
    match done {
        Ok(JobResult::Attacked(Ok(()))) => Ok(Repelled::Not),
        Ok(JobResult::Attacked(Err(why))) => Ok(Repelled::Refused(why)),
        Ok(_) => Err(WorkerError::Failed("it did another job".to_owned())),
        Err(WorkerError::Died { status, .. }) if status == FORBIDDEN => Ok(Repelled::Ended(status)),
        Err(err) => Err(err),
    }
}

/// Has a worker load a plugin, of which nothing runs. Returns why it does not fit, if it
/// does not.
pub async fn try_load(
    command: &WorkerCommand,
    spill_dir: &Path,
    plugin: PluginSpec,
) -> Result<Result<(), String>, WorkerError> {
    let worker = Worker::start(command, spill_dir)?;
    match worker.run(Job::Load(plugin), LOADING, &mut Onlooker::default()).await? {
        JobResult::Loaded(loaded) => Ok(loaded),
        _ => Err(WorkerError::Failed("it did another job".to_owned())),
    }
}

/// What became of an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repelled {
    /// The process was ended; says how.
    Ended(String),
    /// It was told that it may not; says in which words.
    Refused(String),
    /// It did what it must not.
    Not,
}

/// The host of a worker that has nothing to ask for.
#[derive(Default)]
pub(crate) struct Onlooker {
    pub(crate) walls: Walls,
    /// Whether the worker may go on only where all walls stand.
    pub(crate) require_walls: bool,
}

#[async_trait]
impl HostSide for Onlooker {
    fn walled(&mut self, walls: Walls) -> Result<(), HostError> {
        self.walls = walls;
        if self.require_walls && !self.walls.stand() {
            return Err(format!("not all walls stand: {}", self.walls).into());
        }
        Ok(())
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(libc::SIGSYS)) => FORBIDDEN.to_owned(),
        (None, Some(libc::SIGKILL)) => KILLED.to_owned(),
        (None, Some(libc::SIGXFSZ)) => FILE_TOO_LARGE.to_owned(),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown end".to_owned(),
    }
}
