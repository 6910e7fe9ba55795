//! Language models behind one trait, and the gateway to them.
//!
//! * [`message`]: what is said, by whom, and whether a model really produced it.
//! * [`usage`], [`price`]: tokens and money.
//! * [`conversation`]: the host's copy of a conversation and the edits that make it.
//! * [`model`]: the trait [`Model`], which asks once, and its errors.
//! * [`gateway`]: all that stands before a model: [`budget`], [`limit`], [`retry`].
//! * [`openai`]: models behind OpenAI-compatible servers; [`secret`]: their keys.
//! * [`tls`]: whose certificates are believed of such servers, and of others.
//! * [`probe`]: what such a server can do, by asking it.
//! * [`tape`], [`recorded`]: exchanges written down, and a model that plays them.
//! * [`scripted`]: a model that plays replies from a file, for the demo and for tests.
//!
//! Guests never see this crate; the plugin crate converts to and from WIT. Nor
//! does it read the environment: addresses and keys are given to it.

pub mod budget;
pub mod conversation;
pub mod gateway;
pub mod limit;
pub mod message;
pub mod model;
pub mod openai;
pub mod price;
pub mod probe;
pub mod recorded;
pub mod retry;
pub mod scripted;
pub mod secret;
pub mod tape;
pub mod tls;
pub mod usage;

pub use budget::{Account, Bounds};
pub use conversation::{Conversation, ConversationId, Edit};
pub use gateway::{FailedAttempt, Gateway, Outcome, Purse, Waiting, Watch};
pub use limit::Limiter;
pub use message::{AssistantMessage, FinishReason, Message, Origin, ToolCall, ToolDefinition};
pub use model::{
    AttemptError, Measured, Model, ModelError, ModelInfo, Reply, ReplyDetails, Request, Retry,
    Sampling, TokenLogprob, ToolChoice,
};
pub use openai::{Delivery, OpenAiModel, OpenAiSettings, SettingsError, Timeouts};
pub use price::{Price, Usd};
pub use probe::{Finding, ProbeReport, Verdict};
pub use recorded::RecordedModel;
pub use retry::RetryPolicy;
pub use scripted::{ScriptError, ScriptedModel};
pub use secret::Secret;
pub use tape::{Recorder, TapeError};
pub use tls::{Authorities, TlsError};
pub use usage::Usage;
