//! What there is outside the sandbox: objects, and a model that plays replies. All that
//! is asked of it is part of the trace.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use catena_model::{AssistantMessage, FinishReason, ModelError, Reply, ToolCall, Usage};
use catena_plugin::{Event, Exchange, NewObject, Outside, Used};
use catena_tree::objects::NoObjects;
use catena_tree::patch::{Edit, FileKind, edit_tree};
use catena_tree::{BlobId, MemoryObjects, ObjectError, Objects, RepoPath, TreeEntry, TreeId};

use crate::trace::Trace;

/// Objects, the model's replies, and the trace.
pub(crate) struct World {
    objects: MemoryObjects<NoObjects>,
    replies: Vec<AssistantMessage>,
    said: AtomicUsize,
    trace: Trace,
}

/// A call of a tool, as the model makes it.
pub(crate) fn calls(name: &str, arguments: &serde_json::Value) -> AssistantMessage {
    let arguments = arguments.to_string();
    let call = ToolCall { id: format!("call-{name}"), name: name.to_owned(), arguments };
    AssistantMessage { content: String::new(), reasoning: None, tool_calls: vec![call] }
}

/// Words of the model.
pub(crate) fn says(text: &str) -> AssistantMessage {
    AssistantMessage { content: text.to_owned(), reasoning: None, tool_calls: Vec::new() }
}

impl World {
    /// A world whose model gives these replies, and then is out of reach.
    pub(crate) fn new(trace: &Trace, replies: Vec<AssistantMessage>) -> Self {
        let objects = MemoryObjects::new(NoObjects);
        Self { objects, replies, said: AtomicUsize::new(0), trace: trace.clone() }
    }

    /// A tree with these files.
    pub(crate) fn tree(&self, files: &[(&str, &str)]) -> TreeId {
        let edits: Vec<Edit> = files
            .iter()
            .map(|(path, content)| Edit::Write {
                path: RepoPath::new(*path).unwrap(),
                content: Bytes::copy_from_slice(content.as_bytes()),
                kind: FileKind::Regular,
            })
            .collect();
        edit_tree(&self.objects, &mut &self.objects, TreeId::EMPTY, &edits).unwrap()
    }

    /// The patch from one tree to another.
    pub(crate) fn patch(&self, from: TreeId, to: TreeId) -> Vec<u8> {
        let options = catena_tree::diff::DiffOptions::default();
        catena_tree::patch::write(&self.objects, from, to, &options).unwrap()
    }
}

impl Objects for World {
    fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        self.trace.add(format!("outside tree {id}"));
        self.objects.tree(id)
    }

    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        self.trace.add(format!("outside blob {id}"));
        self.objects.blob(id)
    }
}

impl Outside for World {
    fn complete(&self, exchange: Exchange) -> Result<Reply, ModelError> {
        self.trace.add(format!("outside complete {exchange:?}"));
        let turn = self.said.fetch_add(1, Ordering::Relaxed);
        let message = self.replies.get(turn).cloned();
        let message = message.ok_or_else(|| ModelError::Unavailable("no more".to_owned()))?;
        let finish = if message.tool_calls.is_empty() {
            FinishReason::Stop
        } else {
            FinishReason::ToolCalls
        };
        Ok(Reply { message, finish, usage: Usage::default(), details: None })
    }

    fn put(&self, objects: Vec<NewObject>) -> Result<(), ObjectError> {
        self.trace.add(format!("outside put {objects:?}"));
        for object in objects {
            match object {
                NewObject::Blob(content) => drop(self.objects.insert_blob(content)),
                NewObject::Tree(entries) => drop(self.objects.insert_tree(entries)),
                NewObject::LargeBlob(_) | NewObject::Part(_) => {
                    return Err(ObjectError::Io("no guest here writes so much".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn record(&self, event: Event) {
        self.trace.add(format!("outside record {:?}", without_times(event)));
    }
}

/// An event without what a clock of the machine measured.
fn without_times(mut event: Event) -> Event {
    match &mut event {
        Event::ToolCall { wall_us, end, .. } => {
            *wall_us = 0;
            if let Some(end) = end {
                end.used.values_mut().for_each(|used| *used = timeless(used));
            }
        }
        Event::Program { wall_us, .. } => *wall_us = 0,
        Event::Log { .. } | Event::Refused { .. } => {}
    }
    event
}

/// What was used but time: fuel to the unit, the peak of memory, output, refusals.
pub(crate) fn timeless(used: &Used) -> Used {
    Used { wall_us: 0, peak_stack: 0, ..used.clone() }
}
