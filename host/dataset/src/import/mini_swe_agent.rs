//! mini-swe-agent's trajectory files, of versions 1 and 2.
//!
//! A reply that it took back, as malformed, stands beside the message that says so;
//! here it ends a history that the next one goes on without.

use std::collections::BTreeMap;

use catena_model::{
    AssistantMessage, ConversationId, FinishReason, Message, ToolCall, ToolDefinition, Usage,
};
use catena_plugin::{AttemptEnd, Digest, Ending};
use catena_rollout::summary::RoundSummary;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{DocumentError, Found, Messages, keep_tools, rounded};
use crate::canonical::{Agent, Called, Conversation, History, Output, Rollout, Said, Turn};

/// The line that a submitting command prints first.
const MARKER: &str = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT";

#[derive(Deserialize)]
struct File {
    info: Map<String, Value>,
    messages: Vec<Value>,
    trajectory_format: String,
    #[serde(default)]
    instance_id: Option<String>,
}

pub(super) fn rollout(text: &str, name: &str) -> Result<Rollout, DocumentError> {
    let mut file: File = serde_json::from_str(text)?;
    let is_v1 = file.trajectory_format == "mini-swe-agent-1";
    if !is_v1 && file.trajectory_format != "mini-swe-agent-1.1" {
        let format = &file.trajectory_format;
        return Err(DocumentError::Content(format!("`{format}` is no format that is known")));
    }
    let has_calls = file.messages.iter().any(|message| message.get("tool_calls").is_some());
    let mode = match (is_v1, has_calls) {
        (true, _) => "text-v1",
        (false, true) => "tool-calls",
        (false, false) => "text",
    };
    let mut reader = Reader::new(mode);
    let status = text_of(&file.info, "exit_status").to_owned();
    let messages = std::mem::take(&mut file.messages);
    let mut left = Vec::new();
    let (messages, end) = without_end(messages, is_v1, &status);
    for (position, message) in messages.into_iter().enumerate() {
        reader.message(&message)?;
        left.extend(left_of(message, position));
    }
    let mut round = RoundSummary::begun(1);
    if let Some(end) = end {
        round.end = Some(AttemptEnd::Ended(ending(&status, &end)));
        if status == "Submitted" {
            reader.submitted(text_of(&file.info, "submission"));
        }
    }
    let id = ConversationId(0);
    reader.histories.push(reader.history);
    let conversation = Conversation { id, forked_from: None, histories: reader.histories };
    let found = Found {
        form: "mini-swe-agent",
        version: file.info.get("mini_version").and_then(Value::as_str).map(str::to_owned),
        name: file.instance_id.take().unwrap_or_else(|| name.to_owned()),
        agent: agent(&file.info, mode),
        conversations: vec![conversation],
        turns: reader.turns,
        tools: reader.tools,
        messages: reader.messages,
        round,
        extra: Some(json!({"mini_swe_agent": {"info": file.info, "messages": left}})),
    };
    found.rollout()
}

