//! Pairs of tries, gathered chain by chain.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Its rollouts that have tries, and whether a pair was made of one.
    rollouts: Vec<Tried>,
}

/// A rollout with tries.
pub(super) struct Tried {
    pub(super) rollout: RolloutId,
    pub(super) license: Option<String>,
    /// As pairs name it.
    name: String,
}

/// What all rollouts of a chain have in common.
struct Of {
    chain: ChainId,
    rollout: RolloutId,
    repository: Option<String>,
    part: Option<String>,
    source: usize,
}

type Row = Result<(Vec<u8>, SampleEntry), Dropped>;

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
        if has_any {
            let (id, license) = (rollout.rollout.clone(), rollout.license.clone());
            self.rollouts.push(Tried { name: id.to_string(), rollout: id, license });
        }
        for one in tries {
            let Some(stage) = rollout.stages.iter().find(|stage| stage.stage == one.stage) else {
                continue;
            };
            let of_stage = self.stages.entry(one.stage);
            of_stage.or_insert_with(|| (stage.id.clone(), Vec::new())).1.push(one);
        }
        has_any
    }

    /// The repository that the chain is of.
    pub(super) fn repository(&self) -> Option<&str> {
        self.of.as_ref()?.repository.as_deref()
    }

    /// The rollouts with tries, and whether one of the pairs has each.
    pub(super) fn rollouts(self, used: &BTreeSet<String>) -> impl Iterator<Item = (Tried, bool)> {
        self.rollouts.into_iter().map(|tried| {
            let is_used = used.contains(&tried.name);
            (tried, is_used)
        })
    }

    /// The pairs, and the stages that gave none, made as they are asked for.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> {
        let stages = self.stages.values().filter_map(|stage| self.of.as_ref().zip(Some(stage)));
        stages.flat_map(|(of, (id, tries))| {
            let found = pairs(tries);
            let none = found.is_empty().then(|| Err(of.dropped(id, Reason::NoPair)));
            let row = move |pair: Pair<'_>| match pair.line() {
                Ok(line) => Ok((line, of.entry(id, &pair))),
                Err(reason) => Err(of.dropped(id, reason)),
            };
            none.into_iter().chain(found.into_iter().map(row))
        })
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
