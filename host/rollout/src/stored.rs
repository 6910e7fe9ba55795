//! Judges over trees that are there already, with no agent.
//!
//! What is judged is put down as a rollout is, so that judging goes on where it was
//! interrupted, pays for no reply twice, and is read as any journal is.

use std::path::Path;

use catena_chain::Chain;
use catena_tree::TreeId;

use crate::carry::CarryRecord;
use crate::places::Place;
use crate::progress::ProgressEvent;
use crate::record::{Record, RolloutEnd, RolloutId, StageOutcome, SubmissionRecord};
use crate::rollout::{Ended, Plan, Rollout, RolloutError, begin};
use crate::stage::{Next, Round};

/// A tree that is to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// By which the journal knows it.
    pub(crate) number: u32,
    /// The round as judges are told it.
    pub(crate) told: u32,
    /// The tree before it.
    pub(crate) start: TreeId,
    /// What is put before judges.
    pub(crate) submission: SubmissionRecord,
}

/// Whether what a judge keeps of one tree goes on to the next of its stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notes {
    /// As from round to round.
    GoOn,
    /// Each tree is judged for itself.
    Apart,
}

/// A stage with the trees that are to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredStage {
    /// Counted from 1.
    pub(crate) position: u32,
    pub(crate) carry: CarryRecord,
    pub(crate) candidates: Vec<Candidate>,
}

/// A rollout with what is to be judged of it.
#[derive(Debug, Clone)]
pub(crate) struct StoredRollout {
    pub(crate) id: RolloutId,
    pub(crate) chain: Chain,
    /// Its agent was shown the answer.
    pub(crate) control: bool,
    pub(crate) notes: Notes,
    pub(crate) stages: Vec<StoredStage>,
}

/// Judges all of it, or goes on with that. It ends as an infrastructure failure
/// where a judge could not be heard, and as accepted else, whatever the scores are.
pub(crate) async fn judge_stored(
    plan: &Plan,
    stored: &StoredRollout,
    path: &Path,
    place: Place,
) -> Result<Ended, RolloutError> {
    let mut rollout = begin(plan, &stored.chain, &stored.id, path, Some(place), stored.control)?;
    let count = u32::try_from(stored.stages.len()).unwrap_or(u32::MAX);
    rollout.ledger.tell(ProgressEvent::RolloutStarted { stages: count });
    let mut end = RolloutEnd::Accepted { score: 1.0 };
    for stage in &stored.stages {
        let outcome = rollout.judge_stage(stage, stored).await?;
        if matches!(outcome, StageOutcome::Infrastructure { .. }) {
            end = outcome;
            break;
        }
    }
    rollout.ledger.journal.note(Record::Ended(end.clone()))?;
    rollout.ledger.journal.finish()?;
    rollout.ledger.journal.sync().await?;
    rollout.ledger.tell(ProgressEvent::RolloutEnded { end: end.clone() });
    Ok(rollout.ended(end))
}

impl Rollout<'_> {
    async fn judge_stage(
        &mut self,
        stored: &StoredStage,
        rollout: &StoredRollout,
    ) -> Result<StageOutcome, RolloutError> {
        let position = usize::try_from(stored.position.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(stage) = self.chain.stages.get(position) else {
            return Ok(StageOutcome::Rejected { score: None, reason: None });
        };
        let (number, tree) = (stored.position, stored.carry.tree());
        self.ledger.begin_stage(stage.id.as_str());
        let conversation = self.ledger.conversations.open();
        self.ledger.journal.note(Record::StageStarted {
            stage: number,
            id: stage.id.clone(),
            carry: stored.carry.clone(),
            conversation,
        })?;
        self.kept.clear();
        let mut outcome = StageOutcome::Rejected { score: None, reason: None };
        for candidate in &stored.candidates {
            if rollout.notes == Notes::Apart {
                self.kept.clear();
            }
            let &Candidate { number: round, told, start, .. } = candidate;
            let at = Round { stage, position: number, number: round, told, start, conversation };
            self.ledger.journal.note(Record::RoundStarted { stage: number, round })?;
            self.ledger.tell(ProgressEvent::RoundStarted { stage: number, round });
            self.ledger.journal.note(Record::Submitted(candidate.submission.clone()))?;
            outcome = match self.judge(&at, candidate.submission.tree).await? {
                Next::End(outcome) => outcome,
                Next::Refine(feedback) => {
                    StageOutcome::Rejected { score: Some(feedback.score), reason: None }
                }
            };
            if matches!(outcome, StageOutcome::Infrastructure { .. }) {
                break;
            }
        }
        let ended = Record::StageEnded { stage: number, outcome: outcome.clone(), tree };
        self.ledger.journal.note(ended)?;
        self.ledger.journal.sync().await?;
        self.ledger.tell(ProgressEvent::StageEnded { stage: number, outcome: outcome.clone() });
        Ok(outcome)
    }
}
