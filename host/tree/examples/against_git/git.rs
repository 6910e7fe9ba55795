//! Runs git on the temporary repository, without any configuration or attributes.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use catena_tree::{CommitId, TreeId};

use super::Failure;

/// Attributes of the content would convert line ends and skip differences. This
/// file comes before theirs.
const ATTRIBUTES: &str = "* !text !eol !crlf !ident !filter !working-tree-encoding !diff !merge\n";

const CONFIGURATION: [&str; 10] = [
    "-c",
    "core.bare=false",
    "-c",
    "core.protectNTFS=false",
    "-c",
    "core.protectHFS=false",
    "-c",
    "gc.auto=0",
    "-c",
    "core.fsync=none",
];

pub(crate) struct Git {
    dir: PathBuf,
    work: PathBuf,
}

/// What a patch is applied to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Files and their index.
    WorkTree,
    /// An index of its own, without files.
    Index,
}

/// What `git merge-tree` made.
pub(crate) enum MergedByGit {
    Tree {
        tree: TreeId,
        conflicted: bool,
    },
    /// It lacks an object.
    Missing,
    /// It was stopped by an assertion of its own.
    Crashed,
}

impl Git {
    pub(crate) fn new(dir: PathBuf, work: PathBuf) -> Result<Self, Failure> {
        fs::create_dir_all(&work)?;
        fs::create_dir_all(dir.join("info"))?;
        fs::write(dir.join("info/attributes"), ATTRIBUTES)?;
        Ok(Self { dir, work })
    }

    pub(crate) fn version(&self) -> Result<String, Failure> {
        self.text(&["version"], b"")
    }

    pub(crate) fn run(&self, args: &[&str], input: &[u8]) -> Result<Output, Failure> {
        self.run_on(Target::WorkTree, args, input)
    }

    fn run_on(&self, target: Target, args: &[&str], input: &[u8]) -> Result<Output, Failure> {
        let index = match target {
            Target::WorkTree => "index",
            Target::Index => "index-alone",
        };
        let mut child = Command::new("git")
            .args(CONFIGURATION)
            .args(args)
            .current_dir(&self.work)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GIT_DIR", &self.dir)
            .env("GIT_WORK_TREE", &self.work)
            .env("GIT_INDEX_FILE", self.dir.join(index))
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

    pub(crate) fn text(&self, args: &[&str], input: &[u8]) -> Result<String, Failure> {
        self.text_on(Target::WorkTree, args, input)
    }

    fn text_on(&self, target: Target, args: &[&str], input: &[u8]) -> Result<String, Failure> {
        let output = self.run_on(target, args, input)?;
        if output.status.success() {
            Ok(String::from_utf8(output.stdout)?.trim().to_owned())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("git {}: {}", args.join(" "), said.trim()).into())
        }
    }

    /// Makes the index, and perhaps the work tree, those of `tree`.
    pub(crate) fn check_out(&self, tree: TreeId, target: Target) -> Result<(), Failure> {
        let tree = tree.to_string();
        let args: &[&str] = match target {
            Target::WorkTree => &["read-tree", "--reset", "-u", &tree],
            Target::Index => &["read-tree", &tree],
        };
        self.text_on(target, args, b"").map(drop)
    }

    /// The tree after `git apply` on what was checked out.
    pub(crate) fn apply(&self, patch: &[u8], target: Target) -> Result<TreeId, Failure> {
        if !patch.is_empty() {
            let mode = match target {
                Target::WorkTree => "--index",
                Target::Index => "--cached",
            };
            self.text_on(target, &["apply", mode, "--whitespace=nowarn"], patch)?;
        }
        Ok(self.text_on(target, &["write-tree", "--missing-ok"], b"")?.parse()?)
    }

    pub(crate) fn merge_tree(
        &self,
        base: TreeId,
        ours: TreeId,
        theirs: TreeId,
    ) -> Result<MergedByGit, Failure> {
        let base = format!("--merge-base={base}");
        let sides = [ours.to_string(), theirs.to_string()];
        let [ours, theirs] = &sides;
        let output =
            self.run(&["merge-tree", "--write-tree", "--no-messages", &base, ours, theirs], b"")?;
        let conflicted = match output.status.code() {
            Some(0) => false,
            Some(1) => true,
            None => return Ok(MergedByGit::Crashed),
            Some(_) => {
                let said = String::from_utf8_lossy(&output.stderr);
                return if says_missing(&said) {
                    Ok(MergedByGit::Missing)
                } else {
                    Err(format!("git merge-tree: {}", said.trim()).into())
                };
            }
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let tree = text.lines().next().unwrap_or_default().parse()?;
        Ok(MergedByGit::Tree { tree, conflicted })
    }

    /// The merge base of two commits, if there is exactly one. Several would need
    /// a base merged from them, which is not what is compared here.
    pub(crate) fn merge_base(
        &self,
        ours: CommitId,
        theirs: CommitId,
    ) -> Result<Option<CommitId>, Failure> {
        let output =
            self.run(&["merge-base", "--all", &ours.to_string(), &theirs.to_string()], b"")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut bases = text.lines();
        match (bases.next(), bases.next()) {
            (Some(base), None) => Ok(Some(base.parse()?)),
            _ => Ok(None),
        }
    }
}

/// Whether git complains of an object that is not there.
pub(crate) fn says_missing(said: &str) -> bool {
    ["unable to read", "missing", "could not get object info", "promisor", "bad object"]
        .iter()
        .any(|words| said.contains(words))
}
