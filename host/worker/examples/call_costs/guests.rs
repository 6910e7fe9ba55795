//! Plugins in this process, over an empty tree.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use catena_model::{ModelError, Reply};
use catena_plugin::session::PluginSpec;
use catena_plugin::{
    AttemptEnd, BeforeTool, Carry, CompileHere, Compiler as _, Effective, Ending, Enforced, Engine,
    Event, Exchange, Limits, LoadedPlugin, NewObject, Outside, ResolvedPlugin, Session,
    SessionStart, Task, ToolStart, WorkspaceAccess, attempt,
};
use catena_tree::{BlobId, ObjectError, Objects, TreeEntry, TreeId};
use serde_json::json;

use crate::Failure;

/// A plugin that is compiled.
pub(crate) struct Guest {
    pub(crate) engine: Engine,
    pub(crate) spec: PluginSpec,
    pub(crate) component: Vec<u8>,
}

impl Guest {
    pub(crate) fn compile(plugin: &Path, dir: &Path, enforced: Enforced) -> Result<Self, Failure> {
        let engine = Engine::enforcing(enforced)?;
        let plugin = ResolvedPlugin::load(plugin)?;
        let compiled = compiled(&plugin, dir, enforced)?;
        let rights = Effective {
            workspace: WorkspaceAccess::ReadWrite,
            programs: BTreeSet::new(),
            ..Effective::default()
        };
        let spec = PluginSpec {
            compiled,
            rights,
            limits: Limits::defaults(plugin.manifest.plugin.kind),
            config: "{}".to_owned(),
            manifest: plugin.manifest,
        };
        Ok(Self { engine, spec, component: plugin.component })
    }
}

/// The compiled form of a plugin, which is made once for each set of limits.
fn compiled(plugin: &ResolvedPlugin, dir: &Path, enforced: Enforced) -> Result<PathBuf, Failure> {
    let file = dir.join(format!("{}-{enforced:?}", plugin.name()));
    if !file.exists() {
        std::fs::write(&file, CompileHere(enforced).compile(&plugin.component)?.code)?;
    }
    Ok(file)
}

/// When tool calls began.
pub(crate) type Begun = Arc<Mutex<Vec<Instant>>>;

/// A session over an empty tree.
pub(crate) fn session(tools: Vec<LoadedPlugin>, begun: Begun) -> Arc<Session> {
    Arc::new(Session::new(Arc::new(Nothing(begun)), SessionStart::on(TreeId::EMPTY), tools))
}

/// A scaffold that makes the same call of `tool-works` again and again.
pub(crate) struct Calls {
    scaffold: Guest,
    tool: Guest,
}

impl Calls {
    pub(crate) fn prepare(
        target: &Path,
        dir: &Path,
        enforced: Enforced,
        arguments: &str,
        times: usize,
    ) -> Result<Self, Failure> {
        let scaffold = crate::plugin(target, "scaffold-repeats");
        let mut scaffold = Guest::compile(&scaffold, dir, enforced)?;
        let config = json!({"tool": "work", "arguments": arguments, "times": times + 1});
        scaffold.spec.config = config.to_string();
        let tool = Guest::compile(&crate::plugin(target, "tool-works"), dir, enforced)?;
        Ok(Self { scaffold, tool })
    }

    /// The scaffold and its tool.
    pub(crate) fn specs(&self) -> (PluginSpec, PluginSpec) {
        (self.scaffold.spec.clone(), self.tool.spec.clone())
    }

    /// How long each call took in this process, from the beginning of one to that of the next.
    pub(crate) fn run(&self) -> Result<Vec<Duration>, Failure> {
        let engine = &self.scaffold.engine;
        let tool = LoadedPlugin::load(engine, self.tool.spec.clone())?;
        let scaffold = LoadedPlugin::load(engine, self.scaffold.spec.clone())?;
        let begun = Begun::default();
        let session = session(vec![tool], begun.clone());
        let end = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .stack_size(catena_plugin::engine::GUEST_THREAD_STACK)
                .spawn_scoped(scope, || attempt(&session, &scaffold, &[], &task()))?;
            thread.join().map_err(|_| std::io::Error::other("the guests' thread panicked"))
        })?;
        match end {
            AttemptEnd::Ended(Ending::Submitted) => Ok(between(&begun)),
            other => Err(format!("{other:?}").into()),
        }
    }
}

/// The times between calls.
pub(crate) fn between(begun: &Begun) -> Vec<Duration> {
    let begun = begun.lock().unwrap_or_else(PoisonError::into_inner);
    begun.windows(2).filter_map(|two| two.last()?.checked_duration_since(*two.first()?)).collect()
}

/// Something to be asked.
pub(crate) fn task() -> Task {
    Task {
        stage: 1,
        stages: 1,
        round: 1,
        rounds: 1,
        overview: String::new(),
        query: String::new(),
        interface: Vec::new(),
        carry: Carry::Fresh,
        feedback: None,
    }
}

/// No objects but the empty tree, and no model.
struct Nothing(Begun);

impl Objects for Nothing {
    fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        if id == TreeId::EMPTY {
            Ok(Arc::new([]))
        } else {
            Err(ObjectError::Missing(id.to_string()))
        }
    }

    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        Err(ObjectError::Missing(id.to_string()))
    }

    fn blob_size(&self, id: BlobId) -> Result<u64, ObjectError> {
        Err(ObjectError::Missing(id.to_string()))
    }
}

impl Outside for Nothing {
    fn complete(&self, _: Exchange) -> Result<Reply, ModelError> {
        Err(ModelError::Unavailable("none here".to_owned()))
    }

    fn put(&self, _: Vec<NewObject>) -> Result<(), ObjectError> {
        Ok(())
    }

    fn before_tool(&self, _: ToolStart) -> Result<BeforeTool, ObjectError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        Ok(BeforeTool::Run)
    }

    fn record(&self, _: Event) {}
}
