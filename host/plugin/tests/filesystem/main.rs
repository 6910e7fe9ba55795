//! A guest's file system, held against the one of this machine: the same
//! operations by the same code, in the sandbox and beside it.
//!
//! [`guest`] runs operations over a worktree, [`native`] in a temporary
//! directory. Both begin with the entries of [`example`]. [`conformance`] does the
//! same with calls of `wasi:filesystem` below the libc, held against wasmtime's
//! own implementation.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../../../../tests/guests/tool-wasi-files/src/calls.rs"]
mod calls;
mod clocks;
mod conformance;
mod differences;
mod directories;
mod escapes;
mod example;
mod files;
mod generated;
mod guest;
mod links;
mod names;
mod native;
#[path = "../../../../tests/guests/tool-wasi-files/src/operations.rs"]
mod operations;
mod preopen;
mod preopened;
mod requests;
mod sharing;

use operations::{Operation, Outcome};

/// Both must end alike, errors included. A directory is listed in bytewise
/// order in the sandbox; here the order is anybody's guess.
#[track_caller]
fn same_as_here(operations: &[Operation]) {
    let found = guest::run(operations);
    let mut expected = native::run(operations);
    for (operation, outcome) in operations.iter().zip(&mut expected) {
        if let (Operation::ReadDir { .. }, Outcome::Done(lines)) = (operation, outcome) {
            let mut sorted: Vec<_> = lines.split_inclusive('\n').collect();
            sorted.sort_by_key(|line| line.trim_end_matches(['\n', '/', '@']));
            *lines = sorted.concat();
        }
    }
    let side_by_side = |outcomes: &[Outcome]| {
        let pairs = operations.iter().zip(outcomes);
        pairs.map(|(operation, outcome)| format!("{operation:?}: {outcome:?}")).collect::<Vec<_>>()
    };
    assert_eq!(side_by_side(&found), side_by_side(&expected), "left the sandbox, right here");
    assert_eq!(found.len(), operations.len());
}

fn done(text: &str) -> Outcome {
    Outcome::Done(text.to_owned())
}

fn failed(name: &str) -> Outcome {
    Outcome::Failed(name.to_owned())
}
