//! From a rollout to samples: the part of its chain that is taken, one sample per
//! history that a model was asked under.
//!
//! The invariant: every turn that a model took there is to be learned in exactly
//! one sample, after the very messages the model had before it; but for replies
//! that the scaffold took back at once, and those that were cut off, in none.

use catena_chain::StageId;
use catena_model::{ConversationId, FinishReason, Message, Origin, ToolDefinition, Usage};
use catena_rollout::RolloutEnd;

use crate::canonical::{Conversation, History, Rollout, Said, Stage, Turn};

/// One sample: what was said under one history up to the last stage taken.
#[derive(Debug, Clone)]
pub struct Sample<'a> {
    /// The rollout it is of.
    pub rollout: &'a Rollout,
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
    pub said: &'a [Said],
    /// Positions of those to be learned, counted from 0: turns that the model
    /// took after these messages.
    pub trained: Vec<usize>,
    /// The tools that were offered.
    pub tools: &'a [ToolDefinition],
    /// What the turns to be learned took.
    pub usage: Usage,
}

/// The samples of a rollout.
#[derive(Debug, Clone, Default)]
pub struct Samples<'a> {
    /// The samples, by conversation and history.
    pub samples: Vec<Sample<'a>>,
    /// Replies of their conversations that the scaffold took back.
    pub taken_back: u64,
    /// Replies that reached a bound or were withheld in part: they stand in
    /// samples, and are not learned.
    pub cut_off: u64,
}

/// Turns that are learned without one in between that is not: what a form
/// without marks for single turns can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Position of its first turn.
    pub(crate) begin: usize,
    /// The position after its last turn.
    pub(crate) end: usize,
    /// Turns of the assistant before it.
    pub(crate) turns_before: usize,
}

impl<'a> Sample<'a> {
    /// The messages, oldest first.
    pub fn messages(&self) -> impl Iterator<Item = &'a Message> {
        let rollout = self.rollout;
        self.said.iter().filter_map(move |said| rollout.message(said.message))
    }

    /// Whether the message at a position is to be learned.
    pub fn is_trained(&self, position: usize) -> bool {
        self.trained.binary_search(&position).is_ok()
    }

    /// The stretches of learned turns, in order.
    pub(crate) fn stretches(&self) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::new();
        let (mut turns, mut goes_on) = (0, false);
        for (position, message) in self.messages().enumerate() {
            if !matches!(message, Message::Assistant { .. }) {
                continue;
            }
            let end = position + 1;
            let trained = self.is_trained(position);
            match stretches.last_mut() {
                Some(stretch) if trained && goes_on => stretch.end = end,
                _ if trained => {
                    stretches.push(Stretch { begin: position, end, turns_before: turns });
                }
                _ => {}
            }
            goes_on = trained;
            turns += 1;
        }
        stretches
    }
}

/// The samples of the first `stages` stages of a rollout.
pub fn samples(rollout: &Rollout, stages: usize) -> Samples<'_> {
    let taken = rollout.stages.get(..stages).unwrap_or(&rollout.stages);
    let mut samples = Samples::default();
    let Some(last) = taken.last() else { return samples };
    for conversation in &rollout.conversations {
        for (index, mut learned) in learned(conversation, last.stage).into_iter().enumerate() {
            samples.taken_back += u64::from(learned.took_back);
            samples.cut_off += learned.without_cut_off(&rollout.turns);
            if !learned.positions.is_empty() {
                samples.samples.push(sample(rollout, taken, conversation, index, learned));
            }
        }
    }
    samples
}

/// The part of a history that is of the stages taken, and what is learned of it.
struct Learned<'a> {
    said: &'a [Said],
    positions: Vec<usize>,
    /// Whether its last turn was taken back.
    took_back: bool,
}

impl Learned<'_> {
    /// Takes out the turns that end in the middle, and returns how many.
    fn without_cut_off(&mut self, turns: &[Turn]) -> u64 {
        let before = self.positions.len();
        let said = self.said;
        self.positions.retain(|at| {
            let turn = said.get(*at).and_then(|said| turns.get(said.turn?));
            !turn.is_some_and(is_cut_off)
        });
        (before - self.positions.len()) as u64
    }
}

/// Whether a turn ends in the middle of what the model had to say.
pub(crate) fn is_cut_off(turn: &Turn) -> bool {
    matches!(turn.finish, FinishReason::Length | FinishReason::ContentFilter)
}

