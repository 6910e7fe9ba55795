//! The repository of the demo: a small Python library with four pull requests
//! that build on each other, and commits of others between them.
//!
//! It is grown from readable texts, `demo/base/` and one patch for each commit
//! in the order of `demo/history.json`, with fixed names and dates, so that
//! every machine gets the same commit ids.

use std::path::Path;

use catena_tree::database::{DatabaseError, NewCommit};
use catena_tree::patch::{self, Edit, FileKind, PatchError};
use catena_tree::{CommitId, ObjectDatabase, ObjectError, PathError, RepoPath, TreeId};
use serde::Deserialize;

/// The lists file of the chain, for `catena chain resolve`.
pub(crate) const CHAINS: &str = include_str!("../../demo/chains.json");

/// The replies of the scripted model, by stage.
pub(crate) const SCRIPT: &str = include_str!("../../demo/script.json");

const HISTORY: &str = include_str!("../../demo/history.json");

macro_rules! texts {
    ($folder:literal, $extension:literal: $($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../demo/", $folder, "/", $name, $extension)))),*]
    };
}

const BASE: &[(&str, &str)] = texts!("base", "":
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "docs/usage.md",
    "pyproject.toml",
    "src/gridline/__init__.py",
    "src/gridline/cells.py",
    "src/gridline/columns.py",
    "src/gridline/csvio.py",
    "src/gridline/errors.py",
    "src/gridline/layout.py",
    "src/gridline/render.py",
    "src/gridline/table.py",
    "src/gridline/wrap.py",
    "tests/test_cells.py",
    "tests/test_csvio.py",
    "tests/test_layout.py",
    "tests/test_table.py",
    "tests/test_wrap.py",
);

const PATCHES: &[(&str, &str)] = texts!("patches", ".patch":
    "01-align-columns",
    "02-document-alignment",
    "03-skip-empty-lines",
    "04-measure-width",
    "05-remember-widths",
    "06-write-markdown",
    "07-write-times",
    "08-border-styles",
);

/// Why the repository of the demo cannot be grown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// The repository cannot be created or changed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// An object cannot be written.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A patch of the demo does not apply.
    #[error("patch `{name}` of the demo does not apply")]
    Patch {
        /// The patch.
        name: String,
        /// Why.
        #[source]
        source: PatchError,
    },
    /// `history.json` names a patch that is not there.
    #[error("the demo has no patch `{0}`")]
    NoPatch(String),
    /// A file of the base has a name that cannot be.
    #[error(transparent)]
    Path(#[from] PathError),
    /// `history.json` is not what it should be.
    #[error("the history of the demo cannot be read")]
    History(#[from] serde_json::Error),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct History {
    branch: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
enum Step {
    /// The first commit, with the files of `demo/base/`.
    Start { author: Person, time: i64, message: String },
    /// A commit right on the branch.
    Commit { patch: String, author: Person, time: i64, message: String },
    /// A branch of commits and the merge of it.
    PullRequest {
        number: u64,
        from: String,
        title: String,
        author: Person,
        merged_by: Person,
        time: i64,
        commits: Vec<BranchCommit>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BranchCommit {
    patch: String,
    time: i64,
    message: String,
}

/// A person as git writes it: `Name <address>`.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
struct Person {
    name: String,
    email: String,
}

impl From<String> for Person {
    fn from(text: String) -> Self {
        let (name, email) = text.split_once('<').unwrap_or((&text, ""));
        let email = email.trim_end().trim_end_matches('>');
        Self { name: name.trim().to_owned(), email: email.to_owned() }
    }
}

/// Creates the repository as a bare one at `path` and returns it. Growing it
/// again where it is gives the same commits.
pub(crate) fn build(path: &Path) -> Result<ObjectDatabase, DemoError> {
    let history: History = serde_json::from_str(HISTORY)?;
    let db = ObjectDatabase::create(path, &[])?;
    let mut grower = Grower { db: &db, tree: TreeId::EMPTY, tip: None };
    for step in &history.steps {
        grower.take(step)?;
    }
    if let Some(tip) = grower.tip {
        db.set_ref(&format!("refs/heads/{}", history.branch), tip)?;
    }
    db.set_head(&history.branch)?;
    Ok(db)
}

/// The branch as far as it has grown.
struct Grower<'a> {
    db: &'a ObjectDatabase,
    tree: TreeId,
    tip: Option<CommitId>,
}

impl Grower<'_> {
    fn take(&mut self, step: &Step) -> Result<(), DemoError> {
        match step {
            Step::Start { author, time, message } => {
                self.tree = self.base()?;
                self.commit(author, *time, message, &[])
            }
            Step::Commit { patch, author, time, message } => {
                self.tree = self.patched(patch)?;
                self.commit(author, *time, message, &[])
            }
            Step::PullRequest { number, from, title, author, merged_by, time, commits } => {
                let before = self.tip;
                for commit in commits {
                    self.tree = self.patched(&commit.patch)?;
                    self.commit(author, commit.time, &commit.message, &[])?;
                }
                let head = std::mem::replace(&mut self.tip, before);
                if let Some(head) = head {
                    self.db.set_ref(&format!("refs/pull/{number}/head"), head)?;
                }
                let message = format!("Merge pull request #{number} from {from}\n\n{title}");
                self.commit(merged_by, *time, &message, head.as_slice())
            }
        }
    }

    fn base(&self) -> Result<TreeId, DemoError> {
        let mut edits = Vec::with_capacity(BASE.len());
        for (path, content) in BASE {
            let content = content.as_bytes().into();
            edits.push(Edit::Write {
                path: RepoPath::new(*path)?,
                content,
                kind: FileKind::Regular,
            });
        }
        Ok(patch::edit_tree(self.db, &mut &*self.db, TreeId::EMPTY, &edits)?)
    }

    fn patched(&self, name: &str) -> Result<TreeId, DemoError> {
        let text = PATCHES.iter().find(|(known, _)| *known == name);
        let (_, text) = text.ok_or_else(|| DemoError::NoPatch(name.to_owned()))?;
        let failed = |source| DemoError::Patch { name: name.to_owned(), source };
        let patch = patch::parse(text.as_bytes()).map_err(failed)?;
        let applied = patch::apply(self.db, &mut &*self.db, self.tree, &patch).map_err(failed)?;
        Ok(applied.tree)
    }

    fn commit(
        &mut self,
        person: &Person,
        time: i64,
        message: &str,
        merged: &[CommitId],
    ) -> Result<(), DemoError> {
        let parents = self.tip.iter().chain(merged).copied().collect();
        let commit = NewCommit {
            tree: self.tree,
            parents,
            author: person.name.clone(),
            author_email: person.email.clone(),
            time,
            message: format!("{message}\n"),
        };
        self.tip = Some(self.db.write_commit(&commit)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
