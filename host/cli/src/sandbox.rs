//! One tool with its programs in a worker, without a model and without a run.
//!
//! What the guests make goes into an object database that is gone with the value.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use catena_model::ToolCall;
use catena_plugin::session::PluginSpec;
use catena_plugin::units::Span;
use catena_plugin::{
    Asked, Engine, Event, Limits, LimitsRequest, NewObject, PluginKind, ResolvedPlugin,
    SessionStart, WorkspaceAccess,
};
use catena_tree::{BlobId, ObjectDatabase, ObjectError, TreeEntry, TreeId};
use catena_worker::{
    Gate, HostError, HostSide, Job, JobResult, TryJob, TryResult, Walls, Worker, WorkerCommand,
};

use crate::component::compile;
use crate::failure::Failure;
use crate::machine::Machine;

/// Memory that worktree and scratch may have together.
const MEMORY: u64 = 256 << 20;

/// What a plugin wrote while it was called.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Said {
    /// Which plugin.
    pub(crate) plugin: String,
    /// `stdout`, `stderr`, or the level of its log.
    pub(crate) level: String,
    pub(crate) text: String,
}

/// What came of calls.
pub(crate) struct Called {
    /// Of each call, or why a plugin could not say what it offers.
    pub(crate) result: Result<TryResult, Failure>,
    /// What was written up to the end of each call, and after the last.
    pub(crate) said: Vec<Vec<Said>>,
}

/// A tool that can be called over trees.
pub(crate) struct ToolSandbox {
    tool: PluginSpec,
    programs: Vec<PluginSpec>,
    database: ObjectDatabase,
    worker: WorkerCommand,
    runtime: tokio::runtime::Runtime,
    scratch: tempfile::TempDir,
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
        let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
        let worker = machine.worker_command();
        Ok(Self { tool, programs, database, worker, runtime, scratch })
    }

    /// Where trees come from, and where those that calls leave go.
    pub(crate) fn database(&self) -> &ObjectDatabase {
        &self.database
    }

    /// Time that the tool has for each call.
    pub(crate) fn wall(&self) -> Span {
        self.tool.limits.wall
    }

    /// Makes calls over a tree, each going on with what the one before left.
    pub(crate) fn call(&self, tree: TreeId, calls: Vec<ToolCall>) -> Result<Called, Failure> {
        let files = self.programs.iter().flat_map(|spec| spec.manifest.program.files.values());
        let roots = files.copied().chain([tree]);
        let gate = Gate::new(self.database.clone(), roots);
        let mut host = Files { gate, said: vec![Vec::new()] };
        let wall = self.tool.limits.wall.0 * u32::try_from(calls.len()).unwrap_or(u32::MAX);
        let job = Job::Try(TryJob {
            tool: self.tool.clone(),
            programs: self.programs.clone(),
            start: SessionStart { memory: MEMORY, ..SessionStart::on(tree) },
            calls,
        });
        let done = self.runtime.block_on(async {
            Worker::start(&self.worker, self.scratch.path())?.run(job, wall, &mut host).await
        });
        let result = match done.map_err(anyhow::Error::new)? {
            JobResult::Tried(TryResult { failed: Some((plugin, failure)), .. }) => {
                let could_not = format!("plugin `{plugin}` could not say what it offers");
                Err(anyhow::Error::new(failure).context(could_not).into())
            }
            JobResult::Tried(result) => Ok(result),
            _ => return Err(anyhow::anyhow!("the worker did another job; this is a bug").into()),
        };
        Ok(Called { result, said: host.said })
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
        wall: Some(Span(defaults.wall.0 * patience)),
        output: Some(Limits::defaults(manifest.plugin.kind).output),
        ..LimitsRequest::default()
    });
    let config = serde_json::to_string(&manifest.config).unwrap_or_else(|_| "{}".to_owned());
    let rights = manifest.capabilities.intersection(granted);
    let limits = limits.lowered_to(&manifest.limits);
    Ok(PluginSpec { rights, limits, config, compiled, manifest })
}

/// The object database behind a gate; no model.
struct Files {
    gate: Gate,
    /// What was written, by the call in which it was.
    said: Vec<Vec<Said>>,
}

impl HostSide for Files {
    fn tree(&mut self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        self.gate.tree(id)
    }

    fn blob(&mut self, id: BlobId) -> Result<Bytes, ObjectError> {
        self.gate.blob(id)
    }

    fn blob_size(&mut self, id: BlobId) -> Result<u64, ObjectError> {
        self.gate.blob_size(id)
    }

    fn put(&mut self, objects: Vec<NewObject>) -> Result<(), ObjectError> {
        self.gate.put(objects)
    }

    fn walled(&mut self, walls: Walls) -> Result<(), HostError> {
        if !walls.stand() {
            tracing::warn!(%walls, "not all walls stand around the guests");
        }
        Ok(())
    }

    fn record(&mut self, event: Event) -> Result<(), HostError> {
        match event {
            Event::Log { plugin, level, text } => {
                if let Some(now) = self.said.last_mut() {
                    now.push(Said { plugin, level, text });
                }
            }
            Event::ToolCall { .. } => self.said.push(Vec::new()),
            _ => {}
        }
        Ok(())
    }
}
