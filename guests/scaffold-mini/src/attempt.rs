//! The loop: ask the model, run what it wants run, show it the output.
//!
//! One [`Attempt`] is one round at one stage. It never reports `submitted`
//! unless a command's output said so.

use catena_sdk::model::{
    AssistantMessage, Completion, CompletionRequest, Message, ModelError, ToolChoice,
};
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::tools::{ToolCall, ToolDefinition, ToolError, ToolOutput};
use serde_json::json;

use crate::config::{Config, Mode};
use crate::observation::{Exception, OLD_MARKER, Observation};
use crate::reply::{Action, FormatError, Reader};
use crate::template::{Progress, Templates};

/// What the loop needs of the world: its conversation, the tools and a clock.
pub(crate) trait Surroundings {
    /// Messages the conversation has already.
    fn length(&self) -> u32;
    /// Millionths of a US dollar the conversation has cost.
    fn spent_microusd(&self) -> u64;
    /// Whole seconds since the round began.
    fn elapsed_seconds(&self) -> u64;
    /// Name of the model.
    fn model_name(&self) -> String;
    /// Appends a message.
    fn push(&mut self, message: Message);
    /// Asks the model.
    fn complete(&mut self, request: &CompletionRequest) -> Result<Completion, ModelError>;
    /// Takes the last message out of the conversation.
    fn take_back(&mut self);
    /// All tools of the rollout.
    fn available_tools(&self) -> Vec<ToolDefinition>;
    /// Runs a tool.
    fn call(&mut self, call: &ToolCall) -> Result<ToolOutput, ToolError>;
}

/// One round at one stage.
pub(crate) struct Attempt<'a, S> {
    surroundings: &'a mut S,
    config: &'a Config,
    templates: Templates<'a>,
    reader: Reader,
    request: CompletionRequest,
    spent_before: u64,
    steps: u32,
    format_errors: u32,
}

/// What one reply of the model led to.
enum Turn {
    Acted,
    Malformed,
    Submitted,
}

impl<'a, S: Surroundings> Attempt<'a, S> {
    /// Prepares a round. Fails where the configuration can't be used with the
    /// tools of the rollout.
    pub(crate) fn prepare(
        surroundings: &'a mut S,
        config: &'a Config,
        task: &'a Task,
    ) -> Result<Self, ScaffoldError> {
        let available = surroundings.available_tools();
        let tool = available.iter().find(|tool| tool.name == config.tool).ok_or_else(|| {
            let name = &config.tool;
            ScaffoldError::InvalidConfig(format!("`tool`: the rollout has no tool named `{name}`"))
        })?;
        let model = surroundings.model_name();
        Ok(Self {
            templates: Templates::parse(config, task, model)?,
            reader: Reader::of(config).map_err(|reason| {
                ScaffoldError::InvalidConfig(format!("`action_regex`: {reason}"))
            })?,
            request: request(config, tool),
            spent_before: surroundings.spent_microusd(),
            surroundings,
            config,
            steps: 0,
            format_errors: 0,
        })
    }

    /// Works until the round ends.
    pub(crate) fn run(mut self) -> Result<Ending, ScaffoldError> {
        self.open()?;
        loop {
            if let Some(limit) = self.limit_reached() {
                return Ok(Ending::LimitReached(limit.to_owned()));
            }
            self.steps += 1;
            let completion =
                self.surroundings.complete(&self.request).map_err(ScaffoldError::Model)?;
            match self.answer(&completion)? {
                Turn::Submitted => return Ok(Ending::Submitted),
                Turn::Acted => self.format_errors = 0,
                Turn::Malformed => self.format_errors += 1,
            }
            if self.has_too_many_format_errors() {
                return Ok(Ending::GaveUp("repeated-format-error".to_owned()));
            }
        }
    }

    /// Says what the round is about.
    fn open(&mut self) -> Result<(), ScaffoldError> {
        let is_new = self.surroundings.length() == 0;
        let progress = self.progress();
        if is_new {
            let system = self.templates.system(progress)?;
            self.surroundings.push(Message::System(system));
            let instance = self.templates.instance(progress)?;
            self.surroundings.push(Message::User(instance));
        }
        if self.templates.task().feedback.is_some() {
            let feedback = self.templates.feedback(progress)?;
            self.surroundings.push(Message::User(feedback));
        } else if !is_new {
            let next_stage = self.templates.next_stage(progress)?;
            self.surroundings.push(Message::User(next_stage));
        }
        Ok(())
    }

