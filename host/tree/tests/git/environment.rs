//! A temporary repository and git on it, without any configuration from outside.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bytes::Bytes;
use catena_tree::patch::{Edit, FileKind, edit_tree};
use catena_tree::{ObjectDatabase, RepoPath, TreeId};
use tempfile::TempDir;

/// A bare repository that goes away with the value.
pub(crate) struct Repository {
    dir: TempDir,
    pub(crate) db: ObjectDatabase,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = ObjectDatabase::create(&dir.path().join("objects.git"), &[]).unwrap();
        Self { dir, db }
    }

    /// The directory that holds the repository, for more of them.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs git and returns what it says, whatever its exit status is.
    pub(crate) fn git_output(&self, args: &[&str], input: &[u8]) -> Output {
        git_in(self.db.path(), args, input)
    }

    /// Runs git, which must end well, and returns its output.
    pub(crate) fn git(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.git_output(args, input);
        assert!(
            output.status.success(),
            "git {args:?}: {}\ninput:\n{}",
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(input)
        );
        output.stdout
    }

    /// Like [`Self::git`], with the output as a line of text.
    pub(crate) fn git_line(&self, args: &[&str]) -> String {
        String::from_utf8(self.git(args, b"")).unwrap().trim_end().to_owned()
    }

    /// The tree of these files: path, kind and content.
    pub(crate) fn tree(&self, files: &[(&str, FileKind, &str)]) -> TreeId {
        let edits: Vec<_> =
            files.iter().map(|(path, kind, content)| write(path, *kind, content)).collect();
        let mut sink = &self.db;
        edit_tree(&self.db, &mut sink, TreeId::EMPTY, &edits).unwrap()
    }

    /// The tree git makes when it applies `patch` to `from`.
    pub(crate) fn git_apply(&self, from: TreeId, patch: &[u8]) -> TreeId {
        self.git(&["read-tree", &from.to_string()], b"");
        if !patch.is_empty() {
            self.git(&["apply", "--cached", "--whitespace=nowarn"], patch);
        }
        self.git_line(&["write-tree", "--missing-ok"]).parse().unwrap()
    }

    /// The tree git merges, and whether it is in conflict; `None` where git stops
    /// at an assertion of its own, as version 2.47 does on some renames.
    pub(crate) fn git_merge(
        &self,
        base: TreeId,
        ours: TreeId,
        theirs: TreeId,
    ) -> Option<(TreeId, bool)> {
        let base = format!("--merge-base={base}");
        let (ours, theirs) = (ours.to_string(), theirs.to_string());
        let args = ["merge-tree", "--write-tree", &base, &ours, &theirs];
        let output = self.git_output(&args, b"");
        let text = String::from_utf8_lossy(&output.stdout);
        let conflict = match output.status.code() {
            Some(0) => false,
            Some(1) => true,
            None => return None,
            _ => panic!("git merge-tree: {}", String::from_utf8_lossy(&output.stderr)),
        };
        Some((text.lines().next().unwrap().parse().unwrap(), conflict))
    }
}

/// Runs git on a git directory.
pub(crate) fn git_in(git_dir: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new("git")
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_DIR", git_dir)
        .env("GIT_INDEX_FILE", git_dir.join("index"))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .envs(["AUTHOR", "COMMITTER"].into_iter().flat_map(|who| {
            let variable = |what, value| (format!("GIT_{who}_{what}"), value);
            [
                variable("NAME", "A Tester"),
                variable("EMAIL", "tester@example.org"),
                variable("DATE", "1700000000 +0000"),
            ]
        }))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // Git may stop reading early; the test then fails by what git says.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

/// An edit that writes a file of text.
pub(crate) fn write(path: &str, kind: FileKind, content: &str) -> Edit {
    let content = Bytes::copy_from_slice(content.as_bytes());
    Edit::Write { path: RepoPath::new(path).unwrap(), content, kind }
}

/// The file of a loose object.
pub(crate) fn loose_object(git_dir: &Path, id: &str) -> PathBuf {
    git_dir.join("objects").join(&id[..2]).join(&id[2..])
}
