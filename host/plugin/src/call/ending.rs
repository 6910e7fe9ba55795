//! Why a call did not return: the limit that ended it, by its key in manifests and its
//! value, or else what the engine says.
//!
//! What was refused without an end is counted by the parent. What ends a call is counted
//! and told by the same judgement, so the two can't disagree.

use wasmtime::component::ResourceTableError;
use wasmtime::{Error, Trap};
use wasmtime_wasi::I32Exit;

use super::CallFailure;
use crate::limits::Limits;
use crate::meter::{LimitReached, MemoryBound};
use crate::units::ByteSize;

/// How the engine's error begins when one host call takes in too much. It has no public type.
const HOST_CALL: &str = "too much data is being copied between the host and the guest";

/// The same of a component that declares more memory than it may have.
const DECLARED_MEMORY: &str = "memory minimum size";

/// The same of tables.
const DECLARED_TABLE: &str = "table minimum size";

/// What a call was refused while it ran, and may have failed for want of.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShortOf {
    pub(super) memory: Option<MemoryBound>,
    pub(super) tables: bool,
}

/// The limit that ended a call by itself, with what is told of it.
pub(super) fn limit_of(err: &Error, limits: &Limits) -> Option<(&'static str, CallFailure)> {
    let reached = |limit, value| (limit, CallFailure::LimitReached(value));
    match err.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => {
            return Some(("wall", CallFailure::TimedOut(limits.wall.to_string())));
        }
        Some(Trap::OutOfFuel) => return Some(("fuel", CallFailure::OutOfFuel(limits.fuel))),
        Some(trap @ Trap::StackOverflow) => {
            let told = format!("{trap}; `stack`: {}", limits.stack);
            return Some(("stack", CallFailure::Trapped(told)));
        }
        _ => {}
    }
    if let Some(LimitReached(what)) = err.downcast_ref() {
        return Some(reached("transfer", format!("`transfer`: {what}")));
    }
    let cause = err.root_cause();
    if let Some(ResourceTableError::Full) = cause.downcast_ref() {
        return Some(reached("handles", format!("`handles`: {} at one time", limits.handles)));
    }
    if cause.to_string().starts_with(HOST_CALL) {
        return Some(reached("host_call", format!("`host_call`: {} at once", limits.host_call)));
    }
    None
}

/// How a call failed.
pub(super) fn classify(err: &Error, limits: &Limits, short_of: ShortOf) -> CallFailure {
    if let Some((_, failure)) = limit_of(err, limits) {
        return failure;
    }
    let trap = err.downcast_ref::<Trap>();
    let said = err.root_cause().to_string();
    if let Some(bound) = short_of.memory
        && (trap.is_some() || said.starts_with(DECLARED_MEMORY))
    {
        return CallFailure::OutOfMemory(match bound {
            MemoryBound::Own => format!("`memory`: {}", limits.memory),
            MemoryBound::Rollout(most) => {
                let most = ByteSize(most);
                format!("`guest_memory`: {most}, which a rollout's guests share")
            }
        });
    }
    if short_of.tables && (trap.is_some() || said.starts_with(DECLARED_TABLE)) {
        return CallFailure::LimitReached(format!("`tables`: {} elements", limits.tables));
    }
    if let Some(exit) = err.downcast_ref::<I32Exit>() {
        return CallFailure::Trapped(format!("the plugin exited with status {}", exit.0));
    }
    match trap {
        Some(trap) => CallFailure::Trapped(trap.to_string()),
        None => CallFailure::Contract(said),
    }
}
