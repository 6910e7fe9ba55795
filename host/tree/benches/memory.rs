//! What 1,000 open worktrees with ten edits each hold in memory, in a process of
//! its own.
//!
//! `cargo bench -p catena-tree --bench memory`, on a generated repository or on
//! the one that the environment variable `CATENA_BENCH_REPOSITORY` names. The
//! blobs and trees that all of them share are read before, as the cache of a
//! database holds them.
#![allow(clippy::print_stdout, reason = "the report of a program for people")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot run has no result")]

#[path = "worktree/fixture.rs"]
#[allow(dead_code, reason = "the other benchmarks use more of it")]
mod fixture;

use std::sync::Arc;

use catena_tree::worktree::WorktreeOptions;
use catena_tree::{Objects, Worktree};

const WORKTREES: usize = 1_000;

fn main() {
    let fixture = fixture::fixture(fixture::SIZES[1]);
    let objects: Arc<dyn Objects> = Arc::new(fixture.db.clone());
    let open = |number: usize| {
        let mut worktree = Worktree::new(objects.clone(), fixture.tree, WorktreeOptions::default());
        for path in &fixture.edited {
            let entry = worktree.entry(path).expect("a file").expect("a file");
            let text = format!("edit {number}\n");
            worktree.open(entry.node).expect("a file can be opened");
            worktree.append(entry.node, text.as_bytes()).expect("a file can be written");
            worktree.close(entry.node).expect("a file can be closed");
        }
        worktree
    };
    drop(open(0));
    let before = resident();
    let worktrees: Vec<_> = (0..WORKTREES).map(open).collect();
    let held = resident().saturating_sub(before);
    let written: u64 = worktrees.iter().map(|worktree| worktree.usage().bytes).sum();
    println!(
        "{WORKTREES} worktrees with 10 edits each hold {} MB; their written files have {} MB",
        held / 1_000_000,
        written / 1_000_000
    );
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("the size of the process");
    let pages: u64 =
        status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4_096
}
