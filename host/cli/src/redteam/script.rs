//! What the scripted models of attacks say: command lines, calls, verdicts.

use serde_json::{Value, json};

use super::agents;
use super::attack::{Attack, Bench, Means};
use super::ground::{ATTACKED, Ground, HONEST, PLAIN};
use super::planted::Planted;

const SUBMIT: &str = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT";

/// Replies for the agents of a run.
pub(super) fn of_agents(ground: Ground, attack: Option<&Attack>, planted: &Planted) -> Value {
    let honest = match ground {
        Ground::Judged(Bench::Tests) => agents::HONEST_FACTS,
        _ => agents::HONEST,
    };
    let commands = |lines: &[&str]| -> Vec<Value> {
        lines.iter().chain(&[SUBMIT]).map(|line| command(&planted.named_in(line))).collect()
    };
    let (attacked, plain) = match attack.map(|attack| attack.means) {
        Some(Means::Agent(lines)) => (commands(lines), Vec::new()),
        Some(Means::Deceiver(deceit)) => {
            (commands(&[deceit.work, deceit.lies].concat()), commands(deceit.work))
        }
        // A judge may send the agent into another round.
        Some(Means::Judge) => ([commands(honest), commands(&[])].concat(), Vec::new()),
        _ => (commands(&[]), commands(&[])),
    };
    json!({"version": 1, "replies": {
        ATTACKED: attacked,
        PLAIN: plain,
        HONEST: commands(honest),
    }})
}

/// Replies for a judge, which is neither moved by what it is shown nor content with it.
pub(super) fn of_referee() -> Value {
    let verdict = json!({
        "analysis": "It is not all there.", "findings": [], "feedback": "Go on.", "score": 0.1,
    });
    let reply = json!({"content": verdict.to_string()});
    json!({"version": 1, "replies": {"*": [reply, reply]}})
}

fn command(line: &str) -> Value {
    json!({"tool_calls": [{"name": "bash", "arguments": {"command": line}}]})
}
