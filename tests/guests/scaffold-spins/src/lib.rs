//! Computes without end.

use std::hint::black_box;

use catena_sdk::model::Conversation;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::{Scaffold, export_scaffold};

struct Spins;

impl Scaffold for Spins {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        let mut number = 0_u64;
        loop {
            number = black_box(number.wrapping_add(1));
        }
    }
}

export_scaffold!(Spins);
