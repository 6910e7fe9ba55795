//! What it costs to have a tree as real files, beside git in the same run.
//!
//! `cargo run --release -p catena-tree --example materialise_costs -- GIT_DIR [REVISION]`
//!
//! Works in a temporary directory and does not write into `GIT_DIR`. Times are
//! the medians of some rounds, with everything in the page cache.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that meets what it does not expect shall fail"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use catena_tree::materialise::{Materialised, Place};
use catena_tree::worktree::{WorktreeOptions, WriteKind};
use catena_tree::{EntryKind, MemoryObjects, ObjectDatabase, Objects, RepoPath, TreeId, Worktree};

const ROUNDS: usize = 5;
const EDITS: usize = 10;

fn main() {
    let mut args = std::env::args().skip(1);
    let git_dir = PathBuf::from(args.next().expect("GIT_DIR"));
    let revision = args.next().unwrap_or_else(|| "HEAD".to_owned());
    let database = ObjectDatabase::open(&git_dir).unwrap();
    let commit = database.resolve(&revision).unwrap();
    let base = database.commit(commit).unwrap().tree;
    let objects = Arc::new(MemoryObjects::new(database));
    let (files, missing) = files(&objects, base);
    println!("{} files, {missing} of them without content in this clone", files.len());

    let temp = tempfile::tempdir().unwrap();
    let git = Git::new(temp.path(), &git_dir);
    // Turn by turn, as the file system's own pace wanders.
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let place = place(temp.path(), &format!("first{round}"));
        ours.push(timed(|| Materialised::create(place, objects.clone(), base).unwrap()).0);
        if missing == 0 {
            let path = temp.path().join(format!("worktree{round}"));
            let path = path.to_str().unwrap().to_owned();
            let add = ["worktree", "add", "--quiet", "--detach", &path, &commit.to_string()];
            theirs.push(timed(|| git.run(&add)).0);
        }
    }
    println!("first materialise                 {:>10.2?}", middle(ours));
    if missing == 0 {
        println!("git worktree add                  {:>10.2?}", middle(theirs));
    }
    later_syncs(temp.path(), &objects, base, &files, missing);
    if missing == 0 {
        git_later(&git, temp.path(), &files);
    }
}

fn later_syncs(
    temp: &Path,
    objects: &Arc<MemoryObjects<ObjectDatabase>>,
    base: TreeId,
    files: &[RepoPath],
    missing: usize,
) {
    let mut worktree = Worktree::new(objects.clone(), base, WorktreeOptions::default());
    let (mut place, _) = Materialised::create(place(temp, "later"), objects.clone(), base).unwrap();
    // The first pull reads again what was written in the last tick of the clock.
    place.pull(&mut worktree).unwrap();
    let idle = median(|_| timed(|| place.pull(&mut worktree).unwrap()).0);
    println!("pull without changes              {idle:>10.2?}");
    let pull = median(|round| {
        for path in spread(files, round) {
            let path = temp.join("later").join(path.as_str().unwrap());
            std::fs::write(path, format!("changed in round {round}\n")).unwrap();
        }
        let (time, report) = timed(|| place.pull(&mut worktree).unwrap());
        assert_eq!(report.changed.len(), EDITS);
        time
    });
    println!("pull of {EDITS} changes                {pull:>10.2?}");
    let push = median(|round| {
        for path in spread(files, round + ROUNDS) {
            let text = format!("pushed in round {round}\n");
            worktree.write_file(&path, text.as_bytes(), WriteKind::KeepMode).unwrap();
        }
        let tree = worktree.snapshot(&mut &**objects).unwrap();
        let (time, report) = timed(|| place.push(tree).unwrap());
        assert!(report.changed.len() == EDITS && report.refused.len() == missing);
        time
    });
    println!("push of {EDITS} changes                {push:>10.2?}");
    drop(place);
    let (open, _) = timed(|| {
        let place = Place::open(&temp.join("later"), &temp.join("later.state")).unwrap();
        Materialised::open(place, objects.clone()).unwrap()
    });
    println!("open in a new process             {open:>10.2?}");
}

fn git_later(git: &Git, temp: &Path, files: &[RepoPath]) {
    let at = temp.join("worktree0");
    let git = Git { dir: at.clone(), ..git.clone() };
    git.run(&["status", "--short"]);
    let idle = median(|_| timed(|| git.run(&["status", "--short"])).0);
    println!("git status without changes        {idle:>10.2?}");
    let (mut status, mut switch) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for path in spread(files, round) {
            let text = format!("changed in round {round}\n");
            std::fs::write(at.join(path.as_str().unwrap()), text).unwrap();
        }
        status.push(timed(|| git.run(&["status", "--short"])).0);
        git.run(&["commit", "--quiet", "--all", "--message", "x"]);
        switch.push(timed(|| git.run(&["reset", "--quiet", "--hard", "HEAD~1"])).0);
    }
    println!("git status with {EDITS} changes        {:>10.2?}", middle(status));
    println!("git reset --hard over {EDITS} changes  {:>10.2?}", middle(switch));
}

/// Some files, others in each round.
fn spread(files: &[RepoPath], round: usize) -> Vec<RepoPath> {
    let step = files.len() / EDITS;
    (0..EDITS).map(|number| files[number * step + round].clone()).collect()
}

/// The regular files of a tree, and how many blobs the source lacks.
fn files(objects: &Arc<MemoryObjects<ObjectDatabase>>, tree: TreeId) -> (Vec<RepoPath>, usize) {
    let (mut files, mut missing) = (Vec::new(), 0);
    let mut ahead = vec![(RepoPath::root(), tree)];
    while let Some((dir, tree)) = ahead.pop() {
        for entry in objects.tree(tree).unwrap().iter() {
            let path = dir.join(entry.name.as_ref()).unwrap();
            match entry.kind {
                EntryKind::Directory(tree) => ahead.push((path, tree)),
                EntryKind::File { .. } => {
                    missing += usize::from(entry.size.is_none());
                    files.push(path);
                }
                EntryKind::Symlink(_) | EntryKind::Submodule(_) => {}
            }
        }
    }
    files.sort();
    (files, missing)
}

fn place(temp: &Path, name: &str) -> Place {
    let (dir, state) = (temp.join(name), temp.join(format!("{name}.state")));
    std::fs::create_dir(&dir).unwrap();
    std::fs::create_dir(&state).unwrap();
    Place::open(&dir, &state).unwrap()
}

/// Git in a clone that borrows all objects.
#[derive(Clone)]
struct Git {
    dir: PathBuf,
    home: PathBuf,
}

impl Git {
    fn new(temp: &Path, git_dir: &Path) -> Self {
        let git = Self { dir: temp.to_owned(), home: temp.to_owned() };
        let from = git_dir.to_str().unwrap();
        git.run(&["clone", "--quiet", "--shared", "--bare", from, "clone.git"]);
        Self { dir: temp.join("clone.git"), home: temp.to_owned() }
    }

    fn run(&self, args: &[&str]) -> Vec<u8> {
        let output = Command::new("git")
            .args(args)
            .current_dir(&self.dir)
            .env("HOME", &self.home)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_NO_LAZY_FETCH", "1")
            .envs(["AUTHOR", "COMMITTER"].into_iter().flat_map(|who| {
                [("NAME", "A"), ("EMAIL", "a@example.org")]
                    .map(|(what, value)| (format!("GIT_{who}_{what}"), value))
            }))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

fn timed<T>(action: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = action();
    (start.elapsed(), result)
}

fn median(measure: impl FnMut(usize) -> Duration) -> Duration {
    middle((0..ROUNDS).map(measure).collect())
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
