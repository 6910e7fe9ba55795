//! Where things lie on this machine. The only place that reads the environment.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use catena_native::Launcher;
use catena_plugin::ProgramStore;
use catena_rollout::models::Environment;
use catena_rollout::{ModelAccess, Progress, RunOptions, Stop, Uncalibrated, Unpinned};
use catena_worker::WorkerCommand;

use crate::failure::Failure;

/// Directories and programs that commands need.
pub(crate) struct Machine {
    program: PathBuf,
    plugin_dirs: Vec<PathBuf>,
    cache: PathBuf,
    programs: ProgramStore,
    calibrations: PathBuf,
    models_file: Option<PathBuf>,
}

impl Machine {
    /// Looks around. Plugins are looked for in `asked`, then in the directories
    /// of `CATENA_PLUGINS`, then beside the program.
    pub(crate) fn look(asked: Vec<PathBuf>) -> Result<Self, Failure> {
        let program = env::current_exe().context("can't find this program's own file")?;
        let mut plugin_dirs = asked;
        if let Some(named) = env::var_os("CATENA_PLUGINS") {
            plugin_dirs.extend(env::split_paths(&named));
        }
        let beside = program.parent().unwrap_or(Path::new("."));
        plugin_dirs.extend([beside.join("plugins"), beside.join("../plugins")]);
        let here = env::current_dir().context("can't find the current directory")?;
        let plugin_dirs = plugin_dirs.into_iter().map(|dir| here.join(dir)).collect();
        Ok(Self {
            program,
            plugin_dirs,
            cache: cache_dir()?,
            programs: ProgramStore::at(&data_dir("CATENA_PROGRAMS", "programs")?),
            calibrations: data_dir("CATENA_CALIBRATIONS", "calibrations")?,
            models_file: models_file(),
        })
    }

    /// What a run needs of this machine.
    pub(crate) fn run_options(&self, progress: Arc<dyn Progress>) -> RunOptions {
        RunOptions {
            plugin_dirs: self.plugin_dirs.clone(),
            cache: self.components(),
            programs: self.programs.clone(),
            models_file: self.models_file.clone(),
            models: ModelAccess::Live(self.environment()),
            worker: self.worker_command(),
            require_walls: false,
            launcher: self.launcher(),
            calibrations: self.calibrations.clone(),
            uncalibrated: Uncalibrated::Refused,
            unpinned: Unpinned::Pinned,
            progress,
            stop: Stop::default(),
        }
    }

    /// This program's own file.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Fails where a plugin of these names is not to be found.
    pub(crate) fn need_plugins(&self, names: &[&str]) -> Result<(), Failure> {
        for name in names {
            if !self.find_plugin(Path::new(name)).join("plugin.toml").exists() {
                let places: Vec<String> =
                    self.plugin_dirs.iter().map(|dir| dir.display().to_string()).collect();
                let reason = format!("plugin `{name}` is not in {}", places.join(", "));
                return Err(Failure::input(anyhow::anyhow!(reason)).with_hint(
                    "`cargo xtask demo` builds the plugins; `--plugins DIR` says where others are",
                ));
            }
        }
        Ok(())
    }

    /// How a worker process is started.
    pub(crate) fn worker_command(&self) -> WorkerCommand {
        WorkerCommand { program: self.program.clone(), arguments: vec!["worker".into()] }
    }

    /// How commands outside the sandbox are started.
    pub(crate) fn launcher(&self) -> Launcher {
        Launcher { program: self.program.clone(), arguments: vec!["native".into()] }
    }

    /// What a replay needs of this machine: no model and no key.
    pub(crate) fn offline_options(&self, progress: Arc<dyn Progress>) -> RunOptions {
        RunOptions { models: ModelAccess::Offline, ..self.run_options(progress) }
    }

    /// Directory of compiled components.
    pub(crate) fn components(&self) -> PathBuf {
        self.cache.join("components")
    }

    /// The programs that the user added.
    pub(crate) fn programs(&self) -> &ProgramStore {
        &self.programs
    }

    /// The user's file of models, which need not be there.
    pub(crate) fn models_file(&self) -> Option<&Path> {
        self.models_file.as_deref()
    }

    /// The variables of the environment. Only keys that a model's description
    /// names are looked up in it.
    #[expect(clippy::unused_self, reason = "the environment belongs to the machine")]
    pub(crate) fn environment(&self) -> Environment {
        Arc::new(|name| env::var(name).ok())
    }

    /// How a person starts this program from here: by its name where the search
    /// path finds it, else by its path.
    pub(crate) fn command(&self) -> String {
        let on_path = env::var_os("PATH").is_some_and(|path| {
            env::split_paths(&path).any(|dir| Some(dir.as_path()) == self.program.parent())
        });
        if on_path && let Some(name) = self.program.file_name() {
            return name.to_string_lossy().into_owned();
        }
        let here = env::current_dir().unwrap_or_default();
        self.program.strip_prefix(&here).unwrap_or(&self.program).display().to_string()
    }

    /// Directories in which plugins are looked for by name.
    pub(crate) fn plugin_dirs(&self) -> &[PathBuf] {
        &self.plugin_dirs
    }

    /// Where a plugin is: at this path, or under this name.
    pub(crate) fn find_plugin(&self, plugin: &Path) -> PathBuf {
        if plugin.exists() || plugin.components().count() != 1 {
            return plugin.to_owned();
        }
        let found = self.plugin_dirs.iter().map(|dir| dir.join(plugin)).find(|dir| dir.exists());
        found.unwrap_or_else(|| plugin.to_owned())
    }
}

/// `catena/models.toml` in the user's directory of configurations.
fn models_file() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let dir = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(dir.join("catena/models.toml"))
}

/// The directory that `variable` names, or `catena/NAME` in the user's directory of data.
fn data_dir(variable: &str, name: &str) -> Result<PathBuf, Failure> {
    let set = |name| env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    if let Some(dir) = set(variable) {
        return Ok(dir);
    }
    match set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share"))) {
        Some(data) => Ok(data.join("catena").join(name)),
        None => Err(Failure::input(anyhow::anyhow!("there is no place for {name}"))
            .with_hint(format!("set `{variable}` to a directory"))),
    }
}

/// The first of these variables that is set and not empty.
pub(crate) fn variable(names: &[&str]) -> Option<String> {
    let set = names.iter().filter_map(|name| env::var(name).ok());
    set.into_iter().find(|value| !value.trim().is_empty())
}

fn cache_dir() -> Result<PathBuf, Failure> {
    if let Some(dir) = env::var_os("CATENA_CACHE") {
        return Ok(dir.into());
    }
    if let Some(dir) = env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        return Ok(Path::new(&dir).join("catena"));
    }
    match env::var_os("HOME").filter(|dir| !dir.is_empty()) {
        Some(home) => Ok(Path::new(&home).join(".cache/catena")),
        None => Err(Failure::input(anyhow::anyhow!("there is no place for the component cache"))
            .with_hint("set `CATENA_CACHE` to a directory")),
    }
}
