//! Logs of SII-CLI, a descendant of Gemini CLI: events, among them each request to
//! the model in full, with messages of the roles `user` and `model` in parts.
//!
//! Requests grow until the client compresses the history: then another history
//! begins here. What follows the end of the request before is the model's reply to
//! it; the first request shows none, nor does one that begins another history. A
//! reply that no request shows is taken from its response, where the log has it.
//!
//! The invariant: a turn stands after the very request that it answers. Other
//! messages of the role `model` are the client's.

use std::collections::BTreeMap;

use catena_model::{
    AssistantMessage, ConversationId, FinishReason, Message, ToolCall, ToolDefinition, Usage,
};
use catena_plugin::Digest;
use catena_rollout::summary::RoundSummary;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{DocumentError, Found, Messages, keep_tools};
use crate::canonical::{Agent, Called, Conversation, History, Rollout, Said, Turn};

#[derive(Deserialize)]
struct Log {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    timestamp: Option<Value>,
    #[serde(default)]
    data: Value,
}

pub(super) fn rollout(text: &str, name: &str) -> Result<Rollout, DocumentError> {
    let log: Log = serde_json::from_str(text)?;
    let mut reader = Reader::default();
    let mut others: BTreeMap<String, u64> = BTreeMap::new();
    for event in &log.events {
        match event.kind.as_str() {
            "api_request_full" => reader.request(event)?,
            kind if kind.starts_with("api_response") => reader.response(event),
            kind => *others.entry(kind.to_owned()).or_default() += 1,
        }
    }
    reader.last_response();
    if reader.turns.is_empty() {
        return Err(DocumentError::Content("no request in it has a turn of a model".to_owned()));
    }
    let id = ConversationId(0);
    reader.histories.push(reader.history);
    let conversation = Conversation { id, forked_from: None, histories: reader.histories };
    let found = Found {
        form: "sii",
        version: None,
        name: log.id.filter(|id| !id.is_empty()).unwrap_or_else(|| name.to_owned()),
        agent: Agent {
            name: "sii-cli".to_owned(),
            version: None,
            model: log.model.unwrap_or_default(),
            config: Value::Null,
        },
        conversations: vec![conversation],
        turns: reader.turns,
        tools: reader.tools,
        messages: reader.messages,
        round: RoundSummary::begun(1),
        extra: Some(json!({"sii": {"other_events": others}})),
    };
    found.rollout()
}

struct Reader {
    messages: Messages,
    histories: Vec<History>,
    history: History,
    /// What the request before showed: the history, without a reply to it.
    shown: Vec<Message>,
    turns: Vec<Turn>,
    tools: BTreeMap<Digest, Vec<ToolDefinition>>,
    offered: Option<Digest>,
    /// A reply that no request has shown yet.
    reply: Option<AssistantMessage>,
    finish: Option<FinishReason>,
    /// What the server told of the request before, for the turn that answers it.
    usage: Usage,
    time: Option<String>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            messages: Messages::default(),
            histories: Vec::new(),
            history: History { stage: 1, kept: 0, said: Vec::new() },
            shown: Vec::new(),
            turns: Vec::new(),
            tools: BTreeMap::new(),
            offered: None,
            reply: None,
            finish: None,
            usage: Usage::default(),
            time: None,
        }
    }
}

impl Reader {
    fn request(&mut self, event: &Event) -> Result<(), DocumentError> {
        let Some(request) = event.data.get("full_request") else {
            return Err(DocumentError::Content("a request in it is empty".to_owned()));
        };
        let mut said = Vec::new();
        if let Some(system) = request.get("system_instruction").and_then(Value::as_str) {
            said.push(Message::System { content: system.to_owned() });
        }
        let messages = request.get("messages").or_else(|| request.get("contents"));
        for message in messages.and_then(Value::as_array).into_iter().flatten() {
            said.extend(messages_of(message)?);
        }
        if self.shown.len() <= said.len() && said.starts_with(&self.shown) {
            self.go_on_with(&said);
        } else {
            self.begin_again_with(&said);
        }
        self.shown = said;
        let tools = definitions(request);
        self.offered = Some(keep_tools(&mut self.tools, tools));
        // They are of the request before, whether or not this one shows its reply.
        (self.reply, self.finish, self.usage) = (None, None, Usage::default());
        self.time = event.timestamp.as_ref().map(|time| match time {
            Value::String(time) => time.clone(),
            other => other.to_string(),
        });
        Ok(())
    }

