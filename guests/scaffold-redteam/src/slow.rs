//! Single calls of the host that keep it busy for long, where it lets them.

use std::fs;
use std::hint::black_box;

use catena_sdk::workspace::{self, DiffOptions, FileSelection, GrepQuery, SnapshotRef};

use crate::Outcome;

const BEFORE: &str = "slow";

/// A cheap row of numbers without a pattern.
struct Noise(u32);

impl Noise {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % end
    }
}

/// Submits texts that are slow to compare: the same few lines in another order.
pub(crate) fn slow_patch() -> Outcome {
    let text = |seed: u32| {
        let mut noise = Noise(seed);
        let line = |_| ["a\n", "b\n", "c\n"].get(noise.below(3) as usize).copied();
        (0..200_000).filter_map(line).collect::<String>()
    };
    let path = workspace::file("README.md");
    let written = fs::write(&path, text(1));
    let taken = workspace::take_snapshot(BEFORE).is_ok();
    told(written.and_then(|()| fs::write(&path, text(2))), taken)
}

/// Renames many files that are all a little like each other.
pub(crate) fn slow_renames() -> Outcome {
    let mut noise = Noise(3);
    let text = |noise: &mut Noise| {
        (0..4_000).fold(String::new(), |text, _| text + &noise.below(20_000).to_string() + "\n")
    };
    let mut write = |dir: &str| {
        fs::create_dir_all(workspace::file(dir))?;
        (0..900).try_for_each(|number| {
            fs::write(workspace::file(&format!("{dir}/{dir}-{number}.txt")), text(&mut noise))
        })
    };
    let written = write("before");
    let taken = workspace::take_snapshot(BEFORE).is_ok();
    let written = written
        .and_then(|()| fs::remove_dir_all(workspace::file("before")))
        .and_then(|()| write("after"));
    told(written, taken)
}

fn told(written: std::io::Result<()>, taken: bool) -> Outcome {
    if let Err(err) = written {
        return Outcome::Refused(err.to_string());
    }
    let from = SnapshotRef::Named(BEFORE.to_owned());
    let options = DiffOptions { detect_renames: true, ..DiffOptions::default() };
    let length = workspace::diff(&from, &SnapshotRef::Current, &options);
    let length = length.map(|patch| patch.len());
    Outcome::Harmless(format!("a patch of {length:?} bytes, a snapshot: {taken}"))
}

/// Searches by a pattern that is in thousands of states at every letter.
pub(crate) fn slow_search() -> Outcome {
    let mut noise = Noise(5);
    let mut letter = |number: u32| match (number % 2_000, noise.below(2)) {
        (0, _) => '\n',
        (_, 0) => 'a',
        _ => 'b',
    };
    let text: String = (1..4 << 20).map(&mut letter).collect();
    if let Err(err) = fs::write(workspace::file("letters.txt"), text) {
        return Outcome::Refused(err.to_string());
    }
    let query = GrepQuery {
        pattern: "(?-u)[ab]*a[ab]{9000}c".to_owned(),
        ignore_case: false,
        selection: FileSelection::default(),
        limit: 10,
    };
    let found = black_box(workspace::grep(&query)).map(|found| found.matches.len());
    Outcome::Harmless(format!("{found:?} lines found"))
}
