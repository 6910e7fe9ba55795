//! A run on disk, and carrying it out.
//!
//! ```text
//! RUN/
//!   plan.json      run file with absolute paths, digests of plugins and chains
//!   chains.json    the chain file as it was
//!   objects.git/   what agents wrote; borrows from the repository's clone
//!   rollouts/      one journal per rollout; blobs/ has their long texts
//!   judgements/    the same by other judges, one directory each: plan, journals, lock
//!   native/        files of commands outside the sandbox, while they are at work
//!   unsynced.log   what of the journals may not be on the disk yet
//!   lock           held while a process works on the run
//! ```

pub mod calibration;
mod error;
mod fork;
pub(crate) mod inputs;
pub mod judging;
mod layout;
pub mod lockfile;
mod plugins;
pub mod writing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use catena_chain::{Chain, ChainFile};
use catena_model::{Account, Gateway};
use catena_native::Launcher;
use catena_plugin::ProgramStore;
use catena_plugin::session::PluginSpec;
use catena_tree::ObjectDatabase;
use catena_worker::{Walls, WorkerCommand, host};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::durable::DurableLog;
use crate::journal::Journal;
use crate::judging::RunJudge;
use crate::judging::guard::Guard;
use crate::ledger::{Reliance, digest};
use crate::models::{ModelAccess, Models};
use crate::places::{Comer, Places};
use crate::progress::{Progress, ProgressEvent};
use crate::record::{RolloutEnd, RolloutId};
use crate::rollout::{Ended, Plan, RolloutError, roll_out};
use crate::run_file::RunFile;
use crate::stop::Stop;
use inputs::{Inputs, selected};
use layout::{LastHolder, Lock};

pub use calibration::Uncalibrated;
pub use error::RunError;
pub use fork::{ForkPoint, fork};
pub use layout::{
    Planned, PlannedPlugin, Readable, is_worked_on, journal_path, journals, planned, readable,
    summaries,
};
pub use lockfile::{
    Acceptance, Approval, Approved, Approving, Difference, Pinned, PinnedBounds, PinnedModel,
    Unpinned, approve,
};

/// What the caller's machine contributes.
#[derive(Clone)]
pub struct RunOptions {
    /// Directories in which plugins are looked for by name.
    pub plugin_dirs: Vec<PathBuf>,
    /// Directory of compiled components.
    pub cache: PathBuf,
    /// The user's programs.
    pub programs: ProgramStore,
    /// The user's file of models, which need not be there.
    pub models_file: Option<PathBuf>,
    /// Whether models are asked.
    pub models: ModelAccess,
    /// How workers are started.
    pub worker: WorkerCommand,
    /// Whether guests may run only where all walls around workers stand.
    pub require_walls: bool,
    /// How commands outside the sandbox are started.
    pub launcher: Launcher,
    /// What becomes of plugins that nobody has approved.
    pub unpinned: Unpinned,
    /// Where calibrations of judges are kept.
    pub calibrations: PathBuf,
    /// What becomes of a run whose judges are not known to be good enough.
    pub uncalibrated: Uncalibrated,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
    /// By which the user stops it.
    pub stop: Stop,
}

/// A run, ready to be carried out.
pub struct Run {
    dir: PathBuf,
    chains: ChainFile,
    plan: Plan,
    /// The file in which plugins were pinned, if any were.
    pinned_in: Option<PathBuf>,
    _lock: Lock,
}

impl Run {
    /// Plans a run in the new directory `dir`. Nothing is written before all
    /// inputs are found to be right.
    pub fn create(run_file: &Path, dir: &Path, options: &RunOptions) -> Result<Self, RunError> {
        layout::check_free(dir)?;
        let mut inputs = Inputs::of_run_file(run_file, options)?;
        inputs.check_native(dir, options)?;
        let checked = lockfile::check(run_file, &inputs.prepared.pins(), options)?;
        inputs.plan_file.calibration = calibration::check(&inputs, options)?;
        inputs.plan_file.approved = Some(checked.digest);
        let pinned_in = checked.pin()?;
        let lock = layout::write_plan(dir, &inputs.plan_file, &inputs.chains_text)?;
        Ok(Self { pinned_in, ..Self::of(dir, inputs, options, lock)? })
    }

    /// Opens a run that was begun before, to go on with it.
    pub fn open(dir: &Path, options: &RunOptions) -> Result<Self, RunError> {
        let (inputs, lock) = Self::begun(dir, options)?;
        inputs.check_native(dir, options)?;
        Self::of(dir, inputs, options, lock)
    }

    fn begun(dir: &Path, options: &RunOptions) -> Result<(Inputs, Lock), RunError> {
        layout::read_plan(dir)?;
        let lock = layout::take_lock(dir)?;
        Ok((Inputs::of_run(dir, options)?, lock))
    }

