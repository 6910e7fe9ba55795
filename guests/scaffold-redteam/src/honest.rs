//! What a rollout does that attacks nothing: files, a search, a snapshot, and as much
//! computing as keeps it at work while another one attacks.

use std::fmt::Write as _;
use std::{fs, io};

use catena_sdk::workspace;

const FILES: u32 = 40;
const STEPS: u32 = 200_000;

/// Leaves the same files whenever it is done.
pub(crate) fn work() -> io::Result<()> {
    let mut sum = String::new();
    for number in 0..FILES {
        let path = workspace::file(&format!("honest-{number}.txt"));
        fs::write(&path, computed(number))?;
        let _ = writeln!(sum, "{}", fs::read_to_string(&path)?.trim_end());
    }
    let _ = workspace::take_snapshot("honest");
    fs::write(workspace::file("honest-sum.txt"), sum)
}

fn computed(number: u32) -> String {
    let mut state = number.wrapping_add(1);
    for _ in 0..STEPS {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
    }
    format!("{number} {state}\n")
}
