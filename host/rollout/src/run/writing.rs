//! Queries by a writer plugin, checked for what they give away.
//!
//! A writer sees a chain with its reference patches, in a worker of its own that
//! has no tree. What its texts give away goes back to it for another try; what is
//! left after the last one is marked in the chain.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use catena_chain::leak::{Answer, ChainFindings, Vocabulary};
use catena_chain::{Chain, ChainFile, PatchError, PullRequest, Stage};
use catena_model::gateway::Unwatched;
use catena_model::{Account, Conversation, Gateway, ModelError, Purse, Reply, Request, Usage};
use catena_plugin::session::{PluginSpec, SessionStart};
use catena_plugin::{
    BeforeTool, BriefLeak, CallFailure, ChainBrief, Event, Exchange, NativeEnd, NativeStart,
    Queries, StageBrief, ToolStart, Written,
};
use catena_tree::{ObjectDatabase, ObjectError, TreeId};
use catena_worker::{
    HostSide, Job, JobResult, Walls, Worker, WorkerCommand, WorkerError, WriteJob, host,
};

use super::error::RunError;
use super::inputs::{check_clone, check_selection, make_paths_absolute, selected};
use super::lockfile::{self, Approved};
use super::plugins::prepare_writer;
use super::{RunOptions, enough};
use crate::conversations::Conversations;
use crate::models;
use crate::run_file::RunFile;

type HostError = Box<dyn std::error::Error + Send + Sync>;

/// A run file's writer, ready to be put before chains.
pub struct Writing {
    file: RunFile,
    chains: ChainFile,
    database: ObjectDatabase,
    /// Of all chains, which are of one repository.
    vocabulary: Mutex<Vocabulary>,
    writer: PluginSpec,
    model: Option<Arc<Gateway>>,
    account: Arc<Account>,
    worker: WorkerCommand,
    spill_dir: PathBuf,
    /// The writer may run only where all walls around its worker stand.
    require_walls: bool,
    /// The lock file, if plugins were pinned in it.
    pinned_in: Option<PathBuf>,
}

/// A chain with new texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenChain {
    /// With what its texts give away marked.
    pub chain: Chain,
    /// How often the writer was asked.
    pub tries: u32,
}

