//! Calls itself to a depth, and the host from there.

use std::hint::black_box;

use catena_sdk::log;
use catena_sdk::model::Conversation;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::{Scaffold, export_scaffold};

/// Takes more than half a megabyte of the machine's stack, and none of the guest's memory.
const DEPTH: u64 = 20_000;

struct Recurses;

impl Scaffold for Recurses {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        black_box(deeper(black_box(DEPTH)));
        Ok(Ending::Submitted)
    }
}

fn deeper(depth: u64) -> u64 {
    if depth == 0 {
        log::info!("at the bottom");
        return 1;
    }
    deeper(depth - 1).rotate_left(7) ^ depth
}

export_scaffold!(Recurses);
