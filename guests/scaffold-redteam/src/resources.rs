//! Attacks on what the host has: time, memory, stack, output, handles.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;

use catena_sdk::log;
use catena_sdk::model::{Conversation, Message};
use catena_sdk::workspace::{self, DiffOptions, FileSelection, GrepQuery, SnapshotRef};

use crate::Outcome;

/// What is asked for where there is no natural end: more than anybody has.
const TOO_MUCH: u64 = 10 << 30;

/// Computes without end.
pub(crate) fn spin() -> Outcome {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

/// Spends its time in calls that take the host long.
pub(crate) fn spin_in_host_calls() -> Outcome {
    let path = workspace::file("large.txt");
    let mut text = Vec::new();
    for number in 0..400_000_u32 {
        let _ = writeln!(text, "line {} of it", number.wrapping_mul(2_654_435_761));
    }
    if std::fs::write(&path, &text).is_err() {
        return Outcome::Refused("there is no room for a large file".to_owned());
    }
    let query = GrepQuery {
        pattern: "(l|li|lin)*e [0-9]*[02468] .* (z|q)$".to_owned(),
        ignore_case: true,
        selection: FileSelection::default(),
        limit: 1_000_000,
    };
    loop {
        let _ = black_box(workspace::grep(&query));
        let (from, to) = (SnapshotRef::Start, SnapshotRef::Current);
        let _ = black_box(workspace::diff(&from, &to, &DiffOptions::default()));
    }
}

/// Takes memory without end.
pub(crate) fn memory() -> Outcome {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Calls itself without end.
pub(crate) fn stack() -> Outcome {
    Outcome::Reached(format!("a stack without end, and {}", deeper(black_box(u64::MAX))))
}

/// Takes of the stack of the machine alone, and nothing of the guest's memory.
fn deeper(depth: u64) -> u64 {
    if depth == 0 {
        return 1;
    }
    deeper(depth - 1).rotate_left(7) ^ depth
}

/// Writes ten gigabytes.
pub(crate) fn output() -> Outcome {
    let piece = [b'x'; 4096];
    let mut out = std::io::stdout().lock();
    let mut written = 0_u64;
    while written < TOO_MUCH {
        if let Err(err) = out.write_all(&piece) {
            return Outcome::Refused(format!("after {written} bytes: {err}"));
        }
        written = written.saturating_add(4096);
    }
    Outcome::Harmless(format!("wrote {written} bytes"))
}

/// Writes a million log entries, each as long as can be.
pub(crate) fn log_entries() -> Outcome {
    let text = "x".repeat(64 << 10);
    for _ in 0..50_000 {
        log::write(log::Level::Error, &text);
    }
    Outcome::Harmless("wrote 50,000 entries of 64 KiB".to_owned())
}

/// Opens files and keeps them open.
pub(crate) fn handles() -> Outcome {
    let path = workspace::file("held.txt");
    let mut held: Vec<File> = Vec::new();
    loop {
        match File::options().create(true).append(true).open(&path) {
            Ok(file) => held.push(file),
            Err(err) => {
                return Outcome::Refused(format!("after {} open files: {err}", held.len()));
            }
        }
        if held.len() > 1_000_000 {
            return Outcome::Reached(format!("{} open files", held.len()));
        }
    }
}

/// Forks a conversation and keeps the forks, which needs no model.
pub(crate) fn conversations(conversation: &Conversation) -> Outcome {
    let mut held: Vec<Conversation> = Vec::new();
    while held.len() <= 1_000_000 {
        held.push(conversation.fork());
    }
    Outcome::Reached(format!("{} conversations", held.len()))
}

/// Appends to a conversation without end.
pub(crate) fn history(conversation: &Conversation) -> Outcome {
    let text = "x".repeat(16 << 20);
    for _ in 0..TOO_MUCH >> 24 {
        conversation.push(&Message::User(text.clone()));
    }
    Outcome::Reached(format!("{} messages of 16 MiB", TOO_MUCH >> 24))
}

/// Takes snapshots whose names are as long as can be.
pub(crate) fn snapshot_names() -> Outcome {
    for odd in ["x".repeat(16 << 20), "\u{1b}[2J".to_owned()] {
        if workspace::take_snapshot(&odd).is_ok() {
            return Outcome::Reached(format!("a name of {} bytes", odd.len()));
        }
    }
    for number in 0..900 {
        let name = format!("{number:05}{}", "x".repeat(1_000));
        if let Err(err) = workspace::take_snapshot(&name) {
            let err = format!("{err:?}").chars().take(200).collect::<String>();
            return Outcome::Refused(format!("after {number} names of 1,005 bytes: {err}"));
        }
    }
    Outcome::Reached("900 names of 1,005 bytes".to_owned())
}