/// Why a chain got no texts.
#[derive(Debug, thiserror::Error)]
pub enum WritingError {
    /// What a stage changes can't be put before the writer.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The code before a stage can't be read.
    #[error("the code before its stages can't be read")]
    Object(#[from] ObjectError),
    /// The writer says that it could not.
    #[error("the writer wrote nothing: {0}")]
    NoQueries(String),
    /// The writer failed.
    #[error("the writer failed: {0}")]
    Failed(CallFailure),
    /// The worker failed.
    #[error("its worker failed")]
    Worker(#[from] WorkerError),
}

impl Writing {
    /// Finds and checks all that the run file at `path` says of its writer. What is
    /// too large for memory goes to `spill_dir`.
    pub fn create(path: &Path, spill_dir: &Path, options: &RunOptions) -> Result<Self, RunError> {
        let mut file = RunFile::load(path)?;
        let described = lockfile::described(&file, lockfile::parent(path))?;
        make_paths_absolute(&mut file, path, &options.plugin_dirs)?;
        models::resolve(&mut file, options.models_file.as_deref())?;
        let used = file.writer.clone().ok_or_else(|| RunError::NoWriter(path.to_owned()))?;
        let (writer, pins) = prepare_writer(&used, options)?;
        let pins = Approved { models: described, ..pins };
        let checked = lockfile::check(path, &pins, options)?;
        if writer.manifest.capabilities.model && !writer.rights.model {
            return Err(RunError::WriterWithoutModel(writer.manifest.plugin.name.to_string()));
        }
        let chains = ChainFile::load(&file.chains)?;
        check_selection(&file, &chains)?;
        let database = ObjectDatabase::open(&check_clone(&file, &chains)?)?;
        let model = models::open_for_writer(&file, &used, &options.models)?;
        Ok(Self {
            writer,
            model,
            pinned_in: checked.pin()?,
            account: Account::new(file.budget.run.bounds(), &Usage::default()),
            worker: options.worker.clone(),
            spill_dir: spill_dir.to_owned(),
            require_walls: options.require_walls,
            file,
            chains,
            database,
            vocabulary: Mutex::default(),
        })
    }

    /// Tries what stands between workers and this machine.
    pub async fn try_walls(&self) -> Result<Walls, RunError> {
        let walls = host::try_walls(&self.worker, &self.spill_dir).await;
        enough(walls.map_err(RunError::Worker)?, self.require_walls)
    }

    /// The lock file, if plugins had to be pinned in it.
    pub fn pinned_in(&self) -> Option<&Path> {
        self.pinned_in.as_deref()
    }

    /// The chain file that the run file names.
    pub fn chains(&self) -> &ChainFile {
        &self.chains
    }

    /// The chains that are to be written for.
    pub fn selected(&self) -> Vec<&Chain> {
        selected(&self.file, &self.chains)
    }

    /// Charges the run's account with what was paid before.
    pub fn charge(&self, spent: &Usage) {
        self.account.charge(spent);
    }

    /// Chains that may be written for at a time.
    pub fn concurrency(&self) -> usize {
        self.file.concurrency as usize
    }

    /// Has the writer write for `chain`, again and again while its texts give
    /// something away, `tries` times at most. The texts that give least away are
    /// taken. `chain` must be one of [`Writing::selected`]. What it cost comes with
    /// whatever came of it.
    pub async fn write(
        &self,
        chain: &Chain,
        tries: u32,
    ) -> (Usage, Result<WrittenChain, WritingError>) {
        let mut host = WriterHost::new(self, chain);
        let written = self.write_with(chain.clone(), tries, &mut host).await;
        (host.usage, written)
    }

    async fn write_with(
        &self,
        mut chain: Chain,
        tries: u32,
        host: &mut WriterHost<'_>,
    ) -> Result<WrittenChain, WritingError> {
        // Other chains' models are listened to meanwhile.
        let mut answers = tokio::task::block_in_place(|| self.answers(&chain))?;
        for (stage, answer) in chain.stages.iter_mut().zip(&mut answers) {
            stage.interface.extend(answer.interface().iter().cloned());
            answer.declare(&stage.interface);
        }
        let mut brief = self.brief(&chain)?;
        let mut best: Option<(usize, Queries, ChainFindings)> = None;
        let mut asked = 0;
        while asked < tries.max(1) && best.as_ref().is_none_or(|(leaks, ..)| *leaks > 0) {
            asked += 1;
            let queries = match self.ask(&brief, host).await {
                Ok(queries) => queries,
                // What was paid for before is worth more than nothing.
                Err(err) if best.is_some() => {
                    tracing::warn!(chain = %chain.id, %err, "the writer gave no other texts");
                    break;
                }
                Err(err) => return Err(err),
            };
            let found = findings(&chain, &queries, &answers);
            brief.leaks = leaks(&found);
            let count = brief.leaks.len();
            if best.as_ref().is_none_or(|(least, ..)| count < *least) {
                best = Some((count, queries, found));
            }
        }
        if let Some((_, queries, found)) = best {
            take(&mut chain, queries);
            chain.mark(&found);
        }
        Ok(WrittenChain { chain, tries: asked })
    }

    fn answers(&self, chain: &Chain) -> Result<Vec<Answer>, ObjectError> {
        // What a panic left is a vocabulary that knows fewer words.
        let mut vocabulary = self.vocabulary.lock().unwrap_or_else(PoisonError::into_inner);
        chain.answers(&self.database, &mut vocabulary)
    }

    fn brief(&self, chain: &Chain) -> Result<ChainBrief, PatchError> {
        let stage = |stage: &Stage| {
            let known = stage.pull_request.as_ref();
            let text = |of: fn(&PullRequest) -> &String| known.map(of).cloned().unwrap_or_default();
            Ok(StageBrief {
                title: text(|known| &known.title),
                body: known.map(description).unwrap_or_default(),
                commit_messages: known.map(|it| it.commit_messages.clone()).unwrap_or_default(),
                reference_patch: stage.reference_patch(&self.database)?,
                interface: stage.interface.clone(),
            })
        };
        Ok(ChainBrief {
            repository: self.chains.repository.name.to_string(),
            stages: chain.stages.iter().map(stage).collect::<Result<_, _>>()?,
            leaks: Vec::new(),
        })
    }

    async fn ask(
        &self,
        brief: &ChainBrief,
        host: &mut WriterHost<'_>,
    ) -> Result<Queries, WritingError> {
        let info = self.model.as_ref().map(|model| model.info());
        let start = SessionStart {
            model: info,
            seed: self.file.seed,
            conversation: catena_model::ConversationId(host.conversations.next()),
            next_conversation: host.conversations.next(),
            history: Conversation::default(),
            ..SessionStart::on(TreeId::EMPTY)
        };
        let job = Job::Write(WriteJob { writer: self.writer.clone(), start, chain: brief.clone() });
        let worker = Worker::start(&self.worker, &self.spill_dir)?;
        let wall = self.writer.limits.wall.0;
        let JobResult::Write(result) = worker.run(job, wall, host).await? else {
            return Err(WorkerError::Failed("the worker did another job".to_owned()).into());
        };
        let queries = match result.written {
            Written::Queries(queries) => queries,
            Written::NoQueries(why) => return Err(WritingError::NoQueries(why)),
            Written::Failed(failure) => return Err(WritingError::Failed(failure)),
        };
        match queries.stages.iter().position(|query| query.trim().is_empty()) {
            Some(place) => {
                Err(WritingError::NoQueries(format!("its query for stage {} is empty", place + 1)))
            }
            None => Ok(queries),
        }
    }
}

/// What is known of a pull request beside its title: its description, its labels and
/// the issues that it closed, which often tell the task better than it does.
fn description(known: &PullRequest) -> String {
    let labels = Some(known.labels.join(", ")).filter(|labels| !labels.is_empty());
    let labels = labels.map(|labels| format!("Labels: {labels}"));
    let issues = known.closes.iter();
    let issues = issues.map(|it| format!("It closed the issue \"{}\":\n\n{}", it.title, it.body));
    let parts = std::iter::once(known.body.clone()).chain(labels).chain(issues);
    parts.collect::<Vec<_>>().join("\n\n").trim().to_owned()
}

fn take(chain: &mut Chain, queries: Queries) {
    chain.overview = queries.overview;
    for (stage, query) in chain.stages.iter_mut().zip(queries.stages) {
        stage.query = query;
    }
}

fn findings(chain: &Chain, queries: &Queries, answers: &[Answer]) -> ChainFindings {
    let mut chain = chain.clone();
    take(&mut chain, queries.clone());
    chain.find_leaks(answers)
}

/// What is told to the writer of what was found.
fn leaks(found: &ChainFindings) -> Vec<BriefLeak> {
    let texts =
        std::iter::once(&found.overview).chain(found.stages.iter().map(|stage| &stage.query.leaks));
    let of_text = |(stage, leaks): (u32, &Vec<catena_chain::Leak>)| {
        let brief = |leak: &catena_chain::Leak| BriefLeak {
            stage,
            kind: leak.kind.to_string(),
            excerpt: leak.excerpt.clone(),
        };
        leaks.iter().map(brief).collect::<Vec<_>>()
    };
    (0..).zip(texts).flat_map(of_text).collect()
}

/// What the host does for a writer: its model, and nothing else.
struct WriterHost<'a> {
    writing: &'a Writing,
    chain: String,
    conversations: Conversations,
    purse: Purse,
    turns: usize,
    usage: Usage,
}

impl<'a> WriterHost<'a> {
    fn new(writing: &'a Writing, chain: &Chain) -> Self {
        let purse = Purse {
            rollout: Account::new(writing.file.budget.bounds(), &Usage::default()),
            run: writing.account.clone(),
        };
        let chain = chain.id.to_string();
        let (conversations, usage) = (Conversations::default(), Usage::default());
        Self { writing, chain, conversations, purse, turns: 0, usage }
    }
}

/// A writer's worker that reaches for what no writer has was broken into.
fn not_for_writers(what: &str) -> HostError {
    format!("the worker of a writer reached for {what}, which writers do not have").into()
}

#[async_trait]
impl HostSide for WriterHost<'_> {
    fn walled(&mut self, walls: Walls) -> Result<(), HostError> {
        if self.writing.require_walls && !walls.stand() {
            return Err(format!("not all walls around the worker stand: {walls}").into());
        }
        Ok(())
    }

