//! From lists of pull requests and a clone to a chain file.
//!
//! A chain resolves completely or not at all. Its stages are put into merge
//! order, and each reference patch is checked: applied to the base it must give
//! the human tree, byte for byte.

mod reason;
mod reference;

use catena_chain::leak::Vocabulary;
use catena_chain::{
    Base, Chain, ChainFile, ChainId, Edge, Evidence, Place, PullRequest, Repository,
    RepositoryName, Stage, StageId,
};
use catena_tree::database::DatabaseError;
use catena_tree::{CommitId, ObjectDatabase, ObjectError};

use self::reference::checked_patch;
use crate::clone::{IndexError, Landing, PullRequestIndex};
use crate::lists::{ChainLists, ListedChain, ListedPullRequest};
use crate::message;
use crate::template;

pub use reason::{Fault, Reason, Refused};

/// What the lists do not say; wins over what they say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResolveOptions {
    /// The repository that the clone is of.
    pub repository: Option<RepositoryName>,
    /// The branch into which the pull requests were merged; that of `HEAD`
    /// where neither this nor the lists say.
    pub branch: Option<String>,
}

/// How far [`resolve`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The history is being read; so many commits up to now.
    History {
        /// Read so far.
        commits: usize,
    },
    /// Chains are being resolved.
    Chains {
        /// Done, refused ones included.
        done: usize,
        /// Of so many.
        all: usize,
    },
}

/// What became of the lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The chains that resolved.
    pub file: ChainFile,
    /// The others.
    pub refused: Vec<Refused>,
    /// Pull requests for which a choice had to be made.
    pub ambiguous: Vec<Ambiguity>,
}

/// A pull request that several commits say to have landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguity {
    /// Its number.
    pub number: u64,
    /// The commit that was taken: a merge before a squash, the oldest first.
    pub chosen: CommitId,
    /// The others.
    pub others: Vec<CommitId>,
}

/// Why nothing could be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Nobody said of which repository the lists are.
    #[error(
        "the lists do not say of which repository they are; add `\"repository\": \"owner/name\"` or name it"
    )]
    NoRepository,
    /// Nobody said which branch, and `HEAD` does not either.
    #[error(
        "`HEAD` of the clone stands for no branch; name the branch into which the pull requests were merged"
    )]
    NoBranch,
    /// The clone cannot be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Its history cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Finds the pull requests of `lists` in the clone `db`.
#[tracing::instrument(skip_all, fields(chains = lists.chains.len()))]
pub fn resolve(
    db: &ObjectDatabase,
    lists: &ChainLists,
    options: &ResolveOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Resolution, ResolveError> {
    let name = options.repository.clone().or_else(|| lists.repository.clone());
    let name = name.ok_or(ResolveError::NoRepository)?;
    let branch = match options.branch.clone().or_else(|| lists.branch.clone()) {
        Some(branch) => branch,
        None => db.head_branch()?.ok_or(ResolveError::NoBranch)?,
    };
    let index = PullRequestIndex::build(db, &branch, progress)?;
    let resolver = Resolver { db, index: &index, repository: &name };
    let mut vocabulary = Vocabulary::default();
    let mut chains: Vec<Chain> = Vec::new();
    let (mut refused, mut ambiguous) = (Vec::new(), Vec::new());
    let all = lists.chains.len();
    for (position, listed) in lists.chains.iter().enumerate() {
        progress(Progress::Chains { done: position, all });
        let mut outcome = resolver.chain(listed, &mut ambiguous);
        if let Ok(chain) = &outcome
            && chains.iter().any(|other| other.id == chain.id)
        {
            outcome = Err(vec![whole(Reason::ChainIdTaken(chain.id.clone()))]);
        }
        let marked = outcome.and_then(|chain| {
            let marked = without_leaks(db, &mut vocabulary, chain, listed, &name);
            marked.map_err(|err| vec![whole(Reason::Unreadable(err.to_string()))])
        });
        match marked {
            Ok(chain) => chains.push(chain),
            Err(faults) => {
                refused.push(Refused { position, numbers: listed.numbers(), faults });
            }
        }
    }
    progress(Progress::Chains { done: all, all });
    let repository = Repository { name, license: lists.license.clone(), default_branch: branch };
    Ok(Resolution { file: ChainFile::new(repository, chains), refused, ambiguous })
}

/// The chain with its leaks marked. Plain texts are tried again without them.
fn without_leaks(
    db: &ObjectDatabase,
    vocabulary: &mut Vocabulary,
    mut chain: Chain,
    listed: &ListedChain,
    repository: &RepositoryName,
) -> Result<Chain, ObjectError> {
    let mut found = chain.look_through(db, vocabulary, &[])?;
    let before = chain.clone();
    for (stage, found) in chain.stages.iter_mut().zip(&found.stages) {
        let number = stage.pull_request.as_ref().map(|it| it.number);
        let is_plain =
            listed.stages.iter().any(|it| Some(it.number) == number && it.query.is_none());
        if is_plain && !found.query.leaks.is_empty() {
            stage.query = template::without(&stage.query, &found.query.leaks);
        }
    }
    if listed.overview.is_none() {
        chain.overview = template::overview(repository.as_str(), &chain.stages);
    }
    if chain != before {
        found = chain.look_through(db, vocabulary, &[])?;
    }
    if listed.overview.is_none() && !found.overview.is_empty() {
        chain.overview = template::without(&format!("\n{}", chain.overview), &found.overview);
        found = chain.look_through(db, vocabulary, &[])?;
    }
    chain.mark(&found);
    Ok(chain)
}

fn whole(reason: Reason) -> Fault {
    Fault { number: None, reason }
}

struct Resolver<'a> {
    db: &'a ObjectDatabase,
    index: &'a PullRequestIndex,
    repository: &'a RepositoryName,
}

