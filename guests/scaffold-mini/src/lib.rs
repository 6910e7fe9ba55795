//! A minimal agent after mini-swe-agent 2: one shell tool, a linear
//! conversation, any number of calls per reply.
//!
//! [`attempt`] is the loop; [`template`] and [`observation`] make the texts the
//! model is shown; [`config`] is what the operator may set. This file joins them
//! to the host.

mod attempt;
mod config;
mod observation;
mod template;

use catena_sdk::model::{Completion, CompletionRequest, Conversation, Message, ModelError};
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::tools::{self, ToolCall, ToolDefinition, ToolError, ToolOutput};

use crate::attempt::{Attempt, Surroundings};
use crate::config::Config;

struct Mini;

impl catena_sdk::Scaffold for Mini {
    fn attempt(task: Task, conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        let config: Config = catena_sdk::config::read()?;
        let mut host = Host { conversation };
        Attempt::prepare(&mut host, &config)?.run(&task)
    }
}

catena_sdk::export_scaffold!(Mini);

/// The rollout this instance works in.
struct Host<'a> {
    conversation: &'a Conversation,
}

impl Surroundings for Host<'_> {
    fn length(&self) -> u32 {
        self.conversation.length()
    }

    fn spent_microusd(&self) -> u64 {
        self.conversation.usage().cost_microusd
    }

    fn push(&mut self, message: Message) {
        self.conversation.push(&message);
    }

    fn complete(&mut self, request: &CompletionRequest) -> Result<Completion, ModelError> {
        self.conversation.complete(request)
    }

    fn available_tools(&self) -> Vec<ToolDefinition> {
        tools::available()
    }

    fn call(&mut self, call: &ToolCall) -> Result<ToolOutput, ToolError> {
        tools::call(call)
    }
}
