//! What crosses the pipe.

use std::collections::BTreeMap;
use std::iter::once;

use bytes::Bytes;
use catena_model::{ConversationId, Edit, ModelError, Reply, ToolCall};
use catena_plugin::session::{DISK_PER_QUOTA, JudgeStart, PluginSpec, SessionEnd, SessionStart};
use catena_plugin::{
    Attempt, BeforeTool, CallFailure, ChainBrief, Event, Exchange, Face, HttpEnd, HttpStart,
    Judged, NativeEnd, NativeOffer, NativeStart, NewObject, Submission, Task, TestResult,
    ToolStart, Tried, Used, Written,
};
use catena_tree::{BlobId, ObjectError, TreeEntry, TreeId};
use serde::{Deserialize, Serialize};

use crate::compiler::CompileLimits;
use crate::walls::{Needs, Walls};

/// From the host to the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// The first message: what to do.
    Run(Box<Job>),
    /// Answers [`FromWorker::Tree`].
    Tree(Result<Vec<TreeEntry>, ObjectFailure>),
    /// Answers [`FromWorker::Blob`].
    Blob(Result<Bytes, ObjectFailure>),
    /// Answers [`FromWorker::BlobSize`].
    BlobSize(Result<u64, ObjectFailure>),
    /// Answers [`FromWorker::Complete`].
    Completed(Result<Reply, ModelError>),
    /// Answers [`FromWorker::BeforeTool`].
    Tool(Box<BeforeTool>),
    /// Answers [`FromWorker::Native`].
    Native(Box<Result<NativeEnd, ObjectFailure>>),
    /// Answers [`FromWorker::Http`].
    Http(Box<Result<HttpEnd, ObjectFailure>>),
    /// Answers [`FromWorker::Put`].
    Stored(Result<(), ObjectFailure>),
    /// Answers [`FromWorker::Walled`]: guests may run.
    Begin,
}

/// From the worker to the host.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// Asks for a tree.
    Tree(TreeId),
    /// Asks for a blob.
    Blob(BlobId),
    /// Asks for the size of a blob in bytes.
    BlobSize(BlobId),
    /// Asks a model for a turn.
    Complete(Box<Exchange>),
    /// Asks whether a tool call is to be made.
    BeforeTool(ToolStart),
    /// Has a command run outside the sandbox.
    Native(Box<NativeStart>),
    /// Has a request made.
    Http(Box<HttpStart>),
    /// Hands over objects.
    Put(Vec<NewObject>),
    /// Tells what stands between it and the machine, when all is loaded and no guest has
    /// run.
    Walled(Walls),
    /// Tells what happened. The only message without an answer but the last.
    Record(Event),
    /// The last message.
    Done(Box<JobResult>),
}

/// What a worker is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Job {
    /// A round of a scaffold.
    Attempt(AttemptJob),
    /// A judgement.
    Judge(JudgeJob),
    /// The queries of a chain.
    Write(WriteJob),
    /// The compiling of a component.
    Compile(CompileJob),
    /// Calls of a tool, without a rollout.
    Try(TryJob),
    /// The loading of a plugin, to see that it fits.
    Load(PluginSpec),
    /// An attempt at what the walls forbid.
    Attack(Attack),
}

/// What a worker tries that it must not come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// Nothing: to see which walls there are.
    None,
    /// To read a file before the filter of system calls, against Landlock alone.
    ReadFile,
    /// To open a file.
    OpenFile,
    /// To open a socket.
    OpenSocket,
    /// To start a program.
    StartProgram,
    /// To start a thread.
    StartThread,
    /// To make memory executable.
    ExecuteMemory,
    /// To take memory that is in no bound.
    ShareMemory,
}

/// What an entry counts for beside its bytes.
const ENTRY: u64 = 4096;

impl Job {
    /// Bytes that its guests may add to what they were given, with what they have of
    /// entries.
    pub fn quota(&self) -> u64 {
        let (bytes, entries) = match self {
            Self::Attempt(AttemptJob { start, .. })
            | Self::Write(WriteJob { start, .. })
            | Self::Try(TryJob { start, .. }) => (start.quota_bytes, start.quota_entries),
            Self::Judge(job) => {
                let start = job.start.as_session_start();
                (start.quota_bytes, start.quota_entries)
            }
            Self::Load(_) | Self::Compile(_) | Self::Attack(_) => (0, 0),
        };
        bytes.saturating_add(entries.saturating_mul(ENTRY))
    }

