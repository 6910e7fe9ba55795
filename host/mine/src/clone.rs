//! Which commit of a clone landed which pull request.
//!
//! Pull requests are looked for along the first parents of one branch, where
//! the first parent of each commit is the state before it. What landed on other
//! branches is known only as far as needed to say so.

use std::collections::HashMap;

use catena_tree::database::{Commit, DatabaseError};
use catena_tree::{CommitId, ObjectDatabase, ObjectError, TreeId};

use crate::commits;
use crate::message::{self, Stamp};
use crate::resolve::Progress;

/// Commits between two reports of progress.
const REPORT_EVERY: usize = 1000;

/// When GitHub began to have pull requests, 2010-08-31, in seconds since 1970.
/// Older numbers in messages are those of some other tracker.
const FIRST_PULL_REQUESTS: i64 = 1_283_212_800;

/// How a pull request came into a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LandingKind {
    /// By a merge commit `Merge pull request #N from …`.
    Merge,
    /// By one commit whose subject ends in `(#N)`.
    Squash,
    /// By one commit equal in message and author to the only commit of the pull
    /// request, whose head the clone has as `refs/pull/N/head`.
    Rebase,
}

impl LandingKind {
    /// One word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }
}

/// A commit that landed a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landing {
    /// The commit.
    pub commit: Commit,
    /// How it landed.
    pub kind: LandingKind,
    /// Commits along first parents from the root of the branch to it.
    pub position: usize,
}

impl Landing {
    /// What the commit's message says of the pull request: its title, then its
    /// description.
    pub fn told(&self) -> &str {
        match self.kind {
            LandingKind::Merge => message::body(&self.commit.message),
            LandingKind::Squash | LandingKind::Rebase => self.commit.message.trim(),
        }
    }

    /// The commits that a merge brought in, oldest first; none of another landing.
    pub(crate) fn commits(&self, db: &ObjectDatabase) -> Result<Vec<Commit>, ObjectError> {
        match self.commit.parents.as_slice() {
            [base, tip, ..] => commits::brought_in(db, *base, *tip),
            _ => Ok(Vec::new()),
        }
    }

    /// Who wrote it, given its commits: whoever merged it is not its author.
    /// `None` for a merge that brought in no commit.
    pub(crate) fn author<'a>(&'a self, commits: &'a [Commit]) -> Option<&'a str> {
        match self.kind {
            LandingKind::Merge => commits.first().map(|first| first.author.as_str()),
            LandingKind::Squash | LandingKind::Rebase => Some(&self.commit.author),
        }
    }
}

/// A place where a pull request landed that is not on the branch's own line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The branch, such as `maintenance/1.2.x`.
    pub branch: String,
    /// The commit.
    pub commit: CommitId,
}

/// Where the pull requests of a clone landed.
pub struct PullRequestIndex {
    branch: String,
    /// Commits and their trees along first parents, oldest first.
    line: Vec<(CommitId, TreeId)>,
    /// The place of each in it.
    positions: HashMap<CommitId, usize>,
    landings: HashMap<u64, Vec<Landing>>,
    elsewhere: HashMap<u64, Elsewhere>,
    /// Single-parent commits of the branch by author and message.
    plain: HashMap<(String, String), Landing>,
}

/// Why a clone cannot be indexed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The branch is not there.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Its history cannot be read.
    #[error(
        "the history of `{branch}` cannot be read; a shallow clone needs `git fetch --unshallow`"
    )]
    History {
        /// The branch.
        branch: String,
        /// Why.
        #[source]
        source: ObjectError,
    },
}

