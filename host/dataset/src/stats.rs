//! Figures of data, as the paper gives them for its own: samples with their
//! tokens, turns and tool calls, pull requests by repository, rounds, scores, cost.
//!
//! Rollouts come one at a time; what is kept of each is a few numbers.

pub mod plot;

use std::collections::{BTreeMap, BTreeSet};

use catena_model::Usage;
use catena_plugin::refusals::attempts;
use catena_rollout::StageOutcome;
use serde::Serialize;

use crate::canonical::Rollout;
use crate::sample::samples;
use crate::select::funnel::Funnel;
use crate::select::{Criteria, FunnelStep, Reason, Sieve};
use crate::tokens::{Counted, Counter};

/// Bars of the histogram of scores.
pub const BARS: usize = 10;

/// What numbers come to.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// Their mean.
    pub mean: f64,
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The one that nine in ten are not above.
    pub p90: u64,
    /// The largest.
    pub max: u64,
}

/// What is known of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RepositoryStats {
    /// Chains that were rolled out.
    pub chains: u64,
    /// Different pull requests in them.
    pub pull_requests: u64,
    /// Queries that agents were given: stages that were begun, over all rollouts.
    pub queries: u64,
    /// Rollouts.
    pub rollouts: u64,
    /// Samples.
    pub samples: u64,
}

/// What was refused to plugins, in rollouts that are not controls.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RefusedStats {
    /// How often, by plugin and kind.
    pub plugins: BTreeMap<String, BTreeMap<String, u64>>,
    /// How often a plugin reached for what is not its own: all but limits and quotas.
    pub attempts: u64,
    /// Rollouts in which one did.
    pub rollouts: u64,
    /// Rollouts that were looked at.
    pub of_rollouts: u64,
    /// Tool calls in them.
    pub of_tool_calls: u64,
}

impl RefusedStats {
    /// Attempts in a thousand tool calls; none where there was no call.
    pub fn per_thousand_calls(&self) -> Option<f64> {
        let calls = as_float(self.of_tool_calls);
        (self.of_tool_calls > 0).then(|| as_float(self.attempts) * 1_000.0 / calls)
    }

    /// Adds what was refused in a rollout.
    pub fn add(&mut self, refused: &BTreeMap<String, BTreeMap<String, u64>>, tool_calls: u64) {
        self.of_rollouts += 1;
        self.of_tool_calls += tool_calls;
        let attempts = refused.values().map(attempts).sum::<u64>();
        self.attempts += attempts;
        self.rollouts += u64::from(attempts > 0);
        for (plugin, kinds) in refused {
            let sums = self.plugins.entry(plugin.clone()).or_default();
            for (kind, count) in kinds {
                *sums.entry(kind.clone()).or_default() += count;
            }
        }
    }
}

/// Figures of data.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Stats {
    /// Rollouts that were read.
    pub rollouts: u64,
    /// Stages that were begun.
    pub stages: u64,
    /// Those of them that were accepted.
    pub stages_accepted: u64,
    /// Samples, as exports have them.
    pub samples: u64,
    /// Tokens of each sample, by the tokenizer.
    pub tokens: Option<Spread>,
    /// Those of them that are learned.
    pub trained_tokens: Option<Spread>,
    /// Tokens of each sample as servers told: what its last turn read and wrote.
    pub served_tokens: Spread,
    /// Tool calls of each sample, in the turns that are learned in it.
    pub tool_calls: Spread,
    /// Learned turns of each sample.
    pub turns: Spread,
    /// Stages of each sample.
    pub sample_stages: Spread,
    /// Rounds of each stage that was judged.
    pub rounds: Spread,
    /// Rounds by score: from 0 to 0.1, to 0.2 and so on; 1 is in the last.
    pub scores: [u64; BARS],
    /// The mean of them.
    pub mean_score: Option<f64>,
    /// What all exchanges of agents took, those of controls included.
    pub usage: Usage,
    /// What all exchanges of judges took.
    pub judging_usage: Usage,
    /// What those of rollouts took that gave a sample.
    pub usage_of_samples: Usage,
    /// By repository.
    pub repositories: BTreeMap<String, RepositoryStats>,
    /// What was refused to plugins.
    pub refused: RefusedStats,
    /// How many were left after each condition.
    pub funnel: Funnels,
}

/// How many were left after each condition of selection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Funnels {
    /// Rollouts, down to those that gave a sample.
    pub rollouts: Vec<FunnelStep>,
    /// Stages of their chains, down to those that samples are of.
    pub stages: Vec<FunnelStep>,
    /// Samples in what was taken.
    pub samples: Vec<FunnelStep>,
}

