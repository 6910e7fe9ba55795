//! Submits the human answer.
//!
//! The upper control: a judge must score it 1, and where a stage began at its
//! base, the worktree it leaves is the human tree, byte for byte. The patch is
//! applied where it can be, so that a carried difference survives as it would
//! under an agent; otherwise the worktree is made equal to the human tree.

use catena_sdk::{
    Scaffold, export_control, log,
    model::Conversation,
    reference::{self, ReferenceError},
    scaffold::{Ending, ScaffoldError, Task},
    workspace::{self, WorkspaceError},
};

struct Oracle;

impl Scaffold for Oracle {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        match reference::patch() {
            Ok(patch) if patch.is_empty() => {}
            Ok(patch) => apply(&patch)?,
            Err(ReferenceError::Unavailable(why)) => {
                log::info!("no patch, restoring the human tree: {why}");
                reference::restore()?;
            }
            Err(err) => return Err(err.into()),
        }
        Ok(Ending::Submitted)
    }
}

fn apply(patch: &[u8]) -> Result<(), ScaffoldError> {
    match workspace::apply_patch(patch) {
        Ok(_) => Ok(()),
        Err(WorkspaceError::PatchRejected(why)) => {
            log::info!("the patch does not apply, restoring the human tree: {why}");
            Ok(reference::restore()?)
        }
        Err(err) => Err(err.into()),
    }
}

export_control!(Oracle);
