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

mod plugins;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catena_chain::{Chain, ChainFile, ChainFileError};
use catena_model::{Model, ModelInfo, ScriptError, ScriptedModel};
use catena_plugin::{
    CacheError, CheckError, ComponentCache, Digest, Effective, Engine, Limits, PluginKind,
    ResolveError,
};
use catena_tree::ObjectDatabase;
use catena_worker::WorkerCommand;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::journal::{Beyond, Journal, JournalError};
use crate::progress::Progress;
use crate::record::{RolloutEnd, RolloutId};
use crate::rollout::{Plan, RolloutError, roll_out};
use crate::run_file::{ModelUse, PluginUse, RunFile, RunFileError};
use crate::serve::digest;
use crate::summary::RolloutSummary;

/// Why a run can't be begun or gone on with.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run file can't be used.
    #[error(transparent)]
    RunFile(#[from] RunFileError),
    /// The chain file can't be used.
    #[error(transparent)]
    ChainFile(#[from] ChainFileError),
    /// The chain file does not fit the repository.
    #[error("the chains do not fit the clone `{clone}`")]
    Verify {
        /// The clone.
        clone: PathBuf,
        /// Which stage, and why.
        source: Box<catena_chain::VerifyError>,
    },
    /// A chain that the run file names is not in the chain file.
    #[error("`only` names chain `{0}`, which is not in the chain file")]
    UnknownChain(String),
    /// A stage has no query to put before an agent.
    #[error("chain `{chain}`, stage `{stage}` has no query")]
    NoQuery {
        /// The chain.
        chain: String,
        /// The stage.
        stage: String,
    },
    /// The run file does not say where the repository is.
    #[error("the chains are of `{0}`, but `[repositories]` has no clone of it")]
    NoClone(String),
    /// A clone or the run's object database can't be opened.
    #[error(transparent)]
    Database(#[from] catena_tree::database::DatabaseError),
    /// A plugin can't be found or read.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A plugin is of another kind than its place in the run file.
    #[error("plugin `{plugin}` is a {found}, but stands in the run file as a {expected}")]
    WrongKind {
        /// The plugin.
        plugin: String,
        /// Its kind.
        found: PluginKind,
        /// The kind its place asks for.
        expected: PluginKind,
    },
    /// A plugin can't be compiled.
    #[error(transparent)]
    Compile(#[from] CacheError),
    /// A plugin is not what its manifest says.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// A grant would show the answer to a plugin that is no control.
    #[error("`{0}` is granted `reference`, but its manifest does not say `control = true`")]
    ReferenceWithoutControl(String),
    /// The engine can't be set up on this machine.
    #[error("can't set up the WebAssembly engine")]
    Engine(#[source] wasmtime_error::Error),
    /// The script of the model can't be used.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// A file of the run can't be read or written.
    #[error("`{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The directory for a new run is in use.
    #[error("`{0}` exists already and is no empty directory")]
    Exists(PathBuf),
    /// The directory is not a run.
    #[error("`{path}` is not a run of this program")]
    NotARun {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// Another process works on the run.
    #[error("another process is working on the run `{0}`")]
    Locked(PathBuf),
    /// What the run was planned with has changed.
    #[error("{what} has changed since the run `{run}` was begun")]
    Changed {
        /// The run.
        run: PathBuf,
        /// What.
        what: String,
    },
    /// A rollout can't go on.
    #[error("rollout `{rollout}` can't go on")]
    Rollout {
        /// Which.
        rollout: String,
        /// Why.
        source: Box<RolloutError>,
    },
    /// A journal can't be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// wasmtime's error as a standard one; this crate does not name wasmtime.
mod wasmtime_error {
    /// The error's text.
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    pub struct Error(pub String);
}

/// What the caller's machine contributes.
#[derive(Clone)]
pub struct RunOptions {
    /// Directories in which plugins are looked for by name.
    pub plugin_dirs: Vec<PathBuf>,
    /// Directory of compiled components.
    pub cache: PathBuf,
    /// How workers are started.
    pub worker: WorkerCommand,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
}

/// What a run was planned with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    version: u32,
    /// Version of the program that began the run.
    catena: String,
    file: RunFile,
    chains: Digest,
    /// The plugins, by name.
    plugins: BTreeMap<String, PlannedPlugin>,
}

/// A plugin as a run uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedPlugin {
    /// Digest of its component.
    pub component: Digest,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// What it may do.
    pub rights: Effective,
    /// What each of its calls may use.
    pub limits: Limits,
}

/// A run, ready to be carried out.
pub struct Run {
    dir: PathBuf,
    chains: ChainFile,
    plan: Plan,
    _lock: File,
}

impl Run {
    /// Plans a run in the new directory `dir`.
    pub fn create(run_file: &Path, dir: &Path, options: &RunOptions) -> Result<Self, RunError> {
        let mut file = RunFile::load(run_file)?;
        let base = absolute(run_file.parent().unwrap_or(Path::new(".")))?;
        make_absolute(&mut file, &base, &options.plugin_dirs);
        if dir.exists() && fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(RunError::Exists(dir.to_owned()));
        }
        let chains = ChainFile::load(&file.chains)?;
        let chains_text = fs::read(&file.chains).map_err(|err| io_error(&file.chains, err))?;
        let prepared = plugins::prepare(&file, options)?;
        check_chains(&file, &chains)?;
        fs::create_dir_all(dir.join("rollouts")).map_err(|err| io_error(dir, err))?;
        let lock = take_lock(dir)?;
        let plan_file = PlanFile {
            version: 1,
            catena: env!("CARGO_PKG_VERSION").to_owned(),
            chains: Digest::of(&chains_text),
            plugins: prepared.planned.clone(),
            file,
        };
        write_file(&dir.join("chains.json"), &chains_text)?;
        let text = serde_json::to_vec_pretty(&plan_file)
            .map_err(|err| io_error(dir, err.into()))?;
        write_file(&dir.join("plan.json"), &text)?;
        Self::plan(dir, plan_file, chains, prepared, options, lock)
    }

    /// Opens a run that was begun before, to go on with it.
    pub fn open(dir: &Path, options: &RunOptions) -> Result<Self, RunError> {
        let plan_file = read_plan(dir)?;
        let lock = take_lock(dir)?;
        let chains_path = dir.join("chains.json");
        let chains_text = fs::read(&chains_path).map_err(|err| io_error(&chains_path, err))?;
        let changed = |what: String| RunError::Changed { run: dir.to_owned(), what };
        if Digest::of(&chains_text) != plan_file.chains {
            return Err(changed("`chains.json`".to_owned()));
        }
        let chains = ChainFile::load(&chains_path)?;
        let prepared = plugins::prepare(&plan_file.file, options)?;
        let differs = prepared.planned.iter().find(|(name, planned)| {
            plan_file.plugins.get(name.as_str()) != Some(planned)
        });
        if let Some((name, _)) = differs {
            return Err(changed(format!("plugin `{name}`")));
        }
        Self::plan(dir, plan_file, chains, prepared, options, lock)
    }

    fn plan(
        dir: &Path,
        plan_file: PlanFile,
        chains: ChainFile,
        prepared: plugins::Prepared,
        options: &RunOptions,
        lock: File,
    ) -> Result<Self, RunError> {
        let name = &chains.repository.name;
        let clone = plan_file
            .file
            .repositories
            .get(name.as_str())
            .ok_or_else(|| RunError::NoClone(name.to_string()))?;
        ObjectDatabase::open(clone)?;
        let database =
            ObjectDatabase::create(&dir.join("objects.git"), std::slice::from_ref(clone))?;
        for chain in selected(&plan_file.file, &chains) {
            chain.verify(&database).map_err(|source| RunError::Verify {
                clone: clone.clone(),
                source: Box::new(source),
            })?;
        }
        let model = open_model(plan_file.file.model.as_ref())?;
        let plan = Plan {
            digest: digest(&plan_file),
            file: plan_file.file,
            database,
            scaffold: prepared.scaffold,
            tools: prepared.tools,
            judge: prepared.judge,
            model,
            worker: options.worker.clone(),
            progress: options.progress.clone(),
        };
        Ok(Self { dir: dir.to_owned(), chains, plan, _lock: lock })
    }

    /// Where the run lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The plan that all rollouts share.
    pub fn shared_plan(&self) -> &Plan {
        &self.plan
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

    /// Carries out every rollout, some at a time. One that can't go on does not
    /// keep the others from it.
    pub async fn execute(&self) -> Vec<(RolloutId, Result<RolloutEnd, RunError>)> {
        let places = Semaphore::new(self.plan.file.concurrency as usize);
        let each = self.rollouts().into_iter().map(|(id, chain)| {
            let places = &places;
            async move {
                // The semaphore is never closed.
                let _place = places.acquire().await;
                let path = journal_path(&self.dir, &id);
                let result = roll_out(&self.plan, chain, &id, &path, Beyond::Live).await;
                let result = result.map_err(|source| RunError::Rollout {
                    rollout: id.to_string(),
                    source: Box::new(source),
                });
                (id, result)
            }
        });
        futures::future::join_all(each).await
    }

    /// Replays every journal without a model and without writing, and compares
    /// every record.
    pub async fn verify(&self) -> Vec<(RolloutId, Result<RolloutEnd, RunError>)> {
        let mut results = Vec::new();
        for (id, chain) in self.rollouts() {
            let path = journal_path(&self.dir, &id);
            let result = roll_out(&self.plan, chain, &id, &path, Beyond::Forbidden).await;
            let rollout = id.to_string();
            let result = result
                .map_err(|source| RunError::Rollout { rollout, source: Box::new(source) });
            results.push((id, result));
        }
        results
    }
}

/// Reads what a run has come to, from its journals alone.
pub fn summaries(dir: &Path) -> Result<Vec<RolloutSummary>, RunError> {
    read_plan(dir)?;
    let rollouts = dir.join("rollouts");
    let entries = fs::read_dir(&rollouts).map_err(|err| io_error(&rollouts, err))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|err| io_error(&rollouts, err))?.path();
        if path.extension().is_some_and(|extension| extension == "journal") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut summaries = Vec::new();
    for path in paths {
        summaries.extend(RolloutSummary::of(&Journal::read(&path)?));
    }
    Ok(summaries)
}

/// What a run was begun with.
pub struct Planned {
    /// The run file, with absolute paths.
    pub file: RunFile,
    /// The chain file.
    pub chains: ChainFile,
    /// The plugins, by name.
    pub plugins: BTreeMap<String, PlannedPlugin>,
}

/// Reads what a run was begun with.
pub fn planned(dir: &Path) -> Result<Planned, RunError> {
    let plan = read_plan(dir)?;
    let chains = ChainFile::load(&dir.join("chains.json"))?;
    Ok(Planned { file: plan.file, chains, plugins: plan.plugins })
}

/// Where the journal of a rollout lies.
pub fn journal_path(dir: &Path, id: &RolloutId) -> PathBuf {
    dir.join("rollouts").join(format!("{id}.journal"))
}

fn read_plan(dir: &Path) -> Result<PlanFile, RunError> {
    let not_a_run = |source| RunError::NotARun { path: dir.to_owned(), source };
    let text = fs::read(dir.join("plan.json")).map_err(not_a_run)?;
    serde_json::from_slice(&text).map_err(|err| not_a_run(err.into()))
}

fn selected<'a>(file: &RunFile, chains: &'a ChainFile) -> Vec<&'a Chain> {
    let wanted = |chain: &&Chain| file.only.is_empty() || file.only.contains(&chain.id);
    chains.chains.iter().filter(wanted).collect()
}

fn check_chains(file: &RunFile, chains: &ChainFile) -> Result<(), RunError> {
    if let Some(id) = file.only.iter().find(|id| chains.chain(id).is_none()) {
        return Err(RunError::UnknownChain(id.to_string()));
    }
    for chain in selected(file, chains) {
        if let Some(stage) = chain.stages.iter().find(|stage| stage.query.trim().is_empty()) {
            let (chain, stage) = (chain.id.to_string(), stage.id.to_string());
            return Err(RunError::NoQuery { chain, stage });
        }
    }
    Ok(())
}

fn open_model(model: Option<&ModelUse>) -> Result<Option<Arc<dyn Model>>, RunError> {
    let Some(ModelUse::Scripted { name, script, context_window, price }) = model else {
        return Ok(None);
    };
    let info = ModelInfo { name: name.clone(), context_window: *context_window };
    Ok(Some(Arc::new(ScriptedModel::load(script, info, *price)?)))
}

fn take_lock(dir: &Path) -> Result<File, RunError> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(|err| io_error(&path, err))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(RunError::Locked(dir.to_owned())),
        Err(fs::TryLockError::Error(err)) => Err(io_error(&path, err)),
    }
}

