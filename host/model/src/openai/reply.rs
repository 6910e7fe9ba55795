//! What is taken from an answer. A whole answer and a streamed one go the same
//! way: the former is one piece, the latter many.

use std::collections::HashMap;

use serde_json::Value;

use super::error::OpenAiError;
use super::refusal::in_reply;
use super::{OpenAiSettings, estimated_input};
use crate::message::{AssistantMessage, FinishReason, ToolCall};
use crate::model::{Reply, ReplyDetails, Request, TokenLogprob};
use crate::secret::Secret;
use crate::usage::{Usage, estimated_tokens};

/// Most tool calls of a reply that are taken.
const MAX_CALLS: usize = 1000;

/// A reply as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    content: String,
    reasoning: Option<String>,
    calls: Vec<CallPieces>,
    /// Places of the calls that have an index.
    by_index: HashMap<u64, usize>,
    /// Places of the calls whose id is known.
    by_id: HashMap<String, usize>,
    finish: Option<String>,
    usage: Option<Usage>,
    details: ReplyDetails,
    /// Whether anything of a reply has come.
    begun: bool,
}

#[derive(Debug, Default)]
struct CallPieces {
    id: String,
    name: String,
    arguments: String,
}

impl Pieces {
    /// Takes in a whole answer or a piece of one.
    pub(super) fn take_in(
        &mut self,
        piece: &Value,
        key: Option<&Secret>,
    ) -> Result<(), OpenAiError> {
        if let Some(error) = piece.get("error").filter(|error| !error.is_null()) {
            return Err(in_reply(error, key));
        }
        self.frame(piece);
        let choices = piece.get("choices").and_then(Value::as_array);
        let is_first = |choice: &&Value| choice.get("index").and_then(Value::as_u64) != Some(1);
        let Some(choice) = choices.and_then(|choices| choices.iter().find(is_first)) else {
            return Ok(());
        };
        self.begun = true;
        if let Some(finish) = text(choice, "finish_reason") {
            self.finish = Some(finish.to_owned());
        }
        self.tokens(choice);
        let message = choice.get("message").or_else(|| choice.get("delta"));
        if let Some(message) = message {
            self.message(message)?;
        }
        Ok(())
    }

    /// What stands around the choices. Servers repeat it in every piece.
    fn frame(&mut self, piece: &Value) {
        let details = &mut self.details;
        let fields = [
            ("id", &mut details.id),
            ("model", &mut details.model),
            ("system_fingerprint", &mut details.fingerprint),
        ];
        for (field, place) in fields {
            if place.is_none() {
                *place = text(piece, field).map(str::to_owned);
            }
        }
        details.prompt_token_ids.extend(ids(piece.get("prompt_token_ids")));
        if let Some(usage) = piece.get("usage").and_then(usage) {
            self.usage = Some(usage);
        }
    }

    fn tokens(&mut self, choice: &Value) {
        let details = &mut self.details;
        details.prompt_token_ids.extend(ids(choice.get("prompt_token_ids")));
        details.token_ids.extend(ids(choice.get("token_ids")));
        let logprobs = choice.pointer("/logprobs/content").and_then(Value::as_array);
        details.logprobs.extend(logprobs.into_iter().flatten().filter_map(|token| {
            Some(TokenLogprob {
                token: text(token, "token")?.to_owned(),
                logprob: token.get("logprob")?.as_f64()?,
            })
        }));
    }

    fn message(&mut self, message: &Value) -> Result<(), OpenAiError> {
        match message.get("content") {
            Some(Value::String(text)) => self.content.push_str(text),
            Some(Value::Array(parts)) => {
                self.content.extend(parts.iter().filter_map(|part| text(part, "text")));
            }
            _ => {}
        }
        // A refusal takes the place of the content.
        self.content.push_str(text(message, "refusal").unwrap_or_default());
        let reasoning = ["reasoning_content", "reasoning"].into_iter();
        let mut reasoning = reasoning.filter_map(|field| text(message, field));
        if let Some(text) = reasoning.find(|text| !text.is_empty()) {
            self.reasoning.get_or_insert_default().push_str(text);
        }
        let calls = message.get("tool_calls").and_then(Value::as_array);
        for (position, call) in calls.into_iter().flatten().enumerate() {
            self.call(call, position)?;
        }
        Ok(())
    }

