//! Harbor's Agent Trajectory Interchange Format: one trajectory a line, valid
//! against the schema of version 1.8, and of the lowest version that has what is
//! used: 1.5, or 1.7 where a rollout had several conversations or histories.
//!
//! The outer document is the history that the first conversation ended with; all
//! others are trajectories within it. `prompt_tokens` include cached ones, as ATIF
//! has it. What ATIF has no field for stands below `extra.catena`, so that an
//! import gives back the very rollout.

pub(crate) mod document;

use catena_model::{AssistantMessage, Message, Origin, ReplyDetails, Usage};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::chat;
use crate::canonical::wire::Typed;
use crate::canonical::{Called, Conversation, History, Output, Rollout, Said};
use document::{
    AtifAgent, AtifCall, Document, DocumentNote, Extra, Metrics, ObservationResult, Step, StepNote,
    TurnNote, V1_5, V1_7,
};

/// A rollout as one line; none where nothing was said in it.
pub(crate) fn line(rollout: &Rollout) -> Option<Vec<u8>> {
    let mut documents = Vec::new();
    let mut first = None;
    for talk in &rollout.conversations {
        for (index, history) in talk.histories.iter().enumerate() {
            if history.said.is_empty() {
                continue;
            }
            // The last history of the first conversation in which anything was said.
            if first.is_none_or(|(id, _)| id == talk.id) {
                first = Some((talk.id, documents.len()));
            }
            documents.push((talk, index, document(rollout, talk, index, history)));
        }
    }
    let (talk, index, mut outer) = documents.remove(first?.1);
    outer.extra = note(talk, index, to_raw_value(&skeleton(rollout)).ok());
    outer.trajectory_id = None;
    outer.final_metrics = Some(final_metrics(rollout.usage, outer.steps.len()));
    if documents.is_empty() {
        V1_5.clone_into(&mut outer.schema_version);
    } else {
        let inner = documents.into_iter().map(|(_, _, document)| document);
        outer.subagent_trajectories = Some(inner.collect());
    }
    serde_json::to_vec(&outer).ok()
}

/// The rollout without what trajectories hold.
fn skeleton(rollout: &Rollout) -> Rollout {
    let empty = |history: &History| History { said: Vec::new(), ..*history };
    let conversations = rollout.conversations.iter().map(|talk| Conversation {
        histories: talk.histories.iter().map(empty).collect(),
        ..*talk
    });
    Rollout {
        conversations: conversations.collect(),
        messages: Vec::new(),
        turns: Vec::new(),
        refused: rollout.refused.clone(),
        source: rollout.source.clone(),
        rollout: rollout.rollout.clone(),
        repository: rollout.repository.clone(),
        license: rollout.license.clone(),
        agent: rollout.agent.clone(),
        chain: rollout.chain.clone(),
        end: rollout.end.clone(),
        stages: rollout.stages.clone(),
        tools: rollout.tools.clone(),
        extra: rollout.extra.clone(),
        ..*rollout
    }
}

fn note(
    talk: &Conversation,
    history: usize,
    whole: Option<Box<RawValue>>,
) -> Option<Box<RawValue>> {
    let catena = DocumentNote { rollout: whole, conversation: talk.id.0, history };
    to_raw_value(&Extra { catena }).ok()
}

fn final_metrics(usage: Usage, steps: usize) -> Value {
    serde_json::json!({
        "total_prompt_tokens": usage.input_tokens,
        "total_completion_tokens": usage.output_tokens,
        "total_cached_tokens": usage.cached_tokens,
        "total_cost_usd": usd(usage.cost_microusd),
        "total_steps": steps,
    })
}

fn document(rollout: &Rollout, talk: &Conversation, index: usize, history: &History) -> Document {
    let about = &rollout.agent;
    let last = history.said.iter().rev().find_map(|said| rollout.turns.get(said.turn?));
    let tools = last.map_or(&[][..], |turn| rollout.tools_of(turn));
    let tools: Vec<_> =
        chat::tools(tools).iter().filter_map(|tool| to_raw_value(tool).ok()).collect();
    let named = |text: &str| if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
    Document {
        schema_version: V1_7.to_owned(),
        session_id: Some(rollout.rollout.to_string()),
        trajectory_id: Some(format!("{}.c{}.h{index}", rollout.rollout, talk.id.0)),
        agent: AtifAgent {
            name: named(&about.name),
            version: about.version.clone().unwrap_or_else(|| "unknown".to_owned()),
            model_name: (!about.model.is_empty()).then(|| about.model.clone()),
            tool_definitions: (!tools.is_empty()).then_some(tools),
            extra: None,
        },
        steps: steps(rollout, history),
        notes: None,
        final_metrics: None,
        continued_trajectory_ref: None,
        extra: note(talk, index, None),
        subagent_trajectories: None,
    }
}

fn steps(rollout: &Rollout, history: &History) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut notes: Vec<StepNote> = Vec::new();
    for (position, said) in history.said.iter().enumerate() {
        let Some(message) = rollout.message(said.message) else { continue };
        if let (Message::Tool { call_id, content }, Some(step), Some(note)) =
            (message, steps.last_mut(), notes.last_mut())
            && answers(step, call_id)
        {
            observe(step, call_id, content);
            note.observed.push((said.stage, said.round));
            continue;
        }
        let (mut step, note) = step(rollout, message, *said, position < history.kept);
        step.id = steps.len() + 1;
        steps.push(step);
        notes.push(note);
    }
    for (step, mut note) in steps.iter_mut().zip(notes) {
        if note.observed.iter().all(|at| *at == (note.stage, note.round)) {
            note.observed.clear();
        }
        if let Some(taken) = &mut note.taken {
            point_to_answers(rollout, step, &mut taken.calls);
        }
        step.extra = serde_json::to_value(Extra { catena: note }).ok();
    }
    steps
}

