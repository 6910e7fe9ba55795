//! What a run is made of, found and checked before anything is written.

use std::path::{Path, PathBuf};

use catena_chain::{Chain, ChainFile};
use catena_native::probe;
use catena_network::Requester;
use catena_plugin::Digest;
use catena_tree::ObjectDatabase;

use super::RunOptions;
use super::error::RunError;
use super::layout::{PLAN_VERSION, PlanFile, chains_path, read_plan};
use super::lockfile;
use super::plugins::{self, Crew, Prepared};
use crate::models::{self, Models};
use crate::network::Reach;
use crate::run_file::{ModelChoice, ModelUse, PluginUse, RunFile};
use crate::secrets::Secrets;

/// The checked inputs of a run.
pub(super) struct Inputs {
    pub(super) plan_file: PlanFile,
    pub(super) chains: ChainFile,
    pub(super) chains_text: Vec<u8>,
    /// The repositories that the run borrows objects from.
    pub(super) borrow_from: Vec<PathBuf>,
    pub(super) prepared: Prepared,
    pub(super) models: Models,
    pub(super) reach: Reach,
    /// The lock file, if plugins were pinned in it.
    pub(super) pinned_in: Option<PathBuf>,
}

/// A run file with what was read for it.
pub(super) struct Given {
    pub(super) file: RunFile,
    /// The version of the program that the plan is of.
    pub(super) catena: String,
    pub(super) chains: ChainFile,
    pub(super) chains_text: Vec<u8>,
    /// Repositories that objects are borrowed from, beside those of programs.
    pub(super) borrow_from: Vec<PathBuf>,
}

impl Inputs {
    /// Those that a run file names.
    pub(super) fn of_run_file(path: &Path, options: &RunOptions) -> Result<Self, RunError> {
        let own = RunFile::load(path)?;
        let models = lockfile::described(&own, lockfile::parent(path))?;
        let mut inputs = Self::named_by(own, path, Crew::All, options)?;
        inputs.prepared.models = models;
        Ok(inputs)
    }

    /// Those that the judges of a run file need.
    pub(super) fn of_judges(path: &Path, options: &RunOptions) -> Result<Self, RunError> {
        let own = RunFile::load(path)?;
        Self::named_by(own.clone(), path, Crew::Judges, options)?.approved_in(path, &own, options)
    }

    fn named_by(
        file: RunFile,
        path: &Path,
        crew: Crew,
        options: &RunOptions,
    ) -> Result<Self, RunError> {
        let mut file = file;
        make_paths_absolute(&mut file, path, &options.plugin_dirs)?;
        models::resolve(&mut file, options.models_file.as_deref())?;
        let chains_path = file.chains.clone();
        Self::check(file, &chains_path, env!("CARGO_PKG_VERSION"), crew, options)
    }

    /// The same, if the judges and what belongs to them are as was approved of the run file
    /// at `path`, which says `own`, or pinned where nothing was.
    pub(super) fn approved_in(
        mut self,
        path: &Path,
        own: &RunFile,
        options: &RunOptions,
    ) -> Result<Self, RunError> {
        self.prepared.hold_to(own, lockfile::described(own, lockfile::parent(path))?);
        let checked = lockfile::check(path, &self.prepared.pins(), options)?;
        Ok(Self { pinned_in: checked.pin()?, ..self })
    }

    /// Those of a run that was begun before, as long as they are the same.
    pub(super) fn of_run(dir: &Path, options: &RunOptions) -> Result<Self, RunError> {
        let known = read_plan(dir)?;
        let mut inputs =
            Self::check(known.file.clone(), &chains_path(dir), &known.catena, Crew::All, options)?;
        inputs.check_same(&known, dir)?;
        inputs.plan_file.calibration = known.calibration;
        inputs.plan_file.approved = known.approved;
        Ok(inputs)
    }

    /// Checks that chains and plugins are those that the run at `dir` was begun with.
    pub(super) fn check_same(&self, known: &PlanFile, dir: &Path) -> Result<(), RunError> {
        let changed = |what: String| RunError::Changed { run: dir.to_owned(), what };
        if self.plan_file.chains != known.chains {
            return Err(changed("`chains.json`".to_owned()));
        }
        let mut plugins = self.plan_file.plugins.iter();
        let differs = plugins.find(|(name, plugin)| {
            !known.plugins.get(*name).is_some_and(|known| known.is_same(plugin))
        });
        match differs {
            Some((name, plugin)) => {
                let what = known.plugins.get(name).map(|known| plugin.changes(name, known));
                Err(changed(format!("plugin `{name}`{}", what.unwrap_or_default())))
            }
            None => Ok(()),
        }
    }

    /// Checks that commands outside the sandbox can be run, and see nothing of what
    /// the run at `dir` keeps from agents.
    pub(super) fn check_native(&self, dir: &Path, options: &RunOptions) -> Result<(), RunError> {
        let dir = std::path::absolute(dir).map_err(|err| RunError::io(dir, err))?;
        let mut secrets = self.secrets(dir, options);
        secrets.extend(self.borrowed()?);
        self.prepared.native.iter().try_for_each(|(name, used)| {
            let name = name.clone();
            let checked = used.check(&secrets);
            let checked = checked.and_then(|()| probe::check(&options.cache, &options.launcher));
            checked.map_err(|source| RunError::Native { name, source })
        })
    }

    /// Where borrowed objects are, which may be borrowed from elsewhere in turn.
    fn borrowed(&self) -> Result<Vec<PathBuf>, RunError> {
        let mut all = Vec::new();
        for lender in &self.borrow_from {
            all.extend(ObjectDatabase::open(lender)?.object_directories()?);
        }
        Ok(all)
    }

