//! What a model is to Catena: it takes a whole conversation and gives one reply.

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

/// One exchange asked of a model.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The stage the asking plugin works on, as the chain file names it.
    pub stage: &'a str,
    /// How many exchanges the rollout had at this stage before, over all its
    /// conversations. For models that play a script.
    pub turn_of_stage: usize,
    /// The whole conversation.
    pub messages: &'a [Message],
    /// The tools offered in this turn.
    pub tools: &'a [ToolDefinition],
    /// How the reply is drawn.
    pub sampling: &'a Sampling,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// What it said.
    pub message: AssistantMessage,
    /// Why it stopped.
    pub finish: FinishReason,
    /// Of this exchange alone, cost included.
    pub usage: Usage,
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

/// A language model. Shared by all rollouts of a run.
#[async_trait]
pub trait Model: Send + Sync {
    /// Its name and context window.
    fn info(&self) -> ModelInfo;

    /// Gives the next turn of the assistant.
    async fn complete(&self, request: Request<'_>) -> Result<Reply, ModelError>;
}
