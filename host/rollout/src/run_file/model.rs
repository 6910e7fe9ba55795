//! How a run file, or the user's `models.toml`, says what a model is.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use catena_model::{ModelInfo, Price, RetryPolicy, Timeouts};
use catena_plugin::units::{ByteSize, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

/// The model of a run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ModelChoice {
    /// One of `[models]`, of the run file or of the user's `models.toml`.
    Named(String),
    /// All about it.
    Here(Box<ModelUse>),
}

impl<'de> Deserialize<'de> for ModelChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;

        impl<'de> de::Visitor<'de> for Choice {
            type Value = ModelChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a model, or a table with its `kind`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<ModelChoice, E> {
                Ok(ModelChoice::Named(name.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<ModelChoice, A::Error> {
                let table = de::value::MapAccessDeserializer::new(map);
                ModelUse::deserialize(table).map(|model| ModelChoice::Here(Box::new(model)))
            }
        }

        deserializer.deserialize_any(Choice)
    }
}

/// What a model is and how it is reached. Relative paths are relative to the
/// file it stands in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ModelUse {
    /// Plays replies from a script.
    Scripted(ScriptedUse),
    /// A server that speaks OpenAI's chat completions.
    #[serde(rename = "openai")]
    OpenAi(Box<OpenAiUse>),
    /// Plays a tape, and nothing that is not on it.
    Recorded(RecordedUse),
}

/// A model that plays replies from a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScriptedUse {
    /// Name under which it appears.
    #[serde(default = "scripted_name")]
    pub name: String,
    /// The file of replies.
    pub script: PathBuf,
    /// Context window in tokens; 0 when unknown.
    #[serde(default)]
    pub context_window: u64,
    /// US dollars per million tokens.
    #[serde(default)]
    pub price: Price,
    /// A tape to which every exchange is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<PathBuf>,
}

/// A model that plays a tape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordedUse {
    /// Name under which it appears.
    #[serde(default = "recorded_name")]
    pub name: String,
    /// The tape.
    pub tape: PathBuf,
    /// Context window in tokens; 0 when unknown.
    #[serde(default)]
    pub context_window: u64,
}

/// A model behind an OpenAI-compatible server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenAiUse {
    /// Name under which it appears; that of `model` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The server's address, before `/chat/completions`.
    pub base_url: String,
    /// The model as the server names it.
    pub model: String,
    /// The environment variable that holds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// The file that holds the key, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Files, in PEM, of authorities that vouch for the server beside those that the
    /// machine knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ca: Vec<PathBuf>,
    /// Context window in tokens; 0 when unknown.
    #[serde(default)]
    pub context_window: u64,
    /// Most tokens of a reply.
    #[serde(default = "default_max_output_tokens")]
    pub max_output_tokens: u32,
    /// The field in which the server is told so.
    #[serde(default = "default_output_limit_field")]
    pub output_limit_field: String,
    /// Sampling temperature, 0 to 2, where the plugin names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Seed of the server's sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts at which the model stops, where the plugin names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Whether the server is asked to send its reply as it is produced.
    #[serde(default = "yes")]
    pub stream: bool,
    /// The field in which the reasoning of earlier turns is sent back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_field: Option<String>,
    /// Further fields of the request's body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, serde_json::Value>,
    /// US dollars per million tokens.
    #[serde(default)]
    pub price: Price,
    /// Most requests at a time to the server.
    #[serde(default = "default_concurrency")]
    pub concurrency: u32,
    /// How long is waited for what.
    #[serde(default)]
    pub timeouts: TimeoutsUse,
    /// How often and how long is tried.
    #[serde(default)]
    pub retry: RetryUse,
    /// Most bytes of an answer.
    #[serde(default = "default_max_reply")]
    pub max_reply: ByteSize,
    /// A tape to which every exchange is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<PathBuf>,
}

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutsUse {
    /// For a connection.
    pub connect: Span,
    /// For the first byte of the answer.
    pub first_byte: Span,
    /// For the next byte of the answer.
    pub silence: Span,
    /// For all of the answer.
    pub request: Span,
}

/// How often and how long is tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryUse {
    /// Attempts at one exchange, the first included.
    pub attempts: u32,
    /// The wait after the first failed attempt; each further one is twice as long.
    pub first_wait: Span,
    /// The longest wait that is not the server's wish.
    pub longest_wait: Span,
    /// The longest wait a server may ask for.
    pub patience: Span,
    /// No attempt begins later than this after the first.
    pub deadline: Span,
}

impl Default for TimeoutsUse {
    fn default() -> Self {
        let Timeouts { connect, first_byte, silence, request } = Timeouts::default();
        let [connect, first_byte, silence, request] =
            [connect, first_byte, silence, request].map(Span);
        Self { connect, first_byte, silence, request }
    }
}

impl Default for RetryUse {
    fn default() -> Self {
        let RetryPolicy { attempts, first_wait, longest_wait, patience, deadline } =
            RetryPolicy::default();
        let [first_wait, longest_wait, patience, deadline] =
            [first_wait, longest_wait, patience, deadline].map(Span);
        Self { attempts, first_wait, longest_wait, patience, deadline }
    }
}