    /// What no command may see: what a run at `dir` is made of and writes, keys, and what
    /// other runs have in common with it.
    fn secrets(&self, dir: PathBuf, options: &RunOptions) -> Vec<PathBuf> {
        let file = &self.plan_file.file;
        let here = match &file.model {
            Some(ModelChoice::Here(model)) => Some(&**model),
            Some(ModelChoice::Named(_)) | None => None,
        };
        let models = here.into_iter().chain(file.models.values());
        let programs = options.programs.dir().to_owned();
        [dir, file.chains.clone(), options.cache.clone(), programs]
            .into_iter()
            .chain(self.borrow_from.iter().cloned())
            .chain(file.repositories.values().cloned())
            .chain(options.models_file.clone())
            .chain(models.flat_map(ModelUse::files))
            .collect()
    }

    /// Those of a run file that was read, over this chain file.
    pub(super) fn check(
        file: RunFile,
        chains_path: &Path,
        catena: &str,
        crew: Crew,
        options: &RunOptions,
    ) -> Result<Self, RunError> {
        let chains_text =
            std::fs::read(chains_path).map_err(|err| RunError::io(chains_path, err))?;
        let chains = ChainFile::load(chains_path)?;
        check_selection(&file, &chains)?;
        check_queries(&file, &chains)?;
        let clone = check_clone(&file, &chains)?;
        let given = Given {
            file,
            catena: catena.to_owned(),
            chains,
            chains_text,
            borrow_from: vec![clone],
        };
        Self::of(given, crew, options)
    }

    /// Opens what a run file names beside its chains.
    pub(super) fn of(given: Given, crew: Crew, options: &RunOptions) -> Result<Self, RunError> {
        let Given { file, catena, chains, chains_text, mut borrow_from } = given;
        let models = match crew {
            Crew::All => models::open_all(&file, &options.models)?,
            Crew::Judges => models::open_for_judges(&file, &options.models)?,
        };
        let prepared = plugins::prepare(&file, crew, options)?;
        let reach = Reach {
            secrets: Secrets::open(&file.secrets, prepared.specs(), &options.models)?,
            requester: Requester::new(prepared.authorities.clone()),
        };
        if !prepared.programs.is_empty() {
            borrow_from.extend(options.programs.objects());
        }
        let plan_file = PlanFile {
            version: PLAN_VERSION,
            catena,
            chains: Digest::of(&chains_text),
            plugins: prepared.planned.clone(),
            calibration: None,
            patches: Vec::new(),
            approved: None,
            file,
        };
        Ok(Self {
            plan_file,
            chains,
            chains_text,
            borrow_from,
            prepared,
            models,
            reach,
            pinned_in: None,
        })
    }
}

/// The chains of a file that a run is about.
pub(crate) fn selected<'a>(file: &RunFile, chains: &'a ChainFile) -> Vec<&'a Chain> {
    let wanted = |chain: &&Chain| file.only.is_empty() || file.only.contains(&chain.id);
    chains.chains.iter().filter(wanted).collect()
}

/// Checks that every chain that the run file names is there, and that there is one.
pub(super) fn check_selection(file: &RunFile, chains: &ChainFile) -> Result<(), RunError> {
    if let Some(id) = file.only.iter().find(|id| chains.chain(id).is_none()) {
        return Err(RunError::UnknownChain(id.to_string()));
    }
    if selected(file, chains).is_empty() {
        return Err(RunError::NoChains(file.chains.clone()));
    }
    Ok(())
}

fn check_queries(file: &RunFile, chains: &ChainFile) -> Result<(), RunError> {
    for chain in selected(file, chains) {
        if let Some(stage) = chain.stages.iter().find(|stage| stage.query.trim().is_empty()) {
            let (chain, stage) = (chain.id.to_string(), stage.id.to_string());
            return Err(RunError::NoQuery { chain, stage });
        }
    }
    Ok(())
}

/// Finds the clone and checks that it has what the chains name.
pub(super) fn check_clone(file: &RunFile, chains: &ChainFile) -> Result<PathBuf, RunError> {
    let name = &chains.repository.name;
    let clone = file.repositories.get(name.as_str());
    let clone = clone.ok_or_else(|| RunError::NoClone(name.to_string()))?;
    let database = ObjectDatabase::open(clone)?;
    for chain in selected(file, chains) {
        chain.verify(&database).map_err(|source| RunError::Verify {
            clone: clone.clone(),
            source: Box::new(source),
        })?;
    }
    Ok(clone.clone())
}

/// Resolves the paths of the run file at `path`.
pub(crate) fn make_paths_absolute(
    file: &mut RunFile,
    path: &Path,
    plugin_dirs: &[PathBuf],
) -> Result<(), RunError> {
    let base = absolute(path.parent().unwrap_or(Path::new(".")))?;
    make_absolute(file, &base, plugin_dirs);
    Ok(())
}

fn make_absolute(file: &mut RunFile, base: &Path, plugin_dirs: &[PathBuf]) {
    file.chains = base.join(&file.chains);
    for clone in file.repositories.values_mut() {
        *clone = base.join(&*clone);
    }
    let here = match &mut file.model {
        Some(ModelChoice::Here(model)) => Some(&mut **model),
        Some(ModelChoice::Named(_)) | None => None,
    };
    for model in here.into_iter().chain(file.models.values_mut()) {
        model.make_absolute(base);
    }
    for certificates in &mut file.http.ca {
        *certificates = base.join(&*certificates);
    }
    for PluginUse { plugin, .. } in file.plugin_uses_mut() {
        *plugin = plugins::locate(plugin, base, plugin_dirs);
    }
}

fn absolute(path: &Path) -> Result<PathBuf, RunError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    path.canonicalize().map_err(|err| RunError::io(path, err))
}
