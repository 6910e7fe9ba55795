//! Chat fine-tuning files: one JSON object a line with `messages` and `tools`, in
//! the form of chat completions.
//!
//! A turn of the assistant that is not to be learned here carries `"weight": 0`,
//! the format's mark for that: no model produced it, or it is learned in another
//! sample.

use catena_model::Message;
use serde::Serialize;

use super::Row;
use super::chat::{self, ArgumentsAs, ChatMessage, ChatTool};
use crate::sample::Sample;
use crate::select::Reason;

#[derive(Serialize)]
struct Line<'a> {
    messages: Vec<ChatMessage<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ChatTool<'a>>,
}

pub(crate) fn row(sample: &Sample<'_>) -> Result<Row, Reason> {
    let mut messages = Vec::new();
    for (position, said) in sample.messages().enumerate() {
        let mut message = chat::message(said, ArgumentsAs::Text)?;
        // Whatever such a role is called, a plugin wrote the message.
        let can_be_learned = matches!(said, Message::Assistant { .. } | Message::Other { .. });
        if can_be_learned && !sample.is_trained(position) {
            message.weight = Some(0);
        }
        messages.push(message);
    }
    Row::of_sample(sample, &Line { messages, tools: chat::tools(sample.tools) })
}