/// What is learned of each history of a conversation, up to the stage `last`.
fn learned(conversation: &Conversation, last: u32) -> Vec<Learned<'_>> {
    let histories: Vec<&History> =
        conversation.histories.iter().take_while(|history| history.stage <= last).collect();
    let mut learned: Vec<Learned<'_>> = Vec::new();
    // Turns of the history before that have the same messages ahead of them here.
    let mut shared_turns: Vec<usize> = Vec::new();
    for (index, history) in histories.iter().enumerate() {
        let said = up_to(history, last);
        let next = histories.get(index + 1);
        let shared = next.map_or(0, |next| history.shared_beginning(next));
        let own = said.iter().enumerate().skip(history.kept);
        let own = own.filter(|(_, said)| said.turn.is_some()).map(|(position, _)| position);
        let turns: Vec<usize> = shared_turns.iter().copied().chain(own).collect();
        let mut positions: Vec<usize> =
            turns.iter().copied().filter(|position| *position >= shared).collect();
        let took_back = next.is_some_and(|next| history.taken_back_by(next).is_some());
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

fn sample<'a>(
    rollout: &'a Rollout,
    taken: &'a [Stage],
    conversation: &Conversation,
    index: usize,
    learned: Learned<'a>,
) -> Sample<'a> {
    let turns = learned.positions.iter().filter_map(|at| learned.said.get(*at)?.turn);
    let turns: Vec<_> = turns.filter_map(|turn| rollout.turns.get(turn)).collect();
    let mut usage = Usage::default();
    for turn in &turns {
        usage += turn.usage;
    }
    let is_in = |stage: &&Stage| turns.iter().any(|turn| turn.stage == stage.stage);
    let stages: Vec<&Stage> = taken.iter().filter(is_in).collect();
    let is_accepted = matches!(rollout.end, Some(RolloutEnd::Accepted { .. }));
    Sample {
        rollout,
        conversation: conversation.id,
        forked_from: conversation.forked_from,
        history: u32::try_from(index + 1).unwrap_or(u32::MAX),
        complete: is_accepted && stages.len() == rollout.stages.len(),
        scores: stages.iter().filter_map(|stage| stage.accepted_score()).collect(),
        stages: stages.into_iter().map(|stage| stage.id.clone()).collect(),
        said: learned.said,
        trained: learned.positions,
        tools: turns.last().map_or(&[][..], |turn| rollout.tools_of(turn)),
        usage,
    }
}

/// Whether a plugin wrote a turn of the assistant.
pub(crate) fn is_by_plugin(message: &Message) -> bool {
    matches!(message, Message::Assistant { origin: Origin::Plugin, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of a plugin.
    fn by_plugin(message: usize) -> Said {
        Said { message, turn: None, stage: 1, round: 1 }
    }

    /// A turn that the model took, said in a message of its own.
    fn by_model(turn: usize) -> Said {
        Said { message: 100 + turn, turn: Some(turn), stage: 1, round: 1 }
    }

    fn history(kept: usize, said: Vec<Said>) -> History {
        History { stage: 1, kept, said }
    }

    fn conversation(histories: Vec<History>) -> Conversation {
        Conversation { id: ConversationId(0), forked_from: None, histories }
    }

    fn positions(conversation: &Conversation, last: u32) -> Vec<Vec<usize>> {
        learned(conversation, last).into_iter().map(|learned| learned.positions).collect()
    }

    #[test]
    fn reply_that_was_taken_back_is_learned_nowhere_and_parts_no_sample() {
        let opening = [by_plugin(0), by_model(0), by_plugin(1)];
        let first = [&opening[..], &[by_model(1)]].concat();
        let second = [&opening[..], &[by_plugin(2), by_model(2)]].concat();
        let talk = conversation(vec![history(0, first), history(3, second)]);
        assert_eq!(positions(&talk, 1), [vec![], vec![1, 4]]);
        let took_back: Vec<bool> = learned(&talk, 1).iter().map(|part| part.took_back).collect();
        assert_eq!(took_back, [true, false]);
    }

    #[test]
    fn reply_before_a_compression_is_learned_though_it_is_gone() {
        let first = vec![by_plugin(0), by_model(0), by_plugin(1), by_model(1)];
        let second = vec![by_plugin(0), by_plugin(2), by_model(2)];
        let talk = conversation(vec![history(0, first), history(2, second)]);
        assert_eq!(positions(&talk, 1), [vec![1, 3], vec![2]]);
        assert!(learned(&talk, 1).iter().all(|part| !part.took_back));
    }

    #[test]
    fn turn_that_a_compression_kept_is_learned_where_it_was_taken() {
        let first = vec![by_plugin(0), by_model(0), by_plugin(1), by_model(1), by_plugin(2)];
        let second = vec![by_plugin(3), by_model(1), by_plugin(2), by_model(2)];
        let talk = conversation(vec![history(0, first), history(3, second)]);
        assert_eq!(positions(&talk, 1), [vec![1, 3], vec![3]]);
    }

    #[test]
    fn what_a_fork_inherits_is_not_learned_in_it() {
        let said = vec![by_plugin(0), by_model(0), by_plugin(1), by_model(1)];
        assert_eq!(positions(&conversation(vec![history(3, said)]), 1), [vec![3]]);
    }

    #[test]
    fn only_stages_that_are_taken_count() {
        let of_second = |said: Said| Said { stage: 2, ..said };
        let answered = [of_second(by_model(1)), of_second(by_plugin(1))];
        let first = [&[by_plugin(0), by_model(0)][..], &answered].concat();
        let second = History { stage: 2, ..history(0, vec![of_second(by_model(2))]) };
        let talk = conversation(vec![history(0, first), second]);
        assert_eq!(positions(&talk, 1), [vec![1]]);
        assert_eq!(positions(&talk, 2), [vec![1, 2], vec![0]]);
    }
}
