//! Writing samples to a file, with a manifest that accounts for every rollout.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use catena_chain::StageId;
use catena_model::{ConversationId, Message, Usage};
use catena_rollout::{RolloutId, RolloutSummary};
use serde::{Deserialize, Serialize};

use crate::openai;
use crate::trajectory::{Dropped, Trajectory, select};

/// Version of the manifest's form. Version 1 had one sample per conversation.
const MANIFEST_VERSION: u32 = 2;

/// The form of an export of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Chat fine-tuning, JSON lines.
    Openai,
}

/// What an export consists of, written beside it as `<file>.manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the manifest's form; 2.
    pub version: u32,
    /// Version of the program that wrote it.
    pub catena: String,
    /// The form of the export.
    pub profile: Profile,
    /// The repository the chains are of.
    pub repository: String,
    /// Its licence, where known.
    pub license: Option<String>,
    /// One entry per line of the export, in order.
    pub samples: Vec<SampleEntry>,
    /// Rollouts that gave no sample.
    pub dropped: Vec<Dropped>,
    /// Replies that the scaffold took back unanswered, as `scaffold-mini` does
    /// with malformed ones. They are in no sample.
    pub taken_back: u64,
}

/// What one line of an export is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleEntry {
    /// The rollout.
    pub rollout: RolloutId,
    /// The conversation.
    pub conversation: ConversationId,
    /// The conversation it was forked from, for those of sub-agents.
    pub forked_from: Option<ConversationId>,
    /// Which of the conversation's histories it is, counted from 1: where a
    /// scaffold compressed it there are several.
    pub history: u32,
    /// The stages in which its turns were taken.
    pub stages: Vec<StageId>,
    /// Their scores.
    pub scores: Vec<f64>,
    /// Whether the whole chain is in it.
    pub complete: bool,
    /// Messages.
    pub messages: u64,
    /// Messages of the assistant role.
    pub assistant_turns: u64,
    /// Those of them that a model took after the messages before them here.
    pub model_turns: u64,
    /// Their positions, counted from 0. No other message is to be learned: the
    /// turns of a history that this one goes on from are learned in its sample.
    pub trained: Vec<u64>,
    /// Tool calls in them.
    pub tool_calls: u64,
    /// What those turns took.
    pub usage: Usage,
}

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
#[error("can't write `{path}`")]
pub struct ExportError {
    pub(crate) path: PathBuf,
    pub(crate) source: std::io::Error,
}

/// Where the chains of an export come from.
#[derive(Debug, Clone, Copy)]
pub struct Provenance<'a> {
    /// The repository.
    pub repository: &'a str,
    /// Its licence, where known.
    pub license: Option<&'a str>,
}

/// Writes the samples of `summaries` to `path`, and the manifest beside it.
/// Both are there whole or not at all.
pub fn export(
    summaries: &[RolloutSummary],
    provenance: Provenance<'_>,
    profile: Profile,
    path: &Path,
) -> Result<Manifest, ExportError> {
    let selection = select(summaries);
    let manifest = Manifest {
        version: MANIFEST_VERSION,
        catena: env!("CARGO_PKG_VERSION").to_owned(),
        profile,
        repository: provenance.repository.to_owned(),
        license: provenance.license.map(str::to_owned),
        samples: selection.samples.iter().map(entry).collect(),
        dropped: selection.dropped,
        taken_back: selection.taken_back,
    };
    write_whole(path, |file| {
        for sample in &selection.samples {
            let Profile::Openai = profile;
            writeln!(file, "{}", openai::line(sample))?;
        }
        Ok(())
    })?;
    write_whole(&manifest_path(path), |file| {
        serde_json::to_writer_pretty(&mut *file, &manifest)?;
        writeln!(file)
    })?;
    Ok(manifest)
}

/// Where the manifest of the export at `path` lies.
pub fn manifest_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".manifest.json");
    name.into()
}

fn entry(sample: &Trajectory) -> SampleEntry {
    let trained: Vec<u64> = sample.trained.iter().map(|position| *position as u64).collect();
    let mut assistant_turns = 0;
    let mut tool_calls = 0;
    for message in &sample.messages {
        if let Message::Assistant { message, .. } = message {
            assistant_turns += 1;
            tool_calls += message.tool_calls.len() as u64;
        }
    }
    SampleEntry {
        rollout: sample.rollout.clone(),
        conversation: sample.conversation,
        forked_from: sample.forked_from,
        history: sample.history,
        stages: sample.stages.clone(),
        scores: sample.scores.clone(),
        complete: sample.complete,
        messages: sample.messages.len() as u64,
        assistant_turns,
        model_turns: trained.len() as u64,
        trained,
        tool_calls,
        usage: sample.usage,
    }
}

pub(crate) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), ExportError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let all = || -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(&part)?);
        write(&mut file)?;
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&part, path)
    };
    all().map_err(|source| ExportError { path: path.to_owned(), source })
}
