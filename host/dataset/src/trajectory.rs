//! From rollouts to samples: the accepted beginning of each chain, one sample
//! per conversation.

use catena_chain::StageId;
use catena_model::{Message, ToolDefinition, Usage};
use catena_rollout::{RolloutEnd, RolloutId, RolloutSummary, StageOutcome, StageSummary};
use serde::{Deserialize, Serialize};

/// One sample: what was said in a conversation up to its last accepted stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// The rollout it is of.
    pub rollout: RolloutId,
    /// The stages it covers, in order.
    pub stages: Vec<StageId>,
    /// Their scores.
    pub scores: Vec<f64>,
    /// Whether it covers every stage of its rollout's chain.
    pub complete: bool,
    /// The conversation.
    pub messages: Vec<Message>,
    /// The tools that were offered.
    pub tools: Vec<ToolDefinition>,
    /// What the stages' model exchanges took.
    pub usage: Usage,
}

/// A rollout that gives no sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Which.
    pub rollout: RolloutId,
    /// Why: `control`, `interrupted`, `infrastructure`, `nothing-accepted` or
    /// `no-model-turns`.
    pub reason: String,
}

/// All samples of a run, and what gave none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Selection {
    /// The samples, by rollout.
    pub samples: Vec<Trajectory>,
    /// The rest.
    pub dropped: Vec<Dropped>,
}

/// Takes the accepted beginning of every rollout. Rollouts of controls give
/// nothing, whatever their score.
pub fn select(summaries: &[RolloutSummary]) -> Selection {
    let mut selection = Selection::default();
    for summary in summaries {
        match samples(summary) {
            Ok(samples) => selection.samples.extend(samples),
            Err(reason) => selection
                .dropped
                .push(Dropped { rollout: summary.rollout.clone(), reason: reason.to_owned() }),
        }
    }
    selection
}

fn samples(summary: &RolloutSummary) -> Result<Vec<Trajectory>, &'static str> {
    if summary.control {
        return Err("control");
    }
    let accepted = summary.accepted_prefix();
    if accepted == 0 {
        return Err(match summary.end {
            None => "interrupted",
            Some(RolloutEnd::Infrastructure { .. }) => "infrastructure",
            Some(_) => "nothing-accepted",
        });
    }
    let complete = matches!(summary.end, Some(RolloutEnd::Accepted { .. }));
    let mut samples: Vec<Trajectory> = Vec::new();
    let mut conversation = None;
    for stage in summary.stages.iter().take(accepted) {
        if conversation == Some(stage.conversation)
            && let Some(sample) = samples.last_mut()
        {
            extend(sample, stage);
        } else {
            conversation = Some(stage.conversation);
            samples.push(begin(summary, stage, complete));
        }
    }
    for sample in &mut samples {
        sample.complete &= sample.stages.len() == summary.stages.len();
    }
    samples.retain(|sample| sample.messages.iter().any(Message::is_from_model));
    if samples.is_empty() { Err("no-model-turns") } else { Ok(samples) }
}

fn begin(summary: &RolloutSummary, stage: &StageSummary, complete: bool) -> Trajectory {
    let mut sample = Trajectory {
        rollout: summary.rollout.clone(),
        stages: Vec::new(),
        scores: Vec::new(),
        complete,
        messages: Vec::new(),
        tools: summary.tools.clone(),
        usage: Usage::default(),
    };
    extend(&mut sample, stage);
    sample
}

/// The conversation at the end of a later stage holds that of the earlier ones.
fn extend(sample: &mut Trajectory, stage: &StageSummary) {
    sample.stages.push(stage.id.clone());
    if let Some(StageOutcome::Accepted { score }) = stage.outcome {
        sample.scores.push(score);
    }
    sample.messages.clone_from(&stage.transcript);
    sample.usage += stage.usage;
}
