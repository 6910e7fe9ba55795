//! ATIF. What Catena wrote becomes the rollout it was; another program's document
//! becomes one conversation for each trajectory in it.

use std::collections::BTreeMap;

use catena_model::{
    AssistantMessage, ConversationId, FinishReason, Message, Origin, ReplyDetails, TokenLogprob,
    ToolCall, ToolDefinition, Usage,
};
use catena_rollout::summary::RoundSummary;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{DocumentError, Found, Messages, keep, keep_tools, text};
use crate::canonical::{Agent, Called, Conversation, History, Output, Rollout, Said, Turn};
use crate::profile::atif::document::{
    Document, DocumentNote, Extra, Metrics, Step, StepNote, TurnNote,
};

pub(super) fn rollout(text: &str, name: &str) -> Result<Rollout, DocumentError> {
    let document: Document = serde_json::from_str(text)?;
    match note_of(&document) {
        Some(DocumentNote { rollout: Some(whole), .. }) => of_catena(document, &whole),
        _ => foreign(document, name),
    }
}

fn note_of(document: &Document) -> Option<DocumentNote> {
    let extra: Extra<DocumentNote> = serde_json::from_str(document.extra.as_ref()?.get()).ok()?;
    Some(extra.catena)
}

/// The rollout that Catena wrote.
fn of_catena(mut outer: Document, whole: &RawValue) -> Result<Rollout, DocumentError> {
    let mut rollout: Rollout = serde_json::from_str(whole.get())?;
    let mut documents = outer.subagent_trajectories.take().unwrap_or_default();
    documents.push(outer);
    let mut noted: Vec<(DocumentNote, Document)> = Vec::new();
    for document in documents {
        let note = note_of(&document)
            .ok_or_else(|| DocumentError::Content("a trajectory in it is not Catena's".into()))?;
        noted.push((note, document));
    }
    noted.sort_by_key(|(note, _)| (note.conversation, note.history));
    let mut messages = Messages::default();
    let mut turns: BTreeMap<usize, Turn> = BTreeMap::new();
    for (note, document) in noted {
        let id = ConversationId(note.conversation);
        let talk = rollout.conversations.iter_mut().find(|talk| talk.id == id);
        let history = talk.and_then(|talk| talk.histories.get_mut(note.history));
        let missing = || DocumentError::Content(format!("there is no conversation {}", id.0));
        let history = history.ok_or_else(missing)?;
        for step in document.steps {
            catena_step(step, id, history, &mut messages, &mut turns)?;
        }
    }
    rollout.turns = turns.into_values().collect();
    rollout.messages = messages.all;
    Ok(rollout)
}

fn catena_step(
    mut step: Step,
    conversation: ConversationId,
    history: &mut History,
    messages: &mut Messages,
    turns: &mut BTreeMap<usize, Turn>,
) -> Result<(), DocumentError> {
    let extra = step.extra.take().unwrap_or_default();
    let Extra { catena: note }: Extra<StepNote> = serde_json::from_value(extra)?;
    let results = step.observation.take().unwrap_or_default().results;
    let (metrics, time) = (step.metrics.take(), step.timestamp.take());
    let model = step.model_name.take();
    let message = messages.position(catena_message(step, &note)?);
    let StepNote { stage, round, turn, observed, .. } = note;
    history.said.push(Said { message, turn, stage, round });
    let mut shown = Vec::new();
    for (index, result) in results.into_iter().enumerate() {
        let call_id = result.source_call_id.unwrap_or_default();
        let message = messages.position(Message::Tool { call_id, content: text(result.content)? });
        let (stage, round) = observed.get(index).copied().unwrap_or((stage, round));
        history.said.push(Said { message, turn: None, stage, round });
        shown.push(message);
    }
    if let (Some(index), Some(taken)) = (turn, note.taken) {
        let metrics = metrics.unwrap_or_default();
        let turn = catena_turn(taken, metrics, model, &shown);
        turns.insert(index, Turn { conversation, message, time, ..turn });
    }
    Ok(())
}

fn catena_message(step: Step, note: &StepNote) -> Result<Message, DocumentError> {
    let content = text(Some(step.message))?;
    Ok(match (step.source.as_str(), &note.role, &note.answers) {
        ("agent", role, _) => {
            let calls = step.tool_calls.unwrap_or_default().into_iter().enumerate();
            let tool_calls = calls.map(|(index, call)| ToolCall {
                id: call.tool_call_id,
                name: call.function_name,
                arguments: match note.arguments.get(&index) {
                    Some(text) => text.clone(),
                    None => call.arguments.get().to_owned(),
                },
            });
            let tool_calls = tool_calls.collect();
            let (reasoning, origin) = match role {
                Some(_) => (note.reasoning.clone(), Origin::Plugin),
                None => (step.reasoning_content, Origin::Model),
            };
            Message::Assistant {
                message: AssistantMessage { content, reasoning, tool_calls },
                origin,
            }
        }
        (_, _, Some(call_id)) => Message::Tool { call_id: call_id.clone(), content },
        (_, Some(name), None) => Message::Other { name: name.clone(), content },
        ("user", None, None) => Message::User { content },
        _ => Message::System { content },
    })
}

