//! All that comes from beyond the sandbox, as one trait. In a worker it is the
//! pipe to the host; nothing else crosses.

use std::collections::BTreeMap;

use bytes::Bytes;
use catena_model::{ConversationId, Edit, ModelError, Reply, Sampling, ToolDefinition};
use catena_tree::{CacheUse, ObjectError, Objects, TreeEntry, TreeId};
use serde::{Deserialize, Serialize};

use crate::limits::Used;
use crate::native::{NativeEnd, NativeStart};
use crate::network::{HttpEnd, HttpStart};
use crate::resolved::Digest;

/// A model exchange as a guest asks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Whose next turn it is.
    pub conversation: ConversationId,
    /// What plugins changed in any conversation since the last exchange, in order.
    pub edits: Vec<(ConversationId, Edit)>,
    /// The tools offered in this turn.
    pub tools: Vec<ToolDefinition>,
    /// How the reply is drawn.
    pub sampling: Sampling,
}

/// An object that guests made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NewObject {
    /// The content of a file or the target of a symlink.
    Blob(Bytes),
    /// The same, too large to cross at once: its size. [`NewObject::Part`]s follow,
    /// with nothing in between, until they are that many bytes.
    LargeBlob(u64),
    /// The next bytes of a large blob.
    Part(Bytes),
    /// A directory; all it names was there before or came before it.
    Tree(Vec<TreeEntry>),
}

/// Something that happened in the sandbox, for the record. It has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A tool call ended.
    ToolCall {
        /// The plugin that served it.
        plugin: String,
        /// The tool.
        tool: String,
        /// The model's id of the call.
        call_id: String,
        /// `ok`, `error` (the tool ran and reports a failure) or the case of
        /// the tool error.
        outcome: String,
        /// Exit status, where the tool runs commands.
        exit_status: Option<i32>,
        /// Bytes of the answer's text.
        output_bytes: u64,
        /// Wall-clock time in microseconds.
        wall_us: u64,
        /// The worktree after the call.
        tree: TreeId,
        /// All that a later replay needs in the place of the call. Journals of
        /// version 1 have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<Box<ToolEnd>>,
    },
    /// A program that a plugin started ended.
    Program {
        /// The plugin that started it.
        plugin: String,
        /// The program.
        program: String,
        /// `ended` or the case of the process error.
        outcome: String,
        /// Exit status, where it came to its end.
        status: Option<i32>,
        /// Bytes of its output.
        output_bytes: u64,
        /// Wall-clock time in microseconds.
        wall_us: u64,
    },
    /// A plugin wrote to its log, its stdout or its stderr.
    Log {
        /// Which plugin.
        plugin: String,
        /// `debug`, `info`, `warn`, `error`, `stdout` or `stderr`.
        level: String,
        /// The text.
        text: String,
    },
    /// A call was refused for want of a right.
    Refused {
        /// Which plugin.
        plugin: String,
        /// The right, such as `workspace` or `model`.
        right: String,
    },
}

/// A tool call that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolStart {
    /// The plugin that serves it.
    pub plugin: String,
    /// The tool.
    pub tool: String,
    /// The model's id of the call.
    pub call_id: String,
    /// Digest of the arguments.
    pub arguments: Digest,
}

/// What the host says to a call that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BeforeTool {
    /// It is made.
    Run,
    /// It was made before, and this is what came of it.
    Finished(Box<ToolEnd>),
}

/// What came of a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolEnd {
    /// Digest of its arguments.
    pub arguments: Digest,
    /// What the scaffold was told.
    pub answer: ToolAnswer,
    /// What it used, and the programs that it started.
    pub used: BTreeMap<String, Used>,
    /// Whether wall-clock time ended something in it, so that the same call might
    /// come to another end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
    /// What it left. None where that was too much to be handed over in the
    /// middle of a round; the call is then made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
}

impl ToolEnd {
    /// Whether the same call would come to the same end.
    pub fn is_reproducible(&self) -> bool {
        !self.timed_out
    }
}

/// What a scaffold is told of a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolAnswer {
    /// The tool answered.
    Output {
        /// The text for the model.
        content: String,
        /// It reports a failure.
        is_error: bool,
        /// Exit status of the command, where the tool runs commands.
        exit_status: Option<i32>,
        /// Bytes that were cut out.
        omitted_bytes: u64,
    },
    /// No tool has this name.
    UnknownTool(String),
    /// The arguments are not what the schema asks for.
    InvalidArguments(String),
    /// It ran out of its time.
    TimedOut(String),
    /// Its code trapped.
    Trapped(String),
    /// A limit is used up.
    LimitReached(String),
    /// Any other cause.
    Other(String),
}

impl ToolAnswer {
    /// The text that a tool gave, where it gave one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Output { content, .. } | Self::TimedOut(content) => Some(content),
            _ => None,
        }
    }

    /// How the call ended, in a word, with its exit status and the bytes of its text.
    pub(crate) fn told(&self) -> (&'static str, Option<i32>, usize) {
        match self {
            Self::Output { content, is_error, exit_status, .. } => {
                (if *is_error { "error" } else { "ok" }, *exit_status, content.len())
            }
            Self::UnknownTool(_) => ("unknown-tool", None, 0),
            Self::InvalidArguments(_) => ("invalid-arguments", None, 0),
            Self::TimedOut(partial) => ("timed-out", None, partial.len()),
            Self::Trapped(_) => ("trapped", None, 0),
            Self::LimitReached(_) => ("limit-reached", None, 0),
            Self::Other(_) => ("other", None, 0),
        }
    }
}

/// All that a tool call can have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The worktree.
    pub worktree: TreeId,
    /// What its tree leaves out: a [`catena_tree::worktree::WorktreeState`] as JSON.
    pub worktree_state: String,
    /// Scratch directories.
    pub scratch: TreeId,
    /// What their tree leaves out.
    pub scratch_state: String,
    /// Named snapshots.
    pub snapshots: BTreeMap<String, TreeId>,
    /// Nanoseconds on the logical clock.
    pub clock: u64,
    /// Streams of random numbers that calls were given.
    pub random_streams: u64,
}

/// Beyond the sandbox.
pub trait Outside: Objects {
    /// Asks a model for the next turn of a conversation.
    fn complete(&self, exchange: Exchange) -> Result<Reply, ModelError>;

    /// Hands over objects that guests made, children before parents.
    fn put(&self, objects: Vec<NewObject>) -> Result<(), ObjectError>;

    /// What became of the questions for objects, where a cache answers some.
    fn cache_use(&self) -> CacheUse {
        CacheUse::default()
    }

    /// Asks whether a tool call is to be made. Its end is told by [`Self::record`].
    fn before_tool(&self, _start: ToolStart) -> Result<BeforeTool, ObjectError> {
        Ok(BeforeTool::Run)
    }

    /// Has a command run outside the sandbox.
    fn native(&self, _start: NativeStart) -> Result<NativeEnd, ObjectError> {
        Err(ObjectError::Io("nothing runs outside the sandbox here".to_owned()))
    }

    /// Has the host make a request.
    fn http(&self, _start: HttpStart) -> Result<HttpEnd, ObjectError> {
        Err(ObjectError::Io("no network is reached from here".to_owned()))
    }

    /// Tells what happened. Failures are found at the next call that answers.
    fn record(&self, event: Event);
}