    /// What it needs of the machine.
    pub(crate) fn needs(&self) -> Needs {
        let together = match self {
            Self::Attempt(job) => job.start.guest_memory,
            _ => u64::MAX,
        };
        let (plugins, memory, disk): (Vec<&PluginSpec>, u64, u64) = match self {
            Self::Attempt(job) => {
                let plugins = once(&job.scaffold).chain(&job.tools).chain(&job.programs);
                (plugins.collect(), job.start.memory, job.start.quota_bytes)
            }
            Self::Judge(job) => {
                let start = job.start.as_session_start();
                let plugins = once(&job.judge).chain(&job.programs);
                (plugins.collect(), start.memory, start.quota_bytes)
            }
            Self::Write(job) => (vec![&job.writer], job.start.memory, job.start.quota_bytes),
            Self::Try(job) => {
                let plugins = once(&job.tool).chain(&job.programs);
                (plugins.collect(), job.start.memory, job.start.quota_bytes)
            }
            Self::Load(plugin) => (vec![plugin], 0, 0),
            Self::Compile(job) => {
                return Needs {
                    files: Vec::new(),
                    memory: job.limits.memory.0,
                    file: job.limits.code.0,
                };
            }
            Self::Attack(_) => (Vec::new(), 0, 0),
        };
        let of_guests = plugins.iter().map(|plugin| plugin.limits.memory.0);
        let of_guests = of_guests.fold(0, u64::saturating_add).min(together);
        Needs {
            files: plugins.iter().map(|plugin| plugin.compiled.clone()).collect(),
            memory: memory.saturating_add(of_guests),
            file: disk.saturating_mul(DISK_PER_QUOTA),
        }
    }
}

/// A round of a scaffold with its tools.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttemptJob {
    /// The scaffold.
    pub scaffold: PluginSpec,
    /// Its tools, in the order of the run file.
    pub tools: Vec<PluginSpec>,
    /// Programs that any of them may start.
    pub programs: Vec<PluginSpec>,
    /// Commands outside the sandbox that any of them may start.
    #[serde(default)]
    pub native: Vec<NativeOffer>,
    /// Worktree, scratch and conversation.
    pub start: SessionStart,
    /// Command lines that are run first.
    #[serde(default)]
    pub set_up: Vec<String>,
    /// What the agent is asked.
    pub task: Task,
}

/// A judgement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JudgeJob {
    /// The judge.
    pub judge: PluginSpec,
    /// Programs that it may start.
    pub programs: Vec<PluginSpec>,
    /// Commands outside the sandbox that it may start.
    #[serde(default)]
    pub native: Vec<NativeOffer>,
    /// What it sees.
    pub start: JudgeStart,
    /// What it judges.
    pub submission: Submission,
}

/// The queries of a chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WriteJob {
    /// The writer.
    pub writer: PluginSpec,
    /// Its clock, seed and model; it has no tree.
    pub start: SessionStart,
    /// What it sees.
    pub chain: ChainBrief,
}

/// Calls of a tool over a worktree.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TryJob {
    /// The tool.
    pub tool: PluginSpec,
    /// Programs that it may start.
    pub programs: Vec<PluginSpec>,
    /// What the first begins with; each goes on with what the one before left.
    pub start: SessionStart,
    /// The calls. One without a name is of the tool's first.
    pub calls: Vec<ToolCall>,
}

/// What came of calls, up to one of a plugin that could not say what it offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TryResult {
    /// Of each call.
    pub tried: Vec<Tried>,
    /// The plugin that failed, and how.
    pub failed: Option<(String, CallFailure)>,
    /// What they left.
    pub end: SessionEnd,
}

/// The compiling of the component that the handed file holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CompileJob {
    /// Bytes of the component.
    pub size: u64,
    /// What may be used of the machine.
    pub limits: CompileLimits,
}

/// What came of a job.
#[derive(Debug, Serialize, Deserialize)]
pub enum JobResult {
    /// Of [`Job::Attempt`].
    Attempt(Attempt),
    /// Of [`Job::Judge`].
    Judge(JudgeResult),
    /// Of [`Job::Write`].
    Write(WriteResult),
    /// Of [`Job::Try`].
    Tried(TryResult),
    /// Of [`Job::Compile`]: the code is in the handed file, or why it is not a component.
    Compiled(Result<Face, String>),
    /// Of [`Job::Load`].
    Loaded(Result<(), String>),
    /// Of [`Job::Attack`]: it was not ended, and this is what came of what it tried.
    Attacked(Result<(), String>),
    /// The job could not be begun or brought to its end; a fault of the host.
    Failed(String),
}

/// A judgement with what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeResult {
    /// What the judge said.
    pub judged: Judged,
    /// What it told of tests.
    pub tests: Vec<TestResult>,
    /// What it changed in conversations since its last exchange.
    pub edits: Vec<(ConversationId, Edit)>,
    /// What it used.
    pub used: BTreeMap<String, Used>,
    /// What it keeps for the next round of its stage.
    pub kept: Option<String>,
}

/// Queries with what they took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteResult {
    /// What the writer wrote.
    pub written: Written,
    /// What it used.
    pub used: BTreeMap<String, Used>,
}

/// [`ObjectError`] in a form that can cross.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectFailure {
    /// The object database does not have it.
    Missing(String),
    /// The worker was never given a tree that contains it.
    Refused(String),
    /// Anything else.
    Other(String),
}

impl From<ObjectError> for ObjectFailure {
    fn from(err: ObjectError) -> Self {
        match err {
            ObjectError::Missing(id) => Self::Missing(id),
            ObjectError::Refused(id) => Self::Refused(id),
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<ObjectFailure> for ObjectError {
    fn from(failure: ObjectFailure) -> Self {
        match failure {
            ObjectFailure::Missing(id) => Self::Missing(id),
            ObjectFailure::Refused(id) => Self::Refused(id),
            ObjectFailure::Other(reason) => Self::Io(reason),
        }
    }
}