    /// Joins a piece of a call to what has come of it.
    fn call(&mut self, piece: &Value, position: usize) -> Result<(), OpenAiError> {
        let index = piece.get("index").and_then(Value::as_u64);
        let id = text(piece, "id").unwrap_or_default();
        let known = match index {
            Some(index) => self.by_index.get(&index).copied(),
            None => self.by_id.get(id).copied(),
        };
        // Without an index and an id it can only go on with the last one.
        let goes_on = index.is_none() && id.is_empty() && position == 0;
        let known = known.or(if goes_on { self.calls.len().checked_sub(1) } else { None });
        let place = match known {
            Some(place) => place,
            None => self.begin_call(index)?,
        };
        let Some(call) = self.calls.get_mut(place) else { return Ok(()) };
        if call.id.is_empty() && !id.is_empty() {
            id.clone_into(&mut call.id);
            self.by_id.entry(id.to_owned()).or_insert(place);
        }
        let function = piece.get("function").unwrap_or(piece);
        let name = text(function, "name").unwrap_or_default();
        // Some servers repeat the name in every piece.
        if call.name != name {
            call.name.push_str(name);
        }
        match function.get("arguments") {
            Some(Value::String(text)) => call.arguments.push_str(text),
            None | Some(Value::Null) => {}
            // Some servers send what should be a text as a value.
            Some(value) => call.arguments.push_str(&value.to_string()),
        }
        Ok(())
    }

    /// The place of a call that begins.
    fn begin_call(&mut self, index: Option<u64>) -> Result<usize, OpenAiError> {
        let place = self.calls.len();
        if place == MAX_CALLS {
            return Err(OpenAiError::TooManyCalls(MAX_CALLS));
        }
        self.calls.push(CallPieces::default());
        if let Some(index) = index {
            self.by_index.insert(index, place);
        }
        Ok(place)
    }

    /// Whether an answer that came at once holds a reply.
    pub(super) fn check_whole(&self) -> Result<(), OpenAiError> {
        if self.begun { Ok(()) } else { Err(OpenAiError::Malformed("it has no choice".to_owned())) }
    }

    /// Whether a stream that has ended, by its own word or not, holds a reply.
    pub(super) fn check_streamed(&self, said_done: bool) -> Result<(), OpenAiError> {
        if self.finish.is_some() {
            return Ok(());
        }
        if said_done { self.check_whole() } else { Err(OpenAiError::Truncated) }
    }

    /// Bytes of what the model has said so far.
    pub(super) fn text_len(&self) -> usize {
        let calls = self.calls.iter().map(|call| call.name.len() + call.arguments.len());
        self.content.len() + self.reasoning.as_ref().map_or(0, String::len) + calls.sum::<usize>()
    }

    /// What the exchange took: the server's count, or an estimate.
    pub(super) fn usage(
        &self,
        settings: &OpenAiSettings,
        request: &Request<'_>,
        received: usize,
    ) -> Usage {
        let usage = self.usage.unwrap_or_else(|| Usage {
            input_tokens: estimated_input(request),
            output_tokens: estimated_tokens(received),
            estimated: true,
            ..Usage::default()
        });
        settings.price.charge(usage)
    }

    /// The whole reply.
    pub(super) fn into_reply(self, request: &Request<'_>, settings: &OpenAiSettings) -> Reply {
        let usage = self.usage(settings, request, self.text_len());
        let turn = request.messages.len();
        let call = |(position, call): (usize, CallPieces)| ToolCall {
            // The answer to a call must name it, whether the server did or not.
            id: if call.id.is_empty() { format!("call-{turn}-{position}") } else { call.id },
            name: call.name,
            arguments: call.arguments,
        };
        let tool_calls: Vec<ToolCall> = self.calls.into_iter().enumerate().map(call).collect();
        let finish = finish(self.finish.as_deref(), !tool_calls.is_empty());
        let details = (self.details != ReplyDetails::default()).then(|| Box::new(self.details));
        let message =
            AssistantMessage { content: self.content, reasoning: self.reasoning, tool_calls };
        Reply { message, finish, usage, details }
    }
}

fn finish(word: Option<&str>, has_calls: bool) -> FinishReason {
    match word {
        Some("stop") => FinishReason::Stop,
        Some("tool_calls" | "function_call") => FinishReason::ToolCalls,
        Some("length" | "max_tokens") => FinishReason::Length,
        Some("content_filter") => FinishReason::ContentFilter,
        Some(other) => FinishReason::Other(other.to_owned()),
        None if has_calls => FinishReason::ToolCalls,
        None => FinishReason::Stop,
    }
}

/// The counts of a server, if it gives those that count.
fn usage(value: &Value) -> Option<Usage> {
    let number = |path: &str| value.pointer(path).and_then(Value::as_u64);
    let input_tokens = number("/prompt_tokens")?;
    let output_tokens = number("/completion_tokens").unwrap_or_default();
    let cached = number("/prompt_tokens_details/cached_tokens")
        .or_else(|| number("/prompt_cache_hit_tokens"))
        .or_else(|| number("/cached_tokens"));
    let cached_tokens = cached.unwrap_or_default().min(input_tokens);
    Some(Usage { input_tokens, cached_tokens, output_tokens, ..Usage::default() })
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}

fn ids(value: Option<&Value>) -> impl Iterator<Item = u32> {
    let ids = value.and_then(Value::as_array).into_iter().flatten();
    ids.filter_map(|id| u32::try_from(id.as_u64()?).ok())
}
