//! Messages and tools in the form of chat completions, which several forms share.

use catena_model::{AssistantMessage, Message, ToolCall, ToolDefinition};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::canonical::wire::Typed;
use crate::select::Reason;

/// How arguments of tool calls stand in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArgumentsAs {
    /// As the text that the model wrote, as chat completions have them.
    Text,
    /// As JSON, which chat templates render.
    Json,
}

#[derive(Serialize, Default)]
pub(crate) struct ChatMessage<'a> {
    pub(crate) role: &'a str,
    pub(crate) content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<ChatCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool_call_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) weight: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step_loss_mask: Option<u8>,
}

#[derive(Serialize)]
pub(crate) struct ChatCall<'a> {
    pub(crate) id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    pub(crate) function: ChatFunction<'a>,
}

#[derive(Serialize)]
pub(crate) struct ChatFunction<'a> {
    pub(crate) name: &'a str,
    pub(crate) arguments: Arguments<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Arguments<'a> {
    Text(&'a str),
    Json(Box<RawValue>),
}

/// A message without a mark. Fails where arguments can't stand as asked.
pub(crate) fn message(
    message: &Message,
    arguments: ArgumentsAs,
) -> Result<ChatMessage<'_>, Reason> {
    Ok(match message {
        Message::System { content } => plain("system", content),
        Message::User { content } => plain("user", content),
        Message::Other { name, content } => plain(name, content),
        Message::Tool { call_id, content } => {
            ChatMessage { tool_call_id: Some(call_id), ..plain("tool", content) }
        }
        Message::Assistant { message, .. } => assistant(message, arguments)?,
    })
}

fn plain<'a>(role: &'a str, content: &'a str) -> ChatMessage<'a> {
    ChatMessage { role, content, ..ChatMessage::default() }
}

fn assistant(said: &AssistantMessage, form: ArgumentsAs) -> Result<ChatMessage<'_>, Reason> {
    let calls = said.tool_calls.iter().map(|call| chat_call(call, form));
    Ok(ChatMessage {
        reasoning_content: said.reasoning.as_deref(),
        tool_calls: calls.collect::<Result<_, _>>()?,
        ..plain("assistant", &said.content)
    })
}

fn chat_call(call: &ToolCall, form: ArgumentsAs) -> Result<ChatCall<'_>, Reason> {
    let arguments = match form {
        ArgumentsAs::Text => Arguments::Text(&call.arguments),
        ArgumentsAs::Json => {
            Arguments::Json(Typed::of(&call.arguments).value.ok_or(Reason::ArgumentsNotJson)?)
        }
    };
    let function = ChatFunction { name: &call.name, arguments };
    Ok(ChatCall { id: &call.id, kind: "function", function })
}

#[derive(Serialize)]
pub(crate) struct ChatTool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: ChatToolFunction<'a>,
}

#[derive(Serialize)]
struct ChatToolFunction<'a> {
    name: &'a str,
    description: &'a str,
    parameters: Box<RawValue>,
}

/// The tools of a sample.
pub(crate) fn tools(definitions: &[ToolDefinition]) -> Vec<ChatTool<'_>> {
    let tool = |tool| ChatTool { kind: "function", function: tool };
    definitions.iter().filter_map(tool_function).map(tool).collect()
}

/// A schema that is no JSON, which only a broken tool plugin offers, becomes
/// the schema that accepts anything.
fn tool_function(definition: &ToolDefinition) -> Option<ChatToolFunction<'_>> {
    let anything = || RawValue::from_string(r#"{"type":"object"}"#.to_owned()).ok();
    Some(ChatToolFunction {
        name: &definition.name,
        description: &definition.description,
        parameters: Typed::of(&definition.parameters).value.or_else(anything)?,
    })
}

/// The tools as JSON text; `[]` where there are none.
pub(crate) fn tools_text(definitions: &[ToolDefinition]) -> Result<String, Reason> {
    serde_json::to_string(&tools(definitions)).map_err(|_| Reason::Unreadable)
}
