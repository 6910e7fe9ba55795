//! A run on disk, and carrying it out.
//!
//! ```text
//! RUN/
//!   plan.json      run file with absolute paths, digests of plugins and chains
//!   chains.json    the chain file as it was
//!   objects.git/   what agents wrote; borrows from the repository's clone
//!   rollouts/      one journal per rollout
//!   lock           held while a process works on the run
//! ```

mod error;
mod inputs;
mod layout;
mod plugins;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catena_chain::{Chain, ChainFile};
use catena_model::Account;
use catena_plugin::ProgramStore;
use catena_tree::ObjectDatabase;
use catena_worker::WorkerCommand;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::journal::{Beyond, Journal};
use crate::models::ModelAccess;
use crate::progress::{Progress, ProgressEvent};
use crate::record::{RolloutEnd, RolloutId};
use crate::rollout::{Plan, RolloutError, roll_out};
use crate::serve::digest;
use inputs::{Inputs, selected};

pub use error::RunError;
pub use layout::{Planned, PlannedPlugin, journal_path, planned, summaries};

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
    /// Who watches.
    pub progress: Arc<dyn Progress>,
}

/// A run, ready to be carried out.
pub struct Run {
    dir: PathBuf,
    chains: ChainFile,
    plan: Plan,
    _lock: File,
}

impl Run {
    /// Plans a run in the new directory `dir`. Nothing is written before all
    /// inputs are found to be right.
    pub fn create(run_file: &Path, dir: &Path, options: &RunOptions) -> Result<Self, RunError> {
        layout::check_free(dir)?;
        let inputs = Inputs::of_run_file(run_file, options)?;
        let lock = layout::write_plan(dir, &inputs.plan_file, &inputs.chains_text)?;
        Self::of(dir, inputs, options, lock)
    }

    /// Opens a run that was begun before, to go on with it.
    pub fn open(dir: &Path, options: &RunOptions) -> Result<Self, RunError> {
        layout::read_plan(dir)?;
        let lock = layout::take_lock(dir)?;
        let inputs = Inputs::of_run(dir, options)?;
        Self::of(dir, inputs, options, lock)
    }

    fn of(dir: &Path, inputs: Inputs, options: &RunOptions, lock: File) -> Result<Self, RunError> {
        let mut borrow_from = vec![inputs.clone];
        if !inputs.prepared.programs.is_empty() {
            borrow_from.extend(options.programs.objects());
        }
        let database = ObjectDatabase::create(&layout::objects_path(dir), &borrow_from)?;
        let plan = Plan {
            digest: digest(&inputs.plan_file),
            database,
            scaffold: inputs.prepared.scaffold,
            tools: inputs.prepared.tools,
            programs: inputs.prepared.programs,
            judge: inputs.prepared.judge,
            models: inputs.models,
            account: Account::new(inputs.plan_file.file.budget.run.bounds(), &layout::spent(dir)?),
            worker: options.worker.clone(),
            spill_dir: dir.to_owned(),
            progress: options.progress.clone(),
            file: inputs.plan_file.file,
        };
        Ok(Self { dir: dir.to_owned(), chains: inputs.chains, plan, _lock: lock })
    }

    /// Where the run lies.
    pub fn dir(&self) -> &Path {
        &self.dir
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
        let places = Arc::new(Semaphore::new(self.plan.file.concurrency as usize));
        let mut tasks = JoinSet::new();
        for (id, chain) in self.rollouts() {
            let (run, places, chain) = (self.clone(), places.clone(), chain.clone());
            tasks.spawn(async move {
                // The semaphore is never closed.
                let _place = places.acquire().await;
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
        let rollouts = self.rollouts().into_iter();
        let result = |(id, _): (RolloutId, &Chain)| {
            let result = results.remove(&id).unwrap_or(Err(RunError::Broken(id.to_string())));
            (id, result)
        };
        rollouts.map(result).collect()
    }

    /// Rolls out, unless the journal says that this was done before.
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
        roll_out(&self.plan, chain, id, &path, Beyond::Live).await
    }

    /// Replays every journal without a model and without writing, and compares
    /// every record. A rollout that ended by an infrastructure failure can't be
    /// reproduced; its end is returned as it is.
    pub async fn verify(&self) -> Vec<(RolloutId, Result<RolloutEnd, RunError>)> {
        let mut results = Vec::new();
        for (id, chain) in self.rollouts() {
            let path = journal_path(&self.dir, &id);
            let result = match Journal::interrupted(&path) {
                Ok(Some(end)) => Ok(end),
                Ok(None) => roll_out(&self.plan, chain, &id, &path, Beyond::Forbidden).await,
                Err(err) => Err(err.into()),
            };
            let rollout = id.to_string();
            let result =
                result.map_err(|source| RunError::Rollout { rollout, source: Box::new(source) });
            results.push((id, result));
        }
        results
    }
}
