//! Models behind servers that speak OpenAI's chat completions.
//!
//! * `request`: a conversation as such servers want it.
//! * `transport`: bytes over HTTP, within deadlines and a bound on their number.
//! * `stream`: server-sent events.
//! * `reply`: what is taken from an answer, whole or in pieces.
//! * `refusal`: what a server says where it gives no reply.
//! * `error`: what can go wrong, by what can be done about it.
//!
//! Servers differ: what is not needed is not looked at, and what is missing is
//! estimated and marked as such.

mod error;
mod refusal;
mod reply;
mod request;
mod stream;
mod transport;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Map, Value};

pub use error::{OpenAiError, SettingsError};
pub use transport::{Timeouts, check_certificates};

use crate::model::{AttemptError, Model, ModelError, ModelInfo, Reply, Request};
use crate::price::Price;
use crate::secret::Secret;
use crate::tls::Authorities;
use crate::usage::{Usage, estimated_tokens};
use reply::Pieces;
use stream::Events;
use transport::{Answer, Transport};

/// Whether a server is asked to send its reply in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As it is produced, so that silence is noticed.
    Streamed,
    /// All at once.
    Whole,
}

/// How a server is reached and asked.
#[derive(Debug, Clone)]
pub struct OpenAiSettings {
    /// Name and context window under which the model appears.
    pub info: ModelInfo,
    /// The address before `/chat/completions`.
    pub base_url: String,
    /// The model as the server names it.
    pub model: String,
    /// The key, where the server wants one.
    pub key: Option<Secret>,
    /// Who vouches for the server beside those that this machine knows.
    pub authorities: Authorities,
    /// How replies are delivered.
    pub delivery: Delivery,
    /// 0 to 2; the server's choice where nothing is said.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Seed of the server's sampling.
    pub seed: Option<i64>,
    /// Texts at which the model stops, where a plugin names none.
    pub stop: Vec<String>,
    /// Most tokens of a reply. Always sent, as budgets reserve by it.
    pub max_output_tokens: u32,
    /// The field by which the server knows that bound.
    pub output_limit_field: String,
    /// The field in which reasoning of earlier turns is sent back, for models
    /// that want it.
    pub reasoning_field: Option<String>,
    /// Further fields of the request's body.
    pub extra: Map<String, Value>,
    /// Prices.
    pub price: Price,
    /// How long is waited for what.
    pub timeouts: Timeouts,
    /// Most bytes of an answer.
    pub max_reply_bytes: usize,
}

/// Tokens that the frame around a message or a tool may take.
const FRAME_TOKENS: usize = 16;

/// A model behind an OpenAI-compatible server.
pub struct OpenAiModel {
    settings: OpenAiSettings,
    transport: Transport,
}

impl OpenAiModel {
    /// Checks the settings. Nothing is sent yet.
    pub fn new(settings: OpenAiSettings) -> Result<Self, SettingsError> {
        let transport = Transport::new(&settings)?;
        if let Some(field) = settings.extra.keys().find(|field| request::is_own_field(field)) {
            return Err(SettingsError::OwnField(field.clone()));
        }
        Ok(Self { settings, transport })
    }

    /// Asks once; tells with the reply how it was delivered.
    pub async fn ask(&self, request: &Request<'_>) -> Result<(Reply, Delivery), OpenAiError> {
        self.exchange(request).await.map_err(|failure| failure.error)
    }

