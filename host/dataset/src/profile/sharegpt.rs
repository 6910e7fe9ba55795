//! `ShareGPT` as LLaMA-Factory reads it: one JSON object a line with
//! `conversations` and `tools`.
//!
//! Both sides speak by turns there, so what comes between two turns of the
//! assistant is one message: answers of tools are put together as
//! LLaMA-Factory's own converter does, other texts with an empty line between.
//! Nothing marks a turn that is not to be learned, so a sample with such turns
//! before or between others is refused.
//!
//! A turn with calls is a `function_call`: a JSON list of them. Reasoning stands
//! before it between `<think>` and `</think>`, and where there is other text the
//! list stands between `<tool_call>` and `</tool_call>`, as the templates of
//! LLaMA-Factory expect it.

use catena_model::{AssistantMessage, Message};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Row, chat};
use crate::canonical::wire::Typed;
use crate::sample::{Sample, is_by_plugin};
use crate::select::Reason;

/// What LLaMA-Factory's converter puts between two answers of tools.
const BETWEEN_ANSWERS: &str = "\n</tool_response>\n<tool_response>\n";

#[derive(Serialize)]
struct Line {
    conversations: Vec<Said>,
    tools: String,
}

#[derive(Serialize)]
struct Said {
    from: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Call<'a> {
    name: &'a str,
    arguments: Box<RawValue>,
}

pub(crate) fn row(sample: &Sample<'_>) -> Result<Row, Reason> {
    let stretches = sample.stretches();
    let [only] = stretches.as_slice() else { return Err(Reason::NeedsMask) };
    if only.turns_before > 0 {
        return Err(Reason::NeedsMask);
    }
    let mut conversations: Vec<Said> = Vec::new();
    for (position, message) in sample.messages().take(only.end).enumerate() {
        debug_assert!(!is_by_plugin(message), "such a turn is not learned");
        let (from, value) = match message {
            Message::System { content } if position == 0 => ("system", content.clone()),
            Message::System { content }
            | Message::User { content }
            | Message::Other { content, .. } => ("human", content.clone()),
            Message::Tool { content, .. } => ("observation", content.clone()),
            Message::Assistant { message, .. } => turn(message)?,
        };
        match conversations.last_mut() {
            Some(last) if is_input(last.from) && is_input(from) => join(last, from, &value),
            _ => conversations.push(Said { from, value }),
        }
    }
    check_turns(&conversations)?;
    let tools = chat::tools_text(sample.tools)?;
    Row::of_part(sample, only.end, sample.trained.clone(), &Line { conversations, tools })
}

fn is_input(from: &str) -> bool {
    matches!(from, "human" | "observation")
}

fn join(last: &mut Said, from: &'static str, value: &str) {
    let answers = last.from == "observation" && from == "observation";
    last.value.push_str(if answers { BETWEEN_ANSWERS } else { "\n\n" });
    last.value.push_str(value);
    if from == "human" {
        last.from = from;
    }
}

/// The form's own rule: after the system's message, both sides by turns.
fn check_turns(conversations: &[Said]) -> Result<(), Reason> {
    let turns = conversations.iter().filter(|said| said.from != "system");
    let by_turns = turns.enumerate().all(|(index, said)| (index % 2 == 0) == is_input(said.from));
    if by_turns { Ok(()) } else { Err(Reason::NotByTurns) }
}

fn turn(message: &AssistantMessage) -> Result<(&'static str, String), Reason> {
    let mut value = String::new();
    if let Some(reasoning) = &message.reasoning {
        if reasoning.contains("</think>") || reasoning.contains("<tool_call>") {
            return Err(Reason::Ambiguous);
        }
        value = format!("<think>\n{reasoning}\n</think>\n\n");
    }
    if message.tool_calls.is_empty() {
        value.push_str(&message.content);
        return Ok(("gpt", value));
    }
    let call = |call: &catena_model::ToolCall| {
        let arguments = Typed::of(&call.arguments).value.ok_or(Reason::ArgumentsNotJson)?;
        serde_json::to_string(&Call { name: &call.name, arguments }).map_err(|_| Reason::Unreadable)
    };
    let calls: Vec<String> = message.tool_calls.iter().map(call).collect::<Result<_, _>>()?;
    // Inside strings, which is the only place for it, `<` can be written so.
    let calls = format!("[{}]", calls.join(", ")).replace("tool_call>", "tool_call\\u003e");
    if message.content.is_empty() {
        value.push_str(&calls);
        return Ok(("function_call", value));
    }
    if message.content.contains("<tool_call>") {
        return Err(Reason::Ambiguous);
    }
    value.push_str(&message.content);
    value.push_str("<tool_call>");
    value.push_str(&calls);
    value.push_str("</tool_call>");
    Ok(("function_call", value))
}
