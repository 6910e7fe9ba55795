//! What a model is to Catena: it takes a whole conversation and gives one reply.
//! Trying again, waiting and paying are the [gateway](crate::gateway)'s.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::message::{AssistantMessage, FinishReason, Message, ToolDefinition};
use crate::usage::Usage;

/// Whether the model may, must or must not call tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolChoice {
    /// As it likes.
    Automatic,
    /// No tool.
    None,
    /// At least one.
    Required,
    /// The tool of this name.
    Named(String),
}

/// How a reply is drawn. `None` leaves a value to the run file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Whether tools may be called.
    pub tool_choice: ToolChoice,
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// Upper bound on the tokens of the reply.
    pub max_output_tokens: Option<u32>,
    /// Texts at which the model stops.
    pub stop: Vec<String>,
}

/// How many tokens the beginning of a conversation has, as a server counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Messages at the beginning.
    pub messages: usize,
    /// Their tokens, those of the offered tools included.
    pub tokens: u64,
}

/// One exchange asked of a model.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The rollout that asks. For models that play a recording.
    pub rollout: &'a str,
    /// The stage the asking plugin works on, as the chain file names it.
    pub stage: &'a str,
    /// How many exchanges the rollout had at this stage before, over all its
    /// conversations. For models that play a script.
    pub turn_of_stage: usize,
    /// The whole conversation.
    pub messages: &'a [Message],
    /// What is known of the tokens of its beginning.
    pub measured: Option<Measured>,
    /// The tools offered in this turn.
    pub tools: &'a [ToolDefinition],
    /// How the reply is drawn.
    pub sampling: &'a Sampling,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// What it said.
    pub message: AssistantMessage,
    /// Why it stopped.
    pub finish: FinishReason,
    /// Of this exchange alone, cost included.
    pub usage: Usage,
    /// What else the server told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<ReplyDetails>>,
}

/// What servers tell beside a reply, where they do. No guest sees it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplyDetails {
    /// The server's id of the reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The model as the server names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The server's name for its own state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The prompt as the model read it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prompt_token_ids: Vec<u32>,
    /// The reply as the model wrote it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_ids: Vec<u32>,
    /// The tokens of the reply with their log probabilities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<TokenLogprob>,
}

/// One token of a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenLogprob {
    /// The token as the server writes it.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum ModelError {
    /// The rollout's or the run's budget is used up.
    #[error("budget used up: {0}")]
    BudgetExhausted(String),
    /// The conversation does not fit into the context window.
    #[error("conversation is too long for the model: {0}")]
    ContextTooLong(String),
    /// The request can't be sent as it is.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    /// The model or its server declined.
    #[error("the model refused: {0}")]
    Refused(String),
    /// No reply after all retries: an infrastructure failure.
    #[error("the model is unavailable: {0}")]
    Unavailable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What plugins may know of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Name in the run file.
    pub name: String,
    /// Context window in tokens; 0 when unknown.
    pub context_window: u64,
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same request would fail again.
    Never,
    /// After a while, and not before the time the server named.
    Backoff(Option<Duration>),
    /// The same, and with fewer requests at a time.
    Overloaded(Option<Duration>),
}

/// Why one attempt at an exchange came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptError {
    /// What the plugin is told if nothing else helps.
    pub error: ModelError,
    /// Whether trying again can help.
    pub retry: Retry,
    /// What has to be paid all the same.
    pub usage: Usage,
}

impl AttemptError {
    /// A failure that cost nothing and would come again.
    pub fn lasting(error: ModelError) -> Self {
        Self { error, retry: Retry::Never, usage: Usage::default() }
    }
}

/// A language model. Shared by all rollouts of a run.
#[async_trait]
pub trait Model: Send + Sync {
    /// Its name and context window.
    fn info(&self) -> ModelInfo;

    /// The most that one attempt can take, cost included.
    fn bound(&self, request: &Request<'_>) -> Usage;

    /// Asks once for the next turn of the assistant.
    async fn attempt(&self, request: &Request<'_>) -> Result<Reply, AttemptError>;
}
