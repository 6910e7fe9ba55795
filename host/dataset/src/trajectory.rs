//! From rollouts to samples: the accepted beginning of each chain, one sample
//! per history that a model was asked under.
//!
//! The invariant: every turn that a model took there is to be learned in exactly
//! one sample, after the very messages the model had before it; but for replies
//! that the scaffold took back at once, which are in none.

use catena_chain::StageId;
use catena_model::{ConversationId, Message, ToolDefinition, Usage};
use catena_rollout::history::{History, Said, Strand};
use catena_rollout::{RolloutEnd, RolloutId, RolloutSummary, StageOutcome, StageSummary};
use serde::{Deserialize, Serialize};

/// One sample: what was said under one history up to the last accepted stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// The rollout it is of.
    pub rollout: RolloutId,
    /// The conversation.
    pub conversation: ConversationId,
    /// The conversation that it was forked from.
    pub forked_from: Option<ConversationId>,
    /// Which of the conversation's histories, counted from 1.
    pub history: u32,
    /// The stages in which the turns to be learned were taken, in order.
    pub stages: Vec<StageId>,
    /// Their scores.
    pub scores: Vec<f64>,
    /// Whether it covers every stage of its rollout's chain.
    pub complete: bool,
    /// The messages.
    pub messages: Vec<Message>,
    /// Positions of those to be learned, counted from 0: turns that the model
    /// took after these messages.
    pub trained: Vec<usize>,
    /// The tools that were offered.
    pub tools: Vec<ToolDefinition>,
    /// What the turns to be learned took.
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

impl Dropped {
    pub(crate) fn of(rollout: &RolloutId, reason: &str) -> Self {
        Self { rollout: rollout.clone(), reason: reason.to_owned() }
    }
}

/// All samples of a run, and what gave none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Selection {
    /// The samples, by rollout.
    pub samples: Vec<Trajectory>,
    /// The rest.
    pub dropped: Vec<Dropped>,
    /// Replies of the samples' conversations that the scaffold took back.
    pub taken_back: u64,
}

/// Takes the accepted beginning of every rollout. Rollouts of controls give
/// nothing, whatever their score.
pub fn select(summaries: &[RolloutSummary]) -> Selection {
    let mut selection = Selection::default();
    for summary in summaries {
        match samples(summary, &mut selection.taken_back) {
            Ok(samples) => selection.samples.extend(samples),
            Err(reason) => selection.dropped.push(Dropped::of(&summary.rollout, reason)),
        }
    }
    selection
}

fn samples(
    summary: &RolloutSummary,
    taken_back: &mut u64,
) -> Result<Vec<Trajectory>, &'static str> {
    if summary.control {
        return Err("control");
    }
    let accepted = summary.stages.get(..summary.accepted_prefix()).unwrap_or_default();
    let Some(last) = accepted.last() else {
        return Err(match summary.end {
            None => "interrupted",
            Some(RolloutEnd::Infrastructure { .. }) => "infrastructure",
            Some(_) => "nothing-accepted",
        });
    };
    let mut samples = Vec::new();
    for (id, strand) in summary.histories.strands() {
        for (index, learned) in learned(strand, last.stage).into_iter().enumerate() {
            *taken_back += u64::from(learned.took_back);
            if !learned.positions.is_empty() {
                samples.push(sample(summary, accepted, *id, strand, index, &learned));
            }
        }
    }
    if samples.is_empty() { Err("no-model-turns") } else { Ok(samples) }
}

/// The part of a history that is of accepted stages, and what is learned of it.
struct Learned<'a> {
    said: &'a [Said],
    positions: Vec<usize>,
    /// Whether its last turn was taken back.
    took_back: bool,
}

/// What is learned of each history of a conversation, up to the stage `last`.
fn learned(strand: &Strand, last: u32) -> Vec<Learned<'_>> {
    let histories: Vec<&History> =
        strand.histories().take_while(|history| history.stage <= last).collect();
    let mut learned: Vec<Learned<'_>> = Vec::new();
    // Turns of the history before that have the same messages ahead of them here.
    let mut shared_turns: Vec<usize> = Vec::new();
    for (index, history) in histories.iter().enumerate() {
        let said = up_to(history, last);
        let next = histories.get(index + 1);
        let shared = next.map_or(0, |next| shared_beginning(history, next));
        let own = said.iter().enumerate().skip(history.kept);
        let own = own.filter(|(_, said)| said.turn.is_some()).map(|(position, _)| position);
        let turns: Vec<usize> = shared_turns.iter().copied().chain(own).collect();
        let mut positions: Vec<usize> =
            turns.iter().copied().filter(|position| *position >= shared).collect();
        let took_back = next.is_some_and(|next| takes_back(history, next));
        if took_back {
            positions.retain(|position| position + 1 < said.len());
        }
        let said = if took_back { said.split_last().map_or(said, |(_, rest)| rest) } else { said };
        learned.push(Learned { said, positions, took_back });
        shared_turns = turns.into_iter().filter(|position| *position < shared).collect();
    }
    learned
}

/// The messages of a history that came into it up to the stage `last`.
fn up_to(history: &History, last: u32) -> &[Said] {
    let end = history.said.iter().take_while(|said| said.stage <= last).count();
    history.said.get(..end).unwrap_or_default()
}

