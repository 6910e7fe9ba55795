//! Tokens of messages, as a tokenizer that the user names counts them.
//!
//! Texts are counted on their own, without a chat template: what a template puts
//! around messages is a few tokens each, and differs from model to model.

use std::path::{Path, PathBuf};

use catena_model::{Message, ToolDefinition};
use catena_plugin::Digest;
use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

use crate::canonical::Rollout;
use crate::sample::Sample;

/// What no vocabulary has as it is.
const ODD: &str = "\u{10FFFD} \u{0} qzxjv";

/// Why tokens can't be counted.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// A file can't be read.
    #[error("can't read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no tokenizer.
    #[error("`{path}` is no `tokenizer.json`: {reason}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A file that decides what a model reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedFile {
    /// Its name, without directories.
    pub file: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

impl NamedFile {
    /// The file at `path`.
    pub fn of(path: &Path) -> Result<Self, TokensError> {
        read(path).map(|(_, about)| about)
    }
}

/// Tokens of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenCount {
    /// Of the turns to be learned.
    pub trained: u64,
    /// Of all other messages and of the tools.
    pub masked: u64,
}

impl TokenCount {
    /// All of them.
    pub fn total(self) -> u64 {
        self.trained + self.masked
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.trained += other.trained;
        self.masked += other.masked;
    }
}

/// A tokenizer.
pub struct Counter {
    tokenizer: Tokenizer,
    about: NamedFile,
}

/// The tokens of one rollout's messages, each counted once.
pub(crate) struct Counted<'a> {
    counter: &'a Counter,
    messages: Vec<Option<u64>>,
}

impl Counter {
    /// Reads a `tokenizer.json`.
    pub fn load(path: &Path) -> Result<Self, TokensError> {
        let (bytes, about) = read(path)?;
        let parse = |reason: tokenizers::Error| TokensError::Parse {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        let mut tokenizer = Tokenizer::from_bytes(&bytes).map_err(parse)?;
        tokenizer.with_truncation(None).map_err(parse)?;
        tokenizer.with_padding(None);
        // One that lacks a token for what it does not know would count too little.
        tokenizer.encode_fast(ODD, false).map_err(parse)?;
        Ok(Self { tokenizer, about })
    }

    /// What the counts are by.
    pub fn about(&self) -> &NamedFile {
        &self.about
    }

    /// Tokens of a text on its own.
    pub fn count(&self, text: &str) -> u64 {
        if text.is_empty() {
            return 0;
        }
        // It was tried when it was read.
        self.tokenizer.encode_fast(text, false).map_or(0, |encoding| encoding.len() as u64)
    }

    fn message(&self, message: &Message) -> u64 {
        match message {
            Message::System { content }
            | Message::User { content }
            | Message::Tool { content, .. }
            | Message::Other { content, .. } => self.count(content),
            Message::Assistant { message, .. } => {
                let calls = message.tool_calls.iter();
                let calls = calls.map(|call| self.count(&call.name) + self.count(&call.arguments));
                let reasoning = message.reasoning.as_deref().unwrap_or_default();
                self.count(&message.content) + self.count(reasoning) + calls.sum::<u64>()
            }
        }
    }

    fn tools(&self, tools: &[ToolDefinition]) -> u64 {
        let count = |tool: &ToolDefinition| {
            self.count(&tool.name) + self.count(&tool.description) + self.count(&tool.parameters)
        };
        tools.iter().map(count).sum()
    }
}

impl<'a> Counted<'a> {
    pub(crate) fn new(counter: &'a Counter, rollout: &Rollout) -> Self {
        Self { counter, messages: vec![None; rollout.messages.len()] }
    }

    /// Tokens of the message at a position of the rollout's list.
    fn message(&mut self, rollout: &Rollout, at: usize) -> u64 {
        let Some(known) = self.messages.get_mut(at) else { return 0 };
        *known.get_or_insert_with(|| {
            rollout.message(at).map_or(0, |message| self.counter.message(message))
        })
    }

    /// Tokens of a sample's first `end` messages, of which those at `trained` are
    /// learned.
    pub(crate) fn part(
        &mut self,
        sample: &Sample<'_>,
        trained: &[usize],
        end: usize,
    ) -> TokenCount {
        let mut count = TokenCount { trained: 0, masked: self.counter.tools(sample.tools) };
        for (position, said) in sample.said.iter().take(end).enumerate() {
            let tokens = self.message(sample.rollout, said.message);
            if trained.binary_search(&position).is_ok() {
                count.trained += tokens;
            } else {
                count.masked += tokens;
            }
        }
        count
    }
}

/// A file's bytes, name and digest.
fn read(path: &Path) -> Result<(Vec<u8>, NamedFile), TokensError> {
    let bytes = std::fs::read(path)
        .map_err(|source| TokensError::Read { path: path.to_owned(), source })?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let about = NamedFile { file, sha256: Digest::of(&bytes).to_string() };
    Ok((bytes, about))
}
