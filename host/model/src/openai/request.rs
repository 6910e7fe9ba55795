//! A conversation as a chat-completions server wants it. The order of all fields
//! is fixed and earlier messages never change, so that each request begins with
//! the one before it and servers can use their caches.

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::error::OpenAiError;
use super::{Delivery, FRAME_TOKENS, OpenAiSettings};
use crate::message::{Message, ToolCall, ToolDefinition};
use crate::model::{Request, ToolChoice};

/// Fields of the body that have keys of their own in the settings.
const OWN_FIELDS: [&str; 11] = [
    "model",
    "messages",
    "tools",
    "tool_choice",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "n",
];

/// Whether the settings have a key of their own for a field of the body.
pub(super) fn is_own_field(field: &str) -> bool {
    OWN_FIELDS.contains(&field)
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Messages<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Value>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a RawValue,
}

/// The body of a request.
pub(super) fn body(
    settings: &OpenAiSettings,
    request: &Request<'_>,
) -> Result<Vec<u8>, OpenAiError> {
    let sampling = request.sampling;
    let mut more = settings.extra.clone();
    let limit = max_output_tokens(settings, request);
    more.insert(settings.output_limit_field.clone(), limit.into());
    let streamed = settings.delivery == Delivery::Streamed;
    let body = Body {
        model: &settings.model,
        messages: Messages {
            messages: request.messages,
            reasoning_field: settings.reasoning_field.as_deref(),
        },
        tools: request.tools.iter().map(tool).collect::<Result<_, _>>()?,
        tool_choice: tool_choice(&sampling.tool_choice, request.tools),
        temperature: sampling.temperature.or(settings.temperature),
        top_p: settings.top_p,
        seed: settings.seed,
        stop: if sampling.stop.is_empty() { &settings.stop } else { &sampling.stop },
        stream: streamed,
        stream_options: streamed.then(|| json!({"include_usage": true})),
        more,
    };
    serde_json::to_vec(&body).map_err(|err| OpenAiError::Request(err.to_string()))
}

/// Least room for a reply that is asked for, however full the window may be.
const LEAST_ROOM: u32 = 256;

/// The least of what the plugin asks for, what the operator allows and what is
/// left of the context window: servers refuse a request that could outgrow it.
pub(super) fn max_output_tokens(settings: &OpenAiSettings, request: &Request<'_>) -> u32 {
    let asked = request.sampling.max_output_tokens.unwrap_or(u32::MAX);
    let allowed = asked.min(settings.max_output_tokens);
    let window = settings.info.context_window;
    if window == 0 {
        return allowed;
    }
    let (known, new_bytes) = input_parts(request);
    // A little more than there will be, for code in English.
    let likely = known.saturating_add(new_bytes.div_ceil(3));
    let room = u32::try_from(window.saturating_sub(likely)).unwrap_or(u32::MAX);
    allowed.min(room.max(LEAST_ROOM))
}

/// Tokens that a server has counted of a request's input, and the bytes beside
/// them, with tokens of frames counted as bytes.
pub(super) fn input_parts(request: &Request<'_>) -> (u64, u64) {
    let known = request.measured.filter(|known| known.messages <= request.messages.len());
    let (known_messages, known_tokens) =
        known.map_or((0, 0), |known| (known.messages, known.tokens));
    let new = request.messages.iter().skip(known_messages);
    let messages: usize = new.map(|message| message.text_len() + FRAME_TOKENS).sum();
    // Offered tools may change from turn to turn.
    let tools: usize = request.tools.iter().map(tool_len).sum();
    (known_tokens, (messages + tools + FRAME_TOKENS) as u64)
}

/// The length of a tool's texts in bytes, its frame included.
pub(super) fn tool_len(tool: &ToolDefinition) -> usize {
    tool.name.len() + tool.description.len() + tool.parameters.len() + FRAME_TOKENS
}

fn tool(definition: &ToolDefinition) -> Result<Tool<'_>, OpenAiError> {
    let parameters = serde_json::from_str(&definition.parameters).map_err(|err| {
        let name = &definition.name;
        OpenAiError::Request(format!("the parameters of tool `{name}` are no JSON: {err}"))
    })?;
    let ToolDefinition { name, description, .. } = definition;
    Ok(Tool { r#type: "function", function: Function { name, description, parameters } })
}

/// Servers refuse a choice among no tools.
fn tool_choice(choice: &ToolChoice, tools: &[ToolDefinition]) -> Option<Value> {
    match choice {
        _ if tools.is_empty() => None,
        ToolChoice::Automatic => None,
        ToolChoice::None => Some(json!("none")),
        ToolChoice::Required => Some(json!("required")),
        ToolChoice::Named(name) => Some(json!({"type": "function", "function": {"name": name}})),
    }
}

/// A conversation as the server wants it. A long one is sent many times, so it is
/// written from where it lies.
struct Messages<'a> {
    messages: &'a [Message],
    reasoning_field: Option<&'a str>,
}

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reasoning_field = self.reasoning_field;
        serializer
            .collect_seq(self.messages.iter().map(|message| Wire { message, reasoning_field }))
    }
}

/// One message as the server wants it.
struct Wire<'a> {
    message: &'a Message,
    reasoning_field: Option<&'a str>,
}

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let (role, content) = match self.message {
            Message::System { content } => ("system", content),
            Message::User { content } => ("user", content),
            Message::Assistant { message, .. } => ("assistant", &message.content),
            Message::Tool { content, .. } => ("tool", content),
            Message::Other { name, content } => (name.as_str(), content),
        };
        map.serialize_entry("role", role)?;
        let only_calls = matches!(self.message, Message::Assistant { message, .. }
            if content.is_empty() && !message.tool_calls.is_empty());
        map.serialize_entry("content", &(!only_calls).then_some(content))?;
        match self.message {
            Message::Assistant { message, .. } => {
                if let (Some(field), Some(reasoning)) = (self.reasoning_field, &message.reasoning) {
                    map.serialize_entry(field, reasoning)?;
                }
                if !message.tool_calls.is_empty() {
                    let calls: Vec<Call<'_>> = message.tool_calls.iter().map(Call::from).collect();
                    map.serialize_entry("tool_calls", &calls)?;
                }
            }
            Message::Tool { call_id, .. } => map.serialize_entry("tool_call_id", call_id)?,
            Message::System { .. } | Message::User { .. } | Message::Other { .. } => {}
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> From<&'a ToolCall> for Call<'a> {
    fn from(call: &'a ToolCall) -> Self {
        let ToolCall { id, name, arguments } = call;
        Self { id, r#type: "function", function: CalledFunction { name, arguments } }
    }
}
