//! Submits the human answer with one name changed.
//!
//! A control for judges and for the carry: the code looks finished and is wrong.
//! The name that the patch adds most often is changed in every text file that
//! the patch touches, so that what other files call by it is gone.

mod rename;

use std::fs;

use catena_sdk::{
    Scaffold, export_control, log,
    model::Conversation,
    reference::{self, ReferenceError},
    scaffold::{Ending, ScaffoldError, Task},
    workspace::{self, WorkspaceError},
};

struct Wrong;

impl Scaffold for Wrong {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        match reference::patch() {
            Ok(patch) if patch.is_empty() => {}
            Ok(patch) => apply_with_other_name(&patch)?,
            Err(ReferenceError::Unavailable(why)) => {
                log::warn!("no patch to take a name from, restoring the human tree: {why}");
                reference::restore()?;
            }
            Err(err) => return Err(err.into()),
        }
        Ok(Ending::Submitted)
    }
}

fn apply_with_other_name(patch: &[u8]) -> Result<(), ScaffoldError> {
    match workspace::apply_patch(patch) {
        Ok(_) => {}
        Err(WorkspaceError::PatchRejected(why)) => {
            log::info!("the patch does not apply, restoring the human tree: {why}");
            reference::restore()?;
        }
        Err(err) => return Err(err.into()),
    }
    let files = git_patch::parse(patch).map_err(|err| ScaffoldError::Other(err.to_string()))?;
    let Some(name) = rename::most_added_name(&files) else {
        log::warn!("the patch adds no name that could be changed");
        return Ok(());
    };
    for path in rename::touched_text_files(&files) {
        let file = workspace::file(path);
        let text = fs::read(&file)?;
        fs::write(&file, rename::rename(&text, &name))?;
    }
    log::info!("renamed {name}");
    Ok(())
}

export_control!(Wrong);