    /// Goes on with the history.
    fn go_on_with(&mut self, request: &[Message]) {
        let is_first = self.shown.is_empty();
        let new = request.get(self.shown.len()..).unwrap_or_default();
        for (index, message) in new.iter().enumerate() {
            match message {
                Message::Assistant { message, .. } if index == 0 && !is_first => {
                    self.turn(message.clone());
                }
                message => self.input(message),
            }
        }
    }

    /// Begins another history, with those turns of the one before that the request
    /// still shows.
    fn begin_again_with(&mut self, request: &[Message]) {
        let mut shown = std::mem::take(&mut self.shown);
        if let Some(reply) = self.reply.take() {
            shown.push(Message::of_model(reply.clone()));
            self.turn(reply);
        }
        let next = History { stage: 1, kept: request.len(), said: Vec::new() };
        let old = std::mem::replace(&mut self.history, next);
        let mut from = 0;
        for message in request {
            let rest = shown.get(from..).unwrap_or_default();
            match rest.iter().position(|shown| shown == message) {
                Some(after) => {
                    self.history.said.extend(old.said.get(from + after).copied());
                    from += after + 1;
                }
                None => self.input(message),
            }
        }
        self.histories.push(old);
    }

    /// Adds a message that the client wrote.
    fn input(&mut self, message: &Message) {
        let at = self.messages.position(message.clone().by_plugin());
        if let Message::Tool { call_id, .. } = message {
            self.called(call_id.clone(), at);
        }
        self.said(at, None);
    }

    fn said(&mut self, message: usize, turn: Option<usize>) {
        self.history.said.push(Said { message, turn, stage: 1, round: 1 });
    }

    /// Adds a reply to the request before.
    fn turn(&mut self, said: AssistantMessage) {
        let finish = self.finish.take().unwrap_or(if said.tool_calls.is_empty() {
            FinishReason::Stop
        } else {
            FinishReason::ToolCalls
        });
        let tools = match self.offered {
            Some(digest) => digest,
            None => keep_tools(&mut self.tools, Vec::new()),
        };
        let message = self.messages.position(Message::of_model(said));
        self.said(message, Some(self.turns.len()));
        let turn = Turn::foreign(message, finish, std::mem::take(&mut self.usage), tools);
        self.turns.push(Turn { time: self.time.take(), ..turn });
    }

    /// Notes the answer to a call of the last turn.
    fn called(&mut self, call_id: String, at: usize) {
        let Some(turn) = self.turns.last_mut() else { return };
        let is_its = match self.messages.all.get(turn.message) {
            Some(Message::Assistant { message, .. }) => {
                message.tool_calls.iter().any(|call| call.id == call_id)
            }
            _ => false,
        };
        if !is_its {
            return;
        }
        turn.calls.push(Called::answered(call_id, at));
    }

    fn response(&mut self, event: &Event) {
        let data = &event.data;
        let response = data.get("full_response").or_else(|| data.get("response")).unwrap_or(data);
        if let Some(usage) = response.get("usageMetadata").or_else(|| data.get("usage")) {
            self.usage = usage_of(usage);
        }
        self.finish = finish_of(response);
        let content = response.pointer("/candidates/0/content");
        let reply = content.and_then(|content| messages_of(content).ok()?.pop());
        let text = data.get("response_text").and_then(Value::as_str);
        self.reply = match (reply, text) {
            (Some(Message::Assistant { message, .. }), _) => Some(message),
            (_, Some(text)) => {
                Some(AssistantMessage { content: text.to_owned(), ..AssistantMessage::default() })
            }
            _ => None,
        };
    }

    /// The reply that ended it: no request shows it.
    fn last_response(&mut self) {
        if let Some(reply) = self.reply.take() {
            self.turn(reply);
        }
    }
}

