//! What a run may take before anything is spent: from the chain file, the run
//! file's bounds, and what runs like it took.
//!
//! Its invariant: nothing is asked of a model and nothing is written.

use std::path::Path;
use std::time::Duration;

use catena_chain::{Chain, ReferencePatch};
use catena_model::{Price, Usage, Usd};
use serde::Serialize;

use crate::models;
use crate::run::inputs::{make_paths_absolute, selected};
use crate::run::{Readable, RunError, RunOptions, planned, readable};
use crate::run_file::{ModelChoice, ModelUse, RunFile};
use crate::summary::StageSummary;

/// Tokens that a scaffold's own texts take at the beginning of a conversation.
const OWN_TEXTS: u64 = 1_500;

/// Tokens that a turn adds to a conversation: an observation and the reply.
const PER_TURN: u64 = 700;

/// Tokens of a reply.
const PER_REPLY: u64 = 150;

/// Turns of a stage beside those that its patch asks for, and changed lines per
/// further turn.
const TURNS: u64 = 12;
const LINES_PER_TURN: u64 = 15;

/// Time of a turn where no run has told.
const PER_TURN_MS: u64 = 5_000;

/// Bytes of text per token.
const BYTES_PER_TOKEN: u64 = 4;

/// Where an estimate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Stages of past runs with the same scaffold and model.
    PastRuns,
    /// Stages of past runs with the same scaffold and other models.
    OtherModels,
    /// Rules of thumb over the sizes of queries and patches.
    Sizes,
}

/// What one stage takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct StageCost {
    /// Turns of the model.
    pub turns: u64,
    /// What they take.
    pub usage: Usage,
    /// How long, in milliseconds.
    pub wall_ms: u64,
}

/// What a run takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Rollouts of the run.
    pub rollouts: u64,
    /// Stages of all of them, if each is come to.
    pub stages: u64,
    /// Where the figures come from.
    pub basis: Basis,
    /// Past stages that they come from.
    pub past_stages: u64,
    /// What is to be expected of the whole run.
    pub expected: StageCost,
    /// What nine of ten stages stay below, for all of them.
    pub high: StageCost,
    /// How long the whole run takes in milliseconds, with rollouts at work at the
    /// same time.
    pub expected_run_ms: u64,
    /// The same if all stages take long.
    pub high_run_ms: u64,
    /// The most that the run file lets the run spend, where it bounds that.
    pub most_tokens: Option<u64>,
    /// The same in millionths of a US dollar.
    pub most_microusd: Option<u64>,
    /// Whether the model has a price.
    pub priced: bool,
}

/// Estimates the run that `run_file` describes. Runs at `past` that can't be
/// read are passed over.
pub fn estimate(
    run_file: &Path,
    past: &[&Path],
    options: &RunOptions,
) -> Result<Estimate, RunError> {
    let mut file = RunFile::load(run_file)?;
    make_paths_absolute(&mut file, run_file, &options.plugin_dirs)?;
    models::resolve(&mut file, options.models_file.as_deref())?;
    let chains = catena_chain::ChainFile::load(&file.chains)?;
    let chains = selected(&file, &chains);
    let mut known = Past::default();
    for run in past {
        known.read(run, &file);
    }
    let price = price(&file);
    let (basis, of_stage) = known.costs();
    let mut sums = Sums::default();
    for chain in &chains {
        sums.add(&of_chain(&file, chain, of_stage.as_deref(), price));
    }
    Ok(sums.into_estimate(&file, chains.len() as u64, basis, known.len()))
}

/// Expected and high costs of one rollout.
struct Costs {
    stages: u64,
    expected: StageCost,
    high: StageCost,
}

fn of_chain(
    file: &RunFile,
    chain: &Chain,
    past: Option<&[StageCost]>,
    price: Option<Price>,
) -> Costs {
    let stages = chain.stages.len() as u64;
    let (expected, high) = if let Some(past) = past {
        (mean(past, stages), ninth_of_ten(past).times(stages))
    } else {
        let expected = by_sizes(chain);
        (expected, expected.times(3))
    };
    let charged = |cost: StageCost| {
        let usage = price.map_or(cost.usage, |price| price.charge(cost.usage));
        within_budget(file, StageCost { usage, ..cost })
    };
    Costs { stages, expected: charged(expected), high: charged(high) }
}

