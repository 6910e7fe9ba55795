//! Calls the tool that is there for the attack, and tells how that ended.

use catena_sdk::tools::{ToolCall, ToolError, call};

use crate::Outcome;

/// The tool, whatever it is in this run.
const TOOL: &str = "attack";

/// Bytes of the text that it is handed.
const HANDED: usize = 4096;

/// What it answers where it has what it must not.
const REACHED: &str = "reached";

/// Calls it, and once more after that has ended.
pub(crate) fn call_twice() -> Outcome {
    let first = ended("first");
    let second = ended("second");
    if word(&first) == word(&second) {
        second
    } else {
        Outcome::Reached(format!("another end than before: {first}, then {second}"))
    }
}

fn ended(id: &str) -> Outcome {
    let arguments = format!("{{\"text\": \"{}\"}}", "x".repeat(HANDED));
    let call_of_it = ToolCall { id: id.to_owned(), name: TOOL.to_owned(), arguments };
    match call(&call_of_it) {
        Ok(output) if output.content == REACHED => {
            Outcome::Reached("what an earlier call left".to_owned())
        }
        Ok(output) if output.omitted_bytes > 0 => {
            Outcome::Ended(format!("cut: {} bytes of its answer", output.omitted_bytes))
        }
        Ok(output) => Outcome::Harmless(format!("it answered {} bytes", output.content.len())),
        Err(ToolError::Trapped(why)) => {
            let why = why.lines().last().unwrap_or_default().trim();
            Outcome::Ended(format!("trapped: {why}"))
        }
        Err(ToolError::TimedOut(_)) => Outcome::Ended("timed-out: its time was up".to_owned()),
        Err(ToolError::LimitReached(which)) if which.contains("fuel") => {
            Outcome::Ended(format!("out-of-fuel: {which}"))
        }
        Err(ToolError::LimitReached(which)) if which.contains("memory") => {
            Outcome::Ended(format!("out-of-memory: {which}"))
        }
        Err(ToolError::UnknownTool(name)) => {
            Outcome::Ended(format!("not-made: no tool is called {name}"))
        }
        Err(err) => Outcome::Refused(format!("{err:?}").chars().take(300).collect()),
    }
}

fn word(outcome: &Outcome) -> String {
    outcome.to_string().split(':').next().unwrap_or_default().to_owned()
}
