//! The repository of the demo as git and the miner see it, and its script
//! played with real commands and git's own merge.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use catena_chain::{Chain, EdgeKind, Stage};
use catena_mine::{ChainLists, Resolution, ResolveOptions, resolve};

use catena_tree::merge::{ConflictPolicy, Labels, MergeRequest, merge};

use super::*;

/// A grown repository and a directory for checkouts.
struct Demo {
    dir: tempfile::TempDir,
    db: ObjectDatabase,
}

impl Demo {
    fn grow() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = build(&dir.path().join("demo.git")).unwrap();
        Self { dir, db }
    }

    fn run(&self, program: &str, args: &[&str]) -> Output {
        Command::new(program)
            .args(args)
            .current_dir(self.dir.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_DIR", self.dir.path().join("demo.git"))
            .env("GIT_INDEX_FILE", self.dir.path().join("index"))
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap()
    }

    /// The output of a git command that must succeed, trimmed.
    fn git(&self, args: &[&str]) -> String {
        let output = self.run("git", args);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {told}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn resolve(&self) -> Resolution {
        let lists = ChainLists::parse(CHAINS.as_bytes(), "chains.json".as_ref()).unwrap();
        resolve(&self.db, &lists, &ResolveOptions::default(), &mut |_| {}).unwrap()
    }

    fn chain(&self) -> Chain {
        let mut resolution = self.resolve();
        assert_eq!(resolution.refused, []);
        resolution.file.chains.remove(0)
    }

    /// The worktree with the files of `tree` in it and nothing else.
    fn check_out(&self, tree: &str) -> PathBuf {
        let worktree = self.dir.path().join("worktree");
        if worktree.exists() {
            std::fs::remove_dir_all(&worktree).unwrap();
        }
        std::fs::create_dir(&worktree).unwrap();
        let path = worktree.to_str().unwrap();
        self.git(&["read-tree", tree]);
        self.git(&["--work-tree", path, "checkout-index", "--all"]);
        worktree
    }

    /// The tree of what is in the worktree now.
    fn snapshot(&self) -> String {
        let worktree = self.dir.path().join("worktree");
        self.git(&["--work-tree", worktree.to_str().unwrap(), "add", "--all"]);
        self.git(&["write-tree"])
    }

    /// Carries `ours` over what others changed between two stages, as git would.
    /// Tells the tree and the conflicting paths.
    fn carry(&self, before: &Stage, ours: &str, stage: &Stage) -> (String, Vec<String>) {
        let base = format!("--merge-base={}", before.human);
        let theirs = stage.base.tree.to_string();
        let args = ["merge-tree", "--write-tree", "--name-only", "--no-messages", &base];
        let output = self.run("git", &[&args[..], &[ours, &theirs]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines = text.lines().map(str::to_owned).filter(|line| !line.is_empty());
        let outcome = (lines.next().unwrap(), lines.collect());
        assert_eq!(self.own_carry(before, ours, stage), outcome, "ours differs from git's");
        outcome
    }

    /// The same by our own merge.
    fn own_carry(&self, before: &Stage, ours: &str, stage: &Stage) -> (String, Vec<String>) {
        let theirs = stage.base.tree;
        let request = MergeRequest {
            base: before.human,
            ours: ours.parse().unwrap(),
            theirs,
            policy: ConflictPolicy::Markers,
            labels: Labels { ours: ours.to_owned(), theirs: theirs.to_string() },
            union: Vec::new(),
        };
        let merged = merge(&self.db, &request).unwrap();
        let paths = merged.conflicts.iter().map(|conflict| conflict.path.to_string()).collect();
        (merged.tree.to_string(), paths)
    }

    /// Runs one command of the agent. Its `/tmp` is a directory of this test.
    fn agent(&self, command: &str) -> String {
        let scratch = self.dir.path().join("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        let command = command.replace("/tmp/", &format!("{}/", scratch.display()));
        let output = Command::new("bash")
            .args(["-c", &command])
            .current_dir(self.dir.path().join("worktree"))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{command}\n{told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether two patches are alike: lines they share of all lines they change.
    fn likeness(&self, candidate: [&str; 2], reference: [&str; 2]) -> f64 {
        let (candidate, reference) = (self.changes(candidate), self.changes(reference));
        let shared: usize = candidate
            .iter()
            .map(|(line, n)| reference.get(line).copied().unwrap_or(0).min(*n))
            .sum();
        let all: usize = candidate.values().chain(reference.values()).sum();
        #[expect(clippy::cast_precision_loss, reason = "hundreds of lines")]
        let likeness = 2.0 * shared as f64 / all as f64;
        likeness
    }

    fn changes(&self, [from, to]: [&str; 2]) -> BTreeMap<(String, String), usize> {
        let patch = self.git(&["diff-tree", "-p", "--no-renames", from, to]);
        let mut changes = BTreeMap::new();
        let mut file = "";
        for line in patch.lines() {
            if let Some(header) = line.strip_prefix("diff --git ") {
                file = header;
            } else if line.starts_with(['+', '-'])
                && !line.starts_with("+++ ")
                && !line.starts_with("--- ")
            {
                *changes.entry((file.to_owned(), line.to_owned())).or_default() += 1;
            }
        }
        changes
    }

    /// Runs the tests of the library in the worktree, if there is a Python.
    fn library_tests(&self) {
        let python = Command::new("python3")
            .args(["-m", "unittest", "discover", "tests"])
            .current_dir(self.dir.path().join("worktree"))
            .env("PYTHONPATH", "src")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output();
        if let Ok(output) = python {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// The rounds of a stage in the script: the commands up to each submission.
fn rounds(stage: &Stage) -> Vec<Vec<String>> {
    let script: serde_json::Value = serde_json::from_str(SCRIPT).unwrap();
    let replies = script["replies"][stage.id.as_str()].as_array().unwrap();
    let commands = replies.iter().map(|reply| {
        assert!(!reply["content"].as_str().unwrap().is_empty());
        assert_eq!(reply["tool_calls"][0]["name"], "bash");
        reply["tool_calls"][0]["arguments"]["command"].as_str().unwrap().to_owned()
    });
    let mut rounds = vec![Vec::new()];
    for command in commands {
        let submits = command == "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT";
        rounds.last_mut().unwrap().push(command);
        if submits {
            rounds.push(Vec::new());
        }
    }
    assert_eq!(rounds.pop(), Some(Vec::new()), "the last reply of a stage submits");
    rounds
}

#[test]
fn every_text_of_the_demo_is_used() {
    let demo = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("demo");
    for (folder, extension, used) in [("base", "", BASE), ("patches", ".patch", PATCHES)] {
        let mut found = Vec::new();
        let mut open = vec![demo.join(folder)];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let name = path.strip_prefix(demo.join(folder)).unwrap().to_str().unwrap();
                    found.push(name.strip_suffix(extension).unwrap().to_owned());
                }
            }
        }
        found.sort();
        let used: Vec<_> = used.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, used, "demo/{folder} and the list in repository.rs differ");
    }
}

#[test]
fn git_accepts_the_repository() {
    let demo = Demo::grow();
    assert_eq!(demo.git(&["fsck", "--strict"]), "");
    insta::assert_snapshot!(demo.git(&["log", "--first-parent", "--format=%h %an: %s"]), @r"
    ca0dc71 Hana Sato: Merge pull request #26 from mira/border-styles
    f6ab35b Jonas Lindqvist: Write times to the second (#23)
    fa85ded Mira Okafor: Merge pull request #21 from hana/write-markdown
    54581bc Jonas Lindqvist: Remember the width of characters (#19)
    f7a1132 Mira Okafor: Merge pull request #17 from hana/measure-width
    232ce36 Jonas Lindqvist: Skip empty lines of CSV files
    125043c Jonas Lindqvist: Merge pull request #14 from mira/align-columns
    b2594eb Mira Okafor: Version 0.3.0 and reading of CSV files
    ");
    assert_eq!(demo.git(&["symbolic-ref", "HEAD"]), "refs/heads/main");
}

#[test]
fn growing_again_gives_the_same_commits() {
    let (one, two) = (Demo::grow(), Demo::grow());
    let tip = |db: &ObjectDatabase| db.resolve("main").unwrap();
    assert_eq!(tip(&one.db), tip(&two.db));
    let again = build(&one.dir.path().join("demo.git")).unwrap();
    assert_eq!(tip(&again), tip(&one.db));
}

#[test]
fn lists_resolve_to_a_chain_with_references_between_its_stages() {
    let demo = Demo::grow();
    let resolution = demo.resolve();
    resolution.file.check().unwrap();
    resolution.file.verify(&demo.db).unwrap();
    let chain = demo.chain();
    assert_eq!(chain.id.as_str(), "gridline-alignment");
    let stages: Vec<_> = chain.stages.iter().map(|stage| stage.id.as_str()).collect();
    assert_eq!(stages, ["pr-14", "pr-17", "pr-21", "pr-26"]);
    let edge = |from: &str, to: &str| {
        let mut edges = chain.edges.iter();
        let edge = edges.find(|edge| edge.from.as_str() == from && edge.to.as_str() == to);
        edge.map(|edge| edge.evidence.iter().map(|evidence| evidence.kind).max())
    };
    assert_eq!(edge("pr-17", "pr-14"), Some(Some(EdgeKind::FollowsUp)));
    assert_eq!(edge("pr-21", "pr-14"), Some(Some(EdgeKind::Mentions)));
    assert_eq!(edge("pr-26", "pr-21"), Some(Some(EdgeKind::Mentions)));
}

#[test]
fn reference_patches_are_what_git_apply_takes() {
    let demo = Demo::grow();
    for stage in demo.chain().stages {
        let patch = stage.reference_patch(&demo.db).unwrap();
        let file = demo.dir.path().join("reference.patch");
        std::fs::write(&file, patch).unwrap();
        demo.git(&["read-tree", &stage.base.tree.to_string()]);
        demo.git(&["apply", "--cached", file.to_str().unwrap()]);
        assert_eq!(demo.git(&["write-tree"]), stage.human.to_string());
    }
}

#[test]
fn queries_name_nothing_that_only_the_patch_introduces() {
    let demo = Demo::grow();
    let chain = demo.chain();
    for stage in &chain.stages {
        let base = demo.git(&["grep", "-hI", "-e", "", &stage.base.tree.to_string()]);
        let human = demo.git(&["grep", "-hI", "-e", "", &stage.human.to_string(), "--", "src"]);
        let words = |text: &str| -> std::collections::BTreeSet<String> {
            let parts = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            parts.filter(|word| word.contains('_')).map(str::to_owned).collect()
        };
        let new: Vec<_> = words(&human).difference(&words(&base)).cloned().collect();
        assert!(!new.is_empty());
        for word in &new {
            assert!(!stage.query.contains(word.as_str()), "{}: {word}", stage.id);
            assert!(!chain.overview.contains(word.as_str()), "overview: {word}");
        }
        assert!(!stage.query.contains('#'), "{}: a number", stage.id);
    }
}

/// The story of the demo: one stage is refused at first, one begins with a
/// conflict, and all end alike enough to the human work.
#[test]
fn scripted_agent_repairs_and_resolves_on_its_way_through_the_chain() {
    let demo = Demo::grow();
    let chain = demo.chain();
    let mut carried: Option<(Stage, String)> = None;
    let mut told = Vec::new();
    for stage in &chain.stages {
        let (start, conflicts) = match &carried {
            None => (stage.base.tree.to_string(), Vec::new()),
            Some((before, tree)) => demo.carry(before, tree, stage),
        };
        demo.check_out(&start);
        let mut line = format!("{} conflicts {conflicts:?}, rounds", stage.id);
        let mut submitted = String::new();
        for round in rounds(stage) {
            for command in &round {
                demo.agent(command);
            }
            submitted = demo.snapshot();
            let reference = [stage.base.tree.to_string(), stage.human.to_string()];
            let [base, human] = &reference;
            let enough = demo.likeness([&start, &submitted], [base, human]) >= 0.8;
            line.push_str(if enough { " accepted" } else { " refused" });
        }
        assert!(!demo.run("git", &["grep", "-q", "^<<<<<<< ", &submitted]).status.success());
        demo.library_tests();
        carried = Some((stage.clone(), submitted));
        told.push(line);
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    pr-14 conflicts [], rounds accepted
    pr-17 conflicts [], rounds refused accepted
    pr-21 conflicts ["src/gridline/width.py"], rounds accepted
    pr-26 conflicts [], rounds accepted
    "#);
}

#[test]
fn every_human_state_of_the_library_passes_its_tests() {
    let demo = Demo::grow();
    for commit in demo.git(&["rev-list", "main"]).lines() {
        demo.check_out(commit);
        demo.library_tests();
    }
}
