//! Runs of judges alone: over the submissions of a run, over [`patches`] of other
//! programs' agents, or over patches that are known to be good or bad.
//!
//! Such a run has the files of any other. Over submissions it lies at
//! `RUN/judgements/NAME`; the run itself is only read.

mod patches;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catena_chain::{Chain, ChainFile};
use catena_plugin::session::PluginSpec;
use catena_plugin::{AttemptEnd, Ending, Granted, Judged};
use catena_tree::TreeId;
use catena_worker::Walls;
use tokio::task::JoinSet;

use super::error::RunError;
use super::inputs::{Given, Inputs, make_paths_absolute};
use super::layout::{self, Lock, PlanFile};
use super::plugins::{self, Crew};
use super::{RunOptions, journal_path, plan, summaries};
use crate::journal::Journal;
use crate::models;
use crate::places::Comer;
use crate::progress::ProgressEvent;
use crate::record::{RolloutEnd, RolloutId};
use crate::rollout::{Plan, RolloutError};
use crate::run_file::{JudgingUse, PluginUse, RunFile};
use crate::stored::{Candidate, Notes, StoredRollout, StoredStage, judge_stored};
use crate::summary::{RolloutSummary, RoundSummary, StageSummary};

pub(super) use patches::submission;
pub use patches::{HandedIn, PatchJudges, PlannedPatch, Unfit};
pub use verify::are_judgements;

/// Where the judgements of a run lie.
const JUDGEMENTS: &str = "judgements";

/// A run of judges, ready to be carried out.
pub struct JudgingRun {
    dir: PathBuf,
    pub(super) plan: Plan,
    pub(super) stored: Vec<StoredRollout>,
    /// The lock file, if plugins were pinned in it.
    pinned_in: Option<PathBuf>,
    _lock: Lock,
}

/// How it is known that a directory was begun with the same inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Its plan says so.
    ByPlan,
    /// Its name does, which is made of all that matters.
    ByName,
}

/// A submission that was judged twice.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Rejudged {
    /// The rollout.
    pub rollout: RolloutId,
    /// The stage, counted from 1.
    pub stage: u32,
    /// The round, counted from 1.
    pub round: u32,
    /// The score it had; none where there was no verdict.
    pub old: Option<f64>,
    /// The score it has now.
    pub new: Option<f64>,
    /// Why it has none now, where it was judged.
    pub reason: Option<String>,
}

/// Where judgements under this name lie.
pub fn judgements_path(run: &Path, name: &str) -> PathBuf {
    run.join(JUDGEMENTS).join(name)
}

impl JudgingRun {
    /// Plans to have the submissions of `run` judged by `other`, a plugin or a run
    /// file with judges, or goes on with that. Rollouts that have not come to an end
    /// are left out.
    pub fn of_submissions(
        run: &Path,
        other: &Path,
        name: &str,
        options: &RunOptions,
    ) -> Result<Self, RunError> {
        let known = layout::read_plan(run)?;
        let run = run.canonicalize().map_err(|err| RunError::io(run, err))?;
        let (file, own) = with_judges(known.file, other, options)?;
        let mut stored = Vec::new();
        let chains = ChainFile::load(&layout::chains_path(&run))?;
        for summary in summaries(&run)? {
            let journal = journal_path(&run, &summary.rollout);
            let chain = chains.chain(&summary.rollout.chain);
            if let (Some(chain), Some(_)) = (chain, Journal::finished(&journal)?) {
                stored.push(of_summary(&summary, chain, is_submitted));
            }
        }
        let objects = layout::objects_path(&run);
        let mut inputs = inputs(file, &run, chains, vec![objects], options)?;
        if let Some(own) = own {
            inputs = inputs.approved_in(other, &own, options)?;
        } else {
            check_rights(&inputs)?;
        }
        Self::of(&judgements_path(&run, name), inputs, Known::ByPlan, stored, options)
    }

