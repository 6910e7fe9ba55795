//! `timeout`, for the interpreter's commands and for programs alike.
//!
//! A program runs outside the interpreter, which can't stop it: it is told its time
//! through its environment ([`VARIABLE`]), from which [`crate::program`] takes it.

use std::time::Duration;

use bashkit::{Builtin, BuiltinContext, ExecResult, ExecutionPlan, SubCommand, async_trait};

use crate::options::{self, Known, flag, valued};

/// Milliseconds that a program may take.
pub(crate) const VARIABLE: &str = "_TIMEOUT_MILLISECONDS";

/// Commands that start other commands, programs perhaps.
const STARTERS: [&str; 8] = ["bash", "sh", "env", "xargs", "find", "nice", "nohup", "time"];

/// Exit status where the command line itself is wrong.
const WRONG_USE: i32 = 125;

/// Longer times are none at all.
const LONGEST_SECONDS: f64 = 1e9;

/// The command.
pub(crate) struct TimeLimit {
    programs: Vec<String>,
}

const PRESERVE: char = 'ṗ';
const FOREGROUND: char = 'ḟ';

#[rustfmt::skip]
const OPTIONS: [Known; 5] = [
    valued('k', "kill-after"), valued('s', "signal"), flag('v', "verbose"),
    flag(PRESERVE, "preserve-status"), flag(FOREGROUND, "foreground"),
];

/// A command line of `timeout`.
#[derive(Debug, PartialEq)]
struct Bounded<'a> {
    duration: Duration,
    preserve_status: bool,
    command: &'a str,
    arguments: &'a [String],
}

impl TimeLimit {
    /// Knows the names of programs.
    pub(crate) fn new(programs: Vec<String>) -> Self {
        Self { programs }
    }
}

#[async_trait]
impl Builtin for TimeLimit {
    async fn execution_plan(
        &self,
        ctx: &BuiltinContext<'_>,
    ) -> bashkit::Result<Option<ExecutionPlan>> {
        let Ok(bounded) = parse(ctx.args) else { return Ok(None) };
        let name = bounded.command;
        let starts_programs = self.programs.iter().any(|program| program == name)
            || STARTERS.contains(&name)
            || name.contains('/');
        let milliseconds = bounded.duration.as_millis().to_string();
        let told = starts_programs && !self.programs.is_empty();
        let assignments = if told { vec![(VARIABLE.to_owned(), milliseconds)] } else { Vec::new() };
        let command = SubCommand {
            name: name.to_owned(),
            args: bounded.arguments.to_vec(),
            stdin: ctx.stdin.cloned(),
            assignments,
        };
        let (duration, preserve_status) = (bounded.duration, bounded.preserve_status);
        Ok(Some(ExecutionPlan::Timeout { duration, preserve_status, command }))
    }

    async fn execute(&self, ctx: BuiltinContext<'_>) -> bashkit::Result<ExecResult> {
        let message = parse(ctx.args).err().unwrap_or_default();
        Ok(ExecResult::err(message, WRONG_USE))
    }
}

fn parse(words: &[String]) -> Result<Bounded<'_>, String> {
    // What follows the time is the command's own.
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        let takes_next = matches!(word.as_str(), "-k" | "-s" | "--kill-after" | "--signal");
        at += if takes_next { 2 } else { 1 };
    }
    let own = words.get(..at).unwrap_or_default();
    let parsed = options::parse("timeout", own, &OPTIONS)?;
    let rest = words.get(at..).unwrap_or_default();
    let [time, command, arguments @ ..] = rest else {
        return Err("timeout: missing operand\n".to_owned());
    };
    let duration =
        duration(time).ok_or_else(|| format!("timeout: invalid time interval '{time}'\n"))?;
    Ok(Bounded { duration, preserve_status: parsed.has(PRESERVE), command, arguments })
}

/// A number of seconds, or of what its last letter says.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, text.chars().last()),
        None => (text, None),
    };
    let factor = match unit {
        Some('m') => 60.0,
        Some('h') => 3_600.0,
        Some('d') => 86_400.0,
        _ => 1.0,
    };
    let seconds = number.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0)? * factor;
    // No time at all means no limit.
    let seconds = if seconds == 0.0 { LONGEST_SECONDS } else { seconds.min(LONGEST_SECONDS) };
    Some(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_command_are_found_behind_the_options() {
        let words = ["-k", "5", "--preserve-status", "1.5m", "python", "-c", "1"];
        let words = words.map(str::to_owned);
        let bounded = parse(&words).unwrap();
        assert_eq!(bounded.duration, Duration::from_secs(90));
        assert_eq!((bounded.command, bounded.preserve_status), ("python", true));
        assert_eq!(bounded.arguments, ["-c", "1"]);
    }

    #[test]
    fn wrong_lines_are_refused() {
        for (line, refusal) in [
            ("5", "timeout: missing operand\n"),
            ("soon ls", "timeout: invalid time interval 'soon'\n"),
            ("-x 5 ls", "timeout: invalid option -- 'x'\n"),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(parse(&words).unwrap_err(), refusal, "{line}");
        }
    }
}
