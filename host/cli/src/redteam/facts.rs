//! A repository of facts, whose tests need no interpreter: they are lines that
//! `program-suite` reads, and what they test are lines, too.

use std::path::Path;

use catena_tree::database::NewCommit;
use catena_tree::patch::{Edit, FileKind, edit_tree};
use catena_tree::{CommitId, ObjectDatabase, RepoPath, TreeId};

/// Commits: the message, and what each file has from there on.
const COMMITS: [(&str, &[(&str, &str)]); 3] = [
    (
        "Begin",
        &[
            ("README.md", "# Facts\n\nWrites facts down.\n"),
            ("code/a.txt", "fact zero\n"),
            ("code/b.txt", "fact one\n"),
            ("tests/first.txt", "test knows_one: one\n"),
            ("suite.conf", "\n"),
        ],
    ),
    (
        "Two (#14)",
        &[
            ("code/c.txt", "fact two\n"),
            ("tests/first.txt", "test knows_one: one\ntest knows_two: two\n"),
        ],
    ),
    (
        "Three (#17)",
        &[("code/d.txt", "fact three\n"), ("tests/second.txt", "test knows_three: three\n")],
    ),
];

/// Time of the first commit; each other one is a day later.
const TIME: i64 = 1_714_550_400;

/// Creates the repository as a bare one.
pub(super) fn build(path: &Path) -> anyhow::Result<ObjectDatabase> {
    let database = ObjectDatabase::create(path, &[])?;
    let mut tree = TreeId::EMPTY;
    let mut tip: Option<CommitId> = None;
    for (time, (message, files)) in (TIME..).step_by(86_400).zip(COMMITS) {
        let mut edits = Vec::new();
        for (path, text) in files {
            let (path, content) = (RepoPath::new(*path)?, text.as_bytes().into());
            edits.push(Edit::Write { path, content, kind: FileKind::Regular });
        }
        tree = edit_tree(&database, &mut &database, tree, &edits)?;
        let commit = NewCommit {
            tree,
            parents: tip.into_iter().collect(),
            author: "Ada".to_owned(),
            author_email: "ada@facts.example".to_owned(),
            time,
            message: format!("{message}\n"),
        };
        tip = Some(database.write_commit(&commit)?);
    }
    if let Some(tip) = tip {
        database.set_ref("refs/heads/main", tip)?;
    }
    database.set_head("main")?;
    Ok(database)
}
