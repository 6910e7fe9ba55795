//! What is known of the pull requests of one branch, before any choice is made.
//!
//! A [`Catalogue`] is mined once, which reads the whole history, and kept in a
//! file; chains are then built from it again and again with other thresholds.
//! It holds no code, only numbers, names and texts.

use std::collections::{BTreeMap, HashMap, HashSet};

use catena_chain::RepositoryName;
use catena_tree::database::Commit;
use catena_tree::{CommitId, ObjectDatabase, ObjectError, TreeId};

use crate::clone::{IndexError, Landing, LandingKind, PullRequestIndex};
use crate::discussion::Discussion;
use crate::message;
use crate::origins::{FileStep, Origins, Readable, Step};

mod store;
mod told;

pub use store::CatalogueError;
pub use told::Told;

/// Pull requests between two reports of progress.
const REPORT_EVERY: usize = 100;

/// The pull requests that landed on one branch of one repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue {
    /// The repository.
    pub repository: RepositoryName,
    /// SPDX identifier of its licence, as far as GitHub told.
    pub license: Option<String>,
    /// The branch.
    pub branch: String,
    /// Its newest commit at the time.
    pub tip: CommitId,
    /// In the order in which they landed.
    pub pull_requests: Vec<MinedPullRequest>,
    /// Pull requests that landed on other branches only, with the branch.
    pub elsewhere: BTreeMap<u64, String>,
}

/// One pull request that landed.
#[derive(Debug, Clone, PartialEq)]
pub struct MinedPullRequest {
    /// Its number.
    pub number: u64,
    /// The commit that landed it.
    pub commit: CommitId,
    /// The commit before the first of them, where several landed it.
    pub base: Option<CommitId>,
    /// How it landed.
    pub kind: LandingKind,
    /// Commits along first parents from the root of the branch to it.
    pub position: usize,
    /// When it landed, in seconds since 1970.
    pub time: i64,
    /// Its title.
    pub title: String,
    /// Its description, as far as the commit tells.
    pub body: String,
    /// Who wrote it.
    pub author: String,
    /// Its commits, oldest first; a squashed one has none.
    pub commits: Vec<MinedCommit>,
    /// The paths it changed.
    pub files: Vec<MinedFile>,
    /// Lines of earlier pull requests that it changed or deleted.
    pub touches: Vec<Touch>,
    /// What GitHub tells of it; nothing in a catalogue of a clone alone.
    pub discussion: Discussion,
}

/// A commit of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinedCommit {
    /// Which.
    pub id: CommitId,
    /// Its whole message.
    pub message: String,
}

/// A path that a pull request changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinedFile {
    /// Where it is, or was. Bytes that are not UTF-8 are replaced.
    pub path: String,
    /// Significant lines that came.
    pub added: u32,
    /// Significant lines that went.
    pub deleted: u32,
    /// Whether its lines could be compared.
    pub content: Readable,
}

/// Lines of an earlier pull request that a later one changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The earlier one.
    pub number: u64,
    /// The file, where the later one found it.
    pub path: String,
    /// How many.
    pub lines: u32,
    /// The first of them.
    pub example: String,
}

/// Which pull requests are mined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MineOptions {
    /// Only the newest so many.
    pub limit: Option<usize>,
    /// Only those that landed at or after this time, in seconds since 1970.
    pub since: Option<i64>,
}

/// How far [`Catalogue::mine`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MineProgress {
    /// The history is being read; so many commits up to now.
    History {
        /// Read so far.
        commits: usize,
    },
    /// The lines of commit after commit are being followed.
    Lines {
        /// Commits done.
        done: usize,
        /// Of so many.
        all: usize,
    },
}

/// Why a clone could not be mined.
#[derive(Debug, thiserror::Error)]
pub enum MineError {
    /// Its history cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A commit or tree cannot be read. Blobs may be missing.
    #[error("the history of `{branch}` cannot be read at commit {commit}")]
    Commit {
        /// The branch.
        branch: String,
        /// The commit.
        commit: CommitId,
        /// Why.
        #[source]
        source: ObjectError,
    },
}

