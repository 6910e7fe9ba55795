//! Language models behind one trait.
//!
//! * [`message`]: what is said, by whom, and whether a model really produced it.
//! * [`usage`]: tokens, prices and money.
//! * [`conversation`]: the host's copy of a conversation and the edits that make it.
//! * [`model`]: the trait [`Model`] and its errors.
//! * [`scripted`]: a model that plays replies from a file, for the demo and for tests.
//!
//! Guests never see this crate; the plugin crate converts to and from WIT.

pub mod conversation;
pub mod message;
pub mod model;
pub mod scripted;
pub mod usage;

pub use conversation::{Conversation, ConversationId, Edit};
pub use message::{AssistantMessage, FinishReason, Message, Origin, ToolCall, ToolDefinition};
pub use model::{Model, ModelError, ModelInfo, Reply, Request, Sampling, ToolChoice};
pub use scripted::{ScriptError, ScriptedModel};
pub use usage::{Price, Usage};
