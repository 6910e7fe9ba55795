//! Measures what files cost a guest: stat, open, read 4 KiB, close.
//!
//! `cargo run --release -p catena-plugin --example file_costs -- REPOSITORY PLUGIN [FILES]`
//!
//! REPOSITORY is a clone whose HEAD becomes the worktree, PLUGIN the directory
//! of the built `tool-wasi-files`. Takes FILES (1000) files spread over the tree.
#![allow(clippy::print_stdout, reason = "the report of a program for people")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use catena_model::{Conversation, ConversationId, ModelError, Reply, ToolCall};
use catena_plugin::resolved::ResolvedPlugin;
use catena_plugin::session::PluginSpec;
use catena_plugin::{
    ComponentCache, Effective, Engine, Event, Exchange, Limits, LoadedPlugin, NewObject, Outside,
    Session, SessionStart, WorkspaceAccess, run_tool,
};
use catena_tree::worktree::{NodeKind, WorktreeOptions};
use catena_tree::{
    BlobId, ObjectDatabase, ObjectError, Objects, RepoPath, TreeEntry, TreeId, Worktree,
};
use serde_json::{Value, json};

type Failure = Box<dyn Error>;

/// Passes over all files once each is known.
const PASSES: u32 = 20;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: file_costs REPOSITORY PLUGIN [FILES]";
    let repository = PathBuf::from(args.next().ok_or(usage)?);
    let plugin = PathBuf::from(args.next().ok_or(usage)?);
    let count = args.next().map_or(Ok(1000), |count| count.parse())?;

    let db = Arc::new(ObjectDatabase::open(&repository)?);
    let tree = db.commit(db.resolve("HEAD")?)?.tree;
    let files = files(db.clone(), tree, count)?;
    let operations: Vec<Value> = files.iter().flat_map(|path| visit(path)).collect();
    let session = session(db, tree, &plugin)?;

    let idle = call(&session, &operations, 0)?;
    let first = call(&session, &operations, 1)?;
    let further = call(&session, &operations, PASSES)?;
    let visits = u32::try_from(files.len())?;
    println!("{visits} files; stat, open, read 4 KiB and close together take");
    println!("{:>10.1?} the first time", first.saturating_sub(idle) / visits);
    println!("{:>10.1?} after that", further.saturating_sub(idle) / PASSES / visits);
    println!("{idle:>10.1?} for a call that does nothing with its list");
    Ok(())
}

fn visit(path: &str) -> [Value; 4] {
    [
        json!({"do": "metadata", "path": path}),
        json!({"do": "open", "file": "f", "path": path, "how": ["read"]}),
        json!({"do": "read", "file": "f", "len": 4096}),
        json!({"do": "close", "file": "f"}),
    ]
}

/// Every n-th file of the tree.
fn files(db: Arc<ObjectDatabase>, tree: TreeId, count: usize) -> Result<Vec<String>, Failure> {
    let mut worktree = Worktree::new(db, tree, WorktreeOptions::default());
    let mut all = worktree.walk(&RepoPath::root())?;
    all.retain(|(_, kind)| *kind == NodeKind::File);
    let step = (all.len() / count.max(1)).max(1);
    Ok(all.into_iter().step_by(step).take(count).map(|(path, _)| path.to_string()).collect())
}

/// How long one call takes that visits all files so many times.
fn call(session: &Arc<Session>, operations: &[Value], times: u32) -> Result<Duration, Failure> {
    let arguments = json!({"root": "/workspace", "operations": operations, "times": times});
    let (id, name) = ("1".to_owned(), "files".to_owned());
    let call = ToolCall { id, name, arguments: arguments.to_string() };
    let start = Instant::now();
    let answer = run_tool(session, &call)?;
    let took = start.elapsed();
    if answer.contains(r#"{"failed":"#) {
        return Err("some file can't be read; is the clone partial?".into());
    }
    Ok(took)
}

/// The repository's objects; no model.
struct Repository(Arc<ObjectDatabase>);

impl Objects for Repository {
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

impl Outside for Repository {
    fn complete(&self, _: Exchange) -> Result<Reply, ModelError> {
        Err(ModelError::Unavailable("none here".to_owned()))
    }

    fn put(&self, _: Vec<NewObject>) -> Result<(), ObjectError> {
        Ok(())
    }

    fn record(&self, _: Event) {}
}

fn session(
    db: Arc<ObjectDatabase>,
    tree: TreeId,
    plugin: &std::path::Path,
) -> Result<Arc<Session>, Failure> {
    let plugin = ResolvedPlugin::load(plugin)?;
    let engine = Engine::new()?;
    let dir = tempfile::tempdir()?;
    let compiled = ComponentCache::open(dir.path())?.compiled(&engine, &plugin)?;
    let spec = PluginSpec {
        compiled,
        rights: Effective { workspace: WorkspaceAccess::Read, ..Effective::default() },
        limits: Limits::defaults(plugin.manifest.plugin.kind),
        config: "{}".to_owned(),
        manifest: plugin.manifest,
    };
    let tool = LoadedPlugin::load(&engine, spec)?;
    let start = SessionStart {
        worktree: tree,
        stage_start: tree,
        scratch: TreeId::EMPTY,
        snapshots: BTreeMap::new(),
        conversation: ConversationId(0),
        history: Conversation::default(),
        next_conversation: 1,
        model: None,
        reference: None,
        time: 1_700_000_000,
        seed: 0,
        quota_bytes: 1 << 20,
        quota_entries: 1000,
    };
    Ok(Arc::new(Session::new(Arc::new(Repository(db)), start, vec![tool])))
}