/// Gathers figures.
#[derive(Default)]
pub struct Gather<'a> {
    counter: Option<&'a Counter>,
    sieve: Sieve,
    stats: Stats,
    numbers: Numbers,
    score_sum: f64,
    rollout_funnel: Funnel,
    stage_funnel: Funnel,
    sample_funnel: Funnel,
    chains: BTreeMap<String, BTreeSet<String>>,
    pull_requests: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Default)]
struct Numbers {
    tokens: Vec<u64>,
    trained_tokens: Vec<u64>,
    served_tokens: Vec<u64>,
    tool_calls: Vec<u64>,
    turns: Vec<u64>,
    stages: Vec<u64>,
    rounds: Vec<u64>,
}

impl<'a> Gather<'a> {
    /// Nothing yet.
    pub fn new(counter: Option<&'a Counter>) -> Self {
        Self { counter, ..Self::default() }
    }

    /// Adds a rollout that can't be read.
    pub fn unreadable(&mut self) {
        self.stats.rollouts += 1;
        self.rollout_funnel.fell(Reason::Unreadable);
    }

    /// Adds a rollout.
    pub fn add(&mut self, rollout: &Rollout, criteria: &Criteria) {
        self.stats.rollouts += 1;
        self.stats.usage += rollout.usage;
        for stage in &rollout.stages {
            self.stats.judging_usage += stage.judging_usage;
        }
        for reason in criteria.of_stages(rollout) {
            self.stage_funnel.add(reason);
        }
        if rollout.control {
            self.rollout_funnel.fell(Reason::Control);
            return;
        }
        let tool_calls = rollout.stages.iter().map(|stage| stage.tool_calls).sum();
        self.stats.refused.add(&rollout.refused, tool_calls);
        let name = rollout.repository.clone().unwrap_or_else(|| "unknown".to_owned());
        self.repository(&name, rollout);
        self.stages(rollout);
        let reason = match criteria.stages(rollout) {
            Ok(stages) => {
                let (added, refused) = self.samples(rollout, stages, criteria);
                let repository = self.stats.repositories.entry(name).or_default();
                repository.samples += added;
                (added == 0).then_some(refused.unwrap_or(Reason::NoModelTurns))
            }
            Err(reason) => Some(reason),
        };
        self.rollout_funnel.add(reason);
        if reason.is_none() {
            self.stats.usage_of_samples += rollout.usage;
        }
    }

    fn repository(&mut self, name: &str, rollout: &Rollout) {
        let chains = self.chains.entry(name.to_owned()).or_default();
        chains.insert(rollout.rollout.chain.to_string());
        let pull_requests = self.pull_requests.entry(name.to_owned()).or_default();
        for task in &rollout.chain {
            let number = task.pull_request.map(|number| format!("#{number}"));
            let named = || format!("{}/{}", rollout.rollout.chain, task.id);
            pull_requests.insert(number.unwrap_or_else(named));
        }
        let stats = self.stats.repositories.entry(name.to_owned()).or_default();
        stats.rollouts += 1;
        stats.queries += rollout.stages.len() as u64;
        stats.chains = chains.len() as u64;
        stats.pull_requests = pull_requests.len() as u64;
    }

    fn stages(&mut self, rollout: &Rollout) {
        for stage in &rollout.stages {
            self.stats.stages += 1;
            let accepted = matches!(stage.outcome, Some(StageOutcome::Accepted { .. }));
            self.stats.stages_accepted += u64::from(accepted);
            let verdicts = stage.rounds.iter().filter_map(|round| round.verdict.as_ref());
            let mut judged = 0;
            for verdict in verdicts {
                judged += 1;
                self.score_sum += verdict.score;
                if let Some(bar) = self.stats.scores.get_mut(bar_of(verdict.score)) {
                    *bar += 1;
                }
            }
            if judged > 0 {
                self.numbers.rounds.push(judged);
            }
        }
    }

