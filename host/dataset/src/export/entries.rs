//! What the manifest says of rows of samples and of whole rollouts.

use crate::canonical::Rollout;
use crate::manifest::SampleEntry;
use crate::sample::Sample;
use crate::tokens::TokenCount;

/// A row that is a part of a sample, its first `end` messages.
pub(super) fn entry_of_sample(
    sample: &Sample<'_>,
    part: Option<&str>,
    trained: &[usize],
    end: usize,
    tokens: Option<TokenCount>,
) -> SampleEntry {
    let (mut assistant_turns, mut tool_calls) = (0, 0);
    for message in sample.messages().take(end) {
        if let catena_model::Message::Assistant { message, .. } = message {
            assistant_turns += 1;
            tool_calls += message.tool_calls.len() as u64;
        }
    }
    SampleEntry {
        source: 0,
        rollout: sample.rollout.rollout.clone(),
        repository: sample.rollout.repository.clone(),
        part: part.map(str::to_owned),
        conversation: Some(sample.conversation),
        forked_from: sample.forked_from,
        history: Some(sample.history),
        stages: sample.stages.clone(),
        scores: sample.scores.clone(),
        complete: sample.complete,
        messages: end as u64,
        assistant_turns,
        model_turns: trained.len() as u64,
        trained: trained.iter().map(|position| *position as u64).collect(),
        tool_calls,
        tokens,
        usage: usage_of(sample, trained),
        pair: None,
        files: Vec::new(),
    }
}

/// What the learned turns of a row took.
fn usage_of(sample: &Sample<'_>, trained: &[usize]) -> catena_model::Usage {
    let mut usage = catena_model::Usage::default();
    for position in trained {
        let turn = sample.said.get(*position).and_then(|said| said.turn);
        if let Some(turn) = turn.and_then(|turn| sample.rollout.turns.get(turn)) {
            usage += turn.usage;
        }
    }
    usage
}

/// A row that is a whole rollout.
pub(super) fn entry_of_rollout(rollout: &Rollout, source: usize) -> SampleEntry {
    let calls = rollout.turns.iter().filter_map(|turn| rollout.reply(turn));
    SampleEntry {
        source,
        rollout: rollout.rollout.clone(),
        repository: rollout.repository.clone(),
        part: None,
        conversation: None,
        forked_from: None,
        history: None,
        stages: rollout.stages.iter().map(|stage| stage.id.clone()).collect(),
        scores: rollout.stages.iter().filter_map(crate::canonical::Stage::accepted_score).collect(),
        complete: rollout.accepted_prefix() == rollout.chain.len().max(rollout.stages.len()),
        messages: rollout.messages.len() as u64,
        assistant_turns: rollout.turns.len() as u64,
        model_turns: rollout.turns.len() as u64,
        trained: Vec::new(),
        tool_calls: calls.map(|reply| reply.tool_calls.len() as u64).sum(),
        tokens: None,
        usage: rollout.usage,
        pair: None,
        files: Vec::new(),
    }
}
