//! What judges made of patches of known worth.

use std::fs;
use std::path::Path;

use catena_model::Usage;
use catena_plugin::Digest;
use serde::{Deserialize, Serialize};

use super::patches::PatchKind;
use super::{CalibrationState, LEAST_STAGES};
use crate::record::RolloutId;
use crate::run::error::RunError;
use crate::run::judging::without_verdict;
use crate::run::layout;
use crate::summary::{RolloutSummary, RoundSummary, StageSummary};

/// Version of the record's form.
const VERSION: u32 = 1;

/// The largest share of patches of a kind that may get no verdict: who says nothing
/// accepts nothing, and has told nothing apart.
const MOST_WITHOUT: f64 = 0.2;

/// A calibration that was carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Version of the record's form.
    pub version: u32,
    /// Version of the program that made it.
    pub catena: String,
    /// What it is kept under.
    pub key: Digest,
    /// The judges, in the order in which they are heard.
    pub judges: Vec<String>,
    /// The score from which a patch counts as accepted.
    pub threshold: f64,
    /// Stages that the patches are of.
    pub stages: usize,
    /// What became of each kind of patch.
    pub rows: Vec<Row>,
    /// Why patches got no verdict, each reason once.
    pub reasons: Vec<String>,
    /// What the judges spent at models.
    pub usage: Usage,
    /// Why the judges are not good enough; none where they are.
    pub failures: Vec<String>,
}

/// What became of one kind of patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Which.
    pub kind: PatchKind,
    /// How many reached the threshold.
    pub accepted: u32,
    /// How many did not.
    pub rejected: u32,
    /// How many got no verdict.
    pub no_verdict: u32,
    /// Mean of the scores; none where there is no verdict.
    pub mean_score: Option<f64>,
}

impl Row {
    /// How many patches there were.
    pub fn patches(&self) -> u32 {
        self.accepted + self.rejected + self.no_verdict
    }

    fn of(kind: PatchKind, rounds: &[&RoundSummary], threshold: f64) -> Self {
        let scores = rounds.iter().filter_map(|round| round.verdict.as_ref()).map(|it| it.score);
        let scores: Vec<f64> = scores.collect();
        let accepted = small(scores.iter().filter(|score| **score >= threshold).count());
        let judged = small(scores.len());
        let mean_score = (judged > 0).then(|| scores.iter().sum::<f64>() / f64::from(judged));
        let no_verdict = small(rounds.len()) - judged;
        Self { kind, accepted, rejected: judged - accepted, no_verdict, mean_score }
    }

    /// What is wrong with it.
    fn failure(&self) -> Option<String> {
        let (least, most) = self.kind.bounds();
        let patches = self.patches();
        let share = f64::from(self.accepted) / f64::from(patches.max(1));
        let what =
            format!("{} of {patches} patches of the kind `{}`", self.accepted, self.kind.word());
        if patches > 0 && share < least {
            return Some(format!("only {what} were accepted"));
        }
        if share > most {
            return Some(format!("{what} were accepted"));
        }
        let without = self.no_verdict;
        let kind = self.kind.word();
        (f64::from(without) > MOST_WITHOUT * f64::from(patches))
            .then(|| format!("{without} of {patches} patches of the kind `{kind}` got no verdict"))
    }
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Why rounds have no verdict, each reason once.
fn reasons(summaries: &[RolloutSummary]) -> Vec<String> {
    let stages = summaries.iter().flat_map(|summary| &summary.stages);
    let of_stage = |stage: &StageSummary| {
        let rounds = stage.rounds.iter().filter(|round| round.verdict.is_none());
        let outcome = stage.outcome.as_ref();
        let reason = |round: &RoundSummary| without_verdict(round).or_else(|| outcome?.reason());
        rounds.filter_map(reason).collect::<Vec<_>>()
    };
    let mut reasons: Vec<String> = stages.flat_map(of_stage).collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

impl Calibration {
    /// How it came out.
    pub fn state(&self) -> CalibrationState {
        if !self.failures.is_empty() {
            CalibrationState::Failed
        } else if self.stages < LEAST_STAGES {
            CalibrationState::TooFew
        } else {
            CalibrationState::Passed
        }
    }

    pub(super) fn of(
        key: Digest,
        judges: Vec<String>,
        threshold: f64,
        kinds: &[(RolloutId, u32, u32, PatchKind)],
        summaries: &[RolloutSummary],
    ) -> Self {
        let round_of = |id: &RolloutId, stage: u32, number: u32| {
            let summary = summaries.iter().find(|summary| summary.rollout == *id)?;
            let stage = summary.stages.iter().find(|it| it.stage == stage)?;
            stage.rounds.iter().find(|round| round.round == number)
        };
        let rows = PatchKind::ALL.into_iter().filter_map(|kind| {
            let of_kind = kinds.iter().filter(|(.., it)| *it == kind);
            let rounds: Vec<&RoundSummary> = of_kind
                .filter_map(|(id, stage, number, _)| round_of(id, *stage, *number))
                .collect();
            (!rounds.is_empty()).then(|| Row::of(kind, &rounds, threshold))
        });
        let rows: Vec<Row> = rows.collect();
        let mut usage = Usage::default();
        for summary in summaries {
            usage += summary.judging_usage;
        }
        Self {
            version: VERSION,
            catena: env!("CARGO_PKG_VERSION").to_owned(),
            key,
            judges,
            threshold,
            stages: summaries.iter().map(|summary| summary.stages.len()).sum(),
            failures: rows.iter().filter_map(Row::failure).collect(),
            rows,
            reasons: reasons(summaries),
            usage,
        }
    }

    /// Reads a record; none where there is none.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, RunError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(RunError::io(path, err)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|err| RunError::io(path, err))
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), RunError> {
        let text = serde_json::to_vec_pretty(self).map_err(|err| RunError::io(path, err))?;
        layout::write_file(path, &text)
    }
}
