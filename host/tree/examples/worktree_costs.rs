//! Measures what an overlay worktree costs on a real repository.
//!
//! `cargo run --release --example worktree_costs -- REPOSITORY [REVISION]`
//!
//! Writes nothing to the repository: new objects stay in memory.
#![allow(clippy::print_stdout, reason = "the report of a program for people")]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bstr::BStr;
use catena_tree::worktree::{Links, NodeId, NodeKind, OnExisting, WorktreeOptions};
use catena_tree::{MemoryObjects, ObjectDatabase, RepoPath, TreeId, Worktree};

type Failure = Box<dyn Error>;
type Layer = Arc<MemoryObjects<ObjectDatabase>>;

const RUNS: usize = 21;
const WORKTREES: usize = 1_000;
const CALL: usize = 4_096;
const BIG: usize = 4 << 20;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let repository = args.next().ok_or("usage: worktree_costs REPOSITORY [REVISION]")?;
    let revision = args.next().unwrap_or_else(|| "HEAD".to_owned());

    let (db, opened) = timed(|| ObjectDatabase::open(Path::new(&repository)))?;
    let tree = db.commit(db.resolve(&revision)?)?.tree;
    println!("opening the repository            {opened:>10.1?}");
    let layer: Layer = Arc::new(MemoryObjects::new(db));

    let (entries, first) = timed(|| stat_all(&mut open(&layer, tree)))?;
    println!("first stat of {entries:>6} entries      {first:>10.1?}");
    report("opening a worktree", || {
        black_box(open(&layer, tree));
        Ok(())
    })?;
    report("stat of every entry, new worktree", || stat_all(&mut open(&layer, tree)).map(drop))?;
    let mut walked = open(&layer, tree);
    stat_all(&mut walked)?;
    report("the same again in one worktree", || stat_all(&mut walked).map(drop))?;
    let paths = walked.walk(&RepoPath::root())?;
    report("resolve and stat of every path", || resolve_all(&mut walked, &paths))?;

    let files = edited_files(&mut walked)?;
    edits(&layer, tree, &files)?;
    big_file(&layer, tree)?;
    many(&layer, tree, &files)
}

fn open(layer: &Layer, tree: TreeId) -> Worktree {
    Worktree::new(layer.clone(), tree, WorktreeOptions::default())
}

/// Lists every directory and describes every entry, as a recursive walker does.
fn stat_all(worktree: &mut Worktree) -> Result<usize, Failure> {
    let mut count = 0;
    let mut ahead: Vec<NodeId> = vec![worktree.root()];
    while let Some(dir) = ahead.pop() {
        for entry in worktree.read_dir(dir)? {
            black_box(worktree.metadata(entry.node)?);
            count += 1;
            if entry.kind == NodeKind::Directory {
                ahead.push(entry.node);
            }
        }
    }
    Ok(count)
}

fn resolve_all(worktree: &mut Worktree, paths: &[(RepoPath, NodeKind)]) -> Result<(), Failure> {
    let root = worktree.root();
    for (path, _) in paths {
        let node = worktree.resolve(root, path.as_bstr(), Links::NoFollow)?.node()?;
        black_box(worktree.metadata(node)?);
    }
    Ok(())
}

/// Ten files spread over the worktree.
fn edited_files(worktree: &mut Worktree) -> Result<Vec<RepoPath>, Failure> {
    let mut files = worktree.walk(&RepoPath::root())?;
    files.retain(|(_, kind)| *kind == NodeKind::File);
    let step = (files.len() / 10).max(1);
    Ok(files.into_iter().step_by(step).take(10).map(|(path, _)| path).collect())
}

fn edit(worktree: &mut Worktree, files: &[RepoPath], text: &str) -> Result<(), Failure> {
    for path in files {
        let entry = worktree.entry(path)?.ok_or("a file of the worktree is gone")?;
        worktree.append(entry.node, text.as_bytes())?;
    }
    Ok(())
}

fn edits(layer: &Layer, tree: TreeId, files: &[RepoPath]) -> Result<(), Failure> {
    let mut edit_times = Vec::new();
    let mut snapshot_times = Vec::new();
    let mut again_times = Vec::new();
    for run in 0..RUNS {
        let mut worktree = open(layer, tree);
        let text = format!("\n# edit {run}\n");
        edit_times.push(timed(|| edit(&mut worktree, files, &text))?.1);
        snapshot_times.push(timed(|| worktree.snapshot(&mut &**layer))?.1);
        again_times.push(timed(|| worktree.snapshot(&mut &**layer))?.1);
    }
    println!("10 edits in a new worktree        {:>10.1?}", median(&mut edit_times));
    println!("snapshot after them, to memory    {:>10.1?}", median(&mut snapshot_times));
    println!("snapshot without edits            {:>10.1?}", median(&mut again_times));
    Ok(())
}

fn big_file(layer: &Layer, tree: TreeId) -> Result<(), Failure> {
    let block = [7; CALL];
    report("4 MiB appended by 4 KiB", || {
        let mut worktree = open(layer, tree);
        let root = worktree.root();
        let node = worktree.create_file(root, BStr::new("big"), OnExisting::Refuse)?;
        for _ in 0..BIG / CALL {
            worktree.append(node, &block)?;
        }
        Ok(())
    })?;
    let mut worktree = open(layer, tree);
    let root = worktree.root();
    let node = worktree.create_file(root, BStr::new("big"), OnExisting::Refuse)?;
    worktree.write(node, 0, &vec![7; BIG])?;
    report("4 MiB read by 4 KiB", || {
        for at in 0..BIG / CALL {
            black_box(worktree.read(node, (at * CALL) as u64, CALL as u64)?);
        }
        Ok(())
    })
}

fn many(layer: &Layer, tree: TreeId, files: &[RepoPath]) -> Result<(), Failure> {
    let before = resident_bytes()?;
    let mut worktrees = Vec::new();
    let mut written = 0;
    for number in 0..WORKTREES {
        let mut worktree = open(layer, tree);
        edit(&mut worktree, files, &format!("\n# {number}\n"))?;
        written += worktree.usage().bytes;
        worktrees.push(worktree);
    }
    let added = resident_bytes()?.saturating_sub(before);
    println!(
        "{WORKTREES} worktrees with 10 edits each hold {} MiB, {} MiB of it files written",
        added >> 20,
        written >> 20,
    );
    Ok(())
}

fn resident_bytes() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = status.split(' ').nth(1).ok_or("no resident size")?.parse()?;
    Ok(pages * 4_096)
}

fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, Duration), E> {
    let start = Instant::now();
    let result = work()?;
    Ok((result, start.elapsed()))
}

fn report(what: &str, mut work: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(timed(&mut work)?.1);
    }
    println!("{what:<33} {:>10.1?}", median(&mut times));
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