fn catena_turn(taken: TurnNote, metrics: Metrics, model: Option<String>, shown: &[usize]) -> Turn {
    let usage = Usage { estimated: taken.estimated, ..usage(&metrics) };
    let logprobs = metrics.logprobs.unwrap_or_default();
    let logprobs = taken.tokens.into_iter().zip(logprobs);
    let details = taken.details.map(|rest| {
        Box::new(ReplyDetails {
            model,
            prompt_token_ids: metrics.prompt_token_ids.unwrap_or_default(),
            token_ids: metrics.completion_token_ids.unwrap_or_default(),
            logprobs: logprobs.map(|(token, logprob)| TokenLogprob { token, logprob }).collect(),
            ..*rest
        })
    });
    let calls = taken.calls.into_iter().map(|mut called| {
        if let Some(Output::SameAs(at)) = called.output {
            called.output = shown.get(at).map(|message| Output::SameAs(*message));
        }
        called
    });
    Turn {
        conversation: ConversationId(0),
        stage: taken.stage,
        round: taken.round,
        message: 0,
        finish: taken.finish,
        usage,
        tools: taken.tools,
        details,
        calls: calls.collect(),
        time: None,
    }
}

/// ATIF counts cached tokens among those of the prompt, as the canonical form does.
fn usage(metrics: &Metrics) -> Usage {
    let cost = metrics.cost_usd.unwrap_or_default() * 1e6;
    Usage {
        input_tokens: metrics.prompt_tokens.unwrap_or_default(),
        cached_tokens: metrics.cached_tokens.unwrap_or_default(),
        output_tokens: metrics.completion_tokens.unwrap_or_default(),
        cost_microusd: super::rounded(cost),
        estimated: false,
    }
}

/// Another program's document.
fn foreign(document: Document, name: &str) -> Result<Rollout, DocumentError> {
    let agent = &document.agent;
    let mut found = Found {
        form: "atif",
        version: Some(document.schema_version.clone()),
        name: document.session_id.clone().unwrap_or_else(|| name.to_owned()),
        agent: Agent {
            name: agent.name.clone(),
            version: Some(agent.version.clone()),
            model: agent.model_name.clone().unwrap_or_default(),
            config: agent.extra.clone().unwrap_or_default(),
        },
        conversations: Vec::new(),
        turns: Vec::new(),
        tools: BTreeMap::new(),
        messages: Messages::default(),
        round: RoundSummary::begun(1),
        extra: None,
    };
    let mut rest = Vec::new();
    trajectory(document, None, &mut found, &mut rest)?;
    found.extra = (!rest.is_empty()).then(|| json!({ "atif": rest }));
    found.rollout()
}

/// Adds a trajectory and those within it. What is left of each goes to `rest`.
fn trajectory(
    document: Document,
    within: Option<ConversationId>,
    found: &mut Found,
    rest: &mut Vec<Value>,
) -> Result<(), DocumentError> {
    let id = ConversationId(u32::try_from(found.conversations.len()).unwrap_or(u32::MAX));
    let tools = definitions(document.agent.tool_definitions.as_deref().unwrap_or_default());
    let tools = keep_tools(&mut found.tools, tools);
    let mut left = json!({});
    for (key, value) in [
        ("trajectory_id", json!(document.trajectory_id)),
        ("notes", json!(document.notes)),
        ("final_metrics", json!(document.final_metrics)),
        ("continued_trajectory_ref", json!(document.continued_trajectory_ref)),
        ("extra", json!(document.extra)),
    ] {
        keep(&mut left, key, value);
    }
    // Sub-agents come after their conversation, whatever the order of their ids.
    found.conversations.push(Conversation { id, forked_from: within, histories: Vec::new() });
    let mut steps = Vec::new();
    let mut reader = Reader { conversation: id, tools, said: Vec::new(), found: &mut *found };
    for step in document.steps {
        let of_step = reader.step(step)?;
        if of_step.as_object().is_some_and(|object| object.len() > 1) {
            steps.push(of_step);
        }
    }
    let said = reader.said;
    if !steps.is_empty() {
        keep(&mut left, "steps", Value::Array(steps));
    }
    if left.as_object().is_some_and(|object| !object.is_empty()) {
        keep(&mut left, "conversation", json!(id.0));
        rest.push(left);
    }
    if let Some(talk) = found.conversations.iter_mut().find(|talk| talk.id == id) {
        talk.histories = vec![History { stage: 1, kept: 0, said }];
    }
    for inner in document.subagent_trajectories.unwrap_or_default() {
        trajectory(inner, Some(id), found, rest)?;
    }
    Ok(())
}