    async fn complete(
        &mut self,
        exchange: Exchange,
    ) -> Result<Result<Reply, ModelError>, HostError> {
        if !self.writing.writer.rights.model {
            return Err(not_for_writers("a model that it was not granted"));
        }
        let Some(model) = &self.writing.model else {
            let reason = "the run file names no model".to_owned();
            return Ok(Err(ModelError::Other(reason)));
        };
        if self.writing.file.budget.turns.is_some_and(|limit| self.turns as u64 >= limit) {
            return Ok(Err(ModelError::BudgetExhausted("turns".to_owned())));
        }
        self.conversations.apply(&exchange.edits);
        let conversation = self.conversations.get(exchange.conversation);
        let request = Request {
            rollout: &self.chain,
            stage: &self.chain,
            turn_of_stage: self.turns,
            messages: &conversation.messages,
            measured: conversation.measured(),
            tools: &exchange.tools,
            sampling: &exchange.sampling,
        };
        let outcome = model.complete(&request, &self.purse, &Unwatched).await;
        drop(conversation);
        for failed in &outcome.failed {
            self.usage += failed.usage;
        }
        self.turns += 1;
        Ok(outcome.answer.map(|reply| {
            self.usage += reply.usage;
            self.conversations.reply(exchange.conversation, &reply);
            Reply { details: None, ..reply }
        }))
    }

    fn before_tool(&mut self, _start: ToolStart) -> Result<BeforeTool, HostError> {
        Err(not_for_writers("a tool"))
    }

    async fn native(
        &mut self,
        _start: NativeStart,
    ) -> Result<Result<NativeEnd, ObjectError>, HostError> {
        Err(not_for_writers("a command outside the sandbox"))
    }

    fn record(&mut self, event: Event) -> Result<(), HostError> {
        tracing::debug!(chain = self.chain, ?event, "writer");
        Ok(())
    }
}