/// A rollout ends where its budget does.
fn within_budget(file: &RunFile, cost: StageCost) -> StageCost {
    let budget = file.budget;
    let bounds = [
        (budget.turns, cost.turns),
        (budget.tokens, cost.usage.tokens()),
        (budget.usd.map(Usd::micros), cost.usage.cost_microusd),
    ];
    cost.within(&bounds)
}

/// What the stages of a chain take by rules of thumb: a conversation grows by
/// the same amount every turn, and every turn reads all of it.
fn by_sizes(chain: &Chain) -> StageCost {
    let mut sum = StageCost::default();
    let mut context = OWN_TEXTS + chain.overview.len() as u64 / BYTES_PER_TOKEN;
    for stage in &chain.stages {
        let lines = match stage.reference_patch {
            ReferencePatch::Available { added, deleted, .. } => added + deleted,
            ReferencePatch::MissingObjects { .. } => 0,
        };
        let turns = TURNS + lines / LINES_PER_TURN;
        context += stage.query.len() as u64 / BYTES_PER_TOKEN;
        let input = turns * context + PER_TURN * turns * turns.saturating_sub(1) / 2;
        // All but the last turn's part was read before.
        let cached = input.saturating_sub(context + PER_TURN * turns);
        context += PER_TURN * turns;
        sum.add(&StageCost {
            turns,
            usage: Usage {
                input_tokens: input,
                cached_tokens: cached,
                output_tokens: turns * PER_REPLY,
                ..Usage::default()
            },
            wall_ms: turns * PER_TURN_MS,
        });
    }
    sum
}

/// Stages of past runs.
#[derive(Default)]
struct Past {
    same: Vec<StageCost>,
    other_model: Vec<StageCost>,
}

impl Past {
    fn read(&mut self, run: &Path, file: &RunFile) {
        let (Ok(plan), Ok(Readable { rollouts, .. })) = (planned(run), readable(run)) else {
            return;
        };
        if plan.file.scaffold.plugin.file_name() != file.scaffold.plugin.file_name() {
            return;
        }
        let ended = rollouts.iter().filter(|rollout| !rollout.control);
        let stages = ended.flat_map(|rollout| &rollout.stages);
        let costs = stages.filter(|stage| stage.outcome.is_some() && stage.turns > 0).map(cost_of);
        if model_name(&plan.file) == model_name(file) {
            self.same.extend(costs);
        } else {
            self.other_model.extend(costs);
        }
    }

    fn costs(&self) -> (Basis, Option<Vec<StageCost>>) {
        if !self.same.is_empty() {
            return (Basis::PastRuns, Some(self.same.clone()));
        }
        if !self.other_model.is_empty() {
            return (Basis::OtherModels, Some(self.other_model.clone()));
        }
        (Basis::Sizes, None)
    }

    fn len(&self) -> u64 {
        let used = if self.same.is_empty() { &self.other_model } else { &self.same };
        used.len() as u64
    }
}

fn cost_of(stage: &StageSummary) -> StageCost {
    let mut usage = stage.usage;
    usage += stage.judging_usage;
    StageCost { turns: stage.turns, usage, wall_ms: stage.wall_ms }
}

/// What so many stages take in the mean.
fn mean(costs: &[StageCost], stages: u64) -> StageCost {
    let mut sum = StageCost::default();
    for cost in costs {
        sum.add(cost);
    }
    sum.scaled(stages, costs.len().max(1) as u64)
}

/// What nine of ten stay below, figure by figure.
fn ninth_of_ten(costs: &[StageCost]) -> StageCost {
    let at = |figure: fn(&StageCost) -> u64| {
        let mut figures: Vec<u64> = costs.iter().map(figure).collect();
        figures.sort_unstable();
        let index = (figures.len() * 9).div_ceil(10).saturating_sub(1);
        figures.get(index).copied().unwrap_or_default()
    };
    StageCost {
        turns: at(|cost| cost.turns),
        usage: Usage {
            input_tokens: at(|cost| cost.usage.input_tokens),
            cached_tokens: at(|cost| cost.usage.cached_tokens),
            output_tokens: at(|cost| cost.usage.output_tokens),
            cost_microusd: at(|cost| cost.usage.cost_microusd),
            estimated: true,
        },
        wall_ms: at(|cost| cost.wall_ms),
    }
}

#[derive(Default)]
struct Sums {
    stages: u64,
    expected: StageCost,
    high: StageCost,
}

