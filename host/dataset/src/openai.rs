//! The profile of chat fine-tuning files: one JSON object a line with
//! `messages` and `tools`, in the form of chat completions.
//!
//! A turn of the assistant that is not to be learned here carries `"weight": 0`,
//! the format's mark for that: no model produced it, or it is learned in another
//! sample.

use catena_model::{AssistantMessage, Message, ToolCall, ToolDefinition};
use serde_json::{Map, Value, json};

use crate::trajectory::Trajectory;

/// One line of the file, without its end.
pub fn line(sample: &Trajectory) -> String {
    let message = |(position, said): (usize, &Message)| {
        let weight = if sample.trained.contains(&position) { Weight::Learned } else { Weight::Not };
        message(said, weight)
    };
    let messages: Vec<Value> = sample.messages.iter().enumerate().map(message).collect();
    let tools: Vec<Value> = sample.tools.iter().map(tool).collect();
    let mut row = Map::new();
    row.insert("messages".to_owned(), Value::Array(messages));
    if !tools.is_empty() {
        row.insert("tools".to_owned(), Value::Array(tools));
    }
    Value::Object(row).to_string()
}

/// Whether a turn is to be learned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Learned,
    Not,
}

fn message(message: &Message, weight: Weight) -> Value {
    match message {
        Message::System { content } => json!({"role": "system", "content": content}),
        Message::User { content } => json!({"role": "user", "content": content}),
        Message::Tool { call_id, content } => {
            json!({"role": "tool", "tool_call_id": call_id, "content": content})
        }
        // Whatever its role is called, a plugin wrote it.
        Message::Other { name, content } => {
            json!({"role": name, "content": content, "weight": 0})
        }
        Message::Assistant { message, .. } => assistant(message, weight),
    }
}

fn assistant(message: &AssistantMessage, weight: Weight) -> Value {
    let mut turn = Map::new();
    turn.insert("role".to_owned(), json!("assistant"));
    turn.insert("content".to_owned(), json!(message.content));
    if let Some(reasoning) = &message.reasoning {
        turn.insert("reasoning_content".to_owned(), json!(reasoning));
    }
    if !message.tool_calls.is_empty() {
        let calls: Vec<Value> = message.tool_calls.iter().map(call).collect();
        turn.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    if weight == Weight::Not {
        turn.insert("weight".to_owned(), json!(0));
    }
    Value::Object(turn)
}

fn call(call: &ToolCall) -> Value {
    let function = json!({"name": call.name, "arguments": call.arguments});
    json!({"id": call.id, "type": "function", "function": function})
}

/// A schema that is no JSON, which only a broken tool plugin offers, becomes
/// the schema that accepts anything.
fn tool(definition: &ToolDefinition) -> Value {
    let parameters: Value =
        serde_json::from_str(&definition.parameters).unwrap_or_else(|_| json!({"type": "object"}));
    json!({
        "type": "function",
        "function": {
            "name": definition.name,
            "description": definition.description,
            "parameters": parameters,
        }
    })
}
