//! The messages of a trajectory, each with what mini-swe-agent keeps beside it.

use std::collections::BTreeMap;

use catena_model::{AssistantMessage, FinishReason, Message, ToolCall};
use serde_json::{Map, Value, json};

use super::ending::Ending;
use super::{Main, Mode, usd, with_line_feeds};
use crate::canonical::{Called, Conversation, Rollout, Said, Turn};

/// All messages of the conversation's last history, and how it ended.
pub(super) fn of(
    main: &Main<'_>,
    rollout: &Rollout,
    ending: Option<&Ending>,
    mode: Mode,
) -> Vec<Value> {
    let turns = &rollout.turns;
    let taken_back = taken_back(main.talk, turns);
    let said = current(main.talk);
    let last_turn = said.iter().rposition(|said| said.turn.is_some());
    // In the place of what a submitting command printed stands the submission.
    let end = match (ending, last_turn) {
        (Some(ending), Some(last)) if ending.status == "Submitted" => last + 1,
        _ => said.len(),
    };
    let mut messages = Vec::new();
    let mut turn = None;
    for (position, said) in said.iter().take(end).enumerate() {
        turn = said.turn.and_then(|index| turns.get(index)).or(turn);
        let Some(message) = rollout.message(said.message) else { continue };
        messages.push(match message {
            Message::System { content } => json!({"role": "system", "content": content}),
            Message::User { content } => {
                let extra = taken_back.get(&position).map(|turn| format_error(rollout, turn));
                let extra = extra
                    .or_else(|| text_observation(rollout, (said.turn, turn), position, main, mode));
                with_extra(json!({"role": "user", "content": content}), extra, mode)
            }
            Message::Tool { call_id, content } => {
                let message = json!({"role": "tool", "tool_call_id": call_id, "content": content});
                let called = turn.and_then(|turn| called(turn, call_id));
                with_extra(message, Some(observation(rollout, called)), mode)
            }
            Message::Other { name, content } => json!({"role": name, "content": content}),
            Message::Assistant { message, .. } => {
                assistant(rollout, message, said.turn.and_then(|index| turns.get(index)), mode)
            }
        });
    }
    messages.extend(ending.map(|ending| last(ending, mode)));
    messages
}

fn current(talk: &Conversation) -> &[Said] {
    talk.histories.last().map_or(&[], |history| history.said.as_slice())
}

/// The turns that were taken back, by the position of the message that says why.
fn taken_back<'a>(talk: &Conversation, turns: &'a [Turn]) -> BTreeMap<usize, &'a Turn> {
    let next = talk.histories.iter().skip(1);
    let pairs = talk.histories.iter().zip(next).filter_map(|(history, next)| {
        let turn = turns.get(history.taken_back_by(next)?)?;
        Some((history.shared_beginning(next), turn))
    });
    pairs.collect()
}

fn with_extra(mut message: Value, extra: Option<Value>, mode: Mode) -> Value {
    if let (Some(extra), Some(message)) = (extra, message.as_object_mut())
        && mode != Mode::TextV1
    {
        message.insert("extra".to_owned(), extra);
    }
    message
}

fn assistant(
    rollout: &Rollout,
    message: &AssistantMessage,
    turn: Option<&Turn>,
    mode: Mode,
) -> Value {
    let mut said = Map::new();
    said.insert("role".to_owned(), json!("assistant"));
    said.insert("content".to_owned(), json!(message.content));
    if let Some(reasoning) = &message.reasoning {
        said.insert("reasoning_content".to_owned(), json!(reasoning));
    }
    if !message.tool_calls.is_empty() {
        let calls: Vec<Value> = message.tool_calls.iter().map(tool_call).collect();
        said.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    let mut extra = Map::new();
    if mode == Mode::ToolCalls {
        extra.insert("actions".to_owned(), message.tool_calls.iter().filter_map(action).collect());
    }
    if let Some(turn) = turn {
        extra.insert("response".to_owned(), response(rollout, turn));
        extra.insert("cost".to_owned(), json!(usd(turn.usage.cost_microusd)));
    }
    said.insert("extra".to_owned(), Value::Object(extra));
    Value::Object(said)
}

fn tool_call(call: &ToolCall) -> Value {
    let function = json!({"name": call.name, "arguments": call.arguments});
    json!({"id": call.id, "type": "function", "function": function})
}

fn action(call: &ToolCall) -> Option<Value> {
    let arguments: Value = serde_json::from_str(&call.arguments).ok()?;
    Some(json!({"command": arguments.get("command")?, "tool_call_id": call.id}))
}

/// A reply in the form of chat completions.
fn response(rollout: &Rollout, turn: &Turn) -> Value {
    let finish = match &turn.finish {
        FinishReason::Stop => "stop",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Other(other) => other,
    };
    let message = rollout.reply(turn).map(|message| {
        let calls: Vec<Value> = message.tool_calls.iter().map(tool_call).collect();
        json!({"role": "assistant", "content": message.content, "tool_calls": calls})
    });
    json!({
        "object": "chat.completion",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {
            "prompt_tokens": turn.usage.input_tokens,
            "completion_tokens": turn.usage.output_tokens,
            "total_tokens": turn.usage.tokens(),
            "prompt_tokens_details": {"cached_tokens": turn.usage.cached_tokens},
        },
    })
}

fn format_error(rollout: &Rollout, turn: &Turn) -> Value {
    json!({
        "interrupt_type": "FormatError",
        "cost": usd(turn.usage.cost_microusd),
        "response": response(rollout, turn),
    })
}

/// In text mode the message after a turn is what its command came to.
fn text_observation(
    rollout: &Rollout,
    (own, turn): (Option<usize>, Option<&Turn>),
    position: usize,
    main: &Main<'_>,
    mode: Mode,
) -> Option<Value> {
    let follows = position.checked_sub(1).and_then(|before| current(main.talk).get(before));
    let answers = own.is_none() && follows.is_some_and(|before| before.turn.is_some());
    (mode == Mode::Text && answers)
        .then(|| turn.and_then(|turn| turn.calls.last()))
        .flatten()
        .map(|called| observation(rollout, Some(called)))
}

fn called<'a>(turn: &'a Turn, call_id: &str) -> Option<&'a Called> {
    turn.calls.iter().find(|called| called.call_id == call_id)
}

fn observation(rollout: &Rollout, called: Option<&Called>) -> Value {
    let Some(called) = called else {
        return json!({"raw_output": "", "returncode": -1, "exception_info": "not executed"});
    };
    let failed = !matches!(called.outcome.as_str(), "ok" | "error");
    json!({
        "raw_output": rollout.output(called).map(with_line_feeds),
        "returncode": if failed { Some(-1) } else { called.exit_status },
        "exception_info": if failed { called.outcome.as_str() } else { "" },
    })
}

fn last(ending: &Ending, mode: Mode) -> Value {
    let Ending { status, content, submission } = ending;
    if mode == Mode::TextV1 {
        // Version 1 says what was submitted, and nothing of a limit.
        return json!({"role": "user", "content": submission});
    }
    let extra = json!({"exit_status": status, "submission": submission});
    json!({"role": "exit", "content": content, "extra": extra})
}
