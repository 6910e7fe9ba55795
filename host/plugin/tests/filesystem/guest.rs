//! Operations in a guest, over a worktree.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use catena_model::{ModelError, Reply, ToolCall};
use catena_plugin::resolved::ResolvedPlugin;
use catena_plugin::session::PluginSpec;
use catena_plugin::{
    CompileHere, ComponentCache, Effective, Enforced, Engine, Event, Exchange, Limits,
    LoadedPlugin, NewObject, Outside, Session, SessionStart, WorkspaceAccess, run_tool,
};
use catena_tree::objects::NoObjects;
use catena_tree::{BlobId, MemoryObjects, ObjectError, Objects, TreeEntry, TreeId};

use crate::calls::Call;
use crate::example::{self, Files};
use crate::operations::{Operation, Outcome};

/// Bytes that a guest may add to the worktree.
pub(crate) const QUOTA: u64 = 1 << 20;

/// The example's objects; no model.
struct Example(MemoryObjects<NoObjects>);

impl Objects for Example {
    fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        self.0.tree(id)
    }

    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        self.0.blob(id)
    }
}

impl Outside for Example {
    fn complete(&self, _: Exchange) -> Result<Reply, ModelError> {
        Err(ModelError::Unavailable("none here".to_owned()))
    }

    fn put(&self, objects: Vec<NewObject>) -> Result<(), ObjectError> {
        for object in objects {
            match object {
                NewObject::Blob(content) => drop(self.0.insert_blob(content)),
                NewObject::Tree(entries) => drop(self.0.insert_tree(entries)),
                NewObject::LargeBlob(_) | NewObject::Part(_) => {
                    return Err(ObjectError::Io("no guest here writes so much".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn record(&self, _: Event) {}
}

/// Carries operations out below `/workspace`, in one call.
pub(crate) fn run(operations: &[Operation]) -> Vec<Outcome> {
    run_in("/workspace", WorkspaceAccess::ReadWrite, operations)
}

/// Carries operations out below any directory, with any reach.
pub(crate) fn run_in(
    root: &str,
    workspace: WorkspaceAccess,
    operations: &[Operation],
) -> Vec<Outcome> {
    call(&session(workspace), root, operations)
}

/// Carries calls of `wasi:filesystem` out below `/workspace`, and lists the
/// files that a snapshot then holds.
pub(crate) fn perform(calls: &[Call]) -> (Vec<Outcome>, Files) {
    let (session, example) = session_and_objects(WorkspaceAccess::ReadWrite);
    let outcomes = ask(&session, &serde_json::json!({"root": "/workspace", "calls": calls}));
    let tree = session.finish().unwrap().worktree;
    (outcomes, example::list(&example.0, tree))
}

/// One call of a session's tool.
pub(crate) fn call(session: &Arc<Session>, root: &str, operations: &[Operation]) -> Vec<Outcome> {
    ask(session, &serde_json::json!({"root": root, "operations": operations}))
}

fn ask(session: &Arc<Session>, arguments: &serde_json::Value) -> Vec<Outcome> {
    let call =
        ToolCall { id: "1".to_owned(), name: "files".to_owned(), arguments: arguments.to_string() };
    serde_json::from_str(&run_tool(session, &call).unwrap()).unwrap()
}

/// A session over the example with the one tool.
pub(crate) fn session(workspace: WorkspaceAccess) -> Arc<Session> {
    session_and_objects(workspace).0
}

fn session_and_objects(workspace: WorkspaceAccess) -> (Arc<Session>, Arc<Example>) {
    static LOADED: OnceLock<(Engine, ResolvedPlugin, PathBuf)> = OnceLock::new();
    let (engine, plugin, compiled) = LOADED.get_or_init(load);
    let objects = MemoryObjects::new(NoObjects);
    let tree = example::tree(&objects);
    let example = Arc::new(Example(objects));
    let spec = PluginSpec {
        manifest: plugin.manifest.clone(),
        compiled: compiled.clone(),
        rights: Effective { workspace, ..Effective::default() },
        limits: Limits::defaults(plugin.manifest.plugin.kind),
        config: "{}".to_owned(),
    };
    let tool = LoadedPlugin::load(engine, spec).unwrap();
    let start = SessionStart { quota_bytes: QUOTA, quota_entries: 1000, ..SessionStart::on(tree) };
    (Arc::new(Session::new(example.clone(), start, vec![tool])), example)
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// The tool's component.
pub(crate) fn component() -> PathBuf {
    target().join("plugins-test/tool-wasi-files/tool_wasi_files.wasm")
}

fn load() -> (Engine, ResolvedPlugin, PathBuf) {
    let plugin = ResolvedPlugin::load(component().parent().unwrap())
        .expect("`cargo xtask guests` builds the plugins");
    let engine = Engine::new().unwrap();
    let cache = ComponentCache::open(&target().join("tmp/components")).unwrap();
    let compiled = cache.compiled(&engine, &plugin, &CompileHere(Enforced::ALL)).unwrap().file;
    (engine, plugin, compiled)
}