    /// Opens a run to replay it. Nothing of it is written but what a loss of power
    /// took from its journals.
    pub fn open_to_verify(dir: &Path, options: &RunOptions) -> Result<Self, RunError> {
        let (inputs, lock) = Self::begun(dir, options)?;
        let mut run = Self::of(dir, inputs, options, lock)?;
        run.plan.log = None;
        run.plan.reliance = Reliance::Irreproducible;
        Ok(run)
    }

    fn of(dir: &Path, inputs: Inputs, options: &RunOptions, lock: Lock) -> Result<Self, RunError> {
        let chains = inputs.chains.clone();
        let plan = plan(dir, inputs, options, lock.last)?;
        Ok(Self { dir: dir.to_owned(), chains, plan, pinned_in: None, _lock: lock })
    }

    /// The lock file, if the run had to pin plugins that were not in it.
    pub fn pinned_in(&self) -> Option<&Path> {
        self.pinned_in.as_deref()
    }

    /// Where the run lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// By which it is stopped.
    pub fn stop(&self) -> Stop {
        self.plan.stop.clone()
    }

    /// Tries what stands between workers and this machine, which goes into the journals
    /// of what is carried out afterwards.
    pub async fn try_walls(&self) -> Result<Walls, RunError> {
        try_walls(&self.plan).await
    }

    /// Every rollout of the run with its chain, trial by trial.
    pub fn rollouts(&self) -> Vec<(RolloutId, &Chain)> {
        let chains = selected(&self.plan.file, &self.chains);
        let trials = 1..=self.plan.file.trials;
        let of_trial = |trial: u32| {
            chains.iter().map(move |chain| (RolloutId { chain: chain.id.clone(), trial }, *chain))
        };
        trials.flat_map(of_trial).collect()
    }

    /// Carries out every rollout, some at a time, each in a task of its own. One
    /// that can't go on does not keep the others from it. Dropping the future
    /// stops them all, which loses nothing that was answered.
    pub async fn execute(self: Arc<Self>) -> Vec<(RolloutId, Result<RolloutEnd, RunError>)> {
        // Those that wait without a worker are not counted by the places.
        let most = self.plan.file.concurrency.saturating_add(self.plan.file.parking.most);
        let open = Arc::new(Semaphore::new(most as usize));
        let mut tasks = JoinSet::new();
        for (id, chain) in self.rollouts() {
            let (run, open, chain) = (self.clone(), open.clone(), chain.clone());
            tasks.spawn(async move {
                // The semaphore is never closed.
                let _open = open.acquire().await;
                let result = run.roll_out_or_recall(&id, &chain).await;
                let result = result.map_err(|source| RunError::Rollout {
                    rollout: id.to_string(),
                    source: Box::new(source),
                });
                (id, result)
            });
        }
        let mut results = BTreeMap::new();
        while let Some(ended) = tasks.join_next().await {
            // A task that panicked is missing below.
            results.extend(ended);
        }
        if let Some(log) = &self.plan.log
            && let Err(err) = log.settle().await
        {
            // The log stays, and with it all that is in it.
            tracing::error!(%err, "can't sync the journals");
        }
        let rollouts = self.rollouts().into_iter();
        let result = |(id, _): (RolloutId, &Chain)| {
            let result = results.remove(&id).unwrap_or(Err(RunError::Broken(id.to_string())));
            (id, result)
        };
        rollouts.map(result).collect()
    }

    /// Rolls out, unless the journal says that this was done before. Goes on with
    /// a rollout that ended by no fault of its own, as often as the run file says.
    async fn roll_out_or_recall(
        &self,
        id: &RolloutId,
        chain: &Chain,
    ) -> Result<RolloutEnd, RolloutError> {
        let path = journal_path(&self.dir, id);
        if path.exists()
            && let Some(end) = Journal::finished(&path)?
        {
            self.plan.progress.tell(id, ProgressEvent::RolloutEnded { end: end.clone() });
            return Ok(end);
        }
        let (mut tries, mut lost_at) = (0, None);
        loop {
            let place = tokio::select! {
                place = self.plan.places.take(Comer::New) => place,
                () = self.plan.stop.wait() => return Err(RolloutError::Stopped),
            };
            let last_of = lost_at.filter(|_| tries > 0 && tries >= self.plan.file.retries);
            let ended = roll_out(&self.plan, chain, id, &path, place, last_of).await?;
            let RolloutEnd::Infrastructure { reason } = &ended.end else { return Ok(ended.end) };
            if ended.lost_model || tries >= self.plan.file.retries {
                return Ok(ended.end);
            }
            lost_at = ended.lost_at.filter(|at| tries == 0 || lost_at == Some(*at));
            tries += 1;
            tracing::warn!(rollout = %id, reason, "goes on after an infrastructure failure");
            let reason = reason.clone();
            self.plan.progress.tell(id, ProgressEvent::Retried { reason });
        }
    }

