//! What ten edits cost in a tree of 30,000 files: snapshot, status and patch,
//! fresh and after every file was read, and syncs with a directory.
//!
//! `cargo run --release -p catena-tree --example many_files`
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that meets what it does not expect shall fail"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use catena_tree::diff::{DiffOptions, changes};
use catena_tree::materialise::{Materialised, Place};
use catena_tree::objects::NoObjects;
use catena_tree::worktree::{NodeKind, SetTime, WorktreeOptions, WriteKind};
use catena_tree::{MemoryObjects, RepoPath, TreeId, Worktree, patch};

const DIRECTORIES: usize = 300;
const FILES: usize = 100;
const ROUNDS: usize = 11;
const EDITS: usize = 10;

type Store = Arc<MemoryObjects<NoObjects>>;

fn main() {
    let store: Store = Arc::new(MemoryObjects::new(NoObjects));
    let mut worktree = Worktree::new(store.clone(), TreeId::EMPTY, WorktreeOptions::default());
    for number in 0..DIRECTORIES * FILES {
        let text = format!("file {number}\n").repeat(20);
        worktree.write_file(&path(number), text.as_bytes(), WriteKind::Regular).unwrap();
    }
    let base = worktree.snapshot(&mut &*store).unwrap();

    let mut worktree = Worktree::new(store.clone(), base, WorktreeOptions::default());
    edits("fresh worktree", &store, &mut worktree, base, 0);
    for (path, kind) in worktree.walk(&RepoPath::root()).unwrap() {
        if kind == NodeKind::File {
            worktree.read_file(&path).unwrap();
        }
    }
    for number in (0..DIRECTORIES * FILES).step_by(10) {
        let node = worktree.entry(&path(number)).unwrap().unwrap().node;
        worktree.set_times(node, SetTime::Now, SetTime::Now).unwrap();
    }
    edits("every file read, 3,000 touched", &store, &mut worktree, base, ROUNDS);
    syncs(&store, base);
}

fn edits(what: &str, store: &Store, worktree: &mut Worktree, base: TreeId, first: usize) {
    let (mut snapshots, mut statuses, mut patches) = (Vec::new(), Vec::new(), Vec::new());
    for round in first..first + ROUNDS {
        worktree.checkout(base, &[]).unwrap();
        for number in spread(round) {
            let text = format!("changed in round {round}\n");
            worktree.write_file(&path(number), text.as_bytes(), WriteKind::KeepMode).unwrap();
        }
        let (time, tree) = timed(|| worktree.snapshot(&mut &**store).unwrap());
        snapshots.push(time);
        let options = DiffOptions::default();
        let (time, found) = timed(|| changes(&**store, base, tree, &options).unwrap());
        assert_eq!(found.len(), EDITS);
        statuses.push(time);
        patches.push(timed(|| patch::write(&**store, base, tree, &options).unwrap()).0);
    }
    let [snapshot, status, patch] = [snapshots, statuses, patches].map(middle);
    println!("{what}: snapshot {snapshot:.2?}, status {status:.2?}, patch {patch:.2?}");
}

fn syncs(store: &Store, base: TreeId) {
    let temp = tempfile::tempdir().unwrap();
    let (dir, state) = (temp.path().join("dir"), temp.path().join("state"));
    std::fs::create_dir(&dir).unwrap();
    std::fs::create_dir(&state).unwrap();
    let place = Place::open(&dir, &state).unwrap();
    let (first, made) = timed(|| Materialised::create(place, store.clone(), base).unwrap());
    let (mut place, report) = made;
    assert_eq!(report.changed.len(), DIRECTORIES * FILES);
    let mut worktree = Worktree::new(store.clone(), base, WorktreeOptions::default());
    place.pull(&mut worktree).unwrap();
    let (mut idle, mut pulls, mut pushes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        place.pull(&mut worktree).unwrap();
        idle.push(timed(|| place.pull(&mut worktree).unwrap()).0);
        for number in spread(round) {
            std::fs::write(dir.join(path(number).as_str().unwrap()), format!("{round}\n")).unwrap();
        }
        let (time, report) = timed(|| place.pull(&mut worktree).unwrap());
        assert_eq!(report.changed.len(), EDITS);
        pulls.push(time);
        for number in spread(round + ROUNDS) {
            let text = format!("pushed in round {round}\n");
            worktree.write_file(&path(number), text.as_bytes(), WriteKind::KeepMode).unwrap();
        }
        let tree = worktree.snapshot(&mut &**store).unwrap();
        let (time, report) = timed(|| place.push(tree).unwrap());
        assert_eq!(report.changed.len(), EDITS);
        pushes.push(time);
    }
    let [idle, pull, push] = [idle, pulls, pushes].map(middle);
    println!(
        "directory: first {first:.2?}, pull of nothing {idle:.2?}, of {EDITS} {pull:.2?}, push of {EDITS} {push:.2?}"
    );
}

fn path(number: usize) -> RepoPath {
    RepoPath::new(format!("d{}/f{}.txt", number / FILES, number % FILES)).unwrap()
}

/// Files in as many directories, others in each round.
fn spread(round: usize) -> impl Iterator<Item = usize> {
    (0..EDITS).map(move |number| (number * (DIRECTORIES / EDITS) + round) * FILES + round)
}

fn timed<T>(action: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = action();
    (start.elapsed(), result)
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
