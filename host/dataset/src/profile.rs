//! The forms of data, one module each. A form says what a row is of a sample, or
//! why it can hold none; writing rows and accounting for them is `export`'s.

pub mod atif;
pub(crate) mod chat;
pub mod mini_swe_agent;
pub mod openai;
pub mod preference;
pub mod sharegpt;
pub mod slime;
pub mod trl;
pub mod verl;

use serde::{Deserialize, Serialize};

use crate::sample::Sample;
use crate::select::Reason;

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Everything, one rollout a line.
    Canonical,
    /// Chat fine-tuning files of chat completions.
    Openai,
    /// slime's supervised fine-tuning.
    Slime,
    /// `ShareGPT`, as LLaMA-Factory reads it.
    Sharegpt,
    /// trl's supervised fine-tuning.
    Trl,
    /// verl's supervised fine-tuning, Parquet.
    Verl,
    /// Harbor's Agent Trajectory Interchange Format, one trajectory a line.
    Atif,
    /// Trajectory files of mini-swe-agent.
    MiniSweAgent,
    /// Pairs of a better and a worse try, as trl's DPO reads them.
    Preference,
}

/// A row, as far as its form is JSON lines.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The line, without its end.
    pub(crate) line: Vec<u8>,
    /// Positions in the sample of what is learned in it.
    pub(crate) trained: Vec<usize>,
    /// Messages of the sample that are in it.
    pub(crate) messages: usize,
}

impl Row {
    /// A row that is a whole sample.
    fn of_sample(sample: &Sample<'_>, row: &impl Serialize) -> Result<Self, Reason> {
        Self::of_part(sample, sample.said.len(), sample.trained.clone(), row)
    }

    fn of_part(
        _: &Sample<'_>,
        messages: usize,
        trained: Vec<usize>,
        row: &impl Serialize,
    ) -> Result<Self, Reason> {
        let line = serde_json::to_vec(row).map_err(|_| Reason::Unreadable)?;
        Ok(Self { line, trained, messages })
    }
}

impl Profile {
    /// As manifests have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Canonical => "canonical",
            Self::Openai => "openai",
            Self::Slime => "slime",
            Self::Sharegpt => "sharegpt",
            Self::Trl => "trl",
            Self::Verl => "verl",
            Self::Atif => "atif",
            Self::MiniSweAgent => "mini-swe-agent",
            Self::Preference => "preference",
        }
    }

    /// The rows of a sample, where the form is rows of samples in JSON lines.
    pub(crate) fn rows(self, sample: &Sample<'_>) -> Option<Result<Vec<Row>, Reason>> {
        Some(match self {
            Self::Openai => openai::row(sample).map(|row| vec![row]),
            Self::Slime => slime::row(sample).map(|row| vec![row]),
            Self::Sharegpt => sharegpt::row(sample).map(|row| vec![row]),
            Self::Trl => trl::rows(sample),
            Self::Canonical | Self::Verl | Self::Atif | Self::MiniSweAgent | Self::Preference => {
                return None;
            }
        })
    }
}
