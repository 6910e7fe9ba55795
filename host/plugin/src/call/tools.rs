//! Calls into tool plugins.

use std::sync::Arc;
use std::time::Instant;

use catena_model::{ToolCall, ToolDefinition};
use catena_tree::TreeId;
use serde::{Deserialize, Serialize};

use super::{CallFailure, with_instance};
use crate::bindings::control::catena::plugin::types as wit;
use crate::bindings::tool;
use crate::outside::{BeforeTool, ToolAnswer, ToolStart};
use crate::resolved::Digest;
use crate::session::{LoadedPlugin, Session};

/// Characters of a call's id that are recorded; the id is the guest's.
const MAX_CALL_ID: usize = 256;

/// Most tools of one plugin.
const MAX_OFFERED: usize = 1_000;

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
    let answer = call_tool(session, call).map_err(|err| ToolFailure::NoOutput(err.to_string()))?;
    match answer {
        Ok(output) if output.is_error => Err(ToolFailure::NoOutput(output.content)),
        Ok(output) => Ok(output.content),
        Err(err) => Err(ToolFailure::NoOutput(in_words(&err))),
    }
}

/// What came of a tool that was tried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    let answer =
        call_tool(session, &call).unwrap_or_else(|err| Err(wit::ToolError::Other(err.to_string())));
    let answer = answer_from_wit(answer);
    let (outcome, exit_status, _) = answer.told();
    let content = match answer_to_wit(answer.clone()) {
        Ok(output) => output.content,
        Err(wit::ToolError::TimedOut(partial)) => partial,
        Err(err) => in_words(&err),
    };
    Ok(Tried {
        outcome: outcome.to_owned(),
        content,
        exit_status,
        tree: session.snapshot_worktree().unwrap_or(TreeId::EMPTY),
        wall_us: u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX),
    })
}

/// The tool that runs command lines of the operator's.
const SHELL: &str = "bash";

/// Characters of a failed command's last words that are told.
const LAST_WORDS: usize = 2_000;

/// Runs command lines by the tool `bash`, as an agent would, up to the first that fails:
/// that one, and the last of what it said.
pub(super) fn set_up(session: &Arc<Session>, lines: &[String]) -> Result<(), (String, String)> {
    for (number, line) in lines.iter().enumerate() {
        let call = ToolCall {
            id: format!("set-up-{}", number + 1),
            name: SHELL.to_owned(),
            arguments: serde_json::json!({ "command": line }).to_string(),
        };
        let answer = call_tool(session, &call)
            .unwrap_or_else(|err| Err(wit::ToolError::Other(err.to_string())));
        let failed = |told: &str| {
            let skipped = told.chars().count().saturating_sub(LAST_WORDS);
            Err((line.clone(), told.chars().skip(skipped).collect()))
        };
        match answer {
            Ok(output)
                if output.is_error || output.exit_status.is_some_and(|status| status != 0) =>
            {
                return failed(&output.content);
            }
            Ok(_) => {}
            Err(wit::ToolError::TimedOut(partial)) => {
                return failed(&format!("{partial}\nits time was up"));
            }
            Err(err) => return failed(&in_words(&err)),
        }
    }
    Ok(())
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
    let (result, _) = with_instance(session, plugin, |store, instance| {
        store.data_mut().mounts.clear();
        let guest = tool::ToolPlugin::new(&mut *store, instance)?;
        guest.catena_plugin_tool_provider().call_definitions(store)
    });
    let definitions = result?.map_err(|err| {
        CallFailure::Contract(format!("could not say which tools it offers: {err:?}"))
    })?;
    if definitions.len() > MAX_OFFERED {
        let many = definitions.len();
        return Err(CallFailure::Contract(format!("offers {many} tools, more than {MAX_OFFERED}")));
    }
    Ok(definitions.into_iter().map(crate::imports::definition_from_wit).collect())
}

/// Runs one tool call and records it, or takes what came of it before. The outer
/// error ends the round.
pub(crate) fn call_tool(
    session: &Arc<Session>,
    call: &ToolCall,
) -> wasmtime::Result<Result<wit::ToolOutput, wit::ToolError>> {
    let Some(plugin) = session.tools.serving(&call.name) else {
        return Ok(Err(wit::ToolError::UnknownTool(call.name.clone())));
    };
    let start = ToolStart {
        plugin: plugin.name().to_owned(),
        tool: call.name.clone(),
        call_id: call.id.chars().take(MAX_CALL_ID).collect(),
        arguments: Digest::of(call.arguments.as_bytes()),
    };
    if let BeforeTool::Finished(end) = session.outside.before_tool(start.clone())?
        && let Some(answer) = session.take_over(*end)?
    {
        return Ok(answer_to_wit(answer));
    }
    session.advance_time();
    session.begin_call_use();
    let begin = Instant::now();
    let (result, _) = with_instance(session, &plugin, |store, instance| {
        let guest = tool::ToolPlugin::new(&mut *store, instance)?;
        guest.catena_plugin_tool_provider().call_call(store, &crate::imports::call_to_wit(call))
    });
    let answer = answer_from_wit(result.unwrap_or_else(|failure| Err(tool_error(failure))));
    let answer = answer.bounded(plugin.spec.limits.output.0);
    session.record_tool_call(start, &answer, begin.elapsed())?;
    Ok(answer_to_wit(answer))
}

fn answer_from_wit(answer: Result<wit::ToolOutput, wit::ToolError>) -> ToolAnswer {
    match answer {
        Ok(output) => ToolAnswer::Output {
            content: output.content,
            is_error: output.is_error,
            exit_status: output.exit_status,
            omitted_bytes: output.omitted_bytes,
        },
        Err(wit::ToolError::UnknownTool(name)) => ToolAnswer::UnknownTool(name),
        Err(wit::ToolError::InvalidArguments(why)) => ToolAnswer::InvalidArguments(why),
        Err(wit::ToolError::TimedOut(partial)) => ToolAnswer::TimedOut(partial),
        Err(wit::ToolError::Trapped(why)) => ToolAnswer::Trapped(why),
        Err(wit::ToolError::LimitReached(what)) => ToolAnswer::LimitReached(what),
        Err(wit::ToolError::Other(why)) => ToolAnswer::Other(why),
    }
}

fn answer_to_wit(answer: ToolAnswer) -> Result<wit::ToolOutput, wit::ToolError> {
    Err(match answer {
        ToolAnswer::Output { content, is_error, exit_status, omitted_bytes } => {
            return Ok(wit::ToolOutput { content, is_error, exit_status, omitted_bytes });
        }
        ToolAnswer::UnknownTool(name) => wit::ToolError::UnknownTool(name),
        ToolAnswer::InvalidArguments(why) => wit::ToolError::InvalidArguments(why),
        ToolAnswer::TimedOut(partial) => wit::ToolError::TimedOut(partial),
        ToolAnswer::Trapped(why) => wit::ToolError::Trapped(why),
        ToolAnswer::LimitReached(what) => wit::ToolError::LimitReached(what),
        ToolAnswer::Other(why) => wit::ToolError::Other(why),
    })
}

fn tool_error(failure: CallFailure) -> wit::ToolError {
    match failure {
        CallFailure::TimedOut(_) => wit::ToolError::TimedOut(String::new()),
        CallFailure::Trapped(reason) => wit::ToolError::Trapped(reason),
        CallFailure::OutOfFuel(_) | CallFailure::OutOfMemory(_) | CallFailure::LimitReached(_) => {
            wit::ToolError::LimitReached(failure.to_string())
        }
        CallFailure::Contract(reason) => wit::ToolError::Other(reason),
    }
}
