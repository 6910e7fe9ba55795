//! One tool with its programs in this process, without a model and without a run.
//!
//! The process holds no key, and what the guests make goes into an object database
//! that is gone with the value.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use catena_model::{ModelError, Reply};
use catena_plugin::session::{LoadedPlugin, PluginSpec};
use catena_plugin::{
    Asked, Engine, Event, Exchange, Limits, LimitsRequest, NewObject, Outside, PluginKind,
    ResolvedPlugin, Session, SessionStart, WorkspaceAccess,
};
use catena_tree::{BlobId, ObjectDatabase, ObjectError, Objects, TreeEntry, TreeId};
use catena_worker::Gate;

use crate::component::compile;
use crate::failure::Failure;
use crate::machine::Machine;

/// Memory that worktree and scratch may have together.
const MEMORY: u64 = 256 << 20;

/// A tool that can be called over trees.
pub(crate) struct ToolSandbox {
    engine: Engine,
    tool: PluginSpec,
    programs: Vec<PluginSpec>,
    database: ObjectDatabase,
    _scratch: tempfile::TempDir,
}

impl ToolSandbox {
    /// A tool with these programs, and with `patience` times the default of time
    /// and fuel for each call. Trees may be of the databases in `borrowed`.
    pub(crate) fn new(
        machine: &Machine,
        tool: &Path,
        programs: &[String],
        patience: u32,
        borrowed: &[PathBuf],
    ) -> Result<Self, Failure> {
        let engine = Engine::new().map_err(|err| anyhow::anyhow!("{err:#}"))?;
        let granted = Asked {
            workspace: WorkspaceAccess::ReadWrite,
            programs: programs.iter().cloned().collect(),
            ..Asked::default()
        };
        let spec = |plugin: ResolvedPlugin| spec(machine, &engine, plugin, &granted, patience);
        let tool = spec(ResolvedPlugin::load(&machine.find_plugin(tool))?)?;
        let store = machine.programs();
        let programs = programs.iter().map(|name| spec(store.load(name)?));
        let programs = programs.collect::<Result<Vec<_>, Failure>>()?;
        let scratch = tempfile::tempdir().context("can't make a temporary directory")?;
        let borrowed: Vec<PathBuf> = borrowed.iter().cloned().chain(store.objects()).collect();
        let database = ObjectDatabase::create(&scratch.path().join("objects.git"), &borrowed)
            .map_err(anyhow::Error::new)?;
        Ok(Self { engine, tool, programs, database, _scratch: scratch })
    }

    /// Where trees come from, and where those that calls leave go.
    pub(crate) fn database(&self) -> &ObjectDatabase {
        &self.database
    }

    /// A session over a tree.
    pub(crate) fn session(&self, tree: TreeId) -> Result<Arc<Session>, Failure> {
        let load = |spec: &PluginSpec| {
            LoadedPlugin::load(&self.engine, spec.clone()).map_err(anyhow::Error::new)
        };
        let tools = vec![load(&self.tool)?];
        let programs = self.programs.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let start = SessionStart { memory: MEMORY, ..SessionStart::on(tree) };
        let files = self.programs.iter().flat_map(|spec| spec.manifest.program.files.values());
        let roots = files.copied().chain([tree]);
        let gate = Mutex::new(Gate::new(self.database.clone(), roots));
        let objects = Arc::new(Inside { database: self.database.clone(), gate });
        Ok(Arc::new(Session::new(objects, start, tools).with_programs(programs)))
    }
}

fn spec(
    machine: &Machine,
    engine: &Engine,
    plugin: ResolvedPlugin,
    granted: &Asked,
    patience: u32,
) -> Result<PluginSpec, Failure> {
    let compiled = compile(machine, engine, &plugin)?.file;
    let manifest = plugin.manifest;
    let defaults = Limits::defaults(PluginKind::Tool);
    let patience = patience.max(1);
    let limits = defaults.replaced_by(&LimitsRequest {
        fuel: Some(defaults.fuel.saturating_mul(u64::from(patience))),
        wall: Some(catena_plugin::units::Span(defaults.wall.0 * patience)),
        output: Some(Limits::defaults(manifest.plugin.kind).output),
        ..LimitsRequest::default()
    });
    let config = serde_json::to_string(&manifest.config).unwrap_or_else(|_| "{}".to_owned());
    let rights = manifest.capabilities.intersection(granted);
    let limits = limits.lowered_to(&manifest.limits);
    Ok(PluginSpec { rights, limits, config, compiled, manifest })
}

/// The object database, and a gate for what comes back; no model.
struct Inside {
    database: ObjectDatabase,
    gate: Mutex<Gate>,
}

impl Objects for Inside {
    fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).tree(id)
    }

    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        self.database.blob(id)
    }

    fn blob_size(&self, id: BlobId) -> Result<u64, ObjectError> {
        self.database.blob_size(id)
    }
}

impl Outside for Inside {
    fn complete(&self, _: Exchange) -> Result<Reply, ModelError> {
        Err(ModelError::Unavailable("there is no model here".to_owned()))
    }

    fn put(&self, objects: Vec<NewObject>) -> Result<(), ObjectError> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).put(objects)
    }

    fn record(&self, event: Event) {
        if let Event::Log { plugin, level, text } = event {
            tracing::info!(plugin, level, text);
        }
    }
}
