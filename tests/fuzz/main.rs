//! What is read from outside, read after it was changed at random: a plugin's manifest, a
//! chain file, a journal, a patch, and what a model's server answers.
//!
//! No coverage guides this, unlike the targets of `fuzz/`: it is a test like others, on the
//! same build, and takes half a second for each target, or `CATENA_FUZZ_SECONDS`. An input
//! that fails is kept in `fuzz/corpus/failed`. [`mutate`] changes inputs, [`seeds`] is where
//! they come from, the other modules are the targets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says how much it tried"
)]

mod chain_file;
mod journal;
mod manifest;
mod mutate;
mod reply;
mod seeds;

// The target of coverage-guided fuzzing, with what it starts from.
#[path = "../../fuzz/src/fixture.rs"]
#[allow(unreachable_pub, dead_code, reason = "it is public in its own crate")]
mod fixture;
#[path = "../../fuzz/src/patch.rs"]
#[allow(unreachable_pub, reason = "it is public in its own crate")]
mod patch;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use mutate::Mutator;

/// Changes seeds and gives them to a target until its time is up.
fn fuzz(name: &str, seeds: &[Vec<u8>], mut target: impl FnMut(&[u8])) {
    assert!(!seeds.is_empty(), "`{name}` has no seeds");
    for seed in seeds {
        target(seed);
    }
    let seconds = std::env::var("CATENA_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let time = seconds.map_or(Duration::from_millis(500), Duration::from_secs);
    let seed = std::env::var("CATENA_FUZZ_SEED").ok().and_then(|text| text.parse().ok());
    let mut mutator = Mutator::new(seeds, seed.unwrap_or(1));
    let (begin, mut inputs) = (Instant::now(), 0_u64);
    while begin.elapsed() < time {
        let input = mutator.next_input();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
            keep(name, inputs, &input);
            resume_unwind(panic);
        }
        inputs += 1;
    }
    println!("{name}: {inputs} inputs in {} s", begin.elapsed().as_secs());
}

fn keep(name: &str, number: u64, input: &[u8]) {
    let failed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/failed");
    std::fs::create_dir_all(&failed).unwrap();
    std::fs::write(failed.join(format!("{name}-{number}")), input).unwrap();
}

#[test]
fn manifest_that_is_read_is_written_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    fuzz("manifest", &seeds::manifests(), |input| manifest::check(dir.path(), input));
}

#[test]
fn chain_file_that_is_read_is_written_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let made = seeds::demo(dir.path());
    fuzz("chain-file", &[made.chain_file], |input| chain_file::check(dir.path(), input));
}

#[test]
fn journal_is_read_as_far_as_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let made = seeds::demo(dir.path());
    fuzz("journal", &[made.journal], |input| journal::check(dir.path(), input));
}

#[test]
fn patch_that_applies_can_be_written_and_taken_back() {
    fuzz("patch", &seeds::patches(), patch::check);
}

#[test]
fn answer_of_a_models_server_is_a_reply_or_an_error() {
    let server = reply::Server::start();
    fuzz("reply", &seeds::replies(), |input| server.check(input));
}