impl Resolver<'_> {
    fn chain(
        &self,
        listed: &ListedChain,
        ambiguous: &mut Vec<Ambiguity>,
    ) -> Result<Chain, Vec<Fault>> {
        let mut landed = self.landings(listed)?;
        landed.sort_by_key(|(_, landing)| landing.position);
        let mut stages: Vec<Stage> = Vec::new();
        let mut faults = Vec::new();
        for (pull_request, landing) in &landed {
            let number = Some(pull_request.number);
            match self.stage(pull_request, landing) {
                Ok(stage) if stages.last().is_some_and(|last| last.time > stage.time) => {
                    faults.push(Fault { number, reason: Reason::Clock });
                }
                Ok(stage) if stages.iter().any(|other| other.id == stage.id) => {
                    faults.push(Fault { number, reason: Reason::StageId(stage.id.into()) });
                }
                Ok(stage) => stages.push(stage),
                Err(reason) => faults.push(Fault { number, reason }),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let edges = self.edges(&landed, &stages);
        let id = match &listed.id {
            Some(id) => id.clone(),
            None => self.chain_id(&landed).map_err(|reason| vec![whole(reason)])?,
        };
        let overview = match &listed.overview {
            Some(overview) => overview.clone(),
            None => template::overview(self.repository.as_str(), &stages),
        };
        for (pull_request, landing) in &landed {
            ambiguous.extend(self.ambiguity(pull_request.number, landing));
        }
        Ok(Chain { id, overview, stages, edges, leaks: Vec::new() })
    }

    fn landings<'l>(
        &self,
        listed: &'l ListedChain,
    ) -> Result<Vec<(&'l ListedPullRequest, Landing)>, Vec<Fault>> {
        if listed.stages.is_empty() {
            return Err(vec![whole(Reason::Empty)]);
        }
        let mut landed: Vec<(&ListedPullRequest, Landing)> = Vec::new();
        let mut faults = Vec::new();
        for pull_request in &listed.stages {
            let number = pull_request.number;
            let seen = landed.iter().any(|(other, _)| other.number == number);
            let landing = if seen { Err(Reason::Repeated) } else { self.landing(pull_request) };
            match landing {
                Ok(landing) => landed.push((pull_request, landing)),
                Err(reason) => faults.push(Fault { number: Some(number), reason }),
            }
        }
        if faults.is_empty() { Ok(landed) } else { Err(faults) }
    }

    fn landing(&self, listed: &ListedPullRequest) -> Result<Landing, Reason> {
        let number = listed.number;
        if let Some(commit) = listed.commit {
            let landing = match listed.base {
                Some(base) => self.index.landed_between(self.db, base, commit),
                None => self.index.landed_by(self.db, number, commit),
            };
            let landing = landing.map_err(|err| Reason::Unreadable(err.to_string()))?;
            let branch = self.index.branch().to_owned();
            return landing.ok_or(Reason::NotOnBranch { commit, branch });
        }
        if let Some(landing) = self.index.landings(number).first() {
            return Ok(landing.clone());
        }
        let wanted = self.index.branch().to_owned();
        if let Some(elsewhere) = self.index.elsewhere(number) {
            let (branch, commit) = (elsewhere.branch.clone(), elsewhere.commit);
            return Err(Reason::OtherBranch { branch, commit, wanted });
        }
        match self.index.rebased(self.db, number) {
            Ok(Some(landing)) => Ok(landing),
            Ok(None) => Err(Reason::NotFound { branch: wanted }),
            Err(err) => Err(Reason::Unreadable(err.to_string())),
        }
    }

    fn ambiguity(&self, number: u64, chosen: &Landing) -> Option<Ambiguity> {
        let others: Vec<_> = self
            .index
            .landings(number)
            .iter()
            .map(|landing| landing.commit.id)
            .filter(|commit| *commit != chosen.commit.id)
            .collect();
        let chosen = chosen.commit.id;
        (!others.is_empty()).then_some(Ambiguity { number, chosen, others })
    }

    fn stage(&self, listed: &ListedPullRequest, landing: &Landing) -> Result<Stage, Reason> {
        let unreadable = |err: ObjectError| Reason::Unreadable(err.to_string());
        let merge = &landing.commit;
        let base = landing.base.ok_or(Reason::NoBase { commit: merge.id })?;
        let base = self.db.commit(base).map_err(unreadable)?;
        if base.tree == merge.tree {
            return Err(Reason::NoChange { commit: merge.id });
        }
        let id = match &listed.id {
            Some(id) => id.clone(),
            None => stage_id(listed.number)?,
        };
        let pull_request = self.pull_request(listed, landing).map_err(unreadable)?;
        let query = listed.query.clone().unwrap_or_else(|| template::query(&pull_request));
        Ok(Stage {
            id,
            reference_patch: checked_patch(self.db, base.tree, merge.tree)?,
            pull_request: Some(pull_request),
            merge: merge.id,
            base: Base {
                commit: base.id,
                tree: base.tree,
                commits: u32::try_from(landing.length()).unwrap_or(u32::MAX),
            },
            human: merge.tree,
            time: merge.time,
            query,
            interface: listed.interface.clone(),
            leaks: Vec::new(),
        })
    }

    /// What lists and clone know of a pull request together.
    fn pull_request(
        &self,
        listed: &ListedPullRequest,
        landing: &Landing,
    ) -> Result<PullRequest, ObjectError> {
        let commits = landing.commits(self.db)?;
        let told = landing.told();
        let author = landing.author(&commits).map(str::to_owned);
        Ok(PullRequest {
            number: listed.number,
            title: listed.title.clone().unwrap_or_else(|| message::title(told).to_owned()),
            body: listed.body.clone().unwrap_or_else(|| message::body(told).to_owned()),
            author: listed.author.clone().or(author),
            merged_at: Some(landing.commit.time),
            labels: listed.labels.clone(),
            closes: listed.closes.clone(),
            commit_messages: commits.into_iter().map(|commit| commit.message).collect(),
        })
    }

    /// The references between the stages that texts and messages show.
    fn edges(&self, landed: &[(&ListedPullRequest, Landing)], stages: &[Stage]) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (later, ((listed, landing), stage)) in landed.iter().zip(stages).enumerate() {
            let texts = self.texts(listed, landing, stage);
            for ((earlier, _), to) in landed.iter().zip(stages).take(later) {
                let evidence = evidence(&texts, earlier.number);
                if !evidence.is_empty() {
                    edges.push(Edge { from: stage.id.clone(), to: to.id.clone(), evidence });
                }
            }
        }
        edges
    }

    fn texts(
        &self,
        listed: &ListedPullRequest,
        landing: &Landing,
        stage: &Stage,
    ) -> Vec<(Place, String)> {
        let mut texts = Vec::new();
        if let Some(pull_request) = &stage.pull_request {
            texts.push((Place::Title, pull_request.title.clone()));
            texts.push((Place::Body, pull_request.body.clone()));
        }
        let own_words = listed.title.is_some() || listed.body.is_some();
        if own_words {
            texts.push((Place::MergeMessage, message::body(&landing.commit.message).to_owned()));
        }
        texts.extend(listed.comments.iter().map(|text| (Place::Review, text.clone())));
        // The commits were read before; a failure would have refused the stage.
        for commit in landing.commits(self.db).unwrap_or_default() {
            texts.push((Place::CommitMessage { commit: commit.id }, commit.message));
        }
        texts
    }

    fn chain_id(&self, landed: &[(&ListedPullRequest, Landing)]) -> Result<ChainId, Reason> {
        let mut id = self.repository.short().trim_start_matches('.').to_owned();
        for (pull_request, _) in landed {
            id.push('-');
            id.push_str(&pull_request.number.to_string());
        }
        ChainId::new(id).map_err(|err| Reason::Unreadable(err.to_string()))
    }
}

fn stage_id(number: u64) -> Result<StageId, Reason> {
    let id = format!("pr-{number}");
    StageId::new(id.clone()).map_err(|_| Reason::StageId(id))
}

fn evidence(texts: &[(Place, String)], number: u64) -> Vec<Evidence> {
    let mut found: Vec<Evidence> = Vec::new();
    for (place, text) in texts {
        for reference in message::references(text) {
            if reference.number == number {
                let (kind, excerpt) = (reference.kind, reference.excerpt);
                let place = place.clone();
                found.push(Evidence { kind, place, author: None, excerpt });
            }
        }
    }
    found
}