/// Why a model stopped, where that is not in what it said.
fn finish_of(response: &Value) -> Option<FinishReason> {
    match response.pointer("/candidates/0/finishReason").and_then(Value::as_str)? {
        "MAX_TOKENS" => Some(FinishReason::Length),
        "STOP" | "FINISH_REASON_UNSPECIFIED" => None,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" => {
            Some(FinishReason::ContentFilter)
        }
        other => Some(FinishReason::Other(other.to_owned())),
    }
}

/// Gemini's API counts cached tokens among those of the prompt.
fn usage_of(usage: &Value) -> Usage {
    let count = |keys: [&str; 2]| {
        keys.iter().find_map(|key| usage.get(key).and_then(Value::as_u64)).unwrap_or_default()
    };
    Usage {
        input_tokens: count(["promptTokenCount", "prompt_tokens"]),
        cached_tokens: count(["cachedContentTokenCount", "cached_tokens"]),
        output_tokens: count(["candidatesTokenCount", "completion_tokens"])
            + usage.get("thoughtsTokenCount").and_then(Value::as_u64).unwrap_or_default(),
        cost_microusd: 0,
        estimated: false,
    }
}

/// The messages that the parts of one are.
fn messages_of(message: &Value) -> Result<Vec<Message>, DocumentError> {
    let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
    let parts = message.get("parts").and_then(Value::as_array);
    let parts: Vec<&Value> = parts.into_iter().flatten().collect();
    match role {
        "model" => {
            let mut said = AssistantMessage::default();
            for part in parts {
                add_part(&mut said, part)?;
            }
            Ok(vec![Message::of_model(said)])
        }
        "user" | "function" => parts.into_iter().map(input).collect(),
        role => Err(DocumentError::Content(format!("`{role}` is no role that is known"))),
    }
}

fn add_part(said: &mut AssistantMessage, part: &Value) -> Result<(), DocumentError> {
    if let Some(call) = part.get("functionCall") {
        let text = |key: &str| call.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let arguments = call.get("args").map_or_else(|| "{}".to_owned(), ToString::to_string);
        said.tool_calls.push(ToolCall { id: text("id"), name: text("name"), arguments });
        return Ok(());
    }
    let Some(text) = part.get("text").and_then(Value::as_str) else { return Err(no_text(part)) };
    if part.get("thought").and_then(Value::as_bool) == Some(true) {
        said.reasoning.get_or_insert_default().push_str(text);
    } else {
        said.content.push_str(text);
    }
    Ok(())
}

fn input(part: &Value) -> Result<Message, DocumentError> {
    if let Some(answer) = part.get("functionResponse") {
        let call_id = answer.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let response = answer.get("response").cloned().unwrap_or_default();
        let output = response.get("output").or_else(|| response.get("error")).unwrap_or(&response);
        let content = output.as_str().map_or_else(|| output.to_string(), str::to_owned);
        return Ok(Message::Tool { call_id, content });
    }
    match part.get("text").and_then(Value::as_str) {
        Some(text) => Ok(Message::User { content: text.to_owned() }),
        None => Err(no_text(part)),
    }
}

fn no_text(part: &Value) -> DocumentError {
    let keys: Vec<&String> = part.as_object().map(|part| part.keys().collect()).unwrap_or_default();
    DocumentError::Content(format!("a part with {keys:?} is neither text nor a call"))
}

fn definitions(request: &Value) -> Vec<ToolDefinition> {
    let groups = request.get("tools").and_then(Value::as_array).into_iter().flatten();
    let declarations = groups.filter_map(|group| group.get("functionDeclarations")?.as_array());
    let definition = |tool: &Value| {
        let text = |key: &str| tool.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut parameters =
            tool.get("parameters").cloned().unwrap_or_else(|| json!({"type": "object"}));
        lower_case_types(&mut parameters);
        ToolDefinition {
            name: text("name"),
            description: text("description"),
            parameters: parameters.to_string(),
        }
    };
    declarations.flatten().map(definition).collect()
}

/// Gemini's schemas name types in capitals.
fn lower_case_types(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(lower_case_types),
        Value::Object(fields) => {
            if let Some(Value::String(kind)) = fields.get_mut("type") {
                kind.make_ascii_lowercase();
            }
            fields.values_mut().for_each(lower_case_types);
        }
        _ => {}
    }
}
