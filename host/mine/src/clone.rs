//! Which commit of a clone landed which pull request.
//!
//! Pull requests are looked for along the first parents of one branch, where
//! the first parent of each commit is the state before it. What landed on other
//! branches is known only as far as needed to say so.

use std::collections::HashMap;

use catena_tree::database::{Commit, DatabaseError};
use catena_tree::{CommitId, ObjectDatabase, ObjectError, TreeId};

use crate::commits::{self, MAX_COMMITS};
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
    /// request, whose head the clone has as `refs/pull/N/head`; or by as many as the
    /// pull request has, one after the other.
    Rebase,
    /// By several commits, and nothing tells by which.
    Unclear,
}

impl LandingKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Merge, Self::Squash, Self::Rebase, Self::Unclear];

    /// One word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
            Self::Unclear => "unclear",
        }
    }
}

/// A commit that landed a pull request, or the last of several in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landing {
    /// The commit.
    pub commit: Commit,
    /// The commit before it, or before the first of several; none before the first
    /// of the repository.
    pub base: Option<CommitId>,
    /// The position of the first of several; that of the commit itself otherwise.
    pub first: usize,
    /// How it landed.
    pub kind: LandingKind,
    /// Commits along first parents from the root of the branch to it.
    pub position: usize,
}

impl Landing {
    fn one(commit: Commit, kind: LandingKind, position: usize) -> Self {
        let base = commit.parents.first().copied();
        Self { commit, base, first: position, kind, position }
    }

    /// How many commits of the branch it is.
    pub fn length(&self) -> usize {
        1 + self.position.saturating_sub(self.first)
    }

    /// What the commit's message says of the pull request: its title, then its
    /// description.
    pub fn told(&self) -> &str {
        match self.kind {
            LandingKind::Merge => message::body(&self.commit.message),
            LandingKind::Squash | LandingKind::Rebase | LandingKind::Unclear => {
                self.commit.message.trim()
            }
        }
    }

    /// The commits that a merge brought in or that landed one after the other, oldest
    /// first; none of a squash.
    pub(crate) fn commits(&self, db: &ObjectDatabase) -> Result<Vec<Commit>, ObjectError> {
        match (self.commit.parents.as_slice(), self.base) {
            ([base, tip, ..], _) => commits::brought_in(db, *base, *tip),
            (_, Some(base)) if self.length() > 1 => commits::brought_in(db, base, self.commit.id),
            _ => Ok(Vec::new()),
        }
    }

    /// Who wrote it, given its commits: whoever merged it is not its author.
    /// `None` for a merge that brought in no commit.
    pub(crate) fn author<'a>(&'a self, commits: &'a [Commit]) -> Option<&'a str> {
        match self.kind {
            LandingKind::Merge => commits.first().map(|first| first.author.as_str()),
            LandingKind::Squash | LandingKind::Rebase | LandingKind::Unclear => {
                Some(&self.commit.author)
            }
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
        index.landings.values_mut().for_each(join_runs);
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

    /// The commits of the branch that repeat those of pull request `number`, if the
    /// clone has the pull request's head and it is a line of commits on top of the
    /// branch's history.
    pub fn rebased(
        &self,
        db: &ObjectDatabase,
        number: u64,
    ) -> Result<Option<Landing>, ObjectError> {
        let Ok(head) = db.resolve(&format!("refs/pull/{number}/head")) else { return Ok(None) };
        let mut commit = db.commit(head)?;
        let Some(last) = self.plain.get(&key(&commit)) else { return Ok(None) };
        for length in 1..=MAX_COMMITS {
            let [parent] = commit.parents.as_slice() else { return Ok(None) };
            let Some(first) = (last.position + 1).checked_sub(length) else { return Ok(None) };
            let repeated = self.plain.get(&key(&commit));
            if repeated.is_none_or(|it| it.position != first) {
                return Ok(None);
            }
            if db.is_ancestor(*parent, last.commit.id)? {
                let base = first.checked_sub(1).and_then(|before| self.line.get(before));
                let base = base.map(|(id, _)| *id);
                return Ok(Some(Landing { base, first, ..last.clone() }));
            }
            commit = db.commit(*parent)?;
        }
        Ok(None)
    }

    /// The landing of `number` by this commit of the branch, if it is on its line.
    pub(crate) fn landed_by(
        &self,
        db: &ObjectDatabase,
        number: u64,
        commit: CommitId,
    ) -> Result<Option<Landing>, ObjectError> {
        if let Some(known) = self.landings(number).iter().find(|it| it.commit.id == commit) {
            return Ok(Some(known.clone()));
        }
        let Some(position) = self.positions.get(&commit).copied() else { return Ok(None) };
        let commit = db.commit(commit)?;
        let kind = match commit.parents.len() {
            2.. => LandingKind::Merge,
            _ => LandingKind::Squash,
        };
        Ok(Some(Landing::one(commit, kind, position)))
    }

    /// The landing by all commits of the branch's line behind `base` up to `commit`.
    pub(crate) fn landed_between(
        &self,
        db: &ObjectDatabase,
        base: CommitId,
        commit: CommitId,
    ) -> Result<Option<Landing>, ObjectError> {
        let place = |id| self.positions.get(&id).copied();
        let (Some(before), Some(position)) = (place(base), place(commit)) else {
            return Ok(None);
        };
        if before >= position {
            return Ok(None);
        }
        let commit = db.commit(commit)?;
        let (base, first, kind) = (Some(base), before + 1, LandingKind::Rebase);
        Ok(Some(Landing { commit, base, first, kind, position }))
    }

    /// The landing by as many commits as the pull request has, if those of the branch up
    /// to `last` repeat `messages`, oldest first, word for word.
    pub(crate) fn landed_by_all(
        &self,
        db: &ObjectDatabase,
        last: &Landing,
        messages: &[&str],
    ) -> Result<Option<Landing>, ObjectError> {
        let before = last.position.checked_sub(messages.len());
        let Some(before) = before.filter(|_| messages.len() > 1) else { return Ok(None) };
        let line = self.line.get(before..=last.position).unwrap_or_default();
        let Some(((base, _), line)) = line.split_first() else { return Ok(None) };
        for ((id, _), message) in line.iter().zip(messages).rev() {
            let commit = db.commit(*id)?;
            if commit.parents.len() != 1 || commit.message.trim() != message.trim() {
                return Ok(None);
            }
        }
        self.landed_between(db, *base, last.commit.id)
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
                let landing = Landing::one(commit, kind, position);
                self.plain.entry(key(&landing.commit)).or_insert(landing);
                return;
            }
            (None, _) => return,
        };
        let landings = self.landings.entry(number).or_default();
        landings.push(Landing::one(commit, kind, position));
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

/// Makes one landing of commits in a row that have the same stamp.
fn join_runs(landings: &mut Vec<Landing>) {
    landings.sort_by_key(|landing| landing.position);
    let mut joined: Vec<Landing> = Vec::with_capacity(landings.len());
    for landing in landings.drain(..) {
        let follows = |last: &&mut Landing| {
            last.kind == LandingKind::Squash
                && landing.kind == LandingKind::Squash
                && last.position + 1 == landing.first
        };
        match joined.last_mut().filter(follows) {
            Some(last) => {
                let (base, first) = (last.base, last.first);
                *last = Landing { base, first, ..landing };
            }
            None => joined.push(landing),
        }
    }
    joined.sort_by_key(|landing| (landing.kind, landing.position));
    *landings = joined;
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