    /// Adds the samples of a rollout. Returns their number, and why the first one was
    /// left out of those that were.
    fn samples(
        &mut self,
        rollout: &Rollout,
        stages: usize,
        criteria: &Criteria,
    ) -> (u64, Option<Reason>) {
        let found = samples(rollout, stages);
        let (mut added, mut refused) = (0, None);
        let mut counted = self.counter.map(|counter| Counted::new(counter, rollout));
        for sample in &found.samples {
            let tokens = counted
                .as_mut()
                .map(|counted| counted.part(sample, &sample.trained, sample.said.len()));
            let reason = self.sieve.refused(criteria, sample, tokens);
            self.sample_funnel.add(reason);
            if reason.is_some() {
                refused = refused.or(reason);
                continue;
            }
            added += 1;
            let numbers = &mut self.numbers;
            if let Some(tokens) = tokens {
                numbers.tokens.push(tokens.total());
                numbers.trained_tokens.push(tokens.trained);
            }
            let turn = |at: &usize| rollout.turns.get(sample.said.get(*at)?.turn?);
            let last = sample.trained.last().and_then(turn);
            numbers.served_tokens.push(last.map_or(0, |turn| turn.usage.tokens()));
            let replies = sample.trained.iter().filter_map(turn);
            let replies = replies.filter_map(|turn| rollout.reply(turn));
            numbers.tool_calls.push(replies.map(|reply| reply.tool_calls.len() as u64).sum());
            numbers.turns.push(sample.trained.len() as u64);
            numbers.stages.push(sample.stages.len() as u64);
        }
        (added, refused)
    }

    /// The figures.
    pub fn finish(mut self) -> Stats {
        let judged: u64 = self.stats.scores.iter().sum();
        let numbers = &mut self.numbers;
        self.stats.samples = numbers.turns.len() as u64;
        if self.counter.is_some() {
            self.stats.tokens = Some(Spread::of(&mut numbers.tokens));
            self.stats.trained_tokens = Some(Spread::of(&mut numbers.trained_tokens));
        }
        self.stats.served_tokens = Spread::of(&mut numbers.served_tokens);
        self.stats.tool_calls = Spread::of(&mut numbers.tool_calls);
        self.stats.turns = Spread::of(&mut numbers.turns);
        self.stats.sample_stages = Spread::of(&mut numbers.stages);
        self.stats.rounds = Spread::of(&mut numbers.rounds);
        self.stats.funnel = Funnels {
            rollouts: self.rollout_funnel.steps(),
            stages: self.stage_funnel.steps(),
            samples: self.sample_funnel.steps(),
        };
        self.stats.mean_score = (judged > 0).then(|| self.score_sum / as_float(judged));
        self.stats
    }
}

/// The bar of a score from 0 to 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is between 0 and 10"
)]
fn bar_of(score: f64) -> usize {
    // A score of 0.3 is in the bar that begins with it, whatever binary makes of it.
    ((score.clamp(0.0, 1.0) * 10.0 + 1e-9) as usize).min(BARS - 1)
}

#[expect(clippy::cast_precision_loss, reason = "exact far above any count")]
pub(crate) fn as_float(number: u64) -> f64 {
    number as f64
}

impl Spread {
    /// Of these numbers, which are sorted.
    pub fn of(numbers: &mut [u64]) -> Self {
        numbers.sort_unstable();
        let sum: u64 = numbers.iter().sum();
        let count = numbers.len() as u64;
        // By the nearest rank: the smallest number that so many in ten are not above.
        let at = |tenths: usize| {
            let rank = (numbers.len() * tenths).div_ceil(10).max(1);
            numbers.get(rank - 1).copied().unwrap_or_default()
        };
        let middle = numbers.get(numbers.len() / 2).copied().unwrap_or_default();
        Self {
            count,
            sum,
            mean: if count == 0 { 0.0 } else { as_float(sum) / as_float(count) },
            median: f64::midpoint(as_float(middle), as_float(at(5))),
            p90: at(9),
            max: numbers.last().copied().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_has_the_mean_of_two_in_the_middle_and_else_the_nearest_rank() {
        let spread = Spread::of(&mut (1..=10).rev().collect::<Vec<_>>());
        let Spread { count, sum, mean, median, p90, max } = spread;
        assert_eq!((count, sum, p90, max), (10, 55, 9, 10));
        assert!((mean - 5.5).abs() < 1e-12 && (median - 5.5).abs() < 1e-12);
        assert!((Spread::of(&mut [3, 1, 8]).median - 3.0).abs() < 1e-12);
        assert_eq!(Spread::of(&mut []), Spread::default());
        assert_eq!(Spread::of(&mut [7]).p90, 7);
    }

    #[test]
    fn scores_go_to_the_bar_that_begins_with_them() {
        let bars: Vec<usize> =
            [0.0, 0.09, 0.1, 0.3, 0.7, 0.8, 0.99, 1.0].into_iter().map(bar_of).collect();
        assert_eq!(bars, [0, 0, 1, 3, 7, 8, 9, 9]);
    }
}
