//! The tools as the model is told of them, and what a call of one comes to.
//!
//! Three are the scaffold's own: `run_shell_command` runs in the rollout's shell,
//! `save_memory` writes the agent's memory, and `agent_tool` is for
//! [`agent`](crate::agent) to serve. The rest go to the rollout as they are.

use catena_sdk::scaffold::ScaffoldError;
use catena_sdk::tools::{ToolCall, ToolDefinition, ToolError, ToolOutput};
use catena_sdk::workspace::ROOT;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::config::Config;
use crate::memory;
use crate::world::World;

const SHELL: &str = "run_shell_command";
const MEMORY: &str = "save_memory";
pub(crate) const AGENT: &str = "agent_tool";

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The agent of the rollout.
    Agent,
    /// One that it sent, which can't send others.
    SubAgent,
}

/// The tools of a rollout.
pub(crate) struct Toolbox {
    definitions: Vec<ToolDefinition>,
    shell: String,
    timeout_seconds: u64,
    answer_limit: usize,
}

#[derive(Deserialize)]
struct ShellArguments {
    command: String,
    #[serde(default)]
    directory: Option<String>,
}

#[derive(Deserialize)]
struct MemoryArguments {
    fact: String,
}

/// The job for a sub-agent.
#[derive(Deserialize)]
pub(crate) struct AgentArguments {
    pub(crate) prompt: String,
}

impl Toolbox {
    /// Finds the configured tools among those of the rollout.
    pub(crate) fn of(config: &Config, available: &[ToolDefinition]) -> Result<Self, ScaffoldError> {
        let missing = |key: &str, name: &str| {
            let reason = format!("`{key}`: the rollout has no tool named `{name}`");
            ScaffoldError::InvalidConfig(reason)
        };
        let find = |name: &str| available.iter().find(|tool| tool.name == name);
        let mut definitions = Vec::new();
        for name in &config.tools {
            definitions.push(match name.as_str() {
                SHELL if find(&config.shell).is_none() => {
                    return Err(missing("shell", &config.shell));
                }
                SHELL => shell_definition(find(&config.shell)),
                MEMORY => memory_definition(),
                AGENT => agent_definition(),
                name => find(name).cloned().ok_or_else(|| missing("tools", name))?,
            });
        }
        Ok(Self {
            definitions,
            shell: config.shell.clone(),
            timeout_seconds: config.timeout_seconds,
            answer_limit: config.answer_limit,
        })
    }

    /// The tools that a caller is offered.
    pub(crate) fn offered(&self, caller: Caller) -> Vec<ToolDefinition> {
        let is_offered = |tool: &&ToolDefinition| caller == Caller::Agent || tool.name != AGENT;
        self.definitions.iter().filter(is_offered).cloned().collect()
    }

    /// Runs a call to its end and says what came of it, for the model.
    pub(crate) fn answer<W: World>(
        &self,
        world: &mut W,
        call: &ToolCall,
        caller: Caller,
    ) -> String {
        let is_offered = |tool: &ToolDefinition| tool.name == call.name;
        if !self.offered(caller).iter().any(is_offered) {
            return format!("error: there is no tool named `{}`", call.name);
        }
        let text = match call.name.as_str() {
            SHELL => self.shell(world, call),
            MEMORY => remember(world, call),
            _ => in_words(world.call(call)),
        };
        excerpt(&text, self.answer_limit)
    }

    fn shell<W: World>(&self, world: &mut W, call: &ToolCall) -> String {
        let arguments: ShellArguments = match arguments(call) {
            Ok(arguments) => arguments,
            Err(reason) => return reason,
        };
        let directory = arguments.directory.as_deref().filter(|path| !path.trim().is_empty());
        let command = match directory {
            Some(path) => format!("cd {} && {{ {}\n}}", quoted(path), arguments.command),
            None => arguments.command.clone(),
        };
        let passed = json!({"command": command, "timeout_seconds": self.timeout_seconds});
        let result = world.call(&ToolCall {
            id: call.id.clone(),
            name: self.shell.clone(),
            arguments: passed.to_string(),
        });
        let (output, status) = match result {
            Ok(output) => {
                let status = output.exit_status.unwrap_or(i32::from(output.is_error));
                (output.content, status.to_string())
            }
            Err(ToolError::TimedOut(output)) => {
                (output, format!("none: ended after {} seconds", self.timeout_seconds))
            }
            Err(err) => return error_in_words(err),
        };
        let output = if output.is_empty() { "(empty)" } else { &output };
        let directory = directory.unwrap_or(ROOT);
        format!("Directory: {directory}\nExit code: {status}\nOutput:\n{output}")
    }
}

