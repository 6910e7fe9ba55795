//! Compares patches and merges with those of `git` on the history of a real
//! repository.
//!
//! `cargo run --release --example against_git -- REPOSITORY [COUNT] [SEED]`
//!
//! Takes COUNT (200) pairs of commits up to 200 first parents apart and checks
//! that `git apply` makes the right tree of our patch and we of git's. Then merges
//! trees COUNT times: half of them from merge commits of the repository, half from
//! three commits drawn from a window of up to 200 first parents. Nothing is written to the
//! repository; objects go to a temporary one that borrows from it.
#![allow(clippy::print_stdout, reason = "the report of a program for people")]
#![allow(clippy::indexing_slicing, reason = "the tool may stop where its input is odd")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use catena_tree::database::Commit;
use catena_tree::diff::DiffOptions;
use catena_tree::merge::{self, ConflictPolicy, Labels, MergeError, MergeRequest};
use catena_tree::patch;
use catena_tree::{ObjectDatabase, ObjectError, TreeId};

/// Commits between the two ends of a difference, and in the window of a merge.
const SPAN: usize = 200;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let repository =
        PathBuf::from(args.next().ok_or("usage: against_git REPOSITORY [COUNT] [SEED]")?);
    let count = args.next().map_or(Ok(200), |count| count.parse())?;
    let seed = args.next().map_or(Ok(1), |seed| seed.parse())?;

    let dir = tempfile::tempdir()?;
    let path = dir.path().join("objects.git");
    let db = ObjectDatabase::create(&path, std::slice::from_ref(&repository))?;
    let clone = ObjectDatabase::open(&repository)?;
    let started = Instant::now();
    let history: Vec<Commit> =
        clone.first_parents(clone.resolve("HEAD")?).collect::<Result<_, _>>()?;
    println!("{} first parents read in {:?}", history.len(), started.elapsed());

    let mut check = Check {
        git: Git { dir: path },
        db,
        dice: Dice(seed ^ 0x9e37_79b9_7f4a_7c15),
        tally: Tally::default(),
    };
    check.patches(&history, count);
    check.tally.report();
    check.tally = Tally::default();
    check.merges(&history, count)?;
    check.tally.report();
    Ok(())
}

struct Check {
    git: Git,
    db: ObjectDatabase,
    dice: Dice,
    tally: Tally,
}

impl Check {
    fn patches(&mut self, history: &[Commit], count: usize) {
        for _ in 0..count {
            let span = 1 + self.dice.below(SPAN.min(history.len() - 1));
            let newer = self.dice.below(history.len() - span);
            let (from, to) = (&history[newer + span], &history[newer]);
            let name = format!("{}..{}", from.id, to.id);
            match self.our_patch(from.tree, to.tree) {
                Err(err) if is_missing(&*err) => self.tally.count("our patch: blob missing"),
                outcome => self.tally.judge("our patch, applied by git", &name, outcome),
            }
            match self.their_patch(from.tree, to.tree) {
                Err(err) if is_missing(&*err) => self.tally.count("git's patch: blob missing"),
                outcome => self.tally.judge("git's patch, applied by us", &name, outcome),
            }
        }
    }

    fn our_patch(&mut self, from: TreeId, to: TreeId) -> Result<(), Failure> {
        let started = Instant::now();
        let patch = patch::write(&self.db, from, to, &DiffOptions::default())?;
        self.tally.time("writing a patch", started.elapsed());
        let made = self.git.apply(from, &patch)?;
        if made == to { Ok(()) } else { Err(format!("git makes {made} of it").into()) }
    }

    fn their_patch(&mut self, from: TreeId, to: TreeId) -> Result<(), Failure> {
        let (from_name, to_name) = (from.to_string(), to.to_string());
        let args = ["diff", "--binary", "--full-index", "-M", &from_name, &to_name];
        let patch = self.git.run(&args, b"")?;
        if !patch.status.success() {
            return Err(Box::new(ObjectError::Missing("a blob that git needs".into())));
        }
        let started = Instant::now();
        let parsed = patch::parse(&patch.stdout)?;
        let mut sink = &self.db;
        let made = patch::apply(&self.db, &mut sink, from, &parsed)?.tree;
        self.tally.time("reading and applying a patch", started.elapsed());
        if made == to { Ok(()) } else { Err(format!("we make {made} of it").into()) }
    }

    fn merges(&mut self, history: &[Commit], count: usize) -> Result<(), Failure> {
        let merge_commits: Vec<_> =
            history.iter().filter(|commit| commit.parents.len() == 2).collect();
        for round in 0..count {
            let (label, trees) = if round % 2 == 0 && !merge_commits.is_empty() {
                let commit = merge_commits[self.dice.below(merge_commits.len())];
                let Some(base) = self.git.merge_base(commit)? else { continue };
                let sides = [base, commit.parents[0], commit.parents[1]];
                ("merge commits", sides.map(|id| self.db.commit(id).map(|commit| commit.tree)))
            } else {
                let window = (2 + self.dice.below(SPAN)).min(history.len());
                let start = self.dice.below(history.len() - window + 1);
                let mut draw = || history[start + self.dice.below(window)].tree;
                ("windows of history", [Ok(draw()), Ok(draw()), Ok(draw())])
            };
            let [base, ours, theirs] = trees;
            self.merge(label, base?, ours?, theirs?)?;
        }
        Ok(())
    }

