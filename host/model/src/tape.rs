//! Tapes: JSON lines, one for each exchange with a model, as a [`Recorder`]
//! writes them and a [`RecordedModel`](crate::RecordedModel) plays them.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::message::{Message, ToolDefinition};
use crate::model::{ModelError, Reply, Request, Sampling};

/// Version of a tape's lines.
const TAPE_VERSION: u32 = 1;

/// Why a tape can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// The file can't be read or written.
    #[error("tape `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not an exchange.
    #[error("tape `{path}`, line {line} is not a recorded exchange")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A line is of a version this program does not know.
    #[error("tape `{path}`, line {line} has version {found}; this program reads version 1")]
    Version {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The version found.
        found: u32,
    },
}

/// What was asked, as far as the answer can depend on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) messages: Vec<Message>,
    pub(crate) tools: Vec<ToolDefinition>,
    pub(crate) sampling: Sampling,
}

impl Asked {
    pub(crate) fn of(request: &Request<'_>) -> Self {
        Self {
            messages: request.messages.to_vec(),
            tools: request.tools.to_vec(),
            sampling: request.sampling.clone(),
        }
    }

    /// A digest of all of it.
    pub(crate) fn digest(&self) -> String {
        // Our own types always have a JSON form.
        let json = serde_json::to_vec(self).unwrap_or_default();
        let mut text = String::new();
        for byte in Sha256::digest(&json) {
            // Writing to a text does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answered {
    Reply(Reply),
    Error(ModelError),
}

/// One line of a tape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TapeLine {
    pub(crate) version: u32,
    pub(crate) rollout: String,
    pub(crate) stage: String,
    pub(crate) turn_of_stage: usize,
    /// Of `asked`.
    pub(crate) digest: String,
    pub(crate) asked: Asked,
    pub(crate) answer: Answered,
}

/// Reads a tape. A last line without its end was cut off while it was written
/// and is dropped.
pub(crate) fn read(path: &Path) -> Result<Vec<TapeLine>, TapeError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| TapeError::Io { path: path.to_owned(), source })?;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let parsed: TapeLine = match serde_json::from_str(line) {
            Ok(parsed) => parsed,
            Err(_) if !line.ends_with('\n') => break,
            Err(source) => {
                return Err(TapeError::Parse { path: path.to_owned(), line: number, source });
            }
        };
        if parsed.version != TAPE_VERSION {
            let found = parsed.version;
            return Err(TapeError::Version { path: path.to_owned(), line: number, found });
        }
        lines.push(parsed);
    }
    Ok(lines)
}

/// Appends exchanges to a tape.
pub struct Recorder {
    path: PathBuf,
    file: Mutex<File>,
}

impl Recorder {
    /// Opens a tape, which is begun where there is none.
    pub fn open(path: &Path) -> Result<Self, TapeError> {
        let io_error = |source| TapeError::Io { path: path.to_owned(), source };
        // What was cut off must not spoil the line that follows it.
        let whole = match std::fs::read(path) {
            Ok(text) => text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => 0,
            Err(err) => return Err(io_error(err)),
        };
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(io_error)?;
        file.set_len(whole as u64).map_err(io_error)?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Appends an exchange. Answers that say nothing of the model, such as that
    /// it can't be reached, are left out.
    pub(crate) fn record(
        &self,
        request: &Request<'_>,
        answer: &Result<Reply, ModelError>,
    ) -> Result<(), TapeError> {
        let answer = match answer {
            Ok(reply) => Answered::Reply(reply.clone()),
            Err(ModelError::Unavailable(_) | ModelError::BudgetExhausted(_)) => return Ok(()),
            Err(error) => Answered::Error(error.clone()),
        };
        let asked = Asked::of(request);
        let line = TapeLine {
            version: TAPE_VERSION,
            rollout: request.rollout.to_owned(),
            stage: request.stage.to_owned(),
            turn_of_stage: request.turn_of_stage,
            digest: asked.digest(),
            asked,
            answer,
        };
        let io_error = |source| TapeError::Io { path: self.path.clone(), source };
        let mut text = serde_json::to_string(&line).map_err(|err| io_error(err.into()))?;
        text.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes()).map_err(io_error)
    }
}