impl PullRequestIndex {
    /// Reads the first-parent history of `branch`, then that of all other
    /// branches as far as it is their own.
    pub fn build(
        db: &ObjectDatabase,
        branch: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, IndexError> {
        let history = |source| IndexError::History { branch: branch.to_owned(), source };
        let mut line = Vec::new();
        for commit in db.first_parents(db.resolve(branch)?) {
            line.push(commit.map_err(history)?);
            if line.len().is_multiple_of(REPORT_EVERY) {
                progress(Progress::History { commits: line.len() });
            }
        }
        progress(Progress::History { commits: line.len() });
        let ids = line.iter().rev().map(|commit| commit.id);
        let positions = ids.enumerate().map(|(position, id)| (id, position)).collect();
        let mut index = Self {
            branch: branch.to_owned(),
            line: line.iter().rev().map(|commit| (commit.id, commit.tree)).collect(),
            positions,
            landings: HashMap::new(),
            elsewhere: HashMap::new(),
            plain: HashMap::new(),
        };
        for (position, commit) in line.into_iter().rev().enumerate() {
            index.add(commit, position);
        }
        for (name, tip) in other_branches(db)? {
            index.add_elsewhere(db, &name, tip).map_err(history)?;
        }
        Ok(index)
    }

    /// The branch that was read.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// Number of pull requests that landed on the branch.
    pub fn len(&self) -> usize {
        self.landings.len()
    }

    /// Whether none did.
    pub fn is_empty(&self) -> bool {
        self.landings.is_empty()
    }

    /// Where `number` landed on the branch, best first: a merge before a squash
    /// stamp, which cherry-picks carry too, and the oldest before later ones,
    /// which land again what was taken back.
    pub fn landings(&self, number: u64) -> &[Landing] {
        self.landings.get(&number).map_or(&[], Vec::as_slice)
    }

    /// Commits of the branch and their trees along first parents, oldest first:
    /// a [`Landing::position`] is a place in it.
    pub fn line(&self) -> &[(CommitId, TreeId)] {
        &self.line
    }

    /// All pull requests that landed on the branch, in no order, with what
    /// [`Self::landings`] says of each.
    pub fn all(&self) -> impl Iterator<Item = (u64, &[Landing])> {
        self.landings.iter().map(|(number, landings)| (*number, landings.as_slice()))
    }

    /// All pull requests that landed on another branch, in no order.
    pub fn all_elsewhere(&self) -> impl Iterator<Item = (u64, &Elsewhere)> {
        self.elsewhere.iter().map(|(number, place)| (*number, place))
    }

    /// Where `number` landed on another branch.
    pub fn elsewhere(&self, number: u64) -> Option<&Elsewhere> {
        self.elsewhere.get(&number)
    }

    /// The commit of the branch that repeats the only commit of pull request
    /// `number`, if the clone has the pull request's head and it is one commit
    /// on top of the branch's history.
    pub fn rebased(
        &self,
        db: &ObjectDatabase,
        number: u64,
    ) -> Result<Option<Landing>, ObjectError> {
        let Ok(head) = db.resolve(&format!("refs/pull/{number}/head")) else { return Ok(None) };
        let head = db.commit(head)?;
        let ([parent], Some(landing)) = (head.parents.as_slice(), self.plain.get(&key(&head)))
        else {
            return Ok(None);
        };
        let single = db.is_ancestor(*parent, landing.commit.id)?;
        Ok(single.then(|| landing.clone()))
    }

    /// The landing by this commit of the branch, if it is on its line.
    pub(crate) fn landed_by(
        &self,
        db: &ObjectDatabase,
        commit: CommitId,
    ) -> Result<Option<Landing>, ObjectError> {
        let Some(position) = self.positions.get(&commit).copied() else { return Ok(None) };
        let commit = db.commit(commit)?;
        let kind = match commit.parents.len() {
            2.. => LandingKind::Merge,
            _ => LandingKind::Squash,
        };
        Ok(Some(Landing { commit, kind, position }))
    }

    /// Takes note of what GitHub says of `number`: that it was merged into `base`
    /// and landed by `commit`. It wins over what messages say.
    pub(crate) fn tell(
        &mut self,
        number: u64,
        base: &str,
        landing: Option<Landing>,
        commit: CommitId,
    ) {
        if let Some(landing) = landing {
            let landings = self.landings.entry(number).or_default();
            landings.retain(|other| other.commit.id != commit);
            landings.insert(0, landing);
            self.elsewhere.remove(&number);
        } else if base != self.branch.rsplit_once('/').map_or(&*self.branch, |(_, name)| name)
            && base != self.branch
        {
            self.landings.remove(&number);
            let branch = base.to_owned();
            self.elsewhere.insert(number, Elsewhere { branch, commit });
        }
    }

    fn add(&mut self, commit: Commit, position: usize) {
        let stamp = message::stamp(&commit.message).filter(|_| commit.time >= FIRST_PULL_REQUESTS);
        let (number, kind) = match (stamp, commit.parents.len()) {
            (_, 0) => return,
            (Some(Stamp::Merge(number)), 2..) => (number, LandingKind::Merge),
            (Some(Stamp::Merge(number) | Stamp::Suffix(number)), _) => {
                (number, LandingKind::Squash)
            }
            (None, 1) => {
                let kind = LandingKind::Rebase;
                self.plain.entry(key(&commit)).or_insert(Landing { commit, kind, position });
                return;
            }
            (None, _) => return,
        };
        let landings = self.landings.entry(number).or_default();
        landings.push(Landing { commit, kind, position });
        landings.sort_by_key(|landing| (landing.kind, landing.position));
    }

    fn add_elsewhere(
        &mut self,
        db: &ObjectDatabase,
        name: &str,
        tip: CommitId,
    ) -> Result<(), ObjectError> {
        for commit in db.first_parents(tip) {
            let commit = commit?;
            if self.positions.contains_key(&commit.id) {
                break;
            }
            let stamp = message::stamp(&commit.message);
            let Some(Stamp::Merge(number) | Stamp::Suffix(number)) = stamp else { continue };
            let place = Elsewhere { branch: name.to_owned(), commit: commit.id };
            self.elsewhere.entry(number).or_insert(place);
        }
        Ok(())
    }
}

/// What a rebase keeps of a commit.
fn key(commit: &Commit) -> (String, String) {
    (commit.author_email.clone(), commit.message.trim().to_owned())
}

fn other_branches(db: &ObjectDatabase) -> Result<Vec<(String, CommitId)>, DatabaseError> {
    let mut branches = Vec::new();
    for prefix in ["refs/heads/", "refs/remotes/"] {
        for (name, tip) in db.references(prefix)? {
            branches.push((name.trim_start_matches(prefix).to_owned(), tip));
        }
    }
    Ok(branches)
}
