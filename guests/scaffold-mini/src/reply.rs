//! From a reply of the model to the commands it wants run.

use catena_sdk::model::{AssistantMessage, FinishReason};
use catena_sdk::tools::ToolCall;
use regex_lite::Regex;
use serde::Serialize;
use serde_json::Value;

use crate::config::{Config, Mode};

/// One command that the model wants run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Action {
    /// The call to answer; none in text mode.
    pub(crate) call: Option<ToolCall>,
    pub(crate) command: String,
}

/// Why a reply can't be used, as the template of format errors sees it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FormatError {
    pub(crate) error: String,
    /// Commands found in text mode.
    pub(crate) actions: Vec<String>,
    pub(crate) has_tool_calls: bool,
    /// As chat completions spell it.
    pub(crate) finish_reason: String,
}

/// What finds commands in replies.
pub(crate) enum Reader {
    /// Calls of the tool with this name.
    Calls(String),
    /// Blocks of code.
    Blocks(Regex),
}

impl Reader {
    /// Fails where the configured expression is none.
    pub(crate) fn of(config: &Config) -> Result<Self, String> {
        if config.mode == Mode::ToolCalls {
            return Ok(Self::Calls(config.tool.clone()));
        }
        let usual = format!(r"```{}\s*\n(.*?)\n```", config.mode.block());
        let pattern = config.action_regex.as_ref().unwrap_or(&usual);
        let regex = Regex::new(&format!("(?s:{pattern})")).map_err(|err| err.to_string())?;
        if regex.captures_len() > 2 {
            return Err("it has more than one group".to_owned());
        }
        Ok(Self::Blocks(regex))
    }

    /// The commands of a reply, or why it can't be used.
    pub(crate) fn read(
        &self,
        reply: &AssistantMessage,
        finish: &FinishReason,
    ) -> Result<Vec<Action>, FormatError> {
        let finish_reason = finish_reason(finish).to_owned();
        match self {
            Self::Calls(tool) => calls(&reply.tool_calls, tool).map_err(|error| FormatError {
                error,
                actions: Vec::new(),
                has_tool_calls: !reply.tool_calls.is_empty(),
                finish_reason,
            }),
            Self::Blocks(regex) => {
                let actions = blocks(&reply.content, regex);
                if let [command] = actions.as_slice() {
                    return Ok(vec![Action { call: None, command: command.clone() }]);
                }
                Err(FormatError {
                    error: format!(
                        "a reply has exactly one action; this one has {}",
                        actions.len()
                    ),
                    actions,
                    has_tool_calls: false,
                    finish_reason,
                })
            }
        }
    }
}

fn calls(calls: &[ToolCall], tool: &str) -> Result<Vec<Action>, String> {
    if calls.is_empty() {
        return Err("the reply has no tool call, and every reply needs at least one".to_owned());
    }
    let action = |call: &ToolCall| {
        let command = command(call, tool)?;
        Ok(Action { call: Some(call.clone()), command })
    };
    calls.iter().map(action).collect()
}

/// The command of a call; the error names all that is wrong with it.
fn command(call: &ToolCall, tool: &str) -> Result<String, String> {
    let mut faults = Vec::new();
    let arguments = serde_json::from_str::<Value>(&call.arguments).unwrap_or_else(|err| {
        faults.push(format!("the arguments of the tool call are not valid JSON: {err}"));
        Value::Null
    });
    if call.name != tool {
        faults.push(format!("there is no tool named `{}`", call.name));
    }
    match arguments.get("command") {
        Some(Value::String(command)) if faults.is_empty() => return Ok(command.clone()),
        Some(Value::String(_)) => {}
        _ => faults.push("the tool call has no argument `command`, a string".to_owned()),
    }
    Err(faults.join("; "))
}

fn blocks(text: &str, regex: &Regex) -> Vec<String> {
    let group = regex.captures_len() - 1;
    let found = regex.captures_iter(text).map(|captures| {
        let command = captures.get(group).map_or("", |found| found.as_str());
        command.trim().to_owned()
    });
    found.collect()
}

fn finish_reason(finish: &FinishReason) -> &str {
    match finish {
        FinishReason::Stop => "stop",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Other(other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::shipped;

    fn reader(mode: Mode) -> Reader {
        Reader::of(&Config { mode, ..shipped() }).unwrap()
    }

    fn read_text(mode: Mode, text: &str) -> Result<Vec<String>, FormatError> {
        let reply =
            AssistantMessage { content: text.to_owned(), reasoning: None, tool_calls: vec![] };
        let actions = reader(mode).read(&reply, &FinishReason::Stop)?;
        Ok(actions.into_iter().map(|action| action.command).collect())
    }

    fn read_calls(calls: &[(&str, &str)]) -> Result<usize, String> {
        let call = |(name, arguments): &(&str, &str)| ToolCall {
            id: "1".to_owned(),
            name: (*name).to_owned(),
            arguments: (*arguments).to_owned(),
        };
        let tool_calls = calls.iter().map(call).collect();
        let reply = AssistantMessage { content: String::new(), reasoning: None, tool_calls };
        let read = reader(Mode::ToolCalls).read(&reply, &FinishReason::Stop);
        read.map(|actions| actions.len()).map_err(|error| error.error)
    }

    #[test]
    fn a_block_of_code_is_the_command_in_text_mode() {
        let v1 = "I look.\n\n```bash\nls -la\ncat a\n```\ndone";
        assert_eq!(read_text(Mode::TextV1, v1).unwrap(), ["ls -la\ncat a"]);
        let v2 = "```mswea_bash_command\n  ls  \n```";
        assert_eq!(read_text(Mode::Text, v2).unwrap(), ["ls"]);
        assert!(read_text(Mode::Text, v1).is_err());
    }

    #[test]
    fn two_blocks_or_none_are_a_mistake_that_lists_them() {
        let text = "```bash\na\n```\n```bash\nb\n```";
        let error = read_text(Mode::TextV1, text).unwrap_err();
        assert_eq!(error.actions, ["a", "b"]);
        assert_eq!(read_text(Mode::TextV1, "```sh\nls\n```").unwrap_err().actions.len(), 0);
    }

    #[test]
    fn expression_of_the_operator_finds_commands() {
        let with = |pattern: &str| {
            let action_regex = Some(pattern.to_owned());
            Reader::of(&Config { mode: Mode::Text, action_regex, ..shipped() })
        };
        let reader = with("<run>(.*?)</run>").unwrap();
        let content = "<run>a\nb</run>".to_owned();
        let reply = AssistantMessage { content, reasoning: None, tool_calls: vec![] };
        let actions = reader.read(&reply, &FinishReason::Stop).unwrap();
        assert_eq!(actions[0].command, "a\nb");
        assert!(with("(a)(b)").is_err());
        assert!(with("(").is_err());
    }

    #[test]
    fn all_calls_must_be_usable() {
        let good = ("bash", r#"{"command": "ls"}"#);
        assert_eq!(read_calls(&[good, good]), Ok(2));
        for (calls, words) in [
            (vec![], "no tool call"),
            (vec![good, ("bash", "ls")], "not valid JSON"),
            (vec![("rm", r#"{"command": "ls"}"#)], "`rm`"),
            (vec![("bash", "[]")], "no argument `command`"),
            (vec![("bash", r#"{"command": 1}"#)], "no argument `command`"),
        ] {
            let error = read_calls(&calls).unwrap_err();
            assert!(error.contains(words), "{calls:?}: {error}");
        }
    }
}
