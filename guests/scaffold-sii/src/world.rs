//! What the agent needs of the world, as traits, so that it can be tested
//! without a host; and the host behind them.

use std::path::Path;

use catena_sdk::model::{
    self, AssistantMessage, Completion, CompletionRequest, Conversation, Message, ModelError,
};
use catena_sdk::tools::{self, ToolCall, ToolDefinition, ToolError, ToolOutput};
use catena_sdk::workspace;

/// A conversation with the model.
pub(crate) trait Talk: Sized {
    /// The messages the model would be sent now.
    fn history(&self) -> Vec<Message>;
    /// Appends a message.
    fn push(&mut self, message: Message);
    /// Asks the model.
    fn complete(&mut self, request: &CompletionRequest) -> Result<Completion, ModelError>;
    /// Puts other messages in the place of the history.
    fn replace(&mut self, history: &[Message]);
}

/// The rollout.
pub(crate) trait World {
    /// Its conversations.
    type Talk: Talk;
    /// A new conversation with the same history.
    fn fork(&self, talk: &Self::Talk) -> Self::Talk;
    /// All tools of the rollout.
    fn available_tools(&self) -> Vec<ToolDefinition>;
    /// Runs a tool.
    fn call(&mut self, call: &ToolCall) -> Result<ToolOutput, ToolError>;
    /// Tokens of the model's context window; 0 when unknown.
    fn context_window(&self) -> u64;
    /// Where the worktree lies.
    fn root(&self) -> &Path;
    /// Where the agent's home lies.
    fn home(&self) -> &Path;
    /// Notes something for the operator.
    fn note(&self, text: &str);
}

/// A conversation of the host: the one it handed over, or a fork of it.
pub(crate) enum HostTalk<'a> {
    Main(&'a Conversation),
    Fork(Conversation),
}

impl HostTalk<'_> {
    fn get(&self) -> &Conversation {
        match self {
            Self::Main(conversation) => conversation,
            Self::Fork(conversation) => conversation,
        }
    }
}

impl Talk for HostTalk<'_> {
    fn history(&self) -> Vec<Message> {
        self.get().history()
    }

    fn push(&mut self, message: Message) {
        self.get().push(&message);
    }

    fn complete(&mut self, request: &CompletionRequest) -> Result<Completion, ModelError> {
        self.get().complete(request)
    }

    fn replace(&mut self, history: &[Message]) {
        self.get().replace_history(history);
    }
}

/// The rollout this instance works in.
pub(crate) struct HostWorld<'a>(pub(crate) std::marker::PhantomData<&'a ()>);

impl<'a> World for HostWorld<'a> {
    type Talk = HostTalk<'a>;

    fn fork(&self, talk: &HostTalk<'a>) -> HostTalk<'a> {
        HostTalk::Fork(talk.get().fork())
    }

    fn available_tools(&self) -> Vec<ToolDefinition> {
        tools::available()
    }

    fn call(&mut self, call: &ToolCall) -> Result<ToolOutput, ToolError> {
        tools::call(call)
    }

    fn context_window(&self) -> u64 {
        model::describe().map_or(0, |info| info.context_window)
    }

    fn root(&self) -> &Path {
        Path::new(workspace::ROOT)
    }

    fn home(&self) -> &Path {
        Path::new(workspace::HOME)
    }

    fn note(&self, text: &str) {
        catena_sdk::log::info!("{text}");
    }
}

/// A message that the model is taken to have said. It is not learned.
pub(crate) fn as_if_said(text: String) -> Message {
    Message::Assistant(AssistantMessage { content: text, reasoning: None, tool_calls: Vec::new() })
}

/// Bytes of a message's texts.
pub(crate) fn text_len(message: &Message) -> usize {
    match message {
        Message::System(text) | Message::User(text) => text.len(),
        Message::Tool(tool) => tool.content.len(),
        Message::Other(other) => other.content.len(),
        Message::Assistant(said) => said_len(said),
    }
}

fn said_len(said: &AssistantMessage) -> usize {
    let calls = said.tool_calls.iter().map(|call| call.name.len() + call.arguments.len());
    said.content.len() + said.reasoning.as_ref().map_or(0, String::len) + calls.sum::<usize>()
}
