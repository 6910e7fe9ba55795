//! Submits every other hunk of the human answer.
//!
//! A control between the two ends: a judge should score it near the middle, and
//! its code meets upstream's drift as unfinished work does. Hunks are counted
//! through the whole patch; a change that has none (binary, rename, mode) and a
//! new or deleted file count as one. What does not apply is left out.

mod half;

use catena_sdk::{
    Scaffold, export_control, log,
    model::Conversation,
    reference::{self, ReferenceError},
    scaffold::{Ending, ScaffoldError, Task},
    workspace::{self, WorkspaceError},
};

struct Half;

impl Scaffold for Half {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        let patch = match reference::patch() {
            Ok(patch) => patch,
            Err(ReferenceError::Unavailable(why)) => {
                log::warn!("no patch to halve: {why}");
                return Ok(Ending::Submitted);
            }
            Err(err) => return Err(err.into()),
        };
        let files =
            git_patch::parse(&patch).map_err(|err| ScaffoldError::Other(err.to_string()))?;
        for part in half::every_other(&files) {
            match workspace::apply_patch(&part) {
                Ok(paths) => log::debug!("applied half of {}", paths.join(", ")),
                Err(WorkspaceError::PatchRejected(why)) => log::info!("left out: {why}"),
                Err(err) => return Err(err.into()),
            }
        }
        Ok(Ending::Submitted)
    }
}

export_control!(Half);