/// Whether the step made the call, and no other answer stands for it yet.
fn answers(step: &Step, call_id: &str) -> bool {
    let made = step.tool_calls.iter().flatten().filter(|call| call.tool_call_id == call_id).count();
    let results = step.observation.iter().flat_map(|seen| &seen.results);
    let told = results.filter(|result| result.source_call_id.as_deref() == Some(call_id)).count();
    told < made
}

fn observe(step: &mut Step, call_id: &str, content: &str) {
    step.observation.get_or_insert_default().results.push(ObservationResult {
        source_call_id: Some(call_id.to_owned()),
        content: Some(content.into()),
        ..ObservationResult::default()
    });
}

fn step(rollout: &Rollout, message: &Message, said: Said, is_copied: bool) -> (Step, StepNote) {
    let mut note =
        StepNote { stage: said.stage, round: said.round, turn: said.turn, ..StepNote::default() };
    let mut step = Step { is_copied_context: is_copied.then_some(true), ..Step::default() };
    let text = match message {
        Message::System { content } => ("system", content),
        Message::User { content } => ("user", content),
        Message::Other { name, content } => {
            note.role = Some(name.clone());
            ("system", content)
        }
        Message::Tool { call_id, content } => {
            note.answers = Some(call_id.clone());
            ("system", content)
        }
        Message::Assistant { message, origin } => {
            agent(&mut step, &mut note, message, *origin);
            if let Some(turn) = said.turn.filter(|_| !is_copied) {
                taken(rollout, turn, &mut step, &mut note);
            }
            ("agent", &message.content)
        }
    };
    text.0.clone_into(&mut step.source);
    step.message = text.1.as_str().into();
    (step, note)
}

fn agent(step: &mut Step, note: &mut StepNote, message: &AssistantMessage, origin: Origin) {
    match origin {
        Origin::Model => step.reasoning_content.clone_from(&message.reasoning),
        Origin::Plugin => {
            note.role = Some("plugin".to_owned());
            note.reasoning.clone_from(&message.reasoning);
        }
    }
    let calls = message.tool_calls.iter().enumerate().filter_map(|(index, call)| {
        let typed = Typed::of(&call.arguments);
        if let Some(text) = typed.text {
            note.arguments.insert(index, text);
        }
        let nothing = || RawValue::from_string("{}".to_owned()).ok();
        Some(AtifCall {
            tool_call_id: call.id.clone(),
            function_name: call.name.clone(),
            arguments: typed.value.or_else(nothing)?,
            extra: None,
        })
    });
    let calls: Vec<AtifCall> = calls.collect();
    step.tool_calls = (!calls.is_empty()).then_some(calls);
}

/// What the exchange of a turn took and told.
fn taken(rollout: &Rollout, index: usize, step: &mut Step, note: &mut StepNote) {
    let Some(turn) = rollout.turns.get(index) else { return };
    let usage = turn.usage;
    let some = |ids: &[u32]| (!ids.is_empty()).then(|| ids.to_vec());
    let details = turn.details.as_deref();
    let logprobs = details.map_or(&[][..], |details| details.logprobs.as_slice());
    step.timestamp.clone_from(&turn.time);
    step.model_name = details.and_then(|details| details.model.clone());
    step.metrics = Some(Metrics {
        prompt_tokens: Some(usage.input_tokens),
        completion_tokens: Some(usage.output_tokens),
        cached_tokens: Some(usage.cached_tokens),
        cost_usd: Some(usd(usage.cost_microusd)),
        prompt_token_ids: details.and_then(|details| some(&details.prompt_token_ids)),
        completion_token_ids: details.and_then(|details| some(&details.token_ids)),
        logprobs: (!logprobs.is_empty())
            .then(|| logprobs.iter().map(|token| token.logprob).collect()),
        extra: None,
    });
    let rest = |details: &ReplyDetails| {
        Box::new(ReplyDetails {
            prompt_token_ids: Vec::new(),
            token_ids: Vec::new(),
            logprobs: Vec::new(),
            ..details.clone()
        })
    };
    note.taken = Some(TurnNote {
        stage: turn.stage,
        round: turn.round,
        finish: turn.finish.clone(),
        tools: turn.tools,
        estimated: usage.estimated,
        calls: turn.calls.clone(),
        details: details.map(rest),
        tokens: logprobs.iter().map(|token| token.token.clone()).collect(),
    });
}

/// The calls of a turn. An answer that stands in the step's observation is named
/// by its position there, and not repeated.
fn point_to_answers(rollout: &Rollout, step: &Step, calls: &mut [Called]) {
    let results: Vec<&ObservationResult> =
        step.observation.iter().flat_map(|seen| &seen.results).collect();
    for called in calls {
        let Some(Output::SameAs(_)) = called.output else { continue };
        let text = rollout.output(called).unwrap_or_default();
        let is_it = |result: &&ObservationResult| {
            result.source_call_id.as_ref() == Some(&called.call_id)
                && result.content.as_ref().and_then(Value::as_str) == Some(text)
        };
        called.output = Some(match results.iter().position(is_it) {
            Some(at) => Output::SameAs(at),
            None => Output::Text(text.to_owned()),
        });
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact below nine billion dollars")]
fn usd(micro: u64) -> f64 {
    micro as f64 / 1e6
}
