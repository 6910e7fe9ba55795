//! The loop: ask the model, run what it calls, show it the output.
//!
//! One [`Attempt`] is one round at one stage. It never reports `submitted`
//! unless a command's output said so.

use catena_sdk::model::{
    Completion, CompletionRequest, FinishReason, Message, ModelError, ToolChoice, ToolMessage,
};
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::tools::{ToolCall, ToolDefinition, ToolError, ToolOutput};

use crate::config::Config;
use crate::observation::{Excerpt, submits};
use crate::template::{FormatError, Observation, TemplateError, Templates};

/// What the loop needs of the world: its conversation and the tools.
pub(crate) trait Surroundings {
    /// Messages the conversation has already.
    fn length(&self) -> u32;
    /// Millionths of a US dollar the conversation has cost.
    fn spent_microusd(&self) -> u64;
    /// Appends a message.
    fn push(&mut self, message: Message);
    /// Asks the model.
    fn complete(&mut self, request: &CompletionRequest) -> Result<Completion, ModelError>;
    /// All tools of the rollout.
    fn available_tools(&self) -> Vec<ToolDefinition>;
    /// Runs a tool.
    fn call(&mut self, call: &ToolCall) -> Result<ToolOutput, ToolError>;
}

/// One round at one stage.
pub(crate) struct Attempt<'a, S> {
    surroundings: &'a mut S,
    config: &'a Config,
    templates: Templates,
    tools: Vec<ToolDefinition>,
    spent_before: u64,
    steps: u32,
    format_errors: u32,
}

/// What one reply of the model led to.
enum Turn {
    Acted,
    Malformed,
    Ended(Ending),
}

/// What one call led to.
enum Called {
    Ran,
    Submitted,
    Refused,
    Failed,
}

impl<'a, S: Surroundings> Attempt<'a, S> {
    /// Prepares a round. Fails where the configuration can't be used with the
    /// tools of the rollout.
    pub(crate) fn prepare(
        surroundings: &'a mut S,
        config: &'a Config,
    ) -> Result<Self, ScaffoldError> {
        let templates = Templates::parse(config).map_err(invalid)?;
        let available = surroundings.available_tools();
        let tools =
            config.tools.iter().map(|name| find(&available, name)).collect::<Result<_, _>>()?;
        let spent_before = surroundings.spent_microusd();
        Ok(Self {
            surroundings,
            config,
            templates,
            tools,
            spent_before,
            steps: 0,
            format_errors: 0,
        })
    }

    /// Works until the round ends.
    pub(crate) fn run(mut self, task: &Task) -> Result<Ending, ScaffoldError> {
        self.open(task)?;
        let request = self.request();
        loop {
            if let Some(limit) = self.limit_reached() {
                return Ok(Ending::LimitReached(limit.to_owned()));
            }
            let completion = self.surroundings.complete(&request).map_err(ScaffoldError::Model)?;
            self.steps += 1;
            match self.answer(&completion)? {
                Turn::Acted => self.format_errors = 0,
                Turn::Malformed => self.format_errors += 1,
                Turn::Ended(ending) => return Ok(ending),
            }
            if self.format_errors >= self.config.max_consecutive_format_errors {
                return Ok(Ending::GaveUp("repeated-format-error".to_owned()));
            }
        }
    }

    /// Says what the round is about.
    fn open(&mut self, task: &Task) -> Result<(), ScaffoldError> {
        let is_new = self.surroundings.length() == 0;
        if is_new {
            let system = self.templates.system(task).map_err(invalid)?;
            self.surroundings.push(Message::System(system));
            let instance = self.templates.instance(task).map_err(invalid)?;
            self.surroundings.push(Message::User(instance));
        }
        if task.feedback.is_some() {
            let feedback = self.templates.feedback(task).map_err(invalid)?;
            self.surroundings.push(Message::User(feedback));
        } else if !is_new {
            let next_stage = self.templates.next_stage(task).map_err(invalid)?;
            self.surroundings.push(Message::User(next_stage));
        }
        Ok(())
    }

    fn request(&self) -> CompletionRequest {
        CompletionRequest {
            tools: self.tools.clone(),
            tool_choice: ToolChoice::Automatic,
            temperature: self.config.temperature,
            max_output_tokens: self.config.max_output_tokens,
            stop: Vec::new(),
        }
    }

