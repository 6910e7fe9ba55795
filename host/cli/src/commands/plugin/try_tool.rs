//! `catena plugin try`: a tool over the files of a directory, without a model and
//! without a run.
//!
//! The directory is read and never changed: each call's changes are in the
//! worktree alone, which `--keep` has the calls share.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use catena_model::{ModelError, Reply, ToolCall};
use catena_plugin::engine::GUEST_THREAD_STACK;
use catena_plugin::session::{LoadedPlugin, PluginSpec};
use catena_plugin::{
    Asked, ComponentCache, Engine, Event, Exchange, Limits, LimitsRequest, NewObject, Outside,
    PluginKind, ResolvedPlugin, Session, SessionStart, Tried, WorkspaceAccess, try_tool,
};
use catena_tree::{BlobId, ObjectDatabase, ObjectError, Objects, TreeEntry, TreeId};
use clap::ValueHint;
use serde_json::json;

use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::{Format, say};

#[derive(clap::Args)]
pub(crate) struct Try {
    /// The tool's directory, or the name of an installed one
    plugin: PathBuf,
    /// A directory whose files the tool sees at `/workspace`; none by default
    #[arg(long, value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// A program that the tool may start; may be given more than once
    #[arg(long = "program", value_name = "NAME")]
    programs: Vec<String>,
    /// The tool, where the plugin offers more than one
    #[arg(long)]
    tool: Option<String>,
    /// Let a call see what the one before it changed
    #[arg(long)]
    keep: bool,
    /// Wall-clock time and fuel for each call, as many times the default
    #[arg(long, value_name = "TIMES", default_value_t = 1)]
    patience: u32,
    /// Arguments of a call, as JSON; each makes a call
    #[arg(required_unless_present = "calls")]
    arguments: Vec<String>,
    /// A file with the arguments of a call in each line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    calls: Option<PathBuf>,
}

pub(super) fn run(arguments: Try, machine: &Machine, format: Format) -> Result<ExitCode, Failure> {
    let mut calls = arguments.arguments.clone();
    if let Some(path) = &arguments.calls {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("can't read `{}`", path.display()))
            .map_err(Failure::input)?;
        calls.extend(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
    }
    let trial = Trial::new(arguments, machine)?;
    // Guests need more stack than a main thread has.
    let work = move || trial.run_all(&calls, format);
    let thread = std::thread::Builder::new().stack_size(GUEST_THREAD_STACK).spawn(work);
    let thread = thread.context("can't start a thread")?;
    thread.join().map_err(|_| anyhow::anyhow!("the thread of the guests panicked"))?
}

/// What all calls have in common.
struct Trial {
    engine: Engine,
    tool: PluginSpec,
    programs: Vec<PluginSpec>,
    name: Option<String>,
    objects: Arc<Directory>,
    tree: TreeId,
    keep: bool,
    _scratch: tempfile::TempDir,
}

impl Trial {
    fn new(arguments: Try, machine: &Machine) -> Result<Self, Failure> {
        let engine = Engine::new().map_err(|err| anyhow::anyhow!("{err:#}"))?;
        let cache = ComponentCache::open(&machine.components()).map_err(anyhow::Error::new)?;
        let plugin = ResolvedPlugin::load(&machine.find_plugin(&arguments.plugin))?;
        let tool = spec(&engine, &cache, plugin, &arguments)?;
        let store = machine.programs();
        let programs = arguments.programs.iter().map(|name| {
            let program = store.load(name)?;
            spec(&engine, &cache, program, &arguments)
        });
        let programs = programs.collect::<Result<Vec<_>, Failure>>()?;
        let scratch = tempfile::tempdir().context("can't make a temporary directory")?;
        let borrowed: Vec<PathBuf> = store.objects().into_iter().collect();
        let database = ObjectDatabase::create(&scratch.path().join("objects.git"), &borrowed)
            .map_err(anyhow::Error::new)?;
        let tree = match &arguments.dir {
            None => TreeId::EMPTY,
            Some(dir) => catena_plugin::program::store::keep_directory(&database, dir)?,
        };
        Ok(Self {
            engine,
            tool,
            programs,
            name: arguments.tool,
            objects: Arc::new(Directory(database)),
            tree,
            keep: arguments.keep,
            _scratch: scratch,
        })
    }

