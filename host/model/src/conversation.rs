//! Conversations as the host keeps them. A worker sends edits; the host's copy
//! is the one that counts.

use serde::{Deserialize, Serialize};

use crate::message::{AssistantMessage, Message, Origin};
use crate::model::Measured;
use crate::usage::Usage;

/// Names a conversation within its rollout. The host's main conversations come
/// first, then those that plugins opened or forked, in the order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConversationId(pub u32);

/// One change of a conversation other than a completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// Appends messages.
    Push(Vec<Message>),
    /// Puts other messages in the place of the history.
    Replace(Vec<Message>),
    /// Comes into being with the history of another conversation.
    ForkOf(ConversationId),
}

/// The messages a model would be sent, and what they have cost so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Conversation {
    /// The history, oldest first.
    pub messages: Vec<Message>,
    /// Sum over the completions of this conversation.
    pub usage: Usage,
    /// How many completions there were.
    pub turns: u32,
    #[serde(skip)]
    measured: Option<Measured>,
}

impl Conversation {
    /// Appends one message that a plugin wrote.
    pub fn push(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// Appends what the model said.
    pub fn push_reply(&mut self, message: AssistantMessage, usage: Usage) {
        self.messages.push(Message::Assistant { message, origin: Origin::Model });
        self.measured = (!usage.estimated)
            .then(|| Measured { messages: self.messages.len(), tokens: usage.tokens() });
        self.usage += usage;
        self.turns += 1;
    }

    /// Puts other messages in the place of the history.
    pub fn replace(&mut self, messages: Vec<Message>) {
        self.messages = messages;
        self.measured = None;
    }

    /// What a server has told of the tokens of its beginning.
    pub fn measured(&self) -> Option<Measured> {
        self.measured
    }

    /// A conversation with the same history that has cost nothing yet.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { usage: Usage::default(), turns: 0, ..self.clone() }
    }
}
