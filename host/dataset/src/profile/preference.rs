//! Pairs of a better and a worse try at one stage, as trl's DPO reads them: one
//! JSON object a line with `prompt`, `chosen`, `rejected` and `tools`.
//!
//! A try is what was said in one round, from its model's first turn to its last
//! one, and its prompt is what stood before it. Two tries are a pair where both
//! had the same prompt, in different repetitions of a chain or after a history was
//! put back. Where the accepted round is an answer to the feedback on the rejected
//! one, the prompt is the rejected one's, and what the accepted one saw of it
//! is in neither: its manifest entry says `after-feedback`.

use catena_model::Message;
use catena_plugin::Digest;
use serde::{Deserialize, Serialize};

use super::chat::{self, ArgumentsAs, ChatMessage};
use crate::canonical::{Rollout, Said, Stage};
use crate::sample::is_cut_off;
use crate::select::Reason;

/// What the two tries of a pair have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairKind {
    /// Both were made after the same messages.
    SamePrompt,
    /// The better one answers the feedback on the worse one.
    AfterFeedback,
}

/// A round as one side of a pair.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Try {
    /// The rollout, as text.
    pub(crate) rollout: String,
    pub(crate) stage: u32,
    pub(crate) round: u32,
    pub(crate) score: f64,
    pub(crate) is_accepted: bool,
    /// Whether one of its replies ends in the middle.
    is_cut_off: bool,
    prompt: Vec<Message>,
    prompt_digest: Digest,
    said: Vec<Message>,
    tools: String,
}

/// A pair of tries.
pub(crate) struct Pair<'a> {
    pub(crate) kind: PairKind,
    pub(crate) chosen: &'a Try,
    pub(crate) rejected: &'a Try,
}

/// The rounds of a rollout that have a score.
pub(crate) fn tries(rollout: &Rollout) -> Vec<Try> {
    let mut tries = Vec::new();
    for stage in &rollout.stages {
        for round in &stage.rounds {
            let Some(verdict) = &round.verdict else { continue };
            let accepted = stage.accepted_score().is_some();
            let is_last = stage.rounds.last().is_some_and(|last| last.round == round.round);
            let found = try_of(rollout, stage, round.round, verdict.score, accepted && is_last);
            tries.extend(found);
        }
    }
    tries
}

fn try_of(
    rollout: &Rollout,
    stage: &Stage,
    round: u32,
    score: f64,
    is_accepted: bool,
) -> Option<Try> {
    let talk = rollout.conversations.iter().find(|talk| talk.id == stage.conversation)?;
    let is_of = |said: &&Said| said.stage == stage.stage && said.round == round;
    let history = talk.histories.iter().rev();
    // The last history in which the round's model took a turn.
    let history = history
        .into_iter()
        .find(|history| history.said.iter().any(|said| is_of(&said) && said.turn.is_some()))?;
    let begin = history.said.iter().position(|said| is_of(&said) && said.turn.is_some())?;
    let end = history.said.iter().rposition(|said| is_of(&said) && said.turn.is_some())? + 1;
    let messages = |said: &[Said]| -> Vec<Message> {
        said.iter().filter_map(|said| rollout.message(said.message).cloned()).collect()
    };
    let prompt = messages(history.said.get(..begin)?);
    let last = history.said.get(end - 1)?.turn.and_then(|turn| rollout.turns.get(turn))?;
    let said = history.said.get(begin..end)?;
    let mut turns = said.iter().filter_map(|said| rollout.turns.get(said.turn?));
    Some(Try {
        rollout: rollout.rollout.to_string(),
        stage: stage.stage,
        round,
        score,
        is_accepted,
        is_cut_off: turns.any(is_cut_off),
        prompt_digest: Digest::of(&serde_json::to_vec(&prompt).ok()?),
        prompt,
        said: messages(said),
        tools: chat::tools_text(rollout.tools_of(last)).ok()?,
    })
}

/// The pairs among the tries at one stage of one chain.
pub(crate) fn pairs(tries: &[Try]) -> Vec<Pair<'_>> {
    let mut pairs = Vec::new();
    for chosen in tries.iter().filter(|one| one.is_accepted && !one.is_cut_off) {
        for rejected in tries.iter().filter(|one| !one.is_accepted) {
            if rejected.score >= chosen.score || rejected.tools != chosen.tools {
                continue;
            }
            let goes_on = chosen.rollout == rejected.rollout
                && chosen.round > rejected.round
                && chosen.prompt.starts_with(&rejected.prompt);
            if chosen.prompt_digest == rejected.prompt_digest {
                pairs.push(Pair { kind: PairKind::SamePrompt, chosen, rejected });
            } else if goes_on {
                pairs.push(Pair { kind: PairKind::AfterFeedback, chosen, rejected });
            }
        }
    }
    pairs
}

#[derive(Serialize)]
struct Line<'a> {
    prompt: Vec<ChatMessage<'a>>,
    chosen: Vec<ChatMessage<'a>>,
    rejected: Vec<ChatMessage<'a>>,
    tools: &'a str,
}

impl Pair<'_> {
    pub(crate) fn line(&self) -> Result<Vec<u8>, Reason> {
        let line = Line {
            prompt: chat_messages(&self.rejected.prompt)?,
            chosen: chat_messages(&self.chosen.said)?,
            rejected: chat_messages(&self.rejected.said)?,
            tools: &self.rejected.tools,
        };
        serde_json::to_vec(&line).map_err(|_| Reason::Unreadable)
    }

    /// Messages of each part: prompt, chosen and rejected.
    pub(crate) fn messages(&self) -> [u64; 3] {
        [&self.rejected.prompt, &self.chosen.said, &self.rejected.said]
            .map(|messages| messages.len() as u64)
    }
}

fn chat_messages(messages: &[Message]) -> Result<Vec<ChatMessage<'_>>, Reason> {
    messages.iter().map(|message| chat::message(message, ArgumentsAs::Json)).collect()
}