    fn run_all(&self, calls: &[String], format: Format) -> Result<ExitCode, Failure> {
        let mut status = 0;
        let mut session = self.session()?;
        for (position, call) in calls.iter().enumerate() {
            if position > 0 && !self.keep {
                session = self.session()?;
            }
            let tried = self.call(&session, position, call)?;
            status = tried.exit_status.unwrap_or(i32::from(tried.outcome != "ok"));
            match format {
                Format::Text => {
                    say!("{}", tried.content.trim_end_matches('\n'));
                    if status != 0 {
                        eprintln!("{}: exit status {:?}", tried.outcome, tried.exit_status);
                    }
                }
                Format::Json => say!(
                    "{}",
                    json!({
                        "content": tried.content,
                        "outcome": tried.outcome,
                        "exit_status": tried.exit_status,
                        "tree": tried.tree,
                        "wall_us": tried.wall_us,
                    })
                ),
            }
        }
        Ok(ExitCode::from(u8::try_from(status).unwrap_or(1)))
    }

    fn call(&self, session: &Arc<Session>, position: usize, call: &str) -> anyhow::Result<Tried> {
        let call = ToolCall {
            id: position.to_string(),
            name: self.name.clone().unwrap_or_default(),
            arguments: call.to_owned(),
        };
        try_tool(session, &call).map_err(|(plugin, failure)| {
            anyhow::Error::new(failure).context(format!("plugin `{plugin}`"))
        })
    }

    fn session(&self) -> Result<Arc<Session>, Failure> {
        let load = |spec: &PluginSpec| {
            LoadedPlugin::load(&self.engine, spec.clone()).map_err(anyhow::Error::new)
        };
        let tools = vec![load(&self.tool)?];
        let programs = self.programs.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let start = SessionStart { memory: 256 << 20, ..SessionStart::on(self.tree) };
        let session = Session::new(self.objects.clone(), start, tools);
        Ok(Arc::new(session.with_programs(programs)))
    }
}

fn spec(
    engine: &Engine,
    cache: &ComponentCache,
    plugin: ResolvedPlugin,
    arguments: &Try,
) -> Result<PluginSpec, Failure> {
    let compiled = cache.compiled(engine, &plugin).map_err(Failure::input)?;
    let manifest = plugin.manifest;
    let granted = Asked {
        workspace: WorkspaceAccess::ReadWrite,
        programs: arguments.programs.iter().cloned().collect(),
        ..Asked::default()
    };
    let defaults = Limits::defaults(PluginKind::Tool);
    let patience = arguments.patience.max(1);
    let limits = defaults.replaced_by(&LimitsRequest {
        fuel: Some(defaults.fuel.saturating_mul(u64::from(patience))),
        wall: Some(catena_plugin::units::Span(defaults.wall.0 * patience)),
        output: Some(Limits::defaults(manifest.plugin.kind).output),
        ..LimitsRequest::default()
    });
    let config = serde_json::to_string(&manifest.config).unwrap_or_else(|_| "{}".to_owned());
    let rights = manifest.capabilities.intersection(&granted);
    let limits = limits.lowered_to(&manifest.limits);
    Ok(PluginSpec { rights, limits, config, compiled, manifest })
}

/// The directory's objects, and what is made of them; no model.
struct Directory(ObjectDatabase);

impl Objects for Directory {
    fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        self.0.tree(id)
    }

    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        self.0.blob(id)
    }

    fn blob_size(&self, id: BlobId) -> Result<u64, ObjectError> {
        self.0.blob_size(id)
    }
}

impl Outside for Directory {
    fn complete(&self, _: Exchange) -> Result<Reply, ModelError> {
        Err(ModelError::Unavailable("there is no model here".to_owned()))
    }

    fn put(&self, _: Vec<NewObject>) -> Result<(), ObjectError> {
        Ok(())
    }

    fn record(&self, event: Event) {
        if let Event::Log { plugin, level, text } = event {
            tracing::info!(plugin, level, text);
        }
    }
}
