//! Messages and tools as they are written down: arguments and schemas as typed
//! JSON, in the order in which the model or the tool gave their keys.
//!
//! A text that is no JSON object, or that typed JSON could not give back to the
//! byte on one line, stands beside it as text.

use catena_model::{AssistantMessage, Message, Origin, ToolCall};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON text, typed as far as it can be.
pub(crate) struct Typed {
    pub(crate) value: Option<Box<RawValue>>,
    /// The text, where the value does not give it back.
    pub(crate) text: Option<String>,
}

impl Typed {
    /// Of an object's text.
    pub(crate) fn of(text: &str) -> Self {
        let value = serde_json::from_str::<Box<RawValue>>(text).ok();
        let Some(value) = value.filter(|value| value.get().starts_with('{')) else {
            return Self { value: None, text: Some(text.to_owned()) };
        };
        if !value.get().contains(['\n', '\r']) {
            let text = (value.get() != text).then(|| text.to_owned());
            return Self { value: Some(value), text };
        }
        let value = RawValue::from_string(without_space(value.get())).ok();
        Self { value, text: Some(text.to_owned()) }
    }

    fn into_text(self) -> String {
        match (self.text, self.value) {
            (Some(text), _) => text,
            (None, Some(value)) => value.get().to_owned(),
            (None, None) => String::new(),
        }
    }
}

/// A JSON text without white space between its tokens.
fn without_space(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_string = c == '"';
        }
        text.push(c);
    }
    text
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMessage {
    role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasoning: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WireCall>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCall {
    id: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arguments: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arguments_text: Option<String>,
}

impl WireMessage {
    fn new(role: &str, content: &str) -> Self {
        Self {
            role: role.to_owned(),
            name: None,
            content: content.to_owned(),
            reasoning: None,
            tool_calls: Vec::new(),
            call_id: None,
            origin: None,
        }
    }
}

impl From<&Message> for WireMessage {
    fn from(message: &Message) -> Self {
        match message {
            Message::System { content } => Self::new("system", content),
            Message::User { content } => Self::new("user", content),
            Message::Tool { call_id, content } => {
                Self { call_id: Some(call_id.clone()), ..Self::new("tool", content) }
            }
            Message::Other { name, content } => {
                Self { name: Some(name.clone()), ..Self::new("other", content) }
            }
            Message::Assistant { message, origin } => Self {
                reasoning: message.reasoning.clone(),
                tool_calls: message.tool_calls.iter().map(WireCall::from).collect(),
                origin: Some(*origin),
                ..Self::new("assistant", &message.content)
            },
        }
    }
}

impl From<&ToolCall> for WireCall {
    fn from(call: &ToolCall) -> Self {
        let Typed { value, text } = Typed::of(&call.arguments);
        Self {
            id: call.id.clone(),
            name: call.name.clone(),
            arguments: value,
            arguments_text: text,
        }
    }
}

impl From<WireCall> for ToolCall {
    fn from(call: WireCall) -> Self {
        let arguments = Typed { value: call.arguments, text: call.arguments_text };
        Self { id: call.id, name: call.name, arguments: arguments.into_text() }
    }
}

impl TryFrom<WireMessage> for Message {
    type Error = String;

    fn try_from(wire: WireMessage) -> Result<Self, String> {
        let content = wire.content;
        Ok(match wire.role.as_str() {
            "system" => Self::System { content },
            "user" => Self::User { content },
            "tool" => {
                let call_id = wire.call_id.ok_or("an answer of a tool has no `call_id`")?;
                Self::Tool { call_id, content }
            }
            "other" => {
                let name = wire.name.ok_or("a message of the role `other` has no `name`")?;
                Self::Other { name, content }
            }
            "assistant" => {
                let tool_calls = wire.tool_calls.into_iter().map(ToolCall::from).collect();
                let origin = wire.origin.unwrap_or(Origin::Plugin);
                let reasoning = wire.reasoning;
                Self::Assistant {
                    message: AssistantMessage { content, reasoning, tool_calls },
                    origin,
                }
            }
            role => return Err(format!("`{role}` is no role of the canonical form")),
        })
    }
}

pub(super) mod messages {
    use super::{Deserialize, Deserializer, Message, Serializer, WireMessage};

    pub(in super::super) fn serialize<S: Serializer>(
        messages: &[Message],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(messages.iter().map(WireMessage::from))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Message>, D::Error> {
        let wires = Vec::<WireMessage>::deserialize(deserializer)?;
        let messages = wires.into_iter().map(Message::try_from);
        messages.collect::<Result<_, _>>().map_err(serde::de::Error::custom)
    }
}

pub(super) mod tools {
    use std::collections::BTreeMap;

    use catena_model::ToolDefinition;
    use catena_plugin::Digest;

    use super::{Deserialize, Deserializer, RawValue, Serialize, Serializer, Typed};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct WireTool {
        name: String,
        description: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameters: Option<Box<RawValue>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameters_text: Option<String>,
    }

    pub(in super::super) fn serialize<S: Serializer>(
        tools: &BTreeMap<Digest, Vec<ToolDefinition>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let wire = |tool: &ToolDefinition| {
            let Typed { value, text } = Typed::of(&tool.parameters);
            WireTool {
                name: tool.name.clone(),
                description: tool.description.clone(),
                parameters: value,
                parameters_text: text,
            }
        };
        serializer.collect_map(tools.iter().map(|(digest, tools)| {
            (digest.to_string(), tools.iter().map(wire).collect::<Vec<_>>())
        }))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Digest, Vec<ToolDefinition>>, D::Error> {
        let wires = BTreeMap::<String, Vec<WireTool>>::deserialize(deserializer)?;
        let tool = |wire: WireTool| {
            let parameters = Typed { value: wire.parameters, text: wire.parameters_text };
            ToolDefinition {
                name: wire.name,
                description: wire.description,
                parameters: parameters.into_text(),
            }
        };
        let tools = wires.into_iter().map(|(digest, tools)| {
            let digest = Digest::try_from(digest).map_err(serde::de::Error::custom)?;
            Ok((digest, tools.into_iter().map(tool).collect()))
        });
        tools.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(text: &str) -> (Option<String>, bool) {
        let typed = Typed::of(text);
        let value = typed.value.as_ref().map(|value| value.get().to_owned());
        let beside = typed.text.is_some();
        assert_eq!(typed.into_text(), text);
        (value, beside)
    }

    #[test]
    fn arguments_are_typed_and_their_text_is_not_lost() {
        let plain = r#"{"b": 1, "a": "x\ny"}"#;
        assert_eq!(there_and_back(plain), (Some(plain.to_owned()), false));
        let pretty = "{\n  \"a\": \"say \\\"hi\\\" \\\\\",\n  \"b\": [1, 2]\n}";
        let compact = r#"{"a":"say \"hi\" \\","b":[1,2]}"#;
        assert_eq!(there_and_back(pretty), (Some(compact.to_owned()), true));
        assert_eq!(there_and_back(" {} "), (Some("{}".to_owned()), true));
        for text in ["", "[1]", "{\"a\": ", "ls -l"] {
            assert_eq!(there_and_back(text), (None, true), "{text}");
        }
    }
}
