//! mini-swe-agent as a plugin: one shell, a linear conversation, and its ways
//! with mistakes, limits and submissions.
//!
//! [`attempt`] is the loop; [`reply`] finds the commands in what the model says,
//! [`template`] and [`observation`] make the texts it is shown; [`config`] is what
//! the operator may set. This file joins them to the host.

mod attempt;
mod config;
mod observation;
mod reply;
mod template;

use std::time::Instant;

use catena_sdk::model::{self, Completion, CompletionRequest, Conversation, Message, ModelError};
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::tools::{self, ToolCall, ToolDefinition, ToolError, ToolOutput};

use crate::attempt::{Attempt, Surroundings};
use crate::config::Config;

struct Mini;

impl catena_sdk::Scaffold for Mini {
    fn attempt(task: Task, conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        let config: Config = catena_sdk::config::read()?;
        let mut host = Host { conversation, begin: Instant::now() };
        Attempt::prepare(&mut host, &config, &task)?.run()
    }
}

catena_sdk::export_scaffold!(Mini);

/// The rollout this instance works in.
struct Host<'a> {
    conversation: &'a Conversation,
    begin: Instant,
}

impl Surroundings for Host<'_> {
    fn length(&self) -> u32 {
        self.conversation.length()
    }

    fn spent_microusd(&self) -> u64 {
        self.conversation.usage().cost_microusd
    }

    fn elapsed_seconds(&self) -> u64 {
        self.begin.elapsed().as_secs()
    }

    fn model_name(&self) -> String {
        model::describe().map(|info| info.name).unwrap_or_default()
    }

    fn push(&mut self, message: Message) {
        self.conversation.push(&message);
    }

    fn complete(&mut self, request: &CompletionRequest) -> Result<Completion, ModelError> {
        self.conversation.complete(request)
    }

    fn take_back(&mut self) {
        let mut history = self.conversation.history();
        history.pop();
        self.conversation.replace_history(&history);
    }

    fn available_tools(&self) -> Vec<ToolDefinition> {
        tools::available()
    }

    fn call(&mut self, call: &ToolCall) -> Result<ToolOutput, ToolError> {
        tools::call(call)
    }
}
