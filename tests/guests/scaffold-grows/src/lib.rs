//! Takes memory without end.

use std::hint::black_box;

use catena_sdk::model::Conversation;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::{Scaffold, export_scaffold};

struct Grows;

impl Scaffold for Grows {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        let mut held = Vec::new();
        loop {
            held.push(black_box(vec![1_u8; 1 << 20]));
        }
    }
}

export_scaffold!(Grows);