    fn limit_reached(&self) -> Option<&'static str> {
        if self.config.step_limit > 0 && self.steps >= self.config.step_limit {
            return Some("steps");
        }
        let spent = self.surroundings.spent_microusd().saturating_sub(self.spent_before);
        let is_bounded = self.config.cost_limit > 0.0;
        (is_bounded && usd(spent) >= self.config.cost_limit).then_some("cost")
    }

    fn answer(&mut self, completion: &Completion) -> Result<Turn, ScaffoldError> {
        let calls = &completion.message.tool_calls;
        let cut_off = completion.finish == FinishReason::Length;
        if calls.is_empty() {
            let text = self.format_error("the reply has no tool call", cut_off)?;
            self.surroundings.push(Message::User(text));
            return Ok(Turn::Malformed);
        }
        let faults: Vec<_> = calls.iter().map(|call| self.fault(call)).collect();
        if faults.iter().any(Option::is_some) {
            for (call, fault) in calls.iter().zip(faults) {
                let text = match fault {
                    Some(fault) => self.format_error(&fault, cut_off)?,
                    None => self.not_executed()?,
                };
                self.reply(call, text);
            }
            return Ok(Turn::Malformed);
        }
        self.execute(calls)
    }

    /// Runs calls in order up to the first that ends the turn, and answers all.
    fn execute(&mut self, calls: &[ToolCall]) -> Result<Turn, ScaffoldError> {
        let mut turn = Turn::Malformed;
        let mut calls = calls.iter();
        for call in calls.by_ref() {
            let (text, called) = self.execute_one(call)?;
            self.reply(call, text);
            match called {
                Called::Ran => {
                    turn = Turn::Acted;
                    continue;
                }
                Called::Failed => turn = Turn::Acted,
                Called::Refused => {}
                Called::Submitted => turn = Turn::Ended(Ending::Submitted),
            }
            break;
        }
        for call in calls {
            let text = self.not_executed()?;
            self.reply(call, text);
        }
        Ok(turn)
    }

    fn execute_one(&mut self, call: &ToolCall) -> Result<(String, Called), ScaffoldError> {
        let (exception, output) = match self.surroundings.call(call) {
            Ok(output) => return self.executed(&output),
            Err(ToolError::InvalidArguments(reason)) => {
                return Ok((self.format_error(&reason, false)?, Called::Refused));
            }
            Err(ToolError::UnknownTool(name)) => {
                return Ok((self.format_error(&unknown_tool(&name), false)?, Called::Refused));
            }
            Err(ToolError::TimedOut(output)) => ("the command timed out".to_owned(), output),
            Err(ToolError::Trapped(reason)) => {
                (format!("the tool crashed: {reason}"), String::new())
            }
            Err(ToolError::LimitReached(limit)) => {
                (format!("the command was ended: {limit}"), String::new())
            }
            Err(ToolError::Other(reason)) => (reason, String::new()),
        };
        let text = self.observe(Observation {
            returncode: Some(-1),
            exception: Some(exception),
            excerpt: Excerpt::of(&output, self.config.observation_limit),
            omitted_bytes: 0,
        })?;
        Ok((text, Called::Failed))
    }

    fn executed(&self, output: &ToolOutput) -> Result<(String, Called), ScaffoldError> {
        let text = self.observe(Observation {
            returncode: output.exit_status,
            exception: None,
            excerpt: Excerpt::of(&output.content, self.config.observation_limit),
            omitted_bytes: output.omitted_bytes,
        })?;
        let is_done = submits(&output.content, output.exit_status, &self.config.submit_marker);
        Ok((text, if is_done { Called::Submitted } else { Called::Ran }))
    }

    /// Why a call can't be run, if it can't.
    fn fault(&self, call: &ToolCall) -> Option<String> {
        if !self.tools.iter().any(|tool| tool.name == call.name) {
            return Some(unknown_tool(&call.name));
        }
        match serde_json::from_str::<serde_json::Value>(&call.arguments) {
            Ok(serde_json::Value::Object(_)) => None,
            Ok(_) => Some("the arguments of the tool call are not a JSON object".to_owned()),
            Err(err) => Some(format!("the arguments of the tool call are not valid JSON: {err}")),
        }
    }

    fn observe(&self, observation: Observation) -> Result<String, ScaffoldError> {
        self.templates.observation(&observation).map_err(invalid)
    }

    fn not_executed(&self) -> Result<String, ScaffoldError> {
        self.observe(Observation {
            returncode: Some(-1),
            exception: Some("action was not executed".to_owned()),
            excerpt: Excerpt::of("", self.config.observation_limit),
            omitted_bytes: 0,
        })
    }

    fn format_error(&self, error: &str, cut_off: bool) -> Result<String, ScaffoldError> {
        let tools = self.tools.iter().map(|tool| tool.name.as_str()).collect();
        let submit_marker = &self.config.submit_marker;
        let error = FormatError { error, cut_off, tools, submit_marker };
        self.templates.format_error(&error).map_err(invalid)
    }

    fn reply(&mut self, call: &ToolCall, content: String) {
        self.surroundings.push(Message::Tool(ToolMessage { call_id: call.id.clone(), content }));
    }
}

fn find(available: &[ToolDefinition], name: &str) -> Result<ToolDefinition, ScaffoldError> {
    available.iter().find(|tool| tool.name == name).cloned().ok_or_else(|| {
        ScaffoldError::InvalidConfig(format!("`tools`: the rollout has no tool named `{name}`"))
    })
}

fn unknown_tool(name: &str) -> String {
    format!("there is no tool named `{name}`")
}

fn invalid(err: TemplateError) -> ScaffoldError {
    ScaffoldError::InvalidConfig(err.to_string())
}

#[expect(clippy::cast_precision_loss, reason = "exact below nine billion dollars")]
fn usd(micro: u64) -> f64 {
    micro as f64 / 1e6
}

#[cfg(test)]
mod tests;