    /// A run in `dir`, which is new or was begun with the same inputs.
    pub(super) fn of(
        dir: &Path,
        inputs: Inputs,
        known_by: Known,
        stored: Vec<StoredRollout>,
        options: &RunOptions,
    ) -> Result<Self, RunError> {
        inputs.check_native(dir, options)?;
        let lock = if dir.join("plan.json").exists() {
            let known = layout::read_plan(dir)?;
            let same = PlanFile { catena: known.catena.clone(), ..inputs.plan_file.clone() };
            if known_by == Known::ByPlan && known != same {
                return Err(RunError::OtherJudges(dir.to_owned()));
            }
            layout::take_lock(dir)?
        } else {
            layout::write_plan(dir, &inputs.plan_file, &inputs.chains_text)?
        };
        let pinned_in = inputs.pinned_in.clone();
        let plan = plan(dir, inputs, options, lock.last)?;
        Ok(Self { dir: dir.to_owned(), plan, stored, pinned_in, _lock: lock })
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The lock file, if plugins had to be pinned in it.
    pub fn pinned_in(&self) -> Option<&Path> {
        self.pinned_in.as_deref()
    }

    /// How many trees are to be judged.
    pub fn trees(&self) -> usize {
        let stages = self.stored.iter().flat_map(|rollout| &rollout.stages);
        stages.map(|stage| stage.candidates.len()).sum()
    }

    /// Tries what stands between workers and this machine, which goes into the journals
    /// of what is judged afterwards.
    pub async fn try_walls(&self) -> Result<Walls, RunError> {
        super::try_walls(&self.plan).await
    }

    /// Has everything judged that was not yet. Each rollout is a task of its own; one
    /// that can't go on does not keep the others from it.
    pub async fn execute(self: Arc<Self>) -> Vec<(RolloutId, Result<RolloutEnd, RunError>)> {
        let mut tasks = JoinSet::new();
        for place in 0..self.stored.len() {
            let run = self.clone();
            tasks.spawn(async move {
                let stored = run.stored.get(place)?;
                let result = run.judge(stored).await.map_err(|source| RunError::Rollout {
                    rollout: stored.id.to_string(),
                    source: Box::new(source),
                });
                Some((stored.id.clone(), result))
            });
        }
        let mut results = BTreeMap::new();
        while let Some(ended) = tasks.join_next().await {
            // A task that panicked is missing below.
            results.extend(ended.ok().flatten());
        }
        if let Some(log) = &self.plan.log
            && let Err(err) = log.settle().await
        {
            tracing::error!(%err, "can't sync the journals");
        }
        let ids = self.stored.iter().map(|stored| stored.id.clone());
        let result = |id: RolloutId| {
            let result = results.remove(&id).unwrap_or(Err(RunError::Broken(id.to_string())));
            (id, result)
        };
        ids.map(result).collect()
    }

    async fn judge(&self, stored: &StoredRollout) -> Result<RolloutEnd, RolloutError> {
        let path = journal_path(&self.dir, &stored.id);
        if path.exists()
            && let Some(end) = Journal::finished(&path)?
        {
            self.plan.progress.tell(&stored.id, ProgressEvent::RolloutEnded { end: end.clone() });
            return Ok(end);
        }
        let place = tokio::select! {
            place = self.plan.places.take(Comer::New) => place,
            () = self.plan.stop.wait() => return Err(RolloutError::Stopped),
        };
        Ok(judge_stored(&self.plan, stored, &path, place).await?.end)
    }
}

/// Checks that judges without a run file ask for no right, as nothing grants them any.
fn check_rights(inputs: &Inputs) -> Result<(), RunError> {
    let asks = |judge: &&PluginSpec| judge.manifest.capabilities != Granted::default();
    match inputs.prepared.judges.iter().find(asks) {
        Some(judge) => Err(RunError::JudgeWithoutGrant(judge.manifest.plugin.name.to_string())),
        None => Ok(()),
    }
}

/// The run's file with other judges and what belongs to them.
fn with_judges(
    file: RunFile,
    other: &Path,
    options: &RunOptions,
) -> Result<(RunFile, Option<RunFile>), RunError> {
    let mut file = file;
    let mut own = None;
    if other.is_file() {
        let mut judges = RunFile::load(other)?;
        own = Some(judges.clone());
        make_paths_absolute(&mut judges, other, &options.plugin_dirs)?;
        models::resolve(&mut judges, options.models_file.as_deref())?;
        (file.judge, file.judges, file.judging) = (judges.judge, judges.judges, judges.judging);
        (file.model, file.models, file.budget) = (judges.model, judges.models, judges.budget);
        (file.programs, file.native) = (judges.programs, judges.native);
        (file.http, file.secrets) = (judges.http, judges.secrets);
    } else {
        let here = std::path::absolute(".").map_err(|err| RunError::io(other, err))?;
        file.judge = Some(PluginUse::alone(plugins::locate(other, &here, &options.plugin_dirs)));
        (file.judges, file.judging) = (Vec::new(), JudgingUse::default());
    }
    file.writer = None;
    Ok((file, own))
}

fn inputs(
    file: RunFile,
    run: &Path,
    chains: ChainFile,
    borrow_from: Vec<PathBuf>,
    options: &RunOptions,
) -> Result<Inputs, RunError> {
    let chains_path = layout::chains_path(run);
    let chains_text = std::fs::read(&chains_path).map_err(|err| RunError::io(&chains_path, err))?;
    let catena = env!("CARGO_PKG_VERSION").to_owned();
    let given = Given { file, catena, chains, chains_text, borrow_from };
    Inputs::of(given, Crew::Judges, options)
}

/// Whether an agent said that it was done.
fn is_submitted(round: &RoundSummary) -> bool {
    round.end == Some(AttemptEnd::Ended(Ending::Submitted))
}

/// What was submitted in those rounds of a rollout that are wanted.
fn of_summary(
    summary: &RolloutSummary,
    chain: &Chain,
    is_wanted: fn(&RoundSummary) -> bool,
) -> StoredRollout {
    let stage = |stage: &StageSummary| {
        let start: TreeId = stage.carry.tree();
        let candidate = |round: &RoundSummary| {
            let submission = round.submission.clone().filter(|_| is_wanted(round))?;
            Some(Candidate { number: round.round, told: round.round, start, submission })
        };
        StoredStage {
            position: stage.stage,
            carry: stage.carry.clone(),
            candidates: stage.rounds.iter().filter_map(candidate).collect(),
        }
    };
    StoredRollout {
        id: summary.rollout.clone(),
        chain: chain.clone(),
        control: summary.control,
        notes: Notes::GoOn,
        stages: summary.stages.iter().map(stage).collect(),
    }
}

/// The submissions of `run` that were judged again in `judgements`, with both scores.
pub fn rejudged(run: &Path, judgements: &Path) -> Result<Vec<Rejudged>, RunError> {
    let old: Vec<RolloutSummary> = summaries(run)?;
    let mut pairs = Vec::new();
    for summary in summaries(judgements)? {
        let before = old.iter().find(|before| before.rollout == summary.rollout);
        for stage in &summary.stages {
            let outcome = stage.outcome.as_ref();
            for round in stage.rounds.iter().filter(|round| round.submission.is_some()) {
                let of_stage = || outcome.filter(|_| round.verdict.is_none())?.reason();
                pairs.push(Rejudged {
                    rollout: summary.rollout.clone(),
                    stage: stage.stage,
                    round: round.round,
                    old: before.and_then(|before| score_of(before, stage.stage, round.round)),
                    new: round.verdict.as_ref().map(|verdict| verdict.score),
                    reason: without_verdict(round).or_else(of_stage),
                });
            }
        }
    }
    Ok(pairs)
}

fn score_of(summary: &RolloutSummary, stage: u32, round: u32) -> Option<f64> {
    let stage = summary.stages.iter().find(|it| it.stage == stage)?;
    let round = stage.rounds.iter().find(|it| it.round == round)?;
    round.verdict.as_ref().map(|verdict| verdict.score)
}

/// Why the judges of a round came to no verdict.
pub(super) fn without_verdict(round: &RoundSummary) -> Option<String> {
    if round.verdict.is_some() {
        return None;
    }
    let reason = |judged: &Judged| match judged {
        Judged::Verdict(_) => None,
        Judged::NoVerdict(reason) => Some(reason.clone()),
        Judged::Failed(failure) => Some(failure.to_string()),
    };
    round.judges.iter().find_map(|judge| reason(&judge.judged))
}
