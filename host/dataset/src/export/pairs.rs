//! Pairs of tries, gathered chain by chain.

use std::collections::BTreeMap;

use catena_chain::{ChainId, StageId};
use catena_rollout::RolloutId;

use crate::canonical::Rollout;
use crate::manifest::{Dropped, PairEntry, SampleEntry, TryEntry};
use crate::profile::preference::{Pair, Try, pairs, tries};
use crate::select::Reason;

/// The tries at the stages of one chain.
#[derive(Default)]
pub(super) struct Pairs {
    of: Option<Of>,
    stages: BTreeMap<u32, (StageId, Vec<Try>)>,
}

/// What all rollouts of a chain have in common.
struct Of {
    chain: ChainId,
    rollout: RolloutId,
    repository: Option<String>,
    part: Option<String>,
    source: usize,
}

type Rows = Vec<Result<(Vec<u8>, SampleEntry), Dropped>>;

impl Pairs {
    /// Whether the next rollout is of the same chain.
    pub(super) fn goes_on_with(&self, next: Option<&Rollout>) -> bool {
        match (&self.of, next) {
            (Some(of), Some(next)) => {
                of.chain == next.rollout.chain && of.repository == next.repository
            }
            _ => self.of.is_none() && next.is_some(),
        }
    }

    /// Adds the rounds of a rollout; false where none was scored.
    pub(super) fn add(&mut self, rollout: &Rollout, part: Option<String>, source: usize) -> bool {
        self.of.get_or_insert_with(|| Of {
            chain: rollout.rollout.chain.clone(),
            rollout: rollout.rollout.clone(),
            repository: rollout.repository.clone(),
            part,
            source,
        });
        let tries = tries(rollout);
        let has_any = !tries.is_empty();
        for one in tries {
            let Some(stage) = rollout.stages.iter().find(|stage| stage.stage == one.stage) else {
                continue;
            };
            let of_stage = self.stages.entry(one.stage);
            of_stage.or_insert_with(|| (stage.id.clone(), Vec::new())).1.push(one);
        }
        has_any
    }

    /// The pairs, and the stages that gave none.
    pub(super) fn rows(self) -> Rows {
        let Some(of) = &self.of else { return Vec::new() };
        let mut rows = Vec::new();
        for (id, tries) in self.stages.values() {
            let found = pairs(tries);
            if found.is_empty() {
                rows.push(Err(of.dropped(id, Reason::NoPair)));
            }
            for pair in found {
                rows.push(match pair.line() {
                    Ok(line) => Ok((line, of.entry(id, &pair))),
                    Err(reason) => Err(of.dropped(id, reason)),
                });
            }
        }
        rows
    }
}

impl Of {
    fn dropped(&self, stage: &StageId, reason: Reason) -> Dropped {
        let detail = Some(format!("stage {stage}"));
        let source = self.source;
        Dropped { source, rollout: Some(self.rollout.clone()), sample: None, reason, detail }
    }

    fn entry(&self, stage: &StageId, pair: &Pair<'_>) -> SampleEntry {
        let [prompt, chosen, rejected] = pair.messages();
        let entry = |one: &Try, messages| TryEntry {
            rollout: one.rollout.clone(),
            round: one.round,
            score: one.score,
            messages,
        };
        SampleEntry {
            source: self.source,
            files: Vec::new(),
            rollout: self.rollout.clone(),
            repository: self.repository.clone(),
            part: self.part.clone(),
            conversation: None,
            forked_from: None,
            history: None,
            stages: vec![stage.clone()],
            scores: vec![pair.chosen.score],
            complete: false,
            messages: prompt + chosen + rejected,
            assistant_turns: 0,
            model_turns: 0,
            trained: Vec::new(),
            tool_calls: 0,
            tokens: None,
            usage: catena_model::Usage::default(),
            pair: Some(PairEntry {
                kind: pair.kind,
                chosen: entry(pair.chosen, chosen),
                rejected: entry(pair.rejected, rejected),
            }),
        }
    }
}
