//! slime's supervised fine-tuning: one JSON object a line with `messages` and
//! `tools` (`--input-key messages --tool-key tools`), arguments as JSON, as
//! chat templates render them.
//!
//! slime learns every turn of the assistant but those with `"step_loss_mask": 0`.

use catena_model::Message;
use serde::Serialize;

use super::Row;
use super::chat::{self, ArgumentsAs, ChatMessage, ChatTool};
use crate::sample::Sample;
use crate::select::Reason;

#[derive(Serialize)]
struct Line<'a> {
    messages: Vec<ChatMessage<'a>>,
    tools: Vec<ChatTool<'a>>,
}

pub(crate) fn row(sample: &Sample<'_>) -> Result<Row, Reason> {
    let mut messages = Vec::new();
    for (position, said) in sample.messages().enumerate() {
        let mut message = chat::message(said, ArgumentsAs::Json)?;
        if matches!(said, Message::Assistant { .. }) {
            message.step_loss_mask = Some(u8::from(sample.is_trained(position)));
        }
        messages.push(message);
    }
    Row::of_sample(sample, &Line { messages, tools: chat::tools(sample.tools) })
}