    async fn exchange(&self, request: &Request<'_>) -> Result<(Reply, Delivery), Failure> {
        let body = request::body(&self.settings, request).map_err(Failure::unpaid)?;
        let mut answer = self.transport.post(Bytes::from(body)).await.map_err(Failure::unpaid)?;
        if answer.status != StatusCode::OK {
            return Err(Failure::unpaid(self.refusal(answer).await));
        }
        let mut pieces = Pieces::default();
        // A server that can't stream answers as if it had not been asked to.
        let delivery = match answer.media_type() {
            Some("text/event-stream") => Delivery::Streamed,
            Some("application/json") => Delivery::Whole,
            other => {
                let found = other.map(str::to_owned);
                let start = answer.start().await;
                let words = refusal::words(&start, self.settings.key.as_ref());
                return Err(Failure::unpaid(OpenAiError::ContentType { found, words }));
            }
        };
        let read = match delivery {
            Delivery::Streamed => self.read_stream(&mut answer, &mut pieces).await,
            Delivery::Whole => self.read_whole(&mut answer, &mut pieces).await,
        };
        // From here on the server has worked, and will want to be paid.
        match read {
            Ok(()) => Ok((pieces.into_reply(request, &self.settings), delivery)),
            Err(error) => {
                let received = pieces.text_len();
                let usage = pieces.usage(&self.settings, request, received);
                Err(Failure { error, usage })
            }
        }
    }

    /// The error that an answer with another status than 200 stands for.
    async fn refusal(&self, mut answer: Answer) -> OpenAiError {
        let body = answer.start().await;
        refusal::of_answer(answer.status, &answer.headers, &body, self.settings.key.as_ref())
    }

    async fn read_whole(
        &self,
        answer: &mut Answer,
        pieces: &mut Pieces,
    ) -> Result<(), OpenAiError> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        pieces.take_in(&self.parse(&body)?, self.settings.key.as_ref())?;
        pieces.check_whole()
    }

    async fn read_stream(
        &self,
        answer: &mut Answer,
        pieces: &mut Pieces,
    ) -> Result<(), OpenAiError> {
        let mut events = Events::default();
        while let Some(chunk) = answer.chunk().await? {
            events.feed(&chunk);
            while let Some(data) = events.next() {
                if data.trim_ascii() == b"[DONE]" {
                    return pieces.check_streamed(true);
                }
                pieces.take_in(&self.parse(&data)?, self.settings.key.as_ref())?;
            }
        }
        pieces.check_streamed(false)
    }

    fn parse(&self, json: &[u8]) -> Result<Value, OpenAiError> {
        let text = String::from_utf8_lossy(json).into_owned();
        let text = match &self.settings.key {
            Some(key) => key.hide_in(text),
            None => text,
        };
        serde_json::from_str(&text).map_err(|err| OpenAiError::Malformed(err.to_string()))
    }
}

/// A failed exchange and what it cost.
struct Failure {
    error: OpenAiError,
    usage: Usage,
}

impl Failure {
    fn unpaid(error: OpenAiError) -> Self {
        Self { error, usage: Usage::default() }
    }
}

#[async_trait]
impl Model for OpenAiModel {
    fn info(&self) -> ModelInfo {
        self.settings.info.clone()
    }

    /// Counts what a server has not counted yet as a token per byte, which is
    /// the most that the usual vocabularies make of a text.
    fn bound(&self, request: &Request<'_>) -> Usage {
        let (known, new_bytes) = request::input_parts(request);
        let input = known.saturating_add(new_bytes);
        let output = request::max_output_tokens(&self.settings, request);
        self.settings.price.charge(Usage {
            input_tokens: input,
            output_tokens: u64::from(output),
            ..Usage::default()
        })
    }

    async fn attempt(&self, request: &Request<'_>) -> Result<Reply, AttemptError> {
        let exchange = self.exchange(request).await;
        exchange.map(|(reply, _)| reply).map_err(|Failure { error, usage }| AttemptError {
            retry: error.retry(),
            error: ModelError::from(error),
            usage,
        })
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_mins(5),
            silence: Duration::from_mins(1),
            request: Duration::from_mins(10),
        }
    }
}

/// What a request has of input, as estimated.
fn estimated_input(request: &Request<'_>) -> u64 {
    let messages: usize = request.messages.iter().map(crate::message::Message::text_len).sum();
    let tools: usize = request.tools.iter().map(request::tool_len).sum();
    estimated_tokens(messages + tools)
}
