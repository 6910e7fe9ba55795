//! Verdicts that were given after the rollouts were there: by `catena judge` over a
//! run, or over a file of imports.
//!
//! They lie beside what they are about, at `RUN/judgements/NAME` and
//! `FILE.judgements/NAME`, in the files of a run. A rollout that is read with them has
//! them in the place of the verdicts it had.
//!
//! The invariant: a verdict is put to the submission that it is about, and to no other.

use std::path::{Path, PathBuf};

use catena_plugin::Digest;
use catena_rollout::run::judging::{PlannedPatch, judgements_path};
use catena_rollout::run::{Planned, journal_path, planned};
use catena_rollout::summary::RoundSummary;
use catena_rollout::{Journal, JournalError, RolloutEnd, RolloutSummary, RunError, StageSummary};

use crate::canonical::of_run::task;
use crate::canonical::{Rollout, Stage};

/// Judgements under one name.
pub struct Judgements {
    dir: PathBuf,
    planned: Planned,
}

/// Why a rollout can't be read with its judgements.
#[derive(Debug, thiserror::Error)]
pub enum JudgementError {
    /// Their journal is damaged.
    #[error("its judgements can't be read")]
    Journal(#[from] JournalError),
    /// They are about something else.
    #[error("it is not what was judged; judge it again under another name")]
    OfAnother,
}

/// Where judgements of a run, or of a file of imports, lie.
pub fn path(source: &Path, name: &str) -> PathBuf {
    if source.is_dir() {
        return judgements_path(source, name);
    }
    let mut file = source.file_name().unwrap_or_default().to_owned();
    file.push(".judgements");
    source.with_file_name(file).join(name)
}

impl Judgements {
    /// Opens those of a source under this name.
    pub fn open(source: &Path, name: &str) -> Result<Self, RunError> {
        let dir = path(source, name);
        Ok(Self { planned: planned(&dir)?, dir })
    }

    /// Where they lie.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The rollout with these verdicts in the place of its own. One that was not judged
    /// has none.
    pub(crate) fn over(&self, rollout: Rollout) -> Result<Rollout, JudgementError> {
        let journal = journal_path(&self.dir, &rollout.rollout);
        if !journal.exists() {
            return Ok(unjudged(rollout));
        }
        // What was not judged to its end was not judged.
        let summary = RolloutSummary::of(&Journal::read(&journal)?);
        let is_whole = |summary: &RolloutSummary| {
            !matches!(summary.end, None | Some(RolloutEnd::Infrastructure { .. }))
        };
        let Some(summary) = summary.filter(is_whole) else { return Ok(unjudged(rollout)) };
        if rollout.is_import() {
            self.over_import(rollout, &summary)
        } else {
            over_run(rollout, &summary)
        }
    }

    fn over_import(
        &self,
        mut rollout: Rollout,
        summary: &RolloutSummary,
    ) -> Result<Rollout, JudgementError> {
        let planned = self.planned.patches.iter().find(|it| it.rollout == rollout.rollout);
        let (Some(planned), [of_stage]) = (planned, summary.stages.as_slice()) else {
            return Err(JudgementError::OfAnother);
        };
        if trajectory_digest(&rollout) != planned.trajectory {
            return Err(JudgementError::OfAnother);
        }
        let Some(stage) = rollout.stages.first_mut() else { return Err(JudgementError::OfAnother) };
        put(stage, of_stage);
        stage.id = of_stage.id.clone();
        stage.carry = Some(of_stage.carry.clone());
        stage.tree = of_stage.rounds.iter().find_map(|round| Some(round.submission.as_ref()?.tree));
        rollout.end.clone_from(&stage.outcome);
        self.fill_in(&mut rollout, planned);
        Ok(rollout)
    }

    /// What the chain file knows and an import does not.
    fn fill_in(&self, rollout: &mut Rollout, planned: &PlannedPatch) {
        let chains = &self.planned.chains;
        let repository = &chains.repository;
        rollout.repository = Some(repository.name.as_str().to_owned());
        rollout.license = rollout.license.take().or_else(|| repository.license.clone());
        let stage = chains.chain(&planned.chain).and_then(|chain| chain.stage(&planned.stage));
        rollout.chain = stage.into_iter().map(task).collect();
    }
}

/// What a plan knows a rollout by.
pub fn trajectory_digest(rollout: &Rollout) -> Digest {
    Digest::of(&rollout.to_line().unwrap_or_default())
}

fn over_run(mut rollout: Rollout, summary: &RolloutSummary) -> Result<Rollout, JudgementError> {
    for stage in &mut rollout.stages {
        let of_stage = summary.stages.iter().find(|it| it.stage == stage.stage);
        let Some(of_stage) = of_stage.filter(|it| !it.rounds.is_empty()) else { continue };
        let is_same = |judged: &RoundSummary| {
            let round = stage.rounds.iter().find(|round| round.round == judged.round);
            round.is_some_and(|round| round.submission == judged.submission)
        };
        if !of_stage.rounds.iter().all(is_same) {
            return Err(JudgementError::OfAnother);
        }
        put(stage, of_stage);
    }
    let is_judged = |end: &RolloutEnd| {
        matches!(
            end,
            RolloutEnd::Accepted { .. }
                | RolloutEnd::Rejected { .. }
                | RolloutEnd::NoVerdict { .. }
        )
    };
    if rollout.end.as_ref().is_some_and(is_judged)
        && let Some(last) = rollout.stages.last()
    {
        rollout.end.clone_from(&last.outcome);
    }
    Ok(rollout)
}

/// Puts verdicts to the rounds of a stage.
fn put(stage: &mut Stage, judged: &StageSummary) {
    for round in &judged.rounds {
        let Some(old) = stage.rounds.iter_mut().find(|old| old.round == round.round) else {
            continue;
        };
        let new = RoundSummary { end: old.end.take(), ..round.clone() };
        *old = new;
    }
    stage.outcome.clone_from(&judged.outcome);
    stage.judging_usage = judged.judging_usage;
}

/// The rollout without any verdict.
fn unjudged(mut rollout: Rollout) -> Rollout {
    for stage in &mut rollout.stages {
        for round in &mut stage.rounds {
            (round.verdict, round.combine) = (None, None);
            round.judges.clear();
        }
        stage.outcome = None;
    }
    if !rollout.is_import() {
        let reason = "these judgements are not about it".to_owned();
        rollout.end = Some(RolloutEnd::NoVerdict { reason });
    }
    rollout
}
