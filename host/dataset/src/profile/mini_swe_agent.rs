//! The trajectory files of mini-swe-agent, which its inspector and the tools
//! around it read: `<rollout>.traj.json`, one for each main conversation.
//!
//! They are for looking at, so failed rollouts are among them, and nothing is
//! said of what may be learned. What a journal does not hold, such as the time of
//! day, is left out. Format `mini-swe-agent-1.1` is that of version 2, written
//! for replies with tool calls and in text; `mini-swe-agent-1` that of version 1.

mod ending;
mod messages;

use catena_model::ConversationId;
use serde_json::{Value, json};

use crate::canonical::{Conversation, Rollout, Stage};
use crate::select::Reason;
use ending::Ending;

/// How the replies of a scaffold were read, which decides the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    ToolCalls,
    Text,
    TextV1,
}

/// The trajectories of a rollout with the names of their instances. Failed
/// rollouts are among them, and those of controls are not.
pub(crate) fn trajectories(rollout: &Rollout) -> Result<Vec<(String, Value)>, Reason> {
    if rollout.control {
        return Err(Reason::Control);
    }
    let conversations = main_conversations(rollout);
    if conversations.is_empty() {
        return Err(Reason::NoModelTurns);
    }
    let trajectory = |main: &Main<'_>| {
        let name = file_name(rollout, main, conversations.len());
        let trajectory = main.trajectory(rollout, &name);
        (name, trajectory)
    };
    Ok(conversations.iter().map(trajectory).collect())
}

fn file_name(rollout: &Rollout, conversation: &Main<'_>, of: usize) -> String {
    match conversation.stages.first() {
        Some(stage) if of > 1 => format!("{}.stage-{}", rollout.rollout, stage.stage),
        _ => rollout.rollout.to_string(),
    }
}

/// A conversation that the host handed to the scaffold.
struct Main<'a> {
    talk: &'a Conversation,
    stages: Vec<&'a Stage>,
}

/// Those in which a model took a turn.
fn main_conversations(rollout: &Rollout) -> Vec<Main<'_>> {
    let is_main = |talk: &&Conversation| {
        let took_turn = rollout.turns.iter().any(|turn| turn.conversation == talk.id);
        talk.forked_from.is_none() && took_turn
    };
    let talks = rollout.conversations.iter().filter(is_main);
    talks.filter_map(|talk| conversation(rollout, talk)).collect()
}

fn conversation<'a>(rollout: &'a Rollout, talk: &'a Conversation) -> Option<Main<'a>> {
    let is_of = |stage: &&Stage| stage.conversation == talk.id;
    let stages: Vec<_> = rollout.stages.iter().filter(is_of).collect();
    (!stages.is_empty()).then_some(Main { talk, stages })
}

impl Main<'_> {
    fn id(&self) -> ConversationId {
        self.talk.id
    }

    fn trajectory(&self, rollout: &Rollout, name: &str) -> Value {
        let mode = mode(&rollout.agent.config);
        let ending = Ending::of(self, rollout);
        let turns = rollout.turns.iter().filter(|turn| turn.conversation == self.id());
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
                "config": config(rollout, mode),
                "mini_version": format!("catena {}", env!("CARGO_PKG_VERSION")),
                "exit_status": status,
                "submission": submission,
                "catena": {"rollout": rollout.rollout, "stages": scores},
            },
            "messages": messages::of(self, rollout, ending.as_ref(), mode),
            "trajectory_format": match mode {
                Mode::TextV1 => "mini-swe-agent-1",
                Mode::ToolCalls | Mode::Text => "mini-swe-agent-1.1",
            },
            "instance_id": name,
        })
    }
}

fn stage_facts(stage: &Stage) -> Value {
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
fn config(rollout: &Rollout, mode: Mode) -> Value {
    let about = &rollout.agent;
    let value = |key: &str| about.config.get(key).cloned().unwrap_or_default();
    let template = |key: &str| value("templates").get(key).cloned().unwrap_or_default();
    let plugin = format!("catena.{}", about.name.replace('-', "_"));
    let mut agent = json!({
        "system_template": template("system"),
        "instance_template": template("instance"),
        "step_limit": value("step_limit"),
        "cost_limit": value("cost_limit"),
    });
    let mut model = json!({"model_name": about.model});
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
