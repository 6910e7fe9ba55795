//! From the plugins a run file uses to what a worker loads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use catena_model::Authorities;
use catena_native::NativeUse;
use catena_plugin::session::PluginSpec;
use catena_plugin::{
    ComponentCache, Digest, Engine, Granted, Limits, PluginKind, ProgramStore, ResolvedPlugin,
    check,
};
use catena_worker::ConfinedCompiler;

use super::RunOptions;
use super::error::RunError;
use super::layout::PlannedPlugin;
use super::lockfile::{Approved, Pinned, PinnedBounds, PinnedModel};
use crate::ledger::digest;
use crate::models::ModelAccess;
use crate::run_file::{PluginUse, RunFile};
use crate::secrets::SecretUse;

/// Which plugins of a run file are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crew {
    /// The agent's and the judges.
    All,
    /// The judges alone.
    Judges,
}

/// All plugins of a run.
pub(super) struct Prepared {
    /// None where the judges alone are wanted.
    pub(super) scaffold: Option<PluginSpec>,
    pub(super) tools: Vec<PluginSpec>,
    /// In the order in which they are heard.
    pub(super) judges: Vec<PluginSpec>,
    /// Programs that any of them may start.
    pub(super) programs: Vec<PluginSpec>,
    /// Commands outside the sandbox that scaffold or tools are granted.
    pub(super) native: BTreeMap<String, NativeUse>,
    /// Secrets that any of them is granted.
    secrets: BTreeMap<String, SecretUse>,
    /// What holds for all of them together.
    bounds: PinnedBounds,
    /// The models that the run file describes; those of users are beside them in what is
    /// opened.
    pub(super) models: BTreeMap<String, PinnedModel>,
    /// Who vouches for servers that any of them asks, beside those that the machine knows.
    pub(super) authorities: Authorities,
    /// Names the engine that runs them.
    pub(super) engine: String,
    /// What the plan says of each plugin, by its name.
    pub(super) planned: BTreeMap<String, PlannedPlugin>,
    /// What there is to approve of each plugin, by its name.
    pinned: BTreeMap<String, Pinned>,
}

impl Prepared {
    /// All plugins and programs of it.
    pub(super) fn specs(&self) -> impl Iterator<Item = &PluginSpec> {
        let agent = self.scaffold.iter().chain(&self.tools);
        agent.chain(&self.judges).chain(&self.programs)
    }

    /// Has judges approved by the run file that they and these models come from, where the
    /// rest is another's.
    pub(super) fn hold_to(&mut self, file: &RunFile, models: BTreeMap<String, PinnedModel>) {
        self.bounds = PinnedBounds { workspace: None, ..PinnedBounds::of(file, &self.judges) };
        self.models = models;
    }

    /// What there is to approve of.
    pub(super) fn pins(&self) -> Approved {
        let native = self.native.iter().map(|(name, used)| (name.clone(), digest(used)));
        Approved {
            plugins: self.pinned.clone(),
            native: native.collect(),
            secrets: self.secrets.clone(),
            bounds: Some(self.bounds.clone()),
            models: self.models.clone(),
            authorities: (!self.authorities.is_empty())
                .then(|| Digest::of(&self.authorities.bytes())),
        }
    }
}

/// Where a plugin is: as the run file says, or by name in one of the plugin
/// directories.
pub(super) fn locate(plugin: &Path, base: &Path, plugin_dirs: &[PathBuf]) -> PathBuf {
    let here = base.join(plugin);
    if here.exists() || plugin.components().count() != 1 {
        return here;
    }
    let installed = plugin_dirs.iter().map(|dir| dir.join(plugin)).find(|dir| dir.exists());
    installed.unwrap_or(here)
}

