//! The account of an export, beside it as `FILE.manifest.json`: what each row is,
//! what gave none and why, and how much there is.
//!
//! Rows are written down as they come, so that a manifest costs no memory.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use catena_chain::StageId;
use catena_model::{ConversationId, Usage};
use catena_rollout::RolloutId;
use serde::{Deserialize, Serialize};

use crate::output::{ExportError, OutFile, with_ending};
use crate::profile::Profile;
use crate::profile::preference::PairKind;
use crate::select::{FunnelStep, Reason};
use crate::tokens::{NamedFile, TokenCount};

/// Version of the manifest's form. Version 1 had one sample per conversation,
/// version 2 one file and no counts of tokens.
pub(crate) const VERSION: u32 = 3;

/// What an export consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the manifest's form; 3.
    pub version: u32,
    /// Version of the program that wrote it.
    pub catena: String,
    /// The form of the export.
    pub profile: Profile,
    /// The runs and files it was made of.
    pub sources: Vec<String>,
    /// The files it consists of.
    pub files: Vec<FileEntry>,
    /// The repositories that rows are of, with their licences, where known.
    pub repositories: BTreeMap<String, Option<String>>,
    /// How much there is.
    pub counts: Counts,
    /// What was asked of rollouts.
    pub selection: Selected,
    /// The tokenizer that counted, if one was named.
    pub tokenizer: Option<NamedFile>,
    /// The chat template that the data is meant for, if one was named.
    pub chat_template: Option<NamedFile>,
    /// How many rollouts were left after each condition, in order.
    pub funnel: Vec<FunnelStep>,
    /// Rollouts and samples that gave no row.
    pub dropped: Vec<Dropped>,
    /// Replies that the scaffold took back unanswered, as `scaffold-mini` does
    /// with malformed ones. They are in no sample.
    pub taken_back: u64,
    /// Replies that reached a bound on tokens or were withheld in part. Samples have
    /// them, and none of them is to be learned.
    pub cut_off: u64,
    /// Repositories that the split names and that no rollout is of.
    pub unmatched: Vec<String>,
}

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name, beside the manifest.
    pub file: String,
    /// The part of a split that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Its rows.
    pub rows: u64,
    /// Its bytes before compression.
    pub bytes: u64,
    /// Its bytes.
    pub size: u64,
}

/// Sums over an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Rollouts that were read.
    pub rollouts: u64,
    /// Those that gave at least one row.
    pub rollouts_used: u64,
    /// Rows.
    pub rows: u64,
    /// Messages.
    pub messages: u64,
    /// Turns that are learned.
    pub trained_turns: u64,
    /// Turns of the assistant that are not.
    pub masked_turns: u64,
    /// Tool calls in both.
    pub tool_calls: u64,
    /// Tokens by the tokenizer, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenCount>,
    /// What the turns that are learned took, as servers told.
    pub usage: Usage,
}

/// What was asked of rollouts, as a record of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Selected {
    /// `accepted-prefix` or `complete-chains`.
    pub take: crate::select::Take,
    /// The score that every stage must have.
    pub threshold: Option<f64>,
    /// The most rounds of a stage.
    pub max_rounds: Option<u32>,
    /// The fewest stages.
    pub min_stages: Option<usize>,
    /// The most tokens of a sample.
    pub max_tokens: Option<u64>,
    /// Whether samples that say the same were left out.
    pub dedupe: bool,
    /// Lists of instances that were left out.
    pub excluded: Vec<NamedFile>,
    /// The split, as it was given.
    pub split: Option<String>,
    /// Name of the judgements whose verdicts counted, where that were not those of the
    /// sources themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgements: Option<String>,
}

/// A rollout or a sample that gives no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Where it is from: a position in `sources`, counted from 0.
    pub source: usize,
    /// Which rollout, where that is known.
    pub rollout: Option<RolloutId>,
    /// Which of its samples, where others of it may have given rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<SampleId>,
    /// Why.
    pub reason: Reason,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Names a sample within its rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleId {
    /// The conversation.
    pub conversation: ConversationId,
    /// Which of its histories, counted from 1.
    pub history: u32,
}

/// What one row of an export is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleEntry {
    /// Where it is from: a position in `sources`, counted from 0.
    pub source: usize,
    /// The rollout.
    pub rollout: RolloutId,
    /// The repository.
    pub repository: Option<String>,
    /// The part of a split it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The conversation; none for rows that are whole rollouts or pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// The conversation it was forked from, for those of sub-agents.
    #[serde(default)]
    pub forked_from: Option<ConversationId>,
    /// Which of the conversation's histories it is, counted from 1: where a
    /// scaffold compressed it there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<u32>,
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
    /// Those of them that are learned: a model took them after the messages before
    /// them here.
    pub model_turns: u64,
    /// Their positions, counted from 0. No other message is to be learned: the
    /// turns of a history that this one goes on from are learned in its sample.
    pub trained: Vec<u64>,
    /// Tool calls in the assistant's messages.
    pub tool_calls: u64,
    /// Tokens by the tokenizer, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenCount>,
    /// What the turns to be learned took, as servers told.
    pub usage: Usage,
    /// What the tries of a pair are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<PairEntry>,
    /// The files of its own that it is in, where the form is a directory of files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// What the tries of a pair are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairEntry {
    /// What they have in common.
    pub kind: PairKind,
    /// The better one.
    pub chosen: TryEntry,
    /// The worse one.
    pub rejected: TryEntry,
}

/// One try of a pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TryEntry {
    /// The rollout, as `CHAIN.TRIAL`.
    pub rollout: String,
    /// Counted from 1.
    pub round: u32,
    /// Its score.
    pub score: f64,
    /// Its messages.
    pub messages: u64,
}

/// A manifest while its export is written.
pub(crate) struct ManifestFile {
    path: PathBuf,
    file: OutFile,
    rows: u64,
}

/// Where the manifest of the export at `path` lies.
pub fn manifest_path(path: &Path) -> PathBuf {
    with_ending(path, ".manifest.json")
}

impl ManifestFile {
    pub(crate) fn create(export: &Path) -> Result<Self, ExportError> {
        let path = manifest_path(export);
        let mut file = OutFile::create(&path)?;
        file.write_all(b"{\"samples\": [").map_err(ExportError::io(&path))?;
        Ok(Self { path, file, rows: 0 })
    }

    pub(crate) fn push(&mut self, entry: &SampleEntry) -> Result<(), ExportError> {
        let mut write = || -> std::io::Result<()> {
            self.file.write_all(if self.rows == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut self.file, entry)?;
            Ok(())
        };
        write().map_err(ExportError::io(&self.path))?;
        self.rows += 1;
        Ok(())
    }

    /// Writes the rest, and gives the file its name.
    pub(crate) fn finish(mut self, manifest: &Manifest) -> Result<(), ExportError> {
        let mut write = || -> std::io::Result<()> {
            let rest = serde_json::to_string_pretty(manifest)?;
            self.file.write_all(if self.rows == 0 { b"]," } else { b"\n]," })?;
            // Both are one object.
            self.file.write_all(rest.strip_prefix('{').unwrap_or(&rest).as_bytes())?;
            self.file.write_all(b"\n")
        };
        write().map_err(ExportError::io(&self.path))?;
        self.file.finish().map(|_| ())
    }
}