/// How many messages two histories begin with alike.
fn shared_beginning(history: &History, next: &History) -> usize {
    let kept = next.said.iter().take(next.kept);
    history
        .said
        .iter()
        .zip(kept)
        .take_while(|(said, kept)| said.message == kept.message && said.turn == kept.turn)
        .count()
}

/// Whether the last thing in a history is a turn that nothing answered and that
/// the next history is without.
fn takes_back(history: &History, next: &History) -> bool {
    let turn = history.said.last().and_then(|said| said.turn);
    turn.is_some() && next.said.iter().take(next.kept).all(|said| said.turn != turn)
}

fn sample(
    summary: &RolloutSummary,
    accepted: &[StageSummary],
    conversation: ConversationId,
    strand: &Strand,
    index: usize,
    learned: &Learned<'_>,
) -> Trajectory {
    let histories = &summary.histories;
    let turns = learned.positions.iter().filter_map(|at| learned.said.get(*at)?.turn);
    let turns: Vec<_> = turns.filter_map(|turn| histories.turns().get(turn)).collect();
    let mut usage = Usage::default();
    for turn in &turns {
        usage += turn.usage;
    }
    let is_in = |stage: &&StageSummary| turns.iter().any(|turn| turn.stage == stage.stage);
    let stages: Vec<&StageSummary> = accepted.iter().filter(is_in).collect();
    let is_accepted = matches!(summary.end, Some(RolloutEnd::Accepted { .. }));
    Trajectory {
        rollout: summary.rollout.clone(),
        conversation,
        forked_from: strand.forked_from,
        history: u32::try_from(index + 1).unwrap_or(u32::MAX),
        complete: is_accepted && stages.len() == summary.stages.len(),
        scores: stages.iter().filter_map(|stage| score(stage)).collect(),
        stages: stages.into_iter().map(|stage| stage.id.clone()).collect(),
        messages: learned.said.iter().map(|said| said.message.clone()).collect(),
        trained: learned.positions.clone(),
        tools: turns.last().map_or(&[][..], |turn| histories.tools_of(turn)).to_vec(),
        usage,
    }
}

fn score(stage: &StageSummary) -> Option<f64> {
    match stage.outcome {
        Some(StageOutcome::Accepted { score }) => Some(score),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use catena_model::AssistantMessage;

    use super::*;

    /// A message of a plugin.
    fn by_plugin(text: &str) -> Said {
        Said { message: Message::User { content: text.to_owned() }, turn: None, stage: 1 }
    }

    /// A turn that the model took.
    fn by_model(turn: usize) -> Said {
        let said = AssistantMessage { content: turn.to_string(), ..AssistantMessage::default() };
        Said { message: Message::of_model(said), turn: Some(turn), stage: 1 }
    }

    fn history(kept: usize, said: Vec<Said>) -> History {
        History { stage: 1, kept, said }
    }

    fn strand(mut histories: Vec<History>) -> Strand {
        let current = histories.pop().unwrap();
        Strand { forked_from: None, past: histories, current }
    }

    fn positions(strand: &Strand, last: u32) -> Vec<Vec<usize>> {
        learned(strand, last).into_iter().map(|learned| learned.positions).collect()
    }

    #[test]
    fn reply_that_was_taken_back_is_learned_nowhere_and_parts_no_sample() {
        let opening = [by_plugin("task"), by_model(0), by_plugin("answer")];
        let first = [&opening[..], &[by_model(1)]].concat();
        let second = [&opening[..], &[by_plugin("malformed"), by_model(2)]].concat();
        let strand = strand(vec![history(0, first), history(3, second)]);
        assert_eq!(positions(&strand, 1), [vec![], vec![1, 4]]);
        let took_back: Vec<bool> = learned(&strand, 1).iter().map(|part| part.took_back).collect();
        assert_eq!(took_back, [true, false]);
    }

    #[test]
    fn turn_that_a_compression_kept_is_learned_where_it_was_taken() {
        let first =
            vec![by_plugin("task"), by_model(0), by_plugin("a"), by_model(1), by_plugin("b")];
        let second = vec![by_plugin("summary"), by_model(1), by_plugin("b"), by_model(2)];
        let strand = strand(vec![history(0, first), history(3, second)]);
        assert_eq!(positions(&strand, 1), [vec![1, 3], vec![3]]);
    }

    #[test]
    fn what_a_fork_inherits_is_not_learned_in_it() {
        let said = vec![by_plugin("task"), by_model(0), by_plugin("job"), by_model(1)];
        assert_eq!(positions(&strand(vec![history(3, said)]), 1), [vec![3]]);
    }

    #[test]
    fn only_accepted_stages_count() {
        let of_second = |said: Said| Said { stage: 2, ..said };
        let answered = [of_second(by_model(1)), of_second(by_plugin("answer"))];
        let first = [&[by_plugin("task"), by_model(0)][..], &answered].concat();
        let second = History { stage: 2, ..history(0, vec![of_second(by_model(2))]) };
        let strand = strand(vec![history(0, first), second]);
        assert_eq!(positions(&strand, 1), [vec![1]]);
        assert_eq!(positions(&strand, 2), [vec![1, 2], vec![0]]);
    }
}
