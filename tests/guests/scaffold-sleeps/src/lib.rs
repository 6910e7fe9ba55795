//! Sleeps for ten days in every round.

use std::thread;
use std::time::{Duration, Instant};

use catena_sdk::model::Conversation;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::{Scaffold, export_scaffold, log};

const LONG: Duration = Duration::from_hours(10 * 24);

struct Sleeps;

impl Scaffold for Sleeps {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        let begin = Instant::now();
        thread::sleep(LONG);
        log::info!("slept for {} days", begin.elapsed().as_secs() / (24 * 3600));
        Ok(Ending::Submitted)
    }
}

export_scaffold!(Sleeps);
