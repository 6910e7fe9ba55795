//! Trajectories of other programs in the canonical form: one file, one rollout.
//!
//! Such a rollout has one stage, `task`, that nothing has judged. What a form has
//! and the canonical one has no field for is kept in `extra`. A name such as
//! `owner__name-12` tells the repository and the pull request.

mod atif;
pub(crate) mod handed_in;
mod mini_swe_agent;
mod sii;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use catena_chain::{ChainId, StageId};
use catena_model::{ConversationId, Message, ToolDefinition, Usage};
use catena_plugin::Digest;
use catena_rollout::RolloutId;
use catena_rollout::summary::RoundSummary;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical::{Agent, Conversation, Rollout, Source, Stage, Task, Turn, VERSION};
use crate::select::pull_request;

pub use handed_in::{Lack, NoPatch, is_patch};

/// A form of another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Harbor's ATIF.
    Atif,
    /// mini-swe-agent's trajectory files, of versions 1 and 2.
    MiniSweAgent,
    /// Logs of SII-CLI.
    Sii,
}

/// Why a file can't be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It can't be read.
    #[error("can't read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not of the form.
    #[error("`{path}` is no trajectory of this form")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// It has something that the canonical form can't hold.
    #[error("`{path}`: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What.
        reason: String,
    },
}

/// Why a document can't be imported, wherever it comes from.
#[derive(Debug, thiserror::Error)]
enum DocumentError {
    #[error(transparent)]
    Parse(#[from] serde_json::Error),
    #[error("{0}")]
    Content(String),
}

impl Form {
    /// The form that a document seems to be of.
    pub fn of(document: &Value) -> Option<Self> {
        if document.get("schema_version").is_some() && document.get("steps").is_some() {
            Some(Self::Atif)
        } else if document.get("trajectory_format").is_some() {
            Some(Self::MiniSweAgent)
        } else if document.get("events").is_some() {
            Some(Self::Sii)
        } else {
            None
        }
    }
}

/// Reads a file. Without a form, the one that it seems to be of.
pub fn import(path: &Path, form: Option<Form>) -> Result<Rollout, ImportError> {
    let read = |source| ImportError::Read { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(read)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    document(&text, &name, form).map_err(|err| match err {
        DocumentError::Parse(source) => ImportError::Parse { path: path.to_owned(), source },
        DocumentError::Content(reason) => ImportError::Content { path: path.to_owned(), reason },
    })
}

fn document(text: &str, name: &str, form: Option<Form>) -> Result<Rollout, DocumentError> {
    let form = match form {
        Some(form) => form,
        None => Form::of(&serde_json::from_str(text)?)
            .ok_or_else(|| DocumentError::Content("it is of no form that is known".to_owned()))?,
    };
    let rollout = match form {
        Form::Atif => atif::rollout(text, name),
        Form::MiniSweAgent => mini_swe_agent::rollout(text, name),
        Form::Sii => sii::rollout(text, name),
    }?;
    rollout.check().map_err(|err| DocumentError::Content(err.to_string()))?;
    Ok(rollout)
}

/// Messages by what they say, each once.
#[derive(Default)]
struct Messages {
    all: Vec<Message>,
    known: HashMap<Message, usize>,
}

impl Messages {
    fn position(&mut self, message: Message) -> usize {
        if let Some(at) = self.known.get(&message) {
            return *at;
        }
        self.all.push(message.clone());
        self.known.insert(message, self.all.len() - 1);
        self.all.len() - 1
    }
}

/// What an import finds out.
struct Found {
    form: &'static str,
    version: Option<String>,
    /// The session, or what the file is called.
    name: String,
    agent: Agent,
    conversations: Vec<Conversation>,
    turns: Vec<Turn>,
    tools: BTreeMap<Digest, Vec<ToolDefinition>>,
    messages: Messages,
    round: RoundSummary,
    extra: Option<Value>,
}

impl Found {
    /// A rollout of one stage that nothing has judged.
    fn rollout(self) -> Result<Rollout, DocumentError> {
        let content = |err: catena_chain::id::NameError| DocumentError::Content(err.to_string());
        let mut usage = Usage::default();
        for turn in &self.turns {
            usage += turn.usage;
        }
        let calls = self.turns.iter().map(|turn| turn.calls.len() as u64).sum();
        let stage = Stage {
            stage: 1,
            id: StageId::new("task").map_err(content)?,
            conversation: self.conversations.first().map_or(ConversationId(0), |talk| talk.id),
            carry: None,
            rounds: vec![self.round],
            outcome: None,
            tree: None,
            usage,
            judging_usage: Usage::default(),
            turns: self.turns.len() as u64,
            tool_calls: calls,
            wall_ms: 0,
        };
        let task = stage.id.clone();
        let named = pull_request(plain_name(&self.name));
        let chain = named.as_ref().map(|(_, number)| Task {
            id: task,
            pull_request: Some(*number),
            base: None,
            merge: None,
        });
        Ok(Rollout {
            catena_trajectory: VERSION,
            rollout: RolloutId { chain: ChainId::new(id(&self.name)).map_err(content)?, trial: 1 },
            source: Source { format: self.form.to_owned(), name: self.name, version: self.version },
            repository: named.map(|(repository, _)| repository),
            license: None,
            agent: self.agent,
            control: false,
            chain: chain.into_iter().collect(),
            end: None,
            stages: vec![stage],
            conversations: self.conversations,
            turns: self.turns,
            tools: self.tools,
            usage,
            failed_attempts: 0,
            refused: BTreeMap::new(),
            extra: self.extra,
            messages: self.messages.all,
        })
    }
}

/// A text, or the parts of one.
fn text(content: Option<Value>) -> Result<String, DocumentError> {
    match content {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(Value::Array(parts)) => {
            let part = |part: &Value| match part.get("text").and_then(Value::as_str) {
                Some(text) => Ok(text.to_owned()),
                None => Err(DocumentError::Content(
                    "it has images or sounds, which the canonical form can't hold".to_owned(),
                )),
            };
            Ok(parts.iter().map(part).collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
        Some(other) => Err(DocumentError::Content(format!("`{other}` is no text"))),
    }
}

/// Adds a field, if there is something in it.
fn keep(object: &mut Value, key: &str, value: Value) {
    if let (Some(object), false) = (object.as_object_mut(), value.is_null()) {
        object.insert(key.to_owned(), value);
    }
}

/// Millionths of a dollar, to the next one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "costs are positive and far below the largest number"
)]
fn rounded(micro: f64) -> u64 {
    micro.max(0.0).round() as u64
}

/// The name of a file without its endings.
fn plain_name(name: &str) -> &str {
    name.trim_end_matches(".json").trim_end_matches(".traj")
}

/// A name as an id: what can't be in one becomes `-`.
fn id(name: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let plain = plain_name(name).chars().map(|c| if is_plain(&c) { c } else { '-' });
    let id: String = plain.skip_while(|c| *c == '.').take(catena_chain::id::MAX_ID).collect();
    if id.is_empty() { "imported".to_owned() } else { id }
}

/// The tools of a turn, kept under their digest.
fn keep_tools(
    tools: &mut BTreeMap<Digest, Vec<ToolDefinition>>,
    definitions: Vec<ToolDefinition>,
) -> Digest {
    let digest = Digest::of(&serde_json::to_vec(&definitions).unwrap_or_default());
    tools.insert(digest, definitions);
    digest
}
