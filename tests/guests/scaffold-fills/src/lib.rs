//! Writes until it is not let, then looks whether what is there can still be read.

use std::fs::{self, File};
use std::io::Write as _;

use catena_sdk::model::Conversation;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::{Scaffold, export_scaffold, log, workspace};

const PIECE: [u8; 4096] = [b'x'; 4096];

struct Fills;

impl Scaffold for Fills {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        let mut file = File::create(workspace::file("full.txt"))?;
        let mut written = 0;
        let err = loop {
            match file.write_all(&PIECE) {
                Ok(()) => written += PIECE.len(),
                Err(err) => break err,
            }
        };
        log::info!("wrote {written} bytes, then: {err}");
        if let Err(err) = file.set_len(1 << 30) {
            log::info!("could not be made longer: {err}");
        }
        let length = fs::read(workspace::file("full.txt"))?.len();
        log::info!("{length} bytes can be read");
        Ok(Ending::Submitted)
    }
}

export_scaffold!(Fills);