/// A trajectory of another program while it is read.
struct Reader<'a> {
    conversation: ConversationId,
    tools: catena_plugin::Digest,
    said: Vec<Said>,
    found: &'a mut Found,
}

impl Reader<'_> {
    fn add(&mut self, message: Message, turn: Option<usize>) -> usize {
        let message = self.found.messages.position(message);
        self.said.push(Said { message, turn, stage: 1, round: 1 });
        message
    }

    /// Adds a step. Returns what of it no field of the canonical form holds.
    fn step(&mut self, mut step: Step) -> Result<Value, DocumentError> {
        let mut left = json!({"step_id": step.id});
        for (key, value) in [
            ("reasoning_effort", json!(step.reasoning_effort)),
            ("extra", json!(step.extra)),
            ("llm_call_count", json!(step.llm_call_count)),
            ("metrics", json!(step.metrics.as_ref().and_then(|metrics| metrics.extra.clone()))),
        ] {
            keep(&mut left, key, value);
        }
        let content = text(Some(std::mem::take(&mut step.message)))?;
        let results = step.observation.take().unwrap_or_default().results;
        let is_copied = step.is_copied_context == Some(true);
        match step.source.as_str() {
            "user" => {
                self.add(Message::User { content }, None);
            }
            "agent" => self.agent(step, content),
            _ => {
                self.add(Message::System { content }, None);
            }
        }
        for result in results {
            let content = text(result.content)?;
            match result.source_call_id {
                Some(call_id) => self.answer(call_id, content, is_copied),
                // An agent without tool calls reads what came of its text so.
                None => {
                    self.add(Message::User { content }, None);
                }
            }
        }
        Ok(left)
    }

    fn agent(&mut self, step: Step, content: String) {
        let calls = step.tool_calls.unwrap_or_default().into_iter();
        let tool_calls = calls.map(|call| ToolCall {
            id: call.tool_call_id,
            name: call.function_name,
            arguments: call.arguments.get().to_owned(),
        });
        let tool_calls: Vec<ToolCall> = tool_calls.collect();
        let finish =
            if tool_calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        let message = AssistantMessage { content, reasoning: step.reasoning_content, tool_calls };
        // Zero calls of a model mean that a program dispatched it.
        let by_model = step.llm_call_count != Some(0);
        let origin = if by_model { Origin::Model } else { Origin::Plugin };
        let is_taken = by_model && step.is_copied_context != Some(true);
        let index = is_taken.then_some(self.found.turns.len());
        let message = self.add(Message::Assistant { message, origin }, index);
        if is_taken {
            let metrics = step.metrics.unwrap_or_default();
            let turn = Turn::foreign(message, finish, usage(&metrics), self.tools);
            self.found.turns.push(Turn {
                conversation: self.conversation,
                details: details(metrics, step.model_name),
                time: step.timestamp,
                ..turn
            });
        }
    }

    fn answer(&mut self, call_id: String, content: String, is_copied: bool) {
        let message = Message::Tool { call_id: call_id.clone(), content };
        let at = self.add(message, None);
        if is_copied {
            return;
        }
        let Some(turn) = self.found.turns.last_mut() else { return };
        turn.calls.push(Called::answered(call_id, at));
    }
}

fn details(metrics: Metrics, model: Option<String>) -> Option<Box<ReplyDetails>> {
    let logprobs = metrics.logprobs.unwrap_or_default().into_iter();
    let details = ReplyDetails {
        model,
        prompt_token_ids: metrics.prompt_token_ids.unwrap_or_default(),
        token_ids: metrics.completion_token_ids.unwrap_or_default(),
        logprobs: logprobs.map(|logprob| TokenLogprob { token: String::new(), logprob }).collect(),
        ..ReplyDetails::default()
    };
    (details != ReplyDetails::default()).then(|| Box::new(details))
}

fn definitions(tools: &[Box<RawValue>]) -> Vec<ToolDefinition> {
    let definition = |tool: &RawValue| {
        let tool: Map<String, Value> = serde_json::from_str(tool.get()).ok()?;
        let function = tool.get("function").and_then(Value::as_object).unwrap_or(&tool);
        let text = |key: &str| function.get(key).and_then(Value::as_str).unwrap_or_default();
        let nothing = json!({"type": "object"});
        Some(ToolDefinition {
            name: text("name").to_owned(),
            description: text("description").to_owned(),
            parameters: function.get("parameters").unwrap_or(&nothing).to_string(),
        })
    };
    tools.iter().filter_map(|tool| definition(tool)).collect()
}
