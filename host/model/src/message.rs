//! Messages of a conversation, in the roles of chat completions.

use serde::{Deserialize, Serialize};

/// A model's wish to call a tool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Identifies the call within its conversation; the answer repeats it.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// JSON text as the model wrote it; it need not be valid.
    pub arguments: String,
}

/// A tool as a model is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolDefinition {
    /// Name by which the model calls it.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON schema of the arguments, as text.
    pub parameters: String,
}

/// What an assistant said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct AssistantMessage {
    /// The visible text; empty when the model only called tools.
    pub content: String,
    /// The reasoning text, where the server returns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The calls the model wants made, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
}

/// Who wrote a message of the assistant role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The model, in answer to `complete`. Only these turns may be trained on.
    Model,
    /// A plugin, as an example or a reconstruction.
    Plugin,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "kebab-case")]
pub enum Message {
    /// Instructions that stand above the user's.
    System {
        /// The text.
        content: String,
    },
    /// The task, feedback, or an observation in text mode.
    User {
        /// The text.
        content: String,
    },
    /// A turn of the agent.
    Assistant {
        /// What was said.
        #[serde(flatten)]
        message: AssistantMessage,
        /// Who said it.
        origin: Origin,
    },
    /// The answer to one tool call.
    Tool {
        /// The call that is answered.
        call_id: String,
        /// The text the model sees.
        content: String,
    },
    /// A role this version has no case for.
    Other {
        /// The role as the wire format spells it.
        name: String,
        /// The text.
        content: String,
    },
}

impl Message {
    /// What the model said in a turn.
    pub fn of_model(message: AssistantMessage) -> Self {
        Self::Assistant { message, origin: Origin::Model }
    }

    /// The same message, as one that the model said if it is the assistant's.
    #[must_use]
    pub fn by_model(self) -> Self {
        match self {
            Self::Assistant { message, .. } => Self::of_model(message),
            other => other,
        }
    }

    /// The same message, as one that a plugin wrote.
    #[must_use]
    pub fn by_plugin(self) -> Self {
        match self {
            Self::Assistant { message, .. } => Self::Assistant { message, origin: Origin::Plugin },
            other => other,
        }
    }

    /// Whether a model produced this message.
    pub fn is_from_model(&self) -> bool {
        matches!(self, Self::Assistant { origin: Origin::Model, .. })
    }

    /// The length of the message's texts in bytes.
    pub fn text_len(&self) -> usize {
        match self {
            Self::System { content }
            | Self::User { content }
            | Self::Tool { content, .. }
            | Self::Other { content, .. } => content.len(),
            Self::Assistant { message, .. } => message.text_len(),
        }
    }
}

impl AssistantMessage {
    /// The length of the message's texts in bytes, calls included.
    pub fn text_len(&self) -> usize {
        let calls = self.tool_calls.iter().map(|call| call.name.len() + call.arguments.len());
        self.content.len() + self.reasoning.as_ref().map_or(0, String::len) + calls.sum::<usize>()
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// It wants tools called.
    ToolCalls,
    /// The bound on output tokens or the context window was reached.
    Length,
    /// The server withheld the rest.
    ContentFilter,
    /// As the server put it.
    Other(String),
}