impl Catalogue {
    /// Mines the pull requests that landed on `branch` of a clone.
    ///
    /// Reads every changed file of the mined part of the history once, so that
    /// the cost grows with the changes and not with the number of files.
    #[tracing::instrument(skip_all, fields(branch))]
    pub fn mine(
        db: &ObjectDatabase,
        repository: RepositoryName,
        branch: &str,
        options: &MineOptions,
        progress: &mut dyn FnMut(MineProgress),
    ) -> Result<Self, MineError> {
        Self::mine_told(db, &Told::nothing(repository), branch, options, progress)
    }

    /// Mines the pull requests that landed on `branch` of a clone, with what
    /// GitHub told of them: its word on branches and merge commits wins over what
    /// messages say, and its texts take the place of those of the commits.
    #[tracing::instrument(skip_all, fields(branch))]
    pub fn mine_told(
        db: &ObjectDatabase,
        told: &Told,
        branch: &str,
        options: &MineOptions,
        progress: &mut dyn FnMut(MineProgress),
    ) -> Result<Self, MineError> {
        let mut index = PullRequestIndex::build(db, branch, &mut |read| {
            if let crate::Progress::History { commits } = read {
                progress(MineProgress::History { commits });
            }
        })?;
        for cached in &told.pull_requests {
            let commit = cached.merge_commit.as_deref().and_then(|id| id.parse().ok());
            let Some(commit) = commit else { continue };
            let failed = |source| MineError::Commit { branch: branch.to_owned(), commit, source };
            let mut landing = index.landed_by(db, cached.number, commit).map_err(failed)?;
            if let Some(last) = landing.as_ref().filter(|it| it.kind != LandingKind::Merge) {
                let messages: Vec<&str> =
                    cached.commits.iter().map(|(_, message)| &**message).collect();
                let all = index.landed_by_all(db, last, &messages).map_err(failed)?;
                landing = all.or(landing);
            }
            index.tell(cached.number, &cached.base_branch, landing, commit);
        }
        let miner = Miner::new(db, &index, options);
        let mut pull_requests = miner.pull_requests(progress)?;
        told.add_to(&mut pull_requests);
        let tip = db.resolve(branch).map_err(IndexError::from)?;
        let elsewhere = index
            .all_elsewhere()
            .filter(|(number, _)| index.landings(*number).is_empty())
            .map(|(number, place)| (number, place.branch.clone()))
            .collect();
        let (repository, license) = (told.repository.clone(), told.license.clone());
        let branch = branch.to_owned();
        Ok(Self { repository, license, branch, tip, pull_requests, elsewhere })
    }

    /// The pull request `number`, if it landed on the branch.
    pub fn pull_request(&self, number: u64) -> Option<&MinedPullRequest> {
        self.pull_requests.iter().find(|pull_request| pull_request.number == number)
    }
}

impl MinedPullRequest {
    /// Significant lines it added and deleted.
    pub fn changed_lines(&self) -> u64 {
        self.files.iter().map(|file| u64::from(file.added) + u64::from(file.deleted)).sum()
    }

    /// Significant lines it deleted.
    pub fn deleted_lines(&self) -> u64 {
        self.files.iter().map(|file| u64::from(file.deleted)).sum()
    }
}

struct Miner<'a> {
    db: &'a ObjectDatabase,
    index: &'a PullRequestIndex,
    /// The pull request that each commit of the branch landed, by position.
    numbers: HashMap<usize, u64>,
    /// Positions of commits that are not the last that landed a pull request.
    inner: HashSet<usize>,
    /// The first landing that is wanted.
    start: usize,
}

impl<'a> Miner<'a> {
    fn new(db: &'a ObjectDatabase, index: &'a PullRequestIndex, options: &MineOptions) -> Self {
        let mut numbers = HashMap::new();
        let mut inner = HashSet::new();
        let mut first: Vec<&Landing> = Vec::new();
        for (number, landings) in index.all() {
            let positions = landings.iter().flat_map(|landing| landing.first..=landing.position);
            numbers.extend(positions.map(|position| (position, number)));
            inner.extend(landings.first().iter().flat_map(|it| it.first..it.position));
            first.extend(landings.first());
        }
        if let Some(since) = options.since {
            first.retain(|landing| landing.commit.time >= since);
        }
        first.sort_by_key(|landing| landing.position);
        let skipped = options.limit.map_or(0, |limit| first.len().saturating_sub(limit));
        let start = first.get(skipped).map_or(usize::MAX, |landing| landing.first);
        Self { db, index, numbers, inner, start }
    }

