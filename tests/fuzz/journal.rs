//! Any bytes as a journal, with check sums that are right in every second one: each way to
//! read it comes to an end, and the records that are read are the same after they were
//! written.

use std::path::Path;

use catena_rollout::{Journal, RolloutSummary};

pub(crate) fn check(dir: &Path, input: &[u8]) {
    read(dir, input);
    read(dir, &summed(input));
}

fn read(dir: &Path, input: &[u8]) {
    let path = dir.join("a.journal");
    std::fs::write(&path, input).unwrap();
    let _ = Journal::spent(&path);
    let _ = Journal::interrupted(&path);
    let _ = Journal::finished(&path);
    let Ok(records) = Journal::read(&path) else { return };
    let _ = RolloutSummary::of(&records);
    // A journal is synced as it is written, which takes most of the time.
    if !crc32fast::hash(input).is_multiple_of(8) {
        return;
    }
    let again = dir.join("b.journal");
    let _ = std::fs::remove_file(&again);
    Journal::write(&again, &records).expect("what was read can be written");
    let read = Journal::read(&again).expect("what was written can be read");
    // Numbers that are none are not equal to themselves.
    assert_eq!(format!("{read:?}"), format!("{records:?}"));
}

/// The same lines with check sums that are theirs.
fn summed(input: &[u8]) -> Vec<u8> {
    let lines = input.split_inclusive(|byte| *byte == b'\n');
    let mut summed = Vec::new();
    for line in lines {
        let (text, end) = match line.strip_suffix(b"\n") {
            Some(text) => (text, &b"\n"[..]),
            None => (line, &b""[..]),
        };
        let record = text.get(9..).unwrap_or_default();
        summed.extend(format!("{:08x} ", crc32fast::hash(record)).bytes());
        summed.extend(record);
        summed.extend(end);
    }
    summed
}
