//! The trajectory files of mini-swe-agent, which its inspector and the tools
//! around it read: `<rollout>.traj.json`, one for each main conversation.
//!
//! They are for looking at, so failed rollouts are among them, and nothing is
//! said of what may be learned. What a journal does not hold, such as the time of
//! day, is left out. Format `mini-swe-agent-1.1` is that of version 2, written
//! for replies with tool calls and in text; `mini-swe-agent-1` that of version 1.

mod ending;
mod messages;

use std::path::{Path, PathBuf};

use catena_model::ConversationId;
use catena_rollout::{RolloutId, RolloutSummary, StageSummary, Strand};
use serde_json::{Value, json};

use crate::export::{ExportError, write_whole};
use crate::trajectory::Dropped;
use ending::Ending;

/// How the replies of a scaffold were read, which decides the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    ToolCalls,
    Text,
    TextV1,
}

/// The scaffold that the trajectories are of.
#[derive(Debug, Clone, Copy)]
pub struct Scaffold<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its configuration; that of `scaffold-mini` has more to say than others.
    pub config: &'a Value,
    /// The name of the model.
    pub model: &'a str,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Written {
    /// The files, in order of rollouts and conversations.
    pub files: Vec<PathBuf>,
    /// Rollouts that gave none.
    pub dropped: Vec<Dropped>,
}

/// Writes the trajectories of `summaries` below the directory `dir`.
pub fn write(
    summaries: &[RolloutSummary],
    scaffold: Scaffold<'_>,
    dir: &Path,
) -> Result<Written, ExportError> {
    let mut written = Written::default();
    for summary in summaries {
        let mut dropped =
            |reason: &str| written.dropped.push(Dropped::of(&summary.rollout, reason));
        if summary.control {
            dropped("control");
            continue;
        }
        let conversations = main_conversations(summary);
        if conversations.is_empty() {
            dropped("no-model-turns");
        }
        for conversation in &conversations {
            let name = file_name(&summary.rollout, conversation, conversations.len());
            let dir = dir.join(&name);
            std::fs::create_dir_all(&dir)
                .map_err(|source| ExportError { path: dir.clone(), source })?;
            let path = dir.join(format!("{name}.traj.json"));
            let trajectory = conversation.trajectory(summary, scaffold, &name);
            write_whole(&path, |file| {
                serde_json::to_writer_pretty(&mut *file, &trajectory)?;
                std::io::Write::write_all(file, b"\n")
            })?;
            written.files.push(path);
        }
    }
    Ok(written)
}

fn file_name(rollout: &RolloutId, conversation: &Main<'_>, of: usize) -> String {
    match conversation.stages.first() {
        Some(stage) if of > 1 => format!("{rollout}.stage-{}", stage.stage),
        _ => rollout.to_string(),
    }
}

/// A conversation that the host handed to the scaffold.
struct Main<'a> {
    id: ConversationId,
    strand: &'a Strand,
    stages: Vec<&'a StageSummary>,
}

/// Those in which a model took a turn.
fn main_conversations(summary: &RolloutSummary) -> Vec<Main<'_>> {
    let main = |(id, strand): (&ConversationId, &'_ Strand)| (*id, strand.forked_from);
    let ids = summary.histories.strands().iter().map(main);
    let is_main = |(id, forked_from): &(ConversationId, Option<ConversationId>)| {
        let turns = summary.histories.turns();
        forked_from.is_none() && turns.iter().any(|turn| turn.conversation == *id)
    };
    ids.filter(is_main).filter_map(|(id, _)| conversation(summary, id)).collect()
}

fn conversation(summary: &RolloutSummary, id: ConversationId) -> Option<Main<'_>> {
    let stages: Vec<_> = summary.stages.iter().filter(|stage| stage.conversation == id).collect();
    let strand = summary.histories.strands().get(&id)?;
    (!stages.is_empty()).then_some(Main { id, strand, stages })
}

impl Main<'_> {
    fn trajectory(&self, summary: &RolloutSummary, scaffold: Scaffold<'_>, name: &str) -> Value {
        let mode = mode(scaffold.config);
        let ending = Ending::of(self, summary);
        let turns = summary.histories.turns().iter().filter(|turn| turn.conversation == self.id);
        let (mut calls, mut microusd) = (0, 0);
        for turn in turns {
            calls += 1;
            microusd += turn.usage.cost_microusd;
        }
        let (status, submission) =
            ending.as_ref().map_or(("", ""), |ending| (&ending.status, &ending.submission));
        let scores: Vec<Value> = self.stages.iter().map(|stage| stage_facts(stage)).collect();
        json!({
            "info": {
                "model_stats": {"instance_cost": usd(microusd), "api_calls": calls},
                "config": config(scaffold, mode),
                "mini_version": format!("catena {}", env!("CARGO_PKG_VERSION")),
                "exit_status": status,
                "submission": submission,
                "catena": {"rollout": summary.rollout, "stages": scores},
            },
            "messages": messages::of(self, summary, ending.as_ref(), mode),
            "trajectory_format": match mode {
                Mode::TextV1 => "mini-swe-agent-1",
                Mode::ToolCalls | Mode::Text => "mini-swe-agent-1.1",
            },
            "instance_id": name,
        })
    }
}

fn stage_facts(stage: &StageSummary) -> Value {
    json!({"stage": stage.stage, "id": stage.id, "outcome": stage.outcome, "tree": stage.tree})
}

fn mode(config: &Value) -> Mode {
    match config.get("mode").and_then(Value::as_str) {
        Some("text-v1") => Mode::TextV1,
        Some("text") => Mode::Text,
        _ => Mode::ToolCalls,
    }
}

/// The configuration where mini-swe-agent has it, as far as the scaffold's own
/// has the same things.
fn config(scaffold: Scaffold<'_>, mode: Mode) -> Value {
    let value = |key: &str| scaffold.config.get(key).cloned().unwrap_or_default();
    let template = |key: &str| value("templates").get(key).cloned().unwrap_or_default();
    let plugin = format!("catena.{}", scaffold.name.replace('-', "_"));
    let mut agent = json!({
        "system_template": template("system"),
        "instance_template": template("instance"),
        "step_limit": value("step_limit"),
        "cost_limit": value("cost_limit"),
    });
    let mut model = json!({"model_name": scaffold.model});
    let texts = json!({
        "observation_template": template("observation"),
        "format_error_template": template("format_error"),
    });
    match mode {
        Mode::TextV1 => {
            extend(
                &mut agent,
                &json!({
                    "action_observation_template": template("observation"),
                    "format_error_template": template("format_error"),
                    "timeout_template": template("timeout"),
                }),
            );
        }
        Mode::ToolCalls | Mode::Text => {
            extend(
                &mut agent,
                &json!({
                    "wall_time_limit_seconds": value("wall_time_limit_seconds"),
                    "max_consecutive_format_errors": value("max_consecutive_format_errors"),
                }),
            );
            extend(&mut model, &texts);
        }
    }
    json!({
        "agent": agent,
        "agent_type": plugin,
        "model": model,
        "model_type": "catena.model",
        "environment": {"cwd": "/workspace", "timeout": value("timeout_seconds")},
        "environment_type": "catena.worktree",
    })
}

fn extend(object: &mut Value, more: &Value) {
    if let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) {
        object.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}

/// An output as Python reads it: every line ended by a line feed.
fn with_line_feeds(output: &str) -> String {
    output.replace("\r\n", "\n").replace('\r', "\n")
}

#[expect(clippy::cast_precision_loss, reason = "exact below nine billion dollars")]
fn usd(micro: u64) -> f64 {
    micro as f64 / 1e6
}
