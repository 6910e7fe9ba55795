//! Writes a large file to the worktree and the same to the scratch directory, with
//! a snapshot and changes in between, and looks whether they are what was written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use catena_sdk::model::Conversation;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::{Scaffold, export_scaffold, log, workspace};

const PIECE: usize = 1 << 20;

/// How much to write, and where.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    mebibytes: u64,
    file: String,
}

struct Hoards;

impl Scaffold for Hoards {
    fn attempt(_task: Task, _conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        let config: Config = catena_sdk::config::read()?;
        let in_worktree = workspace::file(&config.file);
        let in_scratch = Path::new(workspace::SCRATCH).join(&config.file);
        write(&in_worktree, config.mebibytes)?;
        if let Err(err) = workspace::take_snapshot("whole") {
            log::warn!("no snapshot: {err:?}");
        }
        change_middle(&in_worktree, config.mebibytes)?;
        write(&in_scratch, config.mebibytes)?;
        for path in [in_worktree, in_scratch] {
            let wrong = wrong_pieces(&path, config.mebibytes)?;
            log::info!("{}: {wrong} of {} pieces differ", path.display(), config.mebibytes);
        }
        Ok(Ending::Submitted)
    }
}

fn write(path: &Path, pieces: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut bytes = noise();
    for number in 0..pieces {
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&bytes)?;
    }
    Ok(())
}

fn change_middle(path: &Path, pieces: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(pieces / 2 * PIECE as u64))?;
    file.write_all(b"changed!")
}

fn wrong_pieces(path: &Path, pieces: u64) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut expected = noise();
    let mut found = vec![0; PIECE];
    let mut wrong = 0;
    for number in 0..pieces {
        expected[..8].copy_from_slice(&number.to_le_bytes());
        file.read_exact(&mut found)?;
        wrong += u64::from(found != expected);
    }
    Ok(wrong)
}

/// Bytes that do not compress.
fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..PIECE).map(|_| next()).collect()
}

export_scaffold!(Hoards);
