//! What can go wrong with a server, by what can be done about it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::model::{ModelError, Retry};
use crate::tls::{TlsError, disbelief};

/// Why settings of a server can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The address is wrong.
    #[error("`base_url` is `{base_url}`: {reason}")]
    BaseUrl {
        /// The address.
        base_url: String,
        /// What is wrong.
        reason: String,
    },
    /// The key can't be sent in a header.
    #[error("the key holds characters that no key has")]
    Key,
    /// A field of `extra` has a key of its own.
    #[error("`extra` has the field `{0}`, which has a key of its own or is not the user's to set")]
    OwnField(String),
    /// There is nothing by which to believe a server over `https`.
    #[error(transparent)]
    Certificates(#[from] TlsError),
}

/// What was waited for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The head of the answer.
    FirstByte,
    /// More of the answer.
    NextByte,
    /// The end of the answer.
    WholeReply,
}

impl fmt::Display for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstByte => "did not begin to answer",
            Self::NextByte => "fell silent in the middle of its answer",
            Self::WholeReply => "did not end its answer",
        })
    }
}

/// Why a server gave no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenAiError {
    /// The request can't be written.
    #[error("{0}")]
    Request(String),
    /// No connection, or one that ended before the answer began.
    #[error("can't reach the model server: {0}")]
    Unreachable(String),
    /// The server's certificate is not trusted.
    #[error("the model server is not trusted: {0}")]
    Untrusted(String),
    /// The server took too long.
    #[error("the model server {0} within {1:?}")]
    TimedOut(Waited, Duration),
    /// The answer broke off.
    #[error("the model server's answer broke off: {0}")]
    BrokenOff(String),
    /// The answer ended before the reply did.
    #[error("the model server's answer ended before the reply did")]
    Truncated,
    /// The answer is larger than is taken.
    #[error("the model server's answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The reply makes more tool calls than are taken.
    #[error("the model server's answer makes more than {0} tool calls")]
    TooManyCalls(usize),
    /// The answer is of a type that no chat-completions server sends.
    #[error(
        "the model server answered with `{}` in the place of JSON: {words}",
        found.as_deref().unwrap_or("no content type")
    )]
    ContentType {
        /// Its type.
        found: Option<String>,
        /// How it begins.
        words: String,
    },
    /// The answer is no chat completion.
    #[error("the model server's answer makes no sense: {0}")]
    Malformed(String),
    /// Too many requests.
    #[error("the model server is overloaded ({status}): {words}")]
    Overloaded {
        /// Its status.
        status: u16,
        /// When it wants to be asked again.
        after: Option<Duration>,
        /// Its words.
        words: String,
    },
    /// The server failed.
    #[error("the model server failed ({status}): {words}")]
    Server {
        /// Its status.
        status: u16,
        /// When it wants to be asked again.
        after: Option<Duration>,
        /// Its words.
        words: String,
    },
    /// The account has nothing left.
    #[error("the account at the model server is used up ({status}): {words}")]
    OutOfQuota {
        /// Its status.
        status: u16,
        /// Its words.
        words: String,
    },
    /// The key is wrong or not enough.
    #[error("the model server does not accept the key ({status}): {words}")]
    Denied {
        /// Its status.
        status: u16,
        /// Its words.
        words: String,
    },
    /// There is no such model, or no such address.
    #[error("the model server does not know the model or the address ({status}): {words}")]
    NotFound {
        /// Its status.
        status: u16,
        /// Its words.
        words: String,
    },
    /// The conversation does not fit into the context window.
    #[error("{0}")]
    ContextTooLong(String),
    /// The server's filter stopped it.
    #[error("{0}")]
    Filtered(String),
    /// The server refuses the request as it is.
    #[error("the model server refuses the request ({status}): {words}")]
    BadRequest {
        /// Its status.
        status: u16,
        /// Its words.
        words: String,
    },
    /// Some other status.
    #[error("the model server answered with status {status}: {words}")]
    Status {
        /// Its status.
        status: u16,
        /// Its words.
        words: String,
    },
}

impl OpenAiError {
    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unreachable(_)
            | Self::TimedOut(..)
            | Self::BrokenOff(_)
            | Self::Truncated
            | Self::Malformed(_) => Retry::Backoff(None),
            Self::Server { after, .. } => Retry::Backoff(*after),
            Self::Overloaded { after, .. } => Retry::Overloaded(*after),
            Self::Request(_)
            | Self::Untrusted(_)
            | Self::TooLarge(_)
            | Self::TooManyCalls(_)
            | Self::ContentType { .. }
            | Self::OutOfQuota { .. }
            | Self::Denied { .. }
            | Self::NotFound { .. }
            | Self::ContextTooLong(_)
            | Self::Filtered(_)
            | Self::BadRequest { .. }
            | Self::Status { .. } => Retry::Never,
        }
    }

    /// What a person can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unreachable(_) => "is the server running, and is `base_url` its address?",
            Self::Untrusted(_) => {
                "name the file of the authority that vouches for it under `ca`, if you trust it"
            }
            Self::Denied { .. } => "look at `key_env` or `key_file`, and at the key's rights",
            Self::OutOfQuota { .. } => "look at the account's balance and limits",
            Self::NotFound { .. } | Self::ContentType { .. } | Self::Status { .. } => {
                "`base_url` usually ends in `/v1`, and `model` is the server's name of the model"
            }
            Self::TimedOut(..) => "raise `timeouts` if the server is only slow",
            Self::TooLarge(_) => "raise `max_reply` or lower `max_output_tokens`",
            Self::BadRequest { .. } => {
                "the server may not know a field: see `output_limit_field`, `temperature`, `extra`"
            }
            _ => return None,
        })
    }

    /// A request that came to no answer.
    pub(super) fn unreachable(error: &hyper_util::client::legacy::Error) -> Self {
        match disbelief(error) {
            Some(why) => Self::Untrusted(why),
            None => Self::Unreachable(in_one_line(error)),
        }
    }

    /// An answer that came to no end.
    pub(super) fn broken_off(error: &hyper::Error) -> Self {
        Self::BrokenOff(in_one_line(error))
    }
}

/// What a plugin is told. That the server can't be used is never the agent's
/// doing, whatever the cause.
impl From<OpenAiError> for ModelError {
    fn from(error: OpenAiError) -> Self {
        match error {
            OpenAiError::Request(why) => Self::InvalidRequest(why),
            OpenAiError::BadRequest { .. } => Self::InvalidRequest(error.to_string()),
            OpenAiError::ContextTooLong(words) => Self::ContextTooLong(words),
            OpenAiError::Filtered(words) => Self::Refused(words),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

fn in_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