/// The messages without the one that says how it ended, and what that one says.
fn without_end(
    mut messages: Vec<Value>,
    is_v1: bool,
    status: &str,
) -> (Vec<Value>, Option<String>) {
    let content = |message: &Value| {
        message.get("content").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let is_end = |message: &Value| match message.get("role").and_then(Value::as_str) {
        Some("exit") => true,
        // Version 1 says what was submitted in the place of the last observation.
        Some("user") => is_v1 && !status.is_empty(),
        _ => false,
    };
    if messages.last().is_some_and(is_end) {
        let end = messages.pop().as_ref().map(content);
        return (messages, end);
    }
    (messages, None)
}

fn ending(status: &str, content: &str) -> Ending {
    match status {
        "Submitted" => Ending::Submitted,
        "TimeExceeded" => Ending::LimitReached("time".to_owned()),
        "LimitsExceeded" => Ending::LimitReached("limits".to_owned()),
        "RepeatedFormatError" => Ending::GaveUp("repeated-format-error".to_owned()),
        "GaveUp" => Ending::GaveUp(content.to_owned()),
        "Other" => Ending::Other(content.to_owned()),
        status => Ending::Other(format!("{status}: {content}")),
    }
}

fn text_of<'a>(object: &'a Map<String, Value>, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The agent, with the configuration where `scaffold-mini` has it.
fn agent(info: &Map<String, Value>, mode: &str) -> Agent {
    let nothing = Value::Null;
    let config = info.get("config").unwrap_or(&nothing);
    let part = |part: &str, key: &str| {
        config.get(part).and_then(|part| part.get(key)).filter(|value| !value.is_null()).cloned()
    };
    let observation = match mode {
        "text-v1" => part("agent", "action_observation_template"),
        _ => part("model", "observation_template"),
    };
    let format_error = match mode {
        "text-v1" => part("agent", "format_error_template"),
        _ => part("model", "format_error_template"),
    };
    let object = |fields: Vec<(&str, Option<Value>)>| -> Value {
        let fields = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Value::Object(fields.collect())
    };
    let templates = object(vec![
        ("system", part("agent", "system_template")),
        ("instance", part("agent", "instance_template")),
        ("observation", observation),
        ("format_error", format_error),
        ("timeout", part("agent", "timeout_template")),
    ]);
    let config = object(vec![
        ("mode", Some(json!(mode))),
        ("templates", Some(templates)),
        ("step_limit", part("agent", "step_limit")),
        ("cost_limit", part("agent", "cost_limit")),
        ("wall_time_limit_seconds", part("agent", "wall_time_limit_seconds")),
        ("max_consecutive_format_errors", part("agent", "max_consecutive_format_errors")),
        ("timeout_seconds", part("environment", "timeout")),
    ]);
    let model = part("model", "model_name").and_then(|name| name.as_str().map(str::to_owned));
    Agent {
        name: "mini-swe-agent".to_owned(),
        version: info.get("mini_version").and_then(Value::as_str).map(str::to_owned),
        model: model.unwrap_or_default(),
        config,
    }
}

struct Reader {
    mode: &'static str,
    messages: Messages,
    histories: Vec<History>,
    history: History,
    turns: Vec<Turn>,
    tools: BTreeMap<Digest, Vec<ToolDefinition>>,
    offered: Digest,
}

impl Reader {
    fn new(mode: &'static str) -> Self {
        let mut tools = BTreeMap::new();
        let bash = ToolDefinition {
            name: "bash".to_owned(),
            description: "Execute a bash command".to_owned(),
            parameters: concat!(
                r#"{"type":"object","properties":{"command":{"type":"string","#,
                r#""description":"The bash command to execute"}},"required":["command"]}"#
            )
            .to_owned(),
        };
        let offered = if mode == "tool-calls" { vec![bash] } else { Vec::new() };
        let offered = keep_tools(&mut tools, offered);
        Self {
            mode,
            messages: Messages::default(),
            histories: Vec::new(),
            history: History { stage: 1, kept: 0, said: Vec::new() },
            turns: Vec::new(),
            tools,
            offered,
        }
    }

    fn push(&mut self, message: Message, turn: Option<usize>) -> usize {
        let message = self.messages.position(message);
        self.history.said.push(Said { message, turn, stage: 1, round: 1 });
        message
    }

    fn message(&mut self, message: &Value) -> Result<(), DocumentError> {
        let text = |key: &str| message.get(key).and_then(Value::as_str).unwrap_or_default();
        let content = super::text(message.get("content").cloned())?;
        let mut extra = message.get("extra").cloned().unwrap_or_else(|| json!({}));
        // Version 1 has it beside the content.
        if let (Some(time), Some(extra)) = (message.get("timestamp"), extra.as_object_mut()) {
            extra.entry("timestamp").or_insert_with(|| time.clone());
        }
        match text("role") {
            "system" => {
                self.push(Message::System { content }, None);
            }
            "user" => {
                if text_in(&extra, "interrupt_type") == "FormatError" {
                    self.take_back(&extra)?;
                }
                let at = self.push(Message::User { content }, None);
                if self.mode == "text" && extra.get("raw_output").is_some() {
                    self.called(String::new(), &extra, at);
                }
            }
            "tool" => {
                let call_id = text("tool_call_id").to_owned();
                let at = self.push(Message::Tool { call_id: call_id.clone(), content }, None);
                self.called(call_id, &extra, at);
            }
            "assistant" => {
                let reasoning =
                    message.get("reasoning_content").and_then(Value::as_str).map(str::to_owned);
                let calls = message.get("tool_calls").and_then(Value::as_array);
                let tool_calls = calls.into_iter().flatten().map(call).collect();
                self.turn(AssistantMessage { content, reasoning, tool_calls }, &extra);
            }
            role => {
                return Err(DocumentError::Content(format!("`{role}` is no role that is known")));
            }
        }
        Ok(())
    }

    fn turn(&mut self, said: AssistantMessage, extra: &Value) {
        let response = extra.get("response").cloned().unwrap_or_default();
        let choice = response.pointer("/choices/0/finish_reason").and_then(Value::as_str);
        let finish = finish(choice, &said);
        let count = |pointer: &str| response.pointer(pointer).and_then(Value::as_u64);
        let cost = extra.get("cost").and_then(Value::as_f64).unwrap_or_default();
        let usage = Usage {
            // Chat completions count cached tokens among those of the prompt.
            input_tokens: count("/usage/prompt_tokens").unwrap_or_default(),
            cached_tokens: count("/usage/prompt_tokens_details/cached_tokens").unwrap_or_default(),
            output_tokens: count("/usage/completion_tokens").unwrap_or_default(),
            cost_microusd: rounded(cost * 1e6),
            estimated: false,
        };
        let index = self.turns.len();
        let message = self.push(Message::of_model(said), Some(index));
        let time = extra.get("timestamp").filter(|time| !time.is_null()).map(ToString::to_string);
        self.turns.push(Turn { time, ..Turn::foreign(message, finish, usage, self.offered) });
    }

    /// A reply that was billed, and that the agent did not go on from.
    fn take_back(&mut self, extra: &Value) -> Result<(), DocumentError> {
        let message = extra.pointer("/response/choices/0/message");
        let Some(message) = message.filter(|message| message.is_object()) else { return Ok(()) };
        let content = super::text(message.get("content").cloned())?;
        let calls = message.get("tool_calls").and_then(Value::as_array);
        let said = AssistantMessage {
            content,
            reasoning: None,
            tool_calls: calls.into_iter().flatten().map(call).collect(),
        };
        let kept = self.history.said.clone();
        self.turn(said, extra);
        let next = History { stage: 1, kept: kept.len(), said: kept };
        self.histories.push(std::mem::replace(&mut self.history, next));
        Ok(())
    }

    fn called(&mut self, call_id: String, extra: &Value, at: usize) {
        let failure = text_in(extra, "exception_info").to_owned();
        let status = extra.get("returncode").and_then(Value::as_i64);
        let output = extra.get("raw_output").and_then(Value::as_str).map(str::to_owned);
        if failure == "not executed" {
            return;
        }
        let shown = self.messages.all.get(at).and_then(|message| match message {
            Message::Tool { content, .. } | Message::User { content } => Some(content.clone()),
            _ => None,
        });
        let output = output.map(|output| match shown {
            Some(shown) if shown == output => Output::SameAs(at),
            _ => Output::Text(output),
        });
        let Some(turn) = self.turns.last_mut() else { return };
        turn.calls.push(Called {
            call_id,
            plugin: None,
            outcome: if failure.is_empty() { "ok".to_owned() } else { failure },
            exit_status: status.and_then(|status| i32::try_from(status).ok()),
            output,
            wall_us: None,
            tree: None,
        });
    }

    /// The command that submitted: its answer was never shown to the model.
    fn submitted(&mut self, submission: &str) {
        let Some(turn) = self.turns.last_mut() else { return };
        let said = self.messages.all.get(turn.message);
        let call_id = match said {
            Some(Message::Assistant { message, .. }) => {
                message.tool_calls.last().map(|call| call.id.clone())
            }
            _ => None,
        };
        turn.calls.push(Called {
            call_id: call_id.unwrap_or_default(),
            plugin: None,
            outcome: "ok".to_owned(),
            exit_status: Some(0),
            output: Some(Output::Text(format!("{MARKER}\n{submission}"))),
            wall_us: None,
            tree: None,
        });
    }
}

fn text_in<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn call(call: &Value) -> ToolCall {
    let function = |key: &str| call.pointer(&format!("/function/{key}"));
    let arguments = match function("arguments") {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(typed) => typed.to_string(),
    };
    ToolCall {
        id: text_in(call, "id").to_owned(),
        name: function("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        arguments,
    }
}

/// What is left of a message, with its position; none where every field of it has
/// a place in the canonical form.
fn left_of(mut message: Value, position: usize) -> Option<Value> {
    const PLACED: [&str; 6] =
        ["role", "content", "tool_calls", "tool_call_id", "reasoning_content", "timestamp"];
    const PLACED_IN_EXTRA: [&str; 8] = [
        "actions",
        "response",
        "cost",
        "timestamp",
        "interrupt_type",
        "raw_output",
        "returncode",
        "exception_info",
    ];
    let left = message.as_object_mut()?;
    left.retain(|key, value| !PLACED.contains(&key.as_str()) && !value.is_null());
    if let Some(extra) = left.get_mut("extra").and_then(Value::as_object_mut) {
        let response = extra.get("response").and_then(Value::as_object).cloned();
        extra.retain(|key, value| !PLACED_IN_EXTRA.contains(&key.as_str()) && !value.is_null());
        let mut response = response.unwrap_or_default();
        response.retain(|key, _| !matches!(key.as_str(), "object" | "choices" | "usage"));
        if !response.is_empty() {
            extra.insert("response".to_owned(), Value::Object(response));
        }
        if extra.is_empty() {
            left.remove("extra");
        }
    }
    if left.is_empty() {
        return None;
    }
    left.insert("position".to_owned(), json!(position));
    Some(message)
}

fn finish(reason: Option<&str>, said: &AssistantMessage) -> FinishReason {
    match reason {
        Some("tool_calls") => FinishReason::ToolCalls,
        Some("length") => FinishReason::Length,
        Some("content_filter") => FinishReason::ContentFilter,
        Some("stop") => FinishReason::Stop,
        Some(other) => FinishReason::Other(other.to_owned()),
        None if said.tool_calls.is_empty() => FinishReason::Stop,
        None => FinishReason::ToolCalls,
    }
}
