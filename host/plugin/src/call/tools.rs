//! Calls into tool plugins.

use std::sync::Arc;
use std::time::{Duration, Instant};

use catena_model::{ToolCall, ToolDefinition};
use catena_tree::TreeId;

use super::{CallFailure, with_instance};
use crate::bindings::control::catena::plugin::types as wit;
use crate::bindings::tool;
use crate::outside::Event;
use crate::session::{LoadedPlugin, Session};

/// Characters of a call's id that are recorded; the id is the guest's.
const MAX_CALL_ID: usize = 256;

/// Why a tool that was tried out gave no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolFailure {
    /// A plugin could not say what it offers.
    #[error("plugin `{plugin}` {failure}")]
    NotOffered {
        /// Which plugin.
        plugin: String,
        /// How it failed.
        failure: CallFailure,
    },
    /// The tool could not do what was asked, with its words or the host's.
    #[error("{0}")]
    NoOutput(String),
}

/// Tries a tool out without a scaffold: asks the session's tools what they
/// offer and calls the one of this name. Returns the text for the model.
pub fn run_tool(session: &Arc<Session>, call: &ToolCall) -> Result<String, ToolFailure> {
    session.ask_tools().map_err(|(plugin, failure)| ToolFailure::NotOffered { plugin, failure })?;
    match call_tool(session, call) {
        Ok(output) if output.is_error => Err(ToolFailure::NoOutput(output.content)),
        Ok(output) => Ok(output.content),
        Err(err) => Err(ToolFailure::NoOutput(in_words(&err))),
    }
}

/// What came of a tool that was tried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// `ok`, `error` or the case of the tool error.
    pub outcome: String,
    /// The text for the model, or what there is in its place.
    pub content: String,
    /// Exit status, where the tool runs commands.
    pub exit_status: Option<i32>,
    /// The worktree after the call.
    pub tree: TreeId,
    /// Wall-clock time of the call in microseconds.
    pub wall_us: u64,
}

/// Tries a tool out as [`run_tool`] does, and tells all that came of it. A call
/// without a name is of the first tool there is.
pub fn try_tool(session: &Arc<Session>, call: &ToolCall) -> Result<Tried, (String, CallFailure)> {
    session.ask_tools()?;
    let mut call = call.clone();
    if call.name.is_empty() {
        let first = session.tools.offered().first();
        call.name = first.map(|(tool, _)| tool.name.clone()).unwrap_or_default();
    }
    let begin = Instant::now();
    let answer = call_tool(session, &call);
    let (outcome, exit_status, _) = told(&answer);
    let content = match &answer {
        Ok(output) => output.content.clone(),
        Err(wit::ToolError::TimedOut(partial)) => partial.clone(),
        Err(err) => in_words(err),
    };
    Ok(Tried {
        outcome: outcome.to_owned(),
        content,
        exit_status,
        tree: session.snapshot_worktree().unwrap_or(TreeId::EMPTY),
        wall_us: u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX),
    })
}

fn in_words(err: &wit::ToolError) -> String {
    match err {
        wit::ToolError::UnknownTool(name) => format!("no tool is called `{name}`"),
        wit::ToolError::InvalidArguments(why) => format!("invalid arguments: {why}"),
        wit::ToolError::TimedOut(_) => "timed out".to_owned(),
        wit::ToolError::Trapped(why) => format!("trapped: {why}"),
        wit::ToolError::LimitReached(what) => what.clone(),
        wit::ToolError::Other(why) => why.clone(),
    }
}

/// Asks a tool plugin what it offers, without any mount.
pub(crate) fn definitions(
    session: &Arc<Session>,
    plugin: &LoadedPlugin,
) -> Result<Vec<ToolDefinition>, CallFailure> {
    let answer = with_instance(session, plugin, |store, instance| {
        store.data_mut().mounts.clear();
        let guest = tool::ToolPlugin::new(&mut *store, instance)?;
        guest.catena_plugin_tool_provider().call_definitions(store)
    })?;
    let definitions = answer.map_err(|err| {
        CallFailure::Contract(format!("could not say which tools it offers: {err:?}"))
    })?;
    Ok(definitions.into_iter().map(crate::imports::definition_from_wit).collect())
}

/// Runs one tool call and records it.
pub(crate) fn call_tool(
    session: &Arc<Session>,
    call: &ToolCall,
) -> Result<wit::ToolOutput, wit::ToolError> {
    let Some(plugin) = session.tools.serving(&call.name) else {
        return Err(wit::ToolError::UnknownTool(call.name.clone()));
    };
    session.advance_time();
    let begin = Instant::now();
    let result = with_instance(session, &plugin, |store, instance| {
        let guest = tool::ToolPlugin::new(&mut *store, instance)?;
        guest.catena_plugin_tool_provider().call_call(store, &crate::imports::call_to_wit(call))
    });
    let answer = result.unwrap_or_else(|failure| Err(tool_error(failure)));
    record_tool_call(session, &plugin, call, &answer, begin.elapsed());
    answer
}

fn tool_error(failure: CallFailure) -> wit::ToolError {
    match failure {
        CallFailure::TimedOut(_) => wit::ToolError::TimedOut(String::new()),
        CallFailure::Trapped(reason) => wit::ToolError::Trapped(reason),
        CallFailure::OutOfFuel(_) | CallFailure::OutOfMemory(_) => {
            wit::ToolError::LimitReached(failure.to_string())
        }
        CallFailure::Contract(reason) => wit::ToolError::Other(reason),
    }
}

/// How a call ended, in a word, with its exit status and the bytes of its text.
fn told(answer: &Result<wit::ToolOutput, wit::ToolError>) -> (&'static str, Option<i32>, usize) {
    match answer {
        Ok(output) => {
            let outcome = if output.is_error { "error" } else { "ok" };
            (outcome, output.exit_status, output.content.len())
        }
        Err(wit::ToolError::UnknownTool(_)) => ("unknown-tool", None, 0),
        Err(wit::ToolError::InvalidArguments(_)) => ("invalid-arguments", None, 0),
        Err(wit::ToolError::TimedOut(partial)) => ("timed-out", None, partial.len()),
        Err(wit::ToolError::Trapped(_)) => ("trapped", None, 0),
        Err(wit::ToolError::LimitReached(_)) => ("limit-reached", None, 0),
        Err(wit::ToolError::Other(_)) => ("other", None, 0),
    }
}

fn record_tool_call(
    session: &Session,
    plugin: &LoadedPlugin,
    call: &ToolCall,
    answer: &Result<wit::ToolOutput, wit::ToolError>,
    wall: Duration,
) {
    let (outcome, exit_status, output_bytes) = told(answer);
    // A worktree that can't be snapshotted is reported when the session ends.
    let tree = session.snapshot_worktree().unwrap_or(TreeId::EMPTY);
    session.outside.record(Event::ToolCall {
        plugin: plugin.name().to_owned(),
        tool: call.name.clone(),
        call_id: call.id.chars().take(MAX_CALL_ID).collect(),
        outcome: outcome.to_owned(),
        exit_status,
        output_bytes: output_bytes as u64,
        wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
        tree,
    });
}
