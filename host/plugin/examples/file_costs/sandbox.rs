//! The guest over a worktree.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use catena_model::{ModelError, Reply, ToolCall};
use catena_plugin::resolved::ResolvedPlugin;
use catena_plugin::session::PluginSpec;
use catena_plugin::{
    CompileHere, ComponentCache, Effective, Enforced, Engine, Event, Exchange, Limits,
    LoadedPlugin, NewObject, Outside, Session, SessionStart, WorkspaceAccess, run_tool,
};
use catena_tree::{BlobId, ObjectError, Objects, TreeEntry, TreeId};
use serde_json::{Value, json};

use crate::Failure;
use crate::sample::{Sample, SampleObjects};

/// A session whose one tool works on the sample's files.
pub(crate) struct Sandbox {
    session: Arc<Session>,
    _engine: Engine,
}

impl Sandbox {
    pub(crate) fn open(sample: &Sample, plugin: &Path) -> Result<Self, Failure> {
        let plugin = ResolvedPlugin::load(plugin)?;
        let engine = Engine::new()?;
        let dir = tempfile::tempdir()?;
        let compiled = ComponentCache::open(dir.path())?
            .compiled(&engine, &plugin, &CompileHere(Enforced::ALL))?
            .file;
        let spec = PluginSpec {
            compiled,
            rights: Effective { workspace: WorkspaceAccess::ReadWrite, ..Effective::default() },
            limits: Limits::defaults(plugin.manifest.plugin.kind),
            config: "{}".to_owned(),
            manifest: plugin.manifest,
        };
        let tool = LoadedPlugin::load(&engine, spec)?;
        let outside = Arc::new(Sampled(sample.objects.clone()));
        let session = Arc::new(Session::new(outside, SessionStart::on(sample.tree), vec![tool]));
        Ok(Self { session, _engine: engine })
    }

    /// Has the guest do something so many times, and returns what it counted.
    pub(crate) fn call(&self, request: &Value, times: u32) -> Result<u64, Failure> {
        let arguments = json!({"work": request, "times": times}).to_string();
        let call = ToolCall { id: "1".to_owned(), name: "costs".to_owned(), arguments };
        Ok(run_tool(&self.session, &call)?.parse()?)
    }
}

/// The sample's objects; no model.
struct Sampled(Arc<SampleObjects>);

impl Objects for Sampled {
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

impl Outside for Sampled {
    fn complete(&self, _: Exchange) -> Result<Reply, ModelError> {
        Err(ModelError::Unavailable("none here".to_owned()))
    }

    fn put(&self, _: Vec<NewObject>) -> Result<(), ObjectError> {
        Ok(())
    }

    fn record(&self, _: Event) {}
}