impl Sums {
    fn add(&mut self, costs: &Costs) {
        self.stages += costs.stages;
        self.expected.add(&costs.expected);
        self.high.add(&costs.high);
    }

    fn into_estimate(
        self,
        file: &RunFile,
        chains: u64,
        basis: Basis,
        past_stages: u64,
    ) -> Estimate {
        let trials = u64::from(file.trials);
        let rollouts = chains * trials;
        let bound = |run: Option<u64>, rollout: Option<u64>| {
            let all = rollout.map(|most| most.saturating_mul(rollouts));
            run.into_iter().chain(all).min()
        };
        let budget = file.budget;
        let most_tokens = bound(budget.run.tokens, budget.tokens);
        let most_microusd = bound(budget.run.usd.map(Usd::micros), budget.usd.map(Usd::micros));
        let within = |cost: StageCost| {
            let money = (most_microusd, cost.usage.cost_microusd);
            cost.within(&[(most_tokens, cost.usage.tokens()), money])
        };
        let expected = within(self.expected.times(trials));
        let high = within(self.high.times(trials));
        let together = at_a_time(file).clamp(1, rollouts.max(1));
        Estimate {
            rollouts,
            stages: self.stages * trials,
            basis,
            past_stages,
            expected,
            high,
            expected_run_ms: expected.wall_ms / together,
            high_run_ms: high.wall_ms / together,
            most_tokens,
            most_microusd,
            priced: price(file).is_some(),
        }
    }
}

/// Rollouts that get on at the same time: those that wait for a model take no
/// worker once they are parked, but the server has its own places.
fn at_a_time(file: &RunFile) -> u64 {
    let open = u64::from(file.concurrency) + u64::from(file.parking.most);
    match model(file) {
        Some(ModelUse::OpenAi(server)) if server_is_slow(file) => {
            open.min(u64::from(server.concurrency))
        }
        _ => u64::from(file.concurrency),
    }
}

/// Whether a usual reply takes longer than a rollout waits with a worker.
fn server_is_slow(file: &RunFile) -> bool {
    file.park_after().is_some_and(|after| after <= Duration::from_millis(PER_TURN_MS))
}

impl StageCost {
    fn add(&mut self, other: &Self) {
        self.turns += other.turns;
        self.usage += other.usage;
        self.wall_ms += other.wall_ms;
    }

    fn times(self, factor: u64) -> Self {
        self.scaled(factor, 1)
    }

    /// All of it in the same part, as small as it must be for each figure to stay
    /// within its bound.
    fn within(self, bounds: &[(Option<u64>, u64)]) -> Self {
        let parts = bounds.iter().filter_map(|(most, takes)| Some(((*most)?, *takes)));
        let tight = parts.filter(|(most, takes)| most < takes);
        let product = |a: u64, b: u64| u128::from(a) * u128::from(b);
        match tight.min_by(|a, b| product(a.0, b.1).cmp(&product(b.0, a.1))) {
            Some((most, takes)) => self.scaled(most, takes),
            None => self,
        }
    }

    /// `part` of `whole` of every figure, rounded.
    fn scaled(self, part: u64, whole: u64) -> Self {
        let (part, whole) = (u128::from(part), u128::from(whole.max(1)));
        let scaled = |value: u64| {
            let scaled = (u128::from(value) * part + whole / 2) / whole;
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        Self {
            turns: scaled(self.turns),
            usage: Usage {
                input_tokens: scaled(self.usage.input_tokens),
                cached_tokens: scaled(self.usage.cached_tokens),
                output_tokens: scaled(self.usage.output_tokens),
                cost_microusd: scaled(self.usage.cost_microusd),
                estimated: true,
            },
            wall_ms: scaled(self.wall_ms),
        }
    }
}

/// The model of the scaffold.
fn model(file: &RunFile) -> Option<&ModelUse> {
    match (&file.scaffold.model, &file.model) {
        (Some(name), _) | (None, Some(ModelChoice::Named(name))) => file.models.get(name),
        (None, Some(ModelChoice::Here(model))) => Some(model),
        (None, None) => None,
    }
}

fn model_name(file: &RunFile) -> Option<String> {
    model(file).map(|model| model.info().name)
}

fn price(file: &RunFile) -> Option<Price> {
    match model(file)? {
        ModelUse::OpenAi(server) => Some(server.price).filter(|price| !price.is_nothing()),
        ModelUse::Scripted(model) => Some(model.price),
        ModelUse::Recorded(_) => None,
    }
}
