//! Programs as commands of the shell: each name that the host offers starts a
//! program of its own sandbox over the same worktree.
//!
//! A program gets its whole standard input before it starts and hands its output
//! over when it has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bashkit::{Builtin, BuiltinContext, ExecResult, async_trait};
use catena_sdk::process::{self, Command, Finished, ProcessError};

use crate::time_limit;

/// Exit status of a command whose time is up, as of `timeout`.
const TIMED_OUT: i32 = 124;

/// Exit status of a command that is there and can't be run.
const NOT_RUN: i32 = 126;

/// The names of the programs that this plugin may start.
pub(crate) fn names() -> Vec<String> {
    process::programs()
}

/// A program under one of its names.
pub(crate) struct Program {
    name: String,
    timeout: Duration,
    overdue: Arc<AtomicBool>,
}

impl Program {
    /// The program called `name`, which gets `timeout` and then sets `overdue`.
    pub(crate) fn new(name: &str, timeout: Duration, overdue: Arc<AtomicBool>) -> Self {
        Self { name: name.to_owned(), timeout, overdue }
    }

    fn command(&self, ctx: &BuiltinContext<'_>) -> Command {
        let mut environment: Vec<(String, String)> =
            ctx.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        environment.retain(|(name, _)| name != "_" && name != time_limit::VARIABLE);
        environment.push(("_".to_owned(), self.name.clone()));
        environment.sort();
        Command {
            program: self.name.clone(),
            arguments: ctx.args.to_vec(),
            environment,
            directory: ctx.cwd.to_string_lossy().into_owned(),
            stdin: ctx.stdin.map(|bytes| bytes.as_bytes().to_vec()).unwrap_or_default(),
            timeout_ms: Some(self.milliseconds().min(own_limit(ctx).unwrap_or(u64::MAX))),
        }
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX)
    }

    fn failed(&self, reason: &str, status: i32) -> ExecResult {
        ExecResult::err(format!("{}: {reason}\n", self.name), status)
    }
}

#[async_trait]
impl Builtin for Program {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> bashkit::Result<ExecResult> {
        // What is left of the command line has no time any more.
        if self.overdue.load(Ordering::Relaxed) {
            return Ok(self.failed("no time is left", TIMED_OUT));
        }
        let answer = process::run(&self.command(&ctx));
        Ok(match answer {
            Ok(finished) => ended(&self.name, finished),
            Err(ProcessError::TimedOut(partial)) => {
                // The end of its own time leaves some to the command line.
                if own_limit(&ctx).is_none_or(|own| own >= self.milliseconds()) {
                    self.overdue.store(true, Ordering::Relaxed);
                }
                with_streams(partial.stdout, partial.stderr, TIMED_OUT)
            }
            Err(ProcessError::LimitReached(which)) => {
                self.failed(&format!("a limit is reached: {which}"), NOT_RUN)
            }
            Err(ProcessError::NotGranted(_)) => self.failed("not granted", NOT_RUN),
            Err(ProcessError::UnknownProgram(_)) => self.failed("command not found", 127),
            Err(ProcessError::Other(reason)) => self.failed(&reason, NOT_RUN),
        })
    }
}

/// What `timeout` gave it.
fn own_limit(ctx: &BuiltinContext<'_>) -> Option<u64> {
    ctx.env.get(time_limit::VARIABLE)?.parse().ok()
}

fn ended(name: &str, finished: Finished) -> ExecResult {
    let Finished { status, stdout, mut stderr, omitted_bytes } = finished;
    if omitted_bytes > 0 {
        let note = format!("{name}: {omitted_bytes} bytes of output are cut\n");
        stderr.extend_from_slice(note.as_bytes());
    }
    with_streams(stdout, stderr, status)
}

fn with_streams(stdout: Vec<u8>, stderr: Vec<u8>, status: i32) -> ExecResult {
    ExecResult {
        stdout: stdout.into(),
        stderr: stderr.into(),
        exit_code: status,
        ..ExecResult::default()
    }
}
