//! Which rollouts become data, and how much of each.

pub(crate) mod funnel;
mod lists;
mod sieve;
mod split;

use catena_rollout::{RolloutEnd, StageOutcome};
use serde::{Deserialize, Serialize};

use crate::canonical::{Rollout, Stage};

pub use funnel::FunnelStep;
pub(crate) use lists::pull_request;
pub use lists::{Instances, ListError};
pub(crate) use sieve::Sieve;
pub use split::{Split, SplitError};

/// How much of a chain must have been accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Take {
    /// The accepted beginning of each chain, however short: it goes on with what
    /// passes ("scaling success").
    #[default]
    AcceptedPrefix,
    /// Chains of which every stage was accepted.
    CompleteChains,
    /// All stages, whatever judges said of them, if any did.
    Everything,
}

/// What is asked of a rollout.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Criteria {
    /// How much of a chain must have been accepted.
    pub take: Take,
    /// The score that every stage must have, where that is more than the run asked.
    pub threshold: Option<f64>,
    /// The most rounds that a stage may have taken.
    pub max_rounds: Option<u32>,
    /// The fewest stages.
    pub min_stages: Option<usize>,
    /// The most tokens of a sample, by the tokenizer.
    pub max_tokens: Option<u64>,
    /// Leave out samples that say the same as an earlier one.
    pub dedupe: bool,
    /// Instances that must not be in the data.
    pub exclude: Instances,
}

/// Why a rollout gives no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its journal or its line is damaged.
    Unreadable,
    /// No part of the split takes its repository.
    NoSplit,
    /// The agent was shown the answer.
    Control,
    /// One of its tasks is in a list of instances that are left out.
    Contaminated,
    /// The agent did not come to the stage.
    NotBegun,
    /// It comes from another program, and nothing judged it.
    NotJudged,
    /// It was interrupted before its first stage was accepted.
    Interrupted,
    /// The infrastructure failed before that.
    Infrastructure,
    /// No stage was accepted.
    NothingAccepted,
    /// The first stage's score is below the threshold asked for.
    BelowThreshold,
    /// The first stage took more rounds than asked for.
    TooManyRounds,
    /// Fewer stages were accepted than asked for.
    TooFewStages,
    /// Not every stage was accepted.
    Incomplete,
    /// A stage before it is left out, and what follows such a stage is.
    Follows,
    /// No model took a turn in what was accepted.
    NoModelTurns,
    /// Another sample says the same.
    Duplicate,
    /// It has more tokens than asked for.
    TooLong,
    /// The form has no mark for turns that are not to be learned, and some stand
    /// between or before those that are.
    NeedsMask,
    /// The form wants turns of both sides by turns, and an assistant's turn comes
    /// first or follows another one.
    NotByTurns,
    /// A text has in it what the form sets its own parts apart by.
    Ambiguous,
    /// A tool call's arguments are no JSON object, which the form asks for.
    ArgumentsNotJson,
    /// No round of the stage was rejected, or none accepted.
    NoPair,
}

impl Reason {
    /// As manifests have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Control => "control",
            Self::Contaminated => "contaminated",
            Self::NotBegun => "not-begun",
            Self::NotJudged => "not-judged",
            Self::Interrupted => "interrupted",
            Self::Infrastructure => "infrastructure",
            Self::NothingAccepted => "nothing-accepted",
            Self::BelowThreshold => "below-threshold",
            Self::TooManyRounds => "too-many-rounds",
            Self::TooFewStages => "too-few-stages",
            Self::Incomplete => "incomplete",
            Self::Follows => "follows",
            Self::NoModelTurns => "no-model-turns",
            Self::Duplicate => "duplicate",
            Self::TooLong => "too-long",
            Self::NeedsMask => "needs-mask",
            Self::NotByTurns => "not-by-turns",
            Self::Ambiguous => "ambiguous",
            Self::ArgumentsNotJson => "arguments-not-json",
            Self::NoPair => "no-pair",
            Self::NoSplit => "no-split",
        }
    }
}

impl Criteria {
    /// How many stages of a rollout are taken, or why none is.
    pub fn stages(&self, rollout: &Rollout) -> Result<usize, Reason> {
        if rollout.control {
            return Err(Reason::Control);
        }
        if self.exclude.names(rollout) {
            return Err(Reason::Contaminated);
        }
        if self.take == Take::Everything {
            return Ok(rollout.stages.len());
        }
        let accepted = rollout.accepted_prefix();
        if accepted == 0 {
            return Err(nothing_accepted(rollout));
        }
        let taken: Vec<&Stage> = rollout.stages.iter().take(accepted).collect();
        let good = taken.iter().take_while(|stage| self.refused(stage).is_none()).count();
        if good == 0
            && let Some(reason) = taken.first().and_then(|stage| self.refused(stage))
        {
            return Err(reason);
        }
        if self.take == Take::CompleteChains && !is_complete(rollout, good) {
            return Err(Reason::Incomplete);
        }
        if self.min_stages.is_some_and(|least| good < least) {
            return Err(Reason::TooFewStages);
        }
        Ok(good)
    }

    /// What becomes of each stage of a rollout's chain: nothing where it is taken, or
    /// why it is not.
    pub fn of_stages(&self, rollout: &Rollout) -> Vec<Option<Reason>> {
        let taken = self.stages(rollout);
        let count = taken.unwrap_or_default();
        let lost = rollout.stages.get(count).map(|stage| match taken {
            Err(reason) => reason,
            Ok(_) => self.refused(stage).unwrap_or_else(|| nothing_accepted(rollout)),
        });
        // What is asked of the whole rollout is asked of each of its stages.
        let is_of_whole = matches!(
            taken,
            Err(Reason::Control
                | Reason::Contaminated
                | Reason::NotJudged
                | Reason::TooFewStages
                | Reason::Incomplete)
        );
        let after = if is_of_whole { lost } else { Some(Reason::Follows) };
        let begun = rollout.stages.len();
        (0..begun.max(rollout.chain.len()))
            .map(|stage| match stage {
                _ if stage < count => None,
                _ if stage >= begun => Some(Reason::NotBegun),
                _ if stage == count => lost,
                _ => after,
            })
            .collect()
    }

    /// Whether more is asked than that something was accepted.
    pub(crate) fn asks_for_more(&self) -> bool {
        self.take == Take::CompleteChains
            || self.threshold.is_some()
            || self.max_rounds.is_some()
            || self.min_stages.is_some()
    }

    fn refused(&self, stage: &Stage) -> Option<Reason> {
        let Some(StageOutcome::Accepted { score }) = stage.outcome else { return None };
        if self.threshold.is_some_and(|least| score < least) {
            return Some(Reason::BelowThreshold);
        }
        let rounds = u32::try_from(stage.rounds.len()).unwrap_or(u32::MAX);
        let too_many = self.max_rounds.is_some_and(|most| rounds > most);
        too_many.then_some(Reason::TooManyRounds)
    }
}

/// Whether all stages of the chain are among the first `good` ones.
fn is_complete(rollout: &Rollout, good: usize) -> bool {
    let stages = rollout.stages.len().max(rollout.chain.len());
    matches!(rollout.end, Some(RolloutEnd::Accepted { .. })) && good == stages
}

fn nothing_accepted(rollout: &Rollout) -> Reason {
    match rollout.end {
        None if rollout.is_import() => Reason::NotJudged,
        None => Reason::Interrupted,
        Some(RolloutEnd::Infrastructure { .. }) => Reason::Infrastructure,
        Some(_) => Reason::NothingAccepted,
    }
}