/// The arguments of a call, or what to tell the model of them.
pub(crate) fn arguments<A: DeserializeOwned>(call: &ToolCall) -> Result<A, String> {
    serde_json::from_str(&call.arguments).map_err(|err| format!("error: invalid arguments: {err}"))
}

fn remember<W: World>(world: &W, call: &ToolCall) -> String {
    match arguments::<MemoryArguments>(call) {
        Err(reason) => reason,
        Ok(MemoryArguments { fact }) if fact.trim().is_empty() => {
            "error: invalid arguments: `fact` is empty".to_owned()
        }
        Ok(MemoryArguments { fact }) => match memory::save(world.home(), &fact) {
            Ok(()) => format!("remembered: {}", fact.trim()),
            Err(err) => format!("error: it could not be remembered: {err}"),
        },
    }
}

fn in_words(result: Result<ToolOutput, ToolError>) -> String {
    match result {
        Ok(output) if output.is_error => format!("error: {}", output.content),
        Ok(output) => output.content,
        Err(err) => error_in_words(err),
    }
}

fn error_in_words(err: ToolError) -> String {
    match err {
        ToolError::UnknownTool(name) => format!("error: there is no tool named `{name}`"),
        ToolError::InvalidArguments(reason) => format!("error: invalid arguments: {reason}"),
        ToolError::TimedOut(output) => format!("error: it ran out of its time\n{output}"),
        ToolError::Trapped(reason) => format!("error: the tool crashed: {reason}"),
        ToolError::LimitReached(limit) => format!("error: it was ended: {limit}"),
        ToolError::Other(reason) => format!("error: {reason}"),
    }
}

/// The beginning and the end of a text that is longer than the limit.
fn excerpt(text: &str, limit: usize) -> String {
    let length = text.chars().count();
    if length <= limit {
        return text.to_owned();
    }
    let half = limit / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(length - half).collect();
    format!("{head}\n[... {} characters left out ...]\n{tail}", length - 2 * half)
}

/// A word that the shell takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn definition(name: &str, description: &str, parameters: &Value) -> ToolDefinition {
    ToolDefinition {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters: parameters.to_string(),
    }
}

fn shell_definition(shell: Option<&ToolDefinition>) -> ToolDefinition {
    let about = shell.map_or("", |shell| shell.description.as_str());
    let parameters = json!({
        "type": "object",
        "properties": {
            "command": { "type": "string", "description": "The bash command to run." },
            "description": {
                "type": "string",
                "description": "What the command is for, in a few words.",
            },
            "directory": {
                "type": "string",
                "description": format!("Where to run it; {ROOT} by default."),
            },
        },
        "required": ["command"],
    });
    definition(SHELL, about, &parameters)
}

fn memory_definition() -> ToolDefinition {
    let parameters = json!({
        "type": "object",
        "properties": {
            "fact": { "type": "string", "description": "What to remember: one sentence that stands alone." },
        },
        "required": ["fact"],
    });
    definition(
        MEMORY,
        "Remembers a fact for all that follows in this series of tasks, later conversations \
         included.",
        &parameters,
    )
}

fn agent_definition() -> ToolDefinition {
    let parameters = json!({
        "type": "object",
        "properties": {
            "description": { "type": "string", "description": "The job in a few words." },
            "prompt": {
                "type": "string",
                "description": "The job in full: what to find out or do, and what to report.",
            },
        },
        "required": ["prompt"],
    });
    definition(
        AGENT,
        "Sends a sub-agent, which knows the conversation so far and has the same tools. It works \
         on one job to its end and returns a report; what it did on the way stays out of your \
         conversation. Changes it makes to files stay.",
        &parameters,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_answers_lose_their_middle() {
        assert_eq!(excerpt("äöü", 3), "äöü");
        assert_eq!(excerpt("aaaabbbcccc", 8), "aaaa\n[... 3 characters left out ...]\ncccc");
    }

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quoted("a b/it's"), r"'a b/it'\''s'");
    }
}