    fn merge(
        &mut self,
        label: &str,
        base: TreeId,
        ours: TreeId,
        theirs: TreeId,
    ) -> Result<(), Failure> {
        let request = MergeRequest {
            base,
            ours,
            theirs,
            policy: ConflictPolicy::Markers,
            labels: Labels { ours: ours.to_string(), theirs: theirs.to_string() },
            union: Vec::new(),
        };
        let Some((expected, conflicted)) = self.git.merge_tree(base, ours, theirs)? else {
            self.tally.count(&format!("{label}: git cannot merge, a blob is missing"));
            return Ok(());
        };
        let started = Instant::now();
        let merged = match merge::merge(&self.db, &request) {
            Ok(merged) => merged,
            Err(MergeError::MissingObject { .. }) => {
                self.tally.count(&format!("{label}: blob missing"));
                return Ok(());
            }
            Err(err) => return Err(err.into()),
        };
        self.tally.time("merging", started.elapsed());
        let name = format!("{base} {ours} {theirs}");
        let sort = if conflicted { "conflict" } else { "clean" };
        let outcome = match (conflicted, merged.conflicts.is_empty()) {
            (true, true) => Err("git has a conflict, we have none".into()),
            (false, false) => {
                Err(format!("git has no conflict, we have {:?}", merged.conflicts).into())
            }
            (false, true) if merged.tree != expected => {
                Err(format!("git makes {expected}, we make {}", merged.tree).into())
            }
            _ => Ok(()),
        };
        self.tally.judge(&format!("{label}, {sort}"), &name, outcome);
        if conflicted && merged.tree == expected {
            self.tally.count(&format!("{label}, conflict: tree with markers equal too"));
        }
        Ok(())
    }
}

/// Runs git on the temporary repository, without any configuration.
struct Git {
    dir: PathBuf,
}

impl Git {
    fn run(&self, args: &[&str], input: &[u8]) -> Result<Output, Failure> {
        let mut child = Command::new("git")
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GIT_DIR", &self.dir)
            .env("GIT_INDEX_FILE", self.dir.join("index"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or("git takes no input")?;
        let input = input.to_vec();
        // Git may stop reading early; what it then says tells more than the broken pipe.
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output()?;
        drop(feeder.join());
        Ok(output)
    }

    fn text(&self, args: &[&str], input: &[u8]) -> Result<String, Failure> {
        let output = self.run(args, input)?;
        if output.status.success() {
            Ok(String::from_utf8(output.stdout)?.trim().to_owned())
        } else {
            Err(format!("git {}: {}", args[0], String::from_utf8_lossy(&output.stderr)).into())
        }
    }

    fn apply(&self, from: TreeId, patch: &[u8]) -> Result<TreeId, Failure> {
        self.text(&["read-tree", &from.to_string()], b"")?;
        if !patch.is_empty() {
            self.text(&["apply", "--cached", "--whitespace=nowarn"], patch)?;
        }
        Ok(self.text(&["write-tree", "--missing-ok"], b"")?.parse()?)
    }

    /// The tree and whether there are conflicts; `None` if git cannot merge.
    fn merge_tree(
        &self,
        base: TreeId,
        ours: TreeId,
        theirs: TreeId,
    ) -> Result<Option<(TreeId, bool)>, Failure> {
        let base = format!("--merge-base={base}");
        let sides = [ours.to_string(), theirs.to_string()];
        let args = ["merge-tree", "--write-tree", "--no-messages", &base, &sides[0], &sides[1]];
        let output = self.run(&args, b"")?;
        let conflicted = match output.status.code() {
            Some(0) => false,
            Some(1) => true,
            _ => return Ok(None),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let tree = text.lines().next().unwrap_or_default().parse()?;
        Ok(Some((tree, conflicted)))
    }

    fn merge_base(&self, commit: &Commit) -> Result<Option<catena_tree::CommitId>, Failure> {
        let sides = [commit.parents[0].to_string(), commit.parents[1].to_string()];
        let output = self.run(&["merge-base", "--all", &sides[0], &sides[1]], b"")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let bases: Vec<_> = text.lines().collect();
        // Several bases would need a base merged from them, which is not what is compared here.
        if let [base] = bases[..] { Ok(Some(base.parse()?)) } else { Ok(None) }
    }
}

/// What was counted, measured and found to be wrong.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<String, (usize, usize)>,
    times: BTreeMap<String, Vec<Duration>>,
    faults: Vec<String>,
}

impl Tally {
    fn judge(&mut self, what: &str, name: &str, outcome: Result<(), Failure>) {
        let (right, all) = self.counts.entry(what.to_owned()).or_default();
        *all += 1;
        match outcome {
            Ok(()) => *right += 1,
            Err(err) => self.faults.push(format!("{what}: {name}: {err}")),
        }
    }

    fn count(&mut self, what: &str) {
        let (right, all) = self.counts.entry(what.to_owned()).or_default();
        *right += 1;
        *all += 1;
    }

    fn time(&mut self, what: &str, time: Duration) {
        self.times.entry(what.to_owned()).or_default().push(time);
    }

    fn report(&mut self) {
        for (what, (right, all)) in &self.counts {
            println!("{right:4} of {all:4}  {what}");
        }
        for (what, times) in &mut self.times {
            times.sort();
            let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
            println!("{what}: median {middle:?}, at most {last:?}");
        }
        for fault in &self.faults {
            println!("{fault}");
        }
    }
}

fn is_missing(err: &(dyn Error + 'static)) -> bool {
    let object = err.downcast_ref::<ObjectError>();
    let patch = err.downcast_ref::<patch::PatchError>();
    matches!(object, Some(ObjectError::Missing(_)))
        || matches!(patch, Some(patch::PatchError::Object(ObjectError::Missing(_))))
}

/// Numbers that are the same on every run with the same seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (end.max(1) as u64)).unwrap_or_default()
    }
}