/// Finds, checks and compiles the plugins of a run.
pub(super) fn prepare(
    file: &RunFile,
    crew: Crew,
    options: &RunOptions,
) -> Result<Prepared, RunError> {
    let mut preparation = Preparation::begin(options)?;
    let (scaffold, tools) = match crew {
        Crew::All => (Some(&file.scaffold), file.tools.as_slice()),
        Crew::Judges => (None, [].as_slice()),
    };
    let scaffold = scaffold.map(|used| preparation.plugin(used, PluginKind::Scaffold));
    let scaffold = scaffold.transpose()?;
    let judges = file.judge_uses().map(|judge| preparation.judge(judge));
    let judges: Vec<PluginSpec> = judges.collect::<Result<_, _>>()?;
    let tools = tools.iter().map(|tool| preparation.plugin(tool, PluginKind::Tool));
    let tools: Vec<PluginSpec> = tools.collect::<Result<_, _>>()?;
    let callers = of_callers(scaffold.iter().chain(&judges).chain(&tools));
    let mut native = file.native.clone();
    native.retain(|name, _| callers.programs.contains(name));
    let twice = native.keys().find(|name| file.programs.contains_key(*name));
    if let Some(name) = twice {
        return Err(RunError::NameTwice(name.clone()));
    }
    let programs = callers.programs.iter().filter(|name| !native.contains_key(*name));
    let programs =
        programs.map(|name| preparation.program(name, &callers, file, &options.programs));
    let programs = programs.collect::<Result<_, _>>()?;
    let authorities = match &options.models {
        ModelAccess::Live(_) => Authorities::read(&file.http.ca)?,
        // Nobody is asked.
        ModelAccess::Offline => Authorities::default(),
    };
    let mut secrets = file.secrets.clone();
    secrets.retain(|name, _| callers.secrets.contains(name));
    let engine = preparation.engine.name();
    let Preparation { planned, pinned, .. } = preparation;
    let bounds = PinnedBounds::of(file, &judges);
    let bounds = match crew {
        Crew::All => bounds,
        // The agent's worktree was as its own run file had it.
        Crew::Judges => PinnedBounds { workspace: None, ..bounds },
    };
    Ok(Prepared {
        scaffold,
        tools,
        judges,
        programs,
        native,
        secrets,
        bounds,
        models: BTreeMap::new(),
        authorities,
        engine,
        planned,
        pinned,
    })
}

/// What any of these may name, which a program that asks for whatever is granted gets as
/// its bounds.
fn of_callers<'a>(specs: impl Iterator<Item = &'a PluginSpec>) -> Granted {
    let mut all = Granted::default();
    for PluginSpec { rights, .. } in specs {
        all.programs.extend(rights.programs.iter().cloned());
        all.http.extend(rights.http.iter().cloned());
        all.secrets.extend(rights.secrets.iter().cloned());
    }
    all
}

/// Finds, checks and compiles the writer of a run file.
pub(super) fn prepare_writer(
    used: &PluginUse,
    options: &RunOptions,
) -> Result<(PluginSpec, Approved), RunError> {
    let mut preparation = Preparation::begin(options)?;
    let writer = preparation.plugin(used, PluginKind::Writer)?;
    Ok((writer, Approved { plugins: preparation.pinned, ..Approved::default() }))
}

struct Preparation {
    engine: Engine,
    cache: ComponentCache,
    compiler: ConfinedCompiler,
    planned: BTreeMap<String, PlannedPlugin>,
    pinned: BTreeMap<String, Pinned>,
}

impl Preparation {
    fn begin(options: &RunOptions) -> Result<Self, RunError> {
        let compiler = ConfinedCompiler::new(options.worker.clone(), options.cache.clone());
        Ok(Self {
            engine: Engine::new().map_err(|err| RunError::Engine(format!("{err:#}")))?,
            cache: ComponentCache::open(&options.cache)?,
            compiler: ConfinedCompiler { require_walls: options.require_walls, ..compiler },
            planned: BTreeMap::new(),
            pinned: BTreeMap::new(),
        })
    }

    fn plugin(&mut self, used: &PluginUse, expected: PluginKind) -> Result<PluginSpec, RunError> {
        self.ready(resolve_use(used, expected)?, used)
    }

    /// A judge, under the name that the run file gives it.
    fn judge(&mut self, used: &PluginUse) -> Result<PluginSpec, RunError> {
        let mut plugin = resolve_use(used, PluginKind::Judge)?;
        if let Some(name) = &used.name {
            plugin.manifest.plugin.name = name.clone();
        }
        self.ready(plugin, used)
    }