    /// Replays every journal without a model and without writing, and compares
    /// every record.
    pub async fn verify(&self) -> Vec<(RolloutId, Result<Verified, RunError>)> {
        let mut results = Vec::new();
        for (id, chain) in self.rollouts() {
            let path = journal_path(&self.dir, &id);
            let result = self.verify_one(&id, chain, &path).await;
            let rollout = id.to_string();
            let result =
                result.map_err(|source| RunError::Rollout { rollout, source: Box::new(source) });
            results.push((id, result));
        }
        results
    }

    async fn verify_one(
        &self,
        id: &RolloutId,
        chain: &Chain,
        path: &Path,
    ) -> Result<Verified, RolloutError> {
        if !path.exists() {
            return Ok(Verified::NotBegun);
        }
        if let Some(end) = Journal::interrupted(path)? {
            return Ok(Verified::Interrupted { end });
        }
        let place = self.plan.places.take(Comer::New).await;
        let Ended { end, taken, native, requests, .. } =
            roll_out(&self.plan, chain, id, path, place, None).await?;
        Ok(Verified::Reproduced { end, taken, native, requests })
    }
}

/// What the rollouts of the run at `dir` share.
fn plan(
    dir: &Path,
    inputs: Inputs,
    options: &RunOptions,
    last: LastHolder,
) -> Result<Plan, RunError> {
    let database = ObjectDatabase::create(&layout::objects_path(dir), &inputs.borrow_from)?;
    let log = DurableLog::open(dir).map_err(|err| RunError::io(dir, err))?;
    let file = inputs.plan_file.file.clone();
    Ok(Plan {
        digest: digest(&inputs.plan_file),
        approved: inputs.plan_file.approved,
        database,
        engine: inputs.prepared.engine,
        scaffold: inputs.prepared.scaffold,
        tools: inputs.prepared.tools,
        programs: inputs.prepared.programs,
        recipe: file.recipes.get(inputs.chains.repository.name.as_str()).cloned(),
        reach: inputs.reach,
        native: inputs.prepared.native,
        launcher: options.launcher.clone(),
        judges: judges(inputs.prepared.judges, &file, &inputs.models),
        guard: Guard::default(),
        models: inputs.models,
        account: Account::new(file.budget.run.bounds(), &layout::spent(dir)?),
        worker: options.worker.clone(),
        spill_dir: dir.to_owned(),
        walls: OnceLock::new(),
        require_walls: options.require_walls,
        progress: options.progress.clone(),
        log: Some(log),
        stop: options.stop.clone(),
        places: Places::new(file.concurrency as usize),
        // Objects are not synced: what a loss of power took of them is made again.
        reliance: match last {
            LastHolder::Lost => Reliance::Irreproducible,
            LastHolder::Whole => Reliance::Finished,
        },
        file,
    })
}

/// Tries what stands between workers and this machine, for all journals of a plan.
async fn try_walls(plan: &Plan) -> Result<Walls, RunError> {
    let walls = host::try_walls(&plan.worker, &plan.spill_dir).await.map_err(RunError::Worker)?;
    let walls = enough(walls, plan.require_walls)?;
    Ok(plan.walls.get_or_init(|| walls).clone())
}

/// What stands, where that is as much as is asked.
fn enough(walls: Walls, are_required: bool) -> Result<Walls, RunError> {
    if are_required && !walls.stand() {
        return Err(RunError::Walls(walls.to_string()));
    }
    Ok(walls)
}

/// Judges with their weights and models.
fn judges(specs: Vec<PluginSpec>, file: &RunFile, models: &Models) -> Vec<RunJudge> {
    let weights = file.judge_uses().map(|judge| judge.weight.unwrap_or(1.0));
    let with_weights = specs.into_iter().zip(weights).zip(&models.judges);
    let judge = |((spec, weight), model): ((PluginSpec, f64), &Option<Arc<Gateway>>)| RunJudge {
        spec,
        weight,
        model: model.clone(),
    };
    with_weights.map(judge).collect()
}

/// What a replay of one rollout came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Verified {
    /// Every record is the same.
    Reproduced {
        /// How the rollout ended.
        end: RolloutEnd,
        /// Calls that ran out of wall-clock time and were taken as they are.
        taken: u64,
        /// Commands outside the sandbox that were not run again.
        native: u64,
        /// Requests to the network that were not made again.
        requests: u64,
    },
    /// It ended by an infrastructure failure, which nothing can reproduce.
    Interrupted {
        /// That end.
        end: RolloutEnd,
    },
    /// It has no journal.
    NotBegun,
}