fn make_absolute(file: &mut RunFile, base: &Path, plugin_dirs: &[PathBuf]) {
    file.chains = base.join(&file.chains);
    for clone in file.repositories.values_mut() {
        *clone = base.join(&*clone);
    }
    if let Some(ModelUse::Scripted { script, .. }) = &mut file.model {
        *script = base.join(&*script);
    }
    let uses = [&mut file.scaffold, &mut file.judge].into_iter().chain(&mut file.tools);
    for PluginUse { plugin, .. } in uses {
        *plugin = plugins::locate(plugin, base, plugin_dirs);
    }
}

fn absolute(path: &Path) -> Result<PathBuf, RunError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    path.canonicalize().map_err(|err| io_error(path, err))
}

/// Writes a file that is there whole or not at all.
fn write_file(path: &Path, content: &[u8]) -> Result<(), RunError> {
    let part = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        fs::write(&part, content)?;
        File::open(&part)?.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(|err| io_error(path, err))
}

fn io_error(path: &Path, source: std::io::Error) -> RunError {
    RunError::Io { path: path.to_owned(), source }
}

fn engine() -> Result<Engine, RunError> {
    Engine::new().map_err(|err| RunError::Engine(wasmtime_error::Error(format!("{err:#}"))))
}

fn open_cache(options: &RunOptions) -> Result<ComponentCache, RunError> {
    Ok(ComponentCache::open(&options.cache)?)
}