    fn limit_reached(&self) -> Option<&'static str> {
        let Config { step_limit, cost_limit, wall_time_limit_seconds, .. } = *self.config;
        let progress = self.progress();
        if step_limit > 0 && self.steps >= step_limit {
            return Some("steps");
        }
        if cost_limit > 0.0 && progress.model_cost >= cost_limit {
            return Some("cost");
        }
        let is_bounded = wall_time_limit_seconds > 0;
        (is_bounded && progress.elapsed_seconds >= wall_time_limit_seconds).then_some("time")
    }

    fn has_too_many_format_errors(&self) -> bool {
        let most = self.config.max_consecutive_format_errors;
        self.config.mode != Mode::TextV1 && most > 0 && self.format_errors >= most
    }

    fn progress(&self) -> Progress {
        let spent = self.surroundings.spent_microusd().saturating_sub(self.spent_before);
        Progress {
            n_model_calls: self.steps,
            model_cost: usd(spent),
            elapsed_seconds: self.surroundings.elapsed_seconds(),
        }
    }

    fn answer(&mut self, completion: &Completion) -> Result<Turn, ScaffoldError> {
        match self.reader.read(&completion.message, &completion.finish) {
            Ok(actions) => self.execute(&actions, &completion.message),
            Err(error) => self.reject(&error),
        }
    }

    /// Tells the model what was wrong. From version 2 on it does not see the
    /// wrong reply again.
    fn reject(&mut self, error: &FormatError) -> Result<Turn, ScaffoldError> {
        let text = self.templates.format_error(self.progress(), error)?;
        if self.config.mode != Mode::TextV1 {
            self.surroundings.take_back();
        }
        self.surroundings.push(Message::User(text));
        Ok(Turn::Malformed)
    }

    /// Runs commands in order up to one that submits, and answers all calls.
    fn execute(
        &mut self,
        actions: &[Action],
        reply: &AssistantMessage,
    ) -> Result<Turn, ScaffoldError> {
        let mut actions = actions.iter();
        for action in actions.by_ref() {
            let (observation, timed_out) = self.execute_one(action)?;
            let submits = observation.submission(&self.markers()).is_some();
            if submits && action.call.is_none() {
                return Ok(Turn::Submitted);
            }
            let progress = self.progress();
            let text = if timed_out && self.config.mode == Mode::TextV1 {
                self.templates.timeout(progress, &observation, &reply.content)
            } else {
                self.templates.observation(progress, &observation)
            };
            self.show(action, text?);
            if submits {
                self.leave_out(actions)?;
                return Ok(Turn::Submitted);
            }
        }
        Ok(Turn::Acted)
    }

    /// Answers the calls after one that submits: the conversation may go on in
    /// another round, and a call without an answer is an error there.
    fn leave_out<'b>(
        &mut self,
        actions: impl Iterator<Item = &'b Action>,
    ) -> Result<(), ScaffoldError> {
        for action in actions {
            let info = "action was not executed".to_owned();
            let observation = Observation::of_failure(String::new(), info, &action.command);
            let text = self.templates.observation(self.progress(), &observation)?;
            self.show(action, text);
        }
        Ok(())
    }

    /// Runs one command; says too whether it ran out of time.
    fn execute_one(&mut self, action: &Action) -> Result<(Observation, bool), ScaffoldError> {
        let (command, timeout) = (&action.command, self.config.timeout_seconds);
        let arguments = json!({"command": command, "timeout_seconds": timeout});
        let id = action.call.as_ref().map(|call| call.id.clone());
        let call = ToolCall {
            id: id.unwrap_or_else(|| format!("step-{}", self.steps)),
            name: self.config.tool.clone(),
            arguments: arguments.to_string(),
        };
        let err = match self.surroundings.call(&call) {
            Ok(output) => return Ok((Observation::of(output, command), false)),
            Err(err) => err,
        };
        let timed_out = matches!(err, ToolError::TimedOut(_));
        let (exception, output) = Exception::of(err, command);
        let info = self.templates.exception(self.progress(), &exception)?;
        Ok((Observation::of_failure(output, info, command), timed_out))
    }

    fn show(&mut self, action: &Action, text: String) {
        self.surroundings.push(match &action.call {
            Some(call) => Message::answer(call, text),
            None => Message::User(text),
        });
    }

    fn markers(&self) -> Vec<&'a str> {
        let marker = self.config.submit_marker.as_str();
        match self.config.mode {
            Mode::TextV1 => vec![marker, OLD_MARKER],
            Mode::ToolCalls | Mode::Text => vec![marker],
        }
    }
}

/// What is asked of the model in every turn: in tool-call mode it is offered one
/// tool that takes a command and nothing else.
fn request(config: &Config, tool: &ToolDefinition) -> CompletionRequest {
    let parameters = json!({
        "type": "object",
        "properties": {"command": {"type": "string", "description": "The bash command to run."}},
        "required": ["command"],
    });
    let definition = ToolDefinition {
        name: tool.name.clone(),
        description: tool.description.clone(),
        parameters: parameters.to_string(),
    };
    CompletionRequest {
        tools: if config.mode == Mode::ToolCalls { vec![definition] } else { Vec::new() },
        tool_choice: ToolChoice::Automatic,
        temperature: config.temperature,
        max_output_tokens: config.max_output_tokens,
        stop: Vec::new(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact below nine billion dollars")]
fn usd(micro: u64) -> f64 {
    micro as f64 / 1e6
}

#[cfg(test)]
mod tests;
