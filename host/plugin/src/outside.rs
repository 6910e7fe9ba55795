//! All that comes from beyond the sandbox, as one trait. In a worker it is the
//! pipe to the host; nothing else crosses.

use bytes::Bytes;
use catena_model::{ConversationId, Edit, ModelError, Reply, Sampling, ToolDefinition};
use catena_tree::{CacheUse, ObjectError, Objects, TreeEntry, TreeId};
use serde::{Deserialize, Serialize};

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

    /// Tells what happened. Failures are found at the next call that answers.
    fn record(&self, event: Event);
}