    fn pull_requests(
        &self,
        progress: &mut dyn FnMut(MineProgress),
    ) -> Result<Vec<MinedPullRequest>, MineError> {
        let mut origins = Origins::default();
        let mut found = Vec::new();
        let line = self.index.line();
        let all = line.len().saturating_sub(self.start);
        let steps = line.windows(2).enumerate().skip(self.start.saturating_sub(1));
        let mut begun = None;
        for (before, pair) in steps {
            let [from, to] = pair else { continue };
            let position = before + 1;
            let from = begun.take().unwrap_or(from.1);
            // Several commits that landed one pull request are one step.
            if self.inner.contains(&position) {
                begun = Some(from);
                continue;
            }
            if (position - self.start).is_multiple_of(REPORT_EVERY) {
                progress(MineProgress::Lines { done: position - self.start, all });
            }
            let failed = |source| MineError::Commit {
                branch: self.index.branch().to_owned(),
                commit: to.0,
                source,
            };
            let files = self.advance(&mut origins, from, to.1, position).map_err(failed)?;
            let landing = self.numbers.get(&position).and_then(|number| {
                let first = self.index.landings(*number).first()?;
                (first.position == position).then_some((*number, first))
            });
            if let Some((number, landing)) = landing {
                found.push(self.pull_request(number, landing, &files).map_err(failed)?);
            }
        }
        progress(MineProgress::Lines { done: all, all });
        Ok(found)
    }

    fn advance(
        &self,
        origins: &mut Origins,
        from: TreeId,
        to: TreeId,
        position: usize,
    ) -> Result<Vec<FileStep>, ObjectError> {
        // Positions are far below the limit: git itself counts commits in 32 bits.
        let step = Step::try_from(position).unwrap_or(Step::MAX);
        origins.advance(self.db, from, to, step)
    }

    fn pull_request(
        &self,
        number: u64,
        landing: &Landing,
        files: &[FileStep],
    ) -> Result<MinedPullRequest, ObjectError> {
        let commit = &landing.commit;
        let commits = landing.commits(self.db)?;
        let told = landing.told();
        let author = landing.author(&commits).unwrap_or(&commit.author).to_owned();
        Ok(MinedPullRequest {
            number,
            commit: commit.id,
            base: landing.base.filter(|_| landing.length() > 1),
            kind: landing.kind,
            position: landing.position,
            time: commit.time,
            title: message::title(told).to_owned(),
            body: message::body(told).to_owned(),
            author,
            touches: self.touches(number, files),
            commits: commits.into_iter().map(mined_commit).collect(),
            files: files.iter().map(mined_file).collect(),
            discussion: Discussion::default(),
        })
    }

    /// What the steps' numbers say of pull requests; one that landed in several
    /// commits is one.
    fn touches(&self, own: u64, files: &[FileStep]) -> Vec<Touch> {
        let mut touches: Vec<Touch> = Vec::new();
        for file in files {
            let path = file.previous_path.as_ref().unwrap_or(&file.path).to_string();
            for (step, touched) in &file.touched {
                let number = self.numbers.get(&(*step as usize));
                let Some(number) = number.filter(|number| **number != own) else { continue };
                let last = touches.last_mut();
                match last.filter(|last| last.number == *number && last.path == path) {
                    Some(last) => last.lines += touched.lines,
                    None => touches.push(Touch {
                        number: *number,
                        path: path.clone(),
                        lines: touched.lines,
                        example: touched.example.clone(),
                    }),
                }
            }
        }
        touches
    }
}

fn mined_commit(commit: Commit) -> MinedCommit {
    MinedCommit { id: commit.id, message: commit.message }
}

fn mined_file(file: &FileStep) -> MinedFile {
    MinedFile {
        path: file.path.to_string(),
        added: file.added,
        deleted: file.deleted,
        content: file.content,
    }
}