    /// A program of the user's, with what the run file says of it.
    fn program(
        &mut self,
        name: &str,
        callers: &Granted,
        file: &RunFile,
        store: &ProgramStore,
    ) -> Result<PluginSpec, RunError> {
        let plugin = store.load(name)?;
        // Its caller's rights are its bounds, at each start.
        let Granted { workspace, model, reference, .. } = plugin.manifest.capabilities;
        let grant = Granted { workspace, model, reference, ..callers.clone() };
        let limits = file.programs.get(name).map(|used| used.limits.clone()).unwrap_or_default();
        let used = PluginUse { grant, limits, ..PluginUse::alone(name.into()) };
        self.ready(plugin, &used)
    }

    fn ready(&mut self, plugin: ResolvedPlugin, used: &PluginUse) -> Result<PluginSpec, RunError> {
        let compiled = self.cache.compiled(&self.engine, &plugin, &self.compiler)?;
        check(&compiled.face, &plugin.manifest)?;
        let (name, component, manifest) =
            (plugin.name().to_owned(), plugin.component_digest, plugin.manifest_digest);
        let spec = spec(plugin, used, compiled.file);
        let (rights, limits) = (spec.rights.clone(), spec.limits.clone());
        if self.planned.contains_key(&name) {
            return Err(RunError::PluginTwice(name));
        }
        let config = serde_json::from_str(&spec.config).unwrap_or_default();
        let kind = Some(spec.manifest.plugin.kind);
        let pinned = Pinned {
            component,
            manifest,
            // Every component has been looked at.
            world: compiled.face.world.unwrap_or(component),
            config: (!used.config.is_empty()).then(|| digest(&used.config)),
            limits: (&limits).into(),
            // Which callers are prepared beside a program is not its own.
            rights: match spec.manifest.plugin.kind {
                PluginKind::Program => spec.manifest.capabilities.clone(),
                _ => rights.clone(),
            },
        };
        let planned = PlannedPlugin { kind, component, manifest, rights, limits, config };
        self.planned.insert(name.clone(), planned);
        self.pinned.insert(name, pinned);
        Ok(spec)
    }
}

/// Finds a plugin and checks that it is what its place in the run file asks for.
fn resolve_use(used: &PluginUse, expected: PluginKind) -> Result<ResolvedPlugin, RunError> {
    let plugin = ResolvedPlugin::load(&used.plugin)?;
    let found = plugin.manifest.plugin.kind;
    if found != expected {
        let plugin = plugin.name().to_owned();
        return Err(RunError::WrongKind { plugin, found, expected });
    }
    if used.grant.reference && !plugin.manifest.plugin.control {
        return Err(RunError::ReferenceWithoutControl(plugin.name().to_owned()));
    }
    Ok(plugin)
}

fn spec(plugin: ResolvedPlugin, used: &PluginUse, compiled: PathBuf) -> PluginSpec {
    let manifest = plugin.manifest;
    let ceiling = Limits::defaults(manifest.plugin.kind).replaced_by(&used.limits);
    let mut config = manifest.config.clone();
    lay_over(&mut config, &used.config);
    PluginSpec {
        rights: manifest.capabilities.intersection(&used.grant),
        limits: ceiling.lowered_to(&manifest.limits),
        config: serde_json::to_string(&config).unwrap_or_else(|_| "{}".to_owned()),
        compiled,
        manifest,
    }
}

/// Puts values over others, tables key by key.
fn lay_over(config: &mut toml::Table, values: &toml::Table) {
    for (key, value) in values {
        match (config.get_mut(key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(value)) => lay_over(below, value),
            _ => {
                config.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_file_replaces_single_values_of_the_manifests_tables() {
        let mut config: toml::Table =
            toml::from_str("a = 1\n[texts]\nsystem = \"old\"\ntask = \"kept\"").unwrap();
        let values = toml::from_str("b = 2\n[texts]\nsystem = \"new\"").unwrap();
        lay_over(&mut config, &values);
        let expected: toml::Table =
            toml::from_str("a = 1\nb = 2\n[texts]\nsystem = \"new\"\ntask = \"kept\"").unwrap();
        assert_eq!(config, expected);
    }
}
