//! Starts the program that was added for the attack, and tells how it ended.

use catena_sdk::process::{Command, ProcessError, run};

use crate::Outcome;

/// The program, whatever it is in this run.
const PROGRAM: &str = "redteam";

/// The status of a program whose code trapped.
const ABORTED: i32 = 134;

/// Calls that leave little of the stack.
const CALLS: u64 = 40_000;

/// Starts it.
pub(crate) fn start() -> Outcome {
    let environment = vec![("SECRET".to_owned(), "x".repeat(1 << 10)); 8];
    match run(&Command { environment, ..Command::new(PROGRAM) }) {
        Ok(finished) if finished.status == ABORTED => {
            let said = String::from_utf8_lossy(&finished.stderr);
            let said = said.lines().last().unwrap_or_default();
            Outcome::Ended(format!("trapped: {}", said.trim_start_matches("aborted: ")))
        }
        Ok(finished) if finished.omitted_bytes > 0 => {
            let kept = finished.stdout.len() + finished.stderr.len();
            let written = finished.omitted_bytes + kept as u64;
            Outcome::Ended(format!("cut: {written} bytes to {kept}"))
        }
        Ok(finished) if finished.status == 0 => {
            Outcome::Reached("the program came to its end".to_owned())
        }
        Ok(finished) => {
            Outcome::Refused(format!("the program saw a no, status {}", finished.status))
        }
        Err(ProcessError::LimitReached(which)) if which == "fuel" => {
            Outcome::Ended("out-of-fuel: the program used up its fuel".to_owned())
        }
        Err(ProcessError::LimitReached(which)) if which == "memory" => {
            Outcome::Ended("out-of-memory: the program used up its memory".to_owned())
        }
        Err(ProcessError::TimedOut(_)) => {
            Outcome::Ended("timed-out: the program used up its time".to_owned())
        }
        Err(err @ (ProcessError::NotGranted(_) | ProcessError::UnknownProgram(_))) => {
            Outcome::Ended(format!("not-made: {err:?}"))
        }
        Err(err) => Outcome::Refused(format!("{err:?}")),
    }
}

/// Starts it where hardly any stack is left, so that host and program share the rest.
pub(crate) fn start_on_a_full_stack() -> Outcome {
    let mut outcome = None;
    let sum = deeper(CALLS, &mut outcome);
    outcome.unwrap_or_else(|| Outcome::Reached(format!("nothing was started: {sum}")))
}

/// Takes of the stack of the machine alone, and nothing of the guest's memory.
fn deeper(depth: u64, outcome: &mut Option<Outcome>) -> u64 {
    if depth == 0 {
        *outcome = Some(start());
        return 1;
    }
    let below = deeper(depth - 1, outcome);
    below.rotate_left(7) ^ depth
}
