//! Copies the human answer. Its source says that it is a control, and its
//! manifest does not.

use catena_sdk::model::Conversation;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::{Scaffold, export_control, reference};

struct Peeks;

impl Scaffold for Peeks {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        reference::restore()?;
        Ok(Ending::Submitted)
    }
}

export_control!(Peeks);
