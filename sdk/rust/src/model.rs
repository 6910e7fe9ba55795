//! Conversations with a language model.
//!
//! The host owns every conversation: a message crosses once, and what the model
//! said can't be altered afterwards. A scaffold is handed its main conversation;
//! [`Conversation::open`] starts one of the plugin's own.

pub use crate::bindings::imports::catena::plugin::model::{
    AssistantMessage, Completion, CompletionRequest, Conversation, FinishReason, Message,
    ModelError, ModelInfo, OtherMessage, ToolChoice, ToolMessage, describe,
};
pub use crate::bindings::imports::catena::plugin::types::Usage;
use crate::tools::{ToolCall, ToolDefinition};

impl Message {
    /// The answer to a tool call, as the model will see it.
    pub fn answer(call: &ToolCall, content: impl Into<String>) -> Self {
        Self::Tool(ToolMessage { call_id: call.id.clone(), content: content.into() })
    }
}

impl CompletionRequest {
    /// Offers tools and leaves every other value to the run file.
    pub fn with_tools(tools: Vec<ToolDefinition>) -> Self {
        Self { tools, ..Self::default() }
    }
}

/// No tools, and every value left to the run file.
impl Default for CompletionRequest {
    fn default() -> Self {
        Self {
            tools: Vec::new(),
            tool_choice: ToolChoice::Automatic,
            temperature: None,
            max_output_tokens: None,
            stop: Vec::new(),
        }
    }
}
