//! The repositories that are measured.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use bytes::Bytes;
use catena_tree::database::NewCommit;
use catena_tree::patch::{Edit, FileKind, edit_tree};
use catena_tree::{EntryKind, ObjectDatabase, Objects, RepoPath, TreeId};
use tempfile::TempDir;

/// Files of the generated repositories.
pub(crate) const SIZES: [Size; 2] = [Size(300), Size(30_000)];

/// Files in each of their directories.
const PER_DIRECTORY: usize = 100;

/// First parents between the base of a merge and upstream, in a given repository.
const SPAN: usize = 100;

/// How many files a repository has; a given one has as many as it has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(usize);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if given().is_some() { f.write_str("given") } else { write!(f, "{} files", self.0) }
    }
}

impl std::fmt::Debug for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A repository and trees in it.
pub(crate) struct Fixture {
    pub(crate) db: ObjectDatabase,
    pub(crate) commit: String,
    pub(crate) tree: TreeId,
    /// Ten files of the tree, in different directories where there are enough.
    pub(crate) edited: Vec<RepoPath>,
    /// The tree with those edited.
    pub(crate) edited_tree: TreeId,
    /// The tree with other edits.
    pub(crate) upstream: TreeId,
    _dir: TempDir,
}

fn given() -> Option<PathBuf> {
    std::env::var_os("CATENA_BENCH_REPOSITORY").map(PathBuf::from)
}

/// The fixture of a size, made when it is first asked for.
pub(crate) fn fixture(size: Size) -> &'static Fixture {
    static SMALL: OnceLock<Fixture> = OnceLock::new();
    static LARGE: OnceLock<Fixture> = OnceLock::new();
    let [smallest, _] = SIZES;
    let place = if size == smallest { &SMALL } else { &LARGE };
    place.get_or_init(|| match given() {
        Some(repository) => from_history(&repository),
        None => generated(size.0),
    })
}

fn from_history(repository: &Path) -> Fixture {
    let dir = tempfile::tempdir().expect("a directory");
    let db = ObjectDatabase::create(&dir.path().join("objects.git"), &[repository.to_owned()])
        .expect("a repository");
    let clone = ObjectDatabase::open(repository).expect("a repository");
    let head = clone.resolve("HEAD").expect("a commit");
    let upstream = clone.commit(head).expect("a commit").tree;
    let base = clone.first_parents(head).nth(SPAN).expect("a history").expect("a commit");
    complete(dir, db, base.id.to_string(), base.tree, Some(upstream))
}

fn generated(files: usize) -> Fixture {
    let dir = tempfile::tempdir().expect("a directory");
    let db = ObjectDatabase::create(&dir.path().join("objects.git"), &[]).expect("a repository");
    let edits: Vec<_> = (0..files)
        .map(|number| {
            let path = format!("dir{:04}/file{number}.py", number / PER_DIRECTORY);
            let line = format!("def function_{}(argument):\n    return argument\n\n", number % 64);
            write(&RepoPath::new(path).expect("a path"), line.repeat(60))
        })
        .collect();
    let tree = edit_tree(&db, &mut &db, TreeId::EMPTY, &edits).expect("a tree");
    let commit = NewCommit {
        tree,
        parents: Vec::new(),
        author: "A Bench".into(),
        author_email: "bench@example.org".into(),
        time: 1_700_000_000,
        message: "generated\n".into(),
    };
    let commit = db.write_commit(&commit).expect("a commit").to_string();
    complete(dir, db, commit, tree, None)
}

fn complete(
    dir: TempDir,
    db: ObjectDatabase,
    commit: String,
    tree: TreeId,
    upstream: Option<TreeId>,
) -> Fixture {
    let files = files(&db, tree);
    let step = (files.len() / 10).max(1);
    let edited: Vec<_> = files.iter().step_by(step).take(10).cloned().collect();
    let others: Vec<_> = files.iter().skip(step / 2).step_by(step).take(10).cloned().collect();
    let edited_tree = with_line(&db, tree, &edited);
    let upstream = upstream.unwrap_or_else(|| with_line(&db, tree, &others));
    Fixture { db, commit, tree, edited, edited_tree, upstream, _dir: dir }
}

/// Regular files with text, in order.
fn files(db: &ObjectDatabase, tree: TreeId) -> Vec<RepoPath> {
    let mut found = Vec::new();
    let mut waiting = vec![(RepoPath::root(), tree)];
    while let Some((dir, id)) = waiting.pop() {
        for entry in db.tree(id).expect("a tree").iter() {
            let Ok(path) = dir.join(entry.name.as_ref()) else { continue };
            match entry.kind {
                EntryKind::Directory(id) => waiting.push((path, id)),
                EntryKind::File { .. } if entry.size.is_some_and(|size| size < 1 << 20) => {
                    found.push(path);
                }
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn with_line(db: &ObjectDatabase, tree: TreeId, files: &[RepoPath]) -> TreeId {
    let state = catena_tree::patch::TreeFiles::new(db, tree);
    let edits: Vec<_> = files
        .iter()
        .map(|path| {
            let file = catena_tree::patch::Files::read(&state, path).expect("a file");
            let content = file.expect("a file").content;
            write(path, [&content[..], b"\nanother line\n"].concat())
        })
        .collect();
    edit_tree(db, &mut &*db, tree, &edits).expect("a tree")
}

fn write(path: &RepoPath, content: impl Into<Bytes>) -> Edit {
    Edit::Write { path: path.clone(), content: content.into(), kind: FileKind::Regular }
}

/// Runs git on the repository of a fixture, without any configuration.
pub(crate) fn git(fixture: &Fixture, args: &[&str]) {
    let status = Command::new("git")
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_DIR", fixture.db.path())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("git starts");
    assert!(status.code().is_some_and(|code| code < 2), "git {args:?} ends with {status}");
}
