//! Writes more output than anybody wants to keep.
#![allow(clippy::print_stdout, reason = "standard output is what is flooded")]

use catena_sdk::model::Conversation;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::{Scaffold, export_scaffold};

struct Floods;

impl Scaffold for Floods {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        for number in 0..10_000 {
            println!("line {number} of a flood");
        }
        Ok(Ending::Submitted)
    }
}

export_scaffold!(Floods);