impl From<TimeoutsUse> for Timeouts {
    fn from(timeouts: TimeoutsUse) -> Self {
        Self {
            connect: timeouts.connect.0,
            first_byte: timeouts.first_byte.0,
            silence: timeouts.silence.0,
            request: timeouts.request.0,
        }
    }
}

impl From<RetryUse> for RetryPolicy {
    fn from(retry: RetryUse) -> Self {
        Self {
            attempts: retry.attempts,
            first_wait: retry.first_wait.0,
            longest_wait: retry.longest_wait.0,
            patience: retry.patience.0,
            deadline: retry.deadline.0,
        }
    }
}

impl ModelUse {
    /// Name and context window, as plugins see them.
    pub fn info(&self) -> ModelInfo {
        let (name, context_window) = match self {
            Self::Scripted(model) => (&model.name, model.context_window),
            Self::Recorded(model) => (&model.name, model.context_window),
            Self::OpenAi(model) => {
                (model.name.as_ref().unwrap_or(&model.model), model.context_window)
            }
        };
        ModelInfo { name: name.clone(), context_window }
    }

    /// The tape to which its exchanges are added.
    pub fn record(&self) -> Option<&Path> {
        match self {
            Self::Scripted(model) => model.record.as_deref(),
            Self::OpenAi(model) => model.record.as_deref(),
            Self::Recorded(_) => None,
        }
    }

    /// Gives it the name under which it stands, where it has none of its own.
    pub(crate) fn name_by_default(&mut self, name: &str) {
        match self {
            Self::OpenAi(model) if model.name.is_none() => model.name = Some(name.to_owned()),
            Self::Scripted(model) if model.name == scripted_name() => {
                name.clone_into(&mut model.name);
            }
            Self::Recorded(model) if model.name == recorded_name() => {
                name.clone_into(&mut model.name);
            }
            _ => {}
        }
    }

    /// The files that it names: keys, certificates, scripts and tapes.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut copy = self.clone();
        copy.paths().map(|path| path.clone()).collect()
    }

    /// Resolves its paths against the directory of the file it stands in.
    pub fn make_absolute(&mut self, base: &Path) {
        for path in self.paths() {
            *path = base.join(&*path);
        }
    }

    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let (paths, more) = match self {
            Self::Scripted(model) => ([Some(&mut model.script), model.record.as_mut()], None),
            Self::Recorded(model) => ([Some(&mut model.tape), None], None),
            Self::OpenAi(model) => {
                ([model.key_file.as_mut(), model.record.as_mut()], Some(&mut model.ca))
            }
        };
        paths.into_iter().flatten().chain(more.into_iter().flatten())
    }

    /// The first value that makes no sense: its key, what it is, what it must be.
    pub(crate) fn wrong_value(&self) -> Option<(&'static str, String, &'static str)> {
        let Self::OpenAi(model) = self else { return None };
        let outside = |value: Option<f64>, most: f64| {
            value.filter(|value| !(0.0..=most).contains(value)).map(|value| value.to_string())
        };
        if let Some(found) = outside(model.temperature, 2.0) {
            return Some(("temperature", found, "it must be from 0 to 2"));
        }
        if let Some(found) = outside(model.top_p, 1.0) {
            return Some(("top_p", found, "it must be from 0 to 1"));
        }
        let numbers = [
            ("concurrency", model.concurrency),
            ("max_output_tokens", model.max_output_tokens),
            ("retry.attempts", model.retry.attempts),
        ];
        if let Some((key, _)) = numbers.into_iter().find(|(_, number)| *number == 0) {
            return Some((key, "0".to_owned(), "it must be at least 1"));
        }
        if model.key_env.is_some() && model.key_file.is_some() {
            let expected = "a key comes from one place: leave out `key_env` or `key_file`";
            return Some(("key_file", "there as well as `key_env`".to_owned(), expected));
        }
        let waits = [
            ("timeouts.connect", model.timeouts.connect),
            ("timeouts.first_byte", model.timeouts.first_byte),
            ("timeouts.silence", model.timeouts.silence),
            ("timeouts.request", model.timeouts.request),
        ];
        let nothing = waits.into_iter().find(|(_, span)| span.0 == Duration::ZERO);
        nothing.map(|(key, span)| (key, span.to_string(), "it must be longer than nothing"))
    }

    /// Whether money can be counted for it.
    pub(crate) fn has_price(&self) -> bool {
        match self {
            Self::OpenAi(model) => !model.price.is_nothing(),
            // What costs nothing has its price.
            Self::Scripted(_) | Self::Recorded(_) => true,
        }
    }
}

fn scripted_name() -> String {
    "scripted".to_owned()
}

fn recorded_name() -> String {
    "recorded".to_owned()
}

fn yes() -> bool {
    true
}

fn default_max_output_tokens() -> u32 {
    16_384
}

fn default_output_limit_field() -> String {
    "max_tokens".to_owned()
}

fn default_concurrency() -> u32 {
    16
}

fn default_max_reply() -> ByteSize {
    ByteSize(16 << 20)
}
