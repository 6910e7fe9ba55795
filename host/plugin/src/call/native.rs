//! Starts of commands outside the sandbox: the session's trees go to the host,
//! and what the command left of them becomes the session's.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use catena_tree::worktree::Worktree;

use super::programs::Caller;
use crate::bindings::control::catena::plugin::process::{
    Command, Finished, PartialOutput, ProcessError,
};
use crate::capability::WorkspaceAccess;
use crate::native::{NativeBytes, NativeEnd, NativeOffer, NativeOutcome, NativeStart, Standing};
use crate::session::{Session, absolute, lock};

/// Runs a granted command to its end. The caller records it.
pub(super) fn run_native(
    session: &Arc<Session>,
    caller: &Caller<'_>,
    offer: &NativeOffer,
    command: Command,
) -> Result<Finished, ProcessError> {
    let other = |what: &str| ProcessError::Other(what.to_owned());
    // A judge that may not write has no worktree of its own.
    let least =
        if session.sealed.is_empty() { WorkspaceAccess::Read } else { WorkspaceAccess::ReadWrite };
    if caller.rights.workspace < least {
        return Err(other("commands outside the sandbox need a worktree"));
    }
    let directory = absolute(&command.directory);
    if !session.has_directory(caller.rights, &directory) {
        return Err(ProcessError::Other(format!("there is no directory `{directory}`")));
    }
    let mut line = command.arguments;
    if command.program != offer.name {
        line.insert(0, command.program);
    }
    if line.is_empty() {
        return Err(other("it runs what its arguments say, and there are none"));
    }
    let (worktree, scratch) =
        session.standing_for_host().map_err(|err| ProcessError::Other(err.to_string()))?;
    let left = caller.deadline.saturating_duration_since(Instant::now());
    let start = NativeStart {
        plugin: caller.plugin.to_owned(),
        program: offer.name.clone(),
        command: line,
        environment: command.environment,
        directory,
        stdin: NativeBytes(command.stdin),
        access: caller.rights.workspace,
        worktree,
        scratch,
        wall: command.timeout_ms.map_or(left, |ms| left.min(Duration::from_millis(ms))),
    };
    let end = session.outside.native(start).map_err(|err| ProcessError::Other(err.to_string()))?;
    become_what_is_left(session, &end).map_err(|err| ProcessError::Other(err.to_string()))?;
    answer(end)
}

/// Has worktree and scratch equal what the command left. Times are those of a
/// change that was made now.
fn become_what_is_left(
    session: &Session,
    end: &NativeEnd,
) -> Result<(), catena_tree::worktree::FsError> {
    session.advance_time();
    let become_one = |worktree: &Mutex<Worktree>, left: &Standing| {
        let mut worktree = lock(worktree);
        worktree.checkout(left.tree, &[])?;
        worktree.set_empty_directories(&left.empty)
    };
    become_one(&session.worktree, &end.worktree)?;
    become_one(&session.scratch, &end.scratch)
}

fn answer(end: NativeEnd) -> Result<Finished, ProcessError> {
    let NativeEnd { outcome, stdout, stderr, omitted_bytes, .. } = end;
    let (stdout, stderr) = (stdout.0, stderr.0);
    match outcome {
        NativeOutcome::Ended(status) => Ok(Finished { status, stdout, stderr, omitted_bytes }),
        NativeOutcome::TimedOut => Err(ProcessError::TimedOut(PartialOutput { stdout, stderr })),
        NativeOutcome::LimitReached(which) => Err(ProcessError::LimitReached(which)),
        NativeOutcome::NotStarted(why) => Err(ProcessError::Other(why)),
    }
}
