//! One stage: rounds of the scaffold, submissions and verdicts.

use std::collections::BTreeMap;

use catena_chain::Stage;
use catena_model::{ConversationId, ModelError};
use catena_plugin::session::{JudgeStart, Reference, SessionEnd, SessionStart};
use catena_plugin::{
    AttemptEnd, CallFailure, Carry, Ending, Feedback, Judged, Submission, Task, Used, Verdict,
};
use catena_tree::diff::{self, DiffOptions};
use catena_tree::objects::entry_named;
use catena_tree::patch;
use catena_tree::worktree::Policy;
use catena_tree::{EntryKind, ObjectError, Objects, RepoPath, TreeId, gitignore};
use catena_worker::{
    AttemptJob, Gate, Job, JobResult, JudgeJob, JudgeResult, Worker, WorkerError, in_one_line,
};
use sha2::{Digest as _, Sha256};

use crate::carry::CarryRecord;
use crate::journal::JournalError;
use crate::progress::ProgressEvent;
use crate::record::{Record, StageOutcome, SubmissionRecord};
use crate::rollout::{Rollout, RolloutError};
use crate::serve::{JobHost, Scope};

/// Largest patch in bytes that is put before a judge.
const MAX_PATCH: usize = 16 << 20;

/// One round at one stage.
struct Round<'a> {
    stage: &'a Stage,
    /// Of the stage, counted from 1.
    position: u32,
    /// Of the round, counted from 1.
    number: u32,
    start: TreeId,
    conversation: ConversationId,
}

/// Whether a stage goes on after a round.
enum Next {
    /// The next round, with this feedback.
    Refine(Feedback),
    /// The stage is over.
    End(StageOutcome),
}

impl Rollout<'_> {
    /// Runs the rounds of a stage; returns how it ended and the tree it leaves.
    pub(crate) async fn rounds(
        &mut self,
        number: u32,
        stage: &Stage,
        carry: &CarryRecord,
        conversation: ConversationId,
    ) -> Result<(StageOutcome, TreeId), RolloutError> {
        let start = carry.tree();
        let stops = self.plan.file.on_conflict == catena_tree::merge::ConflictPolicy::Stop;
        if stops && !carry.conflicts().is_empty() {
            return Ok((StageOutcome::Conflict, start));
        }
        let mut worktree = self.with_left_out(start)?;
        let mut submitted = start;
        let mut feedback = None;
        for round in 1..=self.plan.file.rounds() {
            let at = Round { stage, position: number, number: round, start, conversation };
            self.ledger.journal.note(Record::RoundStarted { stage: number, round })?;
            self.ledger.tell(ProgressEvent::RoundStarted { stage: number, round });
            let task = self.task(&at, carry, feedback.take());
            let (end, session) = match self.attempt(&at, task, worktree).await? {
                Ok(attempt) => attempt,
                Err(outcome) => return Ok((outcome, submitted)),
            };
            worktree = session.worktree;
            submitted = self.submission(&at, worktree)?;
            match self.after_attempt(&at, end, submitted).await? {
                Next::End(outcome) => return Ok((outcome, submitted)),
                Next::Refine(given) => feedback = Some(given),
            }
        }
        let score = feedback.map(|feedback| feedback.score);
        Ok((StageOutcome::Rejected { score, reason: None }, submitted))
    }

    /// The stage's tree with the files that earlier submissions left out, where
    /// nothing is in their place.
    fn with_left_out(&self, start: TreeId) -> Result<TreeId, RolloutError> {
        let database = &self.plan.database;
        let mut free = Vec::new();
        for path in &self.carried.left_out {
            if is_free(database, start, path)? {
                free.push(path.clone());
            }
        }
        let from = self.carried.left_out_tree;
        Ok(gitignore::with_files_of(database, &mut &*database, start, from, &free)?)
    }

    fn task(&self, at: &Round<'_>, carry: &CarryRecord, feedback: Option<Feedback>) -> Task {
        Task {
            stage: at.position,
            stages: u32::try_from(self.chain.stages.len()).unwrap_or(u32::MAX),
            round: at.number,
            rounds: self.plan.file.rounds(),
            overview: self.chain.overview.clone(),
            query: at.stage.query.clone(),
            interface: at.stage.interface.clone(),
            carry: carry_for_task(carry),
            feedback,
        }
    }

    /// Has the scaffold work on a round in a worker of its own. The inner error
    /// ends the stage.
    async fn attempt(
        &mut self,
        at: &Round<'_>,
        task: Task,
        worktree: TreeId,
    ) -> Result<Result<(AttemptEnd, SessionEnd), StageOutcome>, RolloutError> {
        let start = self.session_start(at, worktree);
        let roots: Vec<TreeId> = [worktree, at.start, self.carried.scratch]
            .into_iter()
            .chain(self.carried.snapshots.values().copied())
            .chain(start.reference.iter().map(|reference| reference.tree))
            .chain(self.plan.files_of_programs())
            .collect();
        let job = Job::Attempt(AttemptJob {
            scaffold: self.plan.scaffold.clone(),
            tools: self.plan.tools.clone(),
            programs: self.plan.programs.clone(),
            start,
            task,
        });
        let wall = self.plan.scaffold.limits.wall.0;
        let scope = Scope {
            main: Some(at.conversation),
            first_own: self.ledger.conversations.next(),
            may_use_model: self.plan.scaffold.rights.model,
        };
        let attempt = match self.run_job(job, wall, roots, scope).await {
            Ok(JobResult::Attempt(attempt)) => attempt,
            Ok(_) => return Ok(Err(wrong_result())),
            Err(err) => return infrastructure(err),
        };
        let session = attempt.session;
        self.ledger.conversations.apply(&session.edits);
        self.carried.scratch = session.scratch;
        self.carried.snapshots.clone_from(&session.snapshots);
        let (end, kept) = (attempt.end, Box::new(session.clone()));
        self.ledger.journal.note(Record::AttemptEnded { end: end.clone(), session: kept })?;
        if let Some(reason) = self.ledger.unavailable.take() {
            let reason = format!("the model is unavailable: {reason}");
            return Ok(Err(StageOutcome::Infrastructure { reason }));
        }
        Ok(Ok((end, session)))
    }

    fn session_start(&self, at: &Round<'_>, worktree: TreeId) -> SessionStart {
        let reference = if self.plan.scaffold.rights.reference {
            let patch = match at.stage.reference_patch(&self.plan.database) {
                Ok(patch) => Ok(serde_bytes::ByteBuf::from(patch)),
                Err(err) => Err(in_one_line(&err)),
            };
            Some(Reference { tree: at.stage.human, patch })
        } else {
            None
        };
        let workspace = &self.plan.file.workspace;
        SessionStart {
            worktree,
            stage_start: at.start,
            scratch: self.carried.scratch,
            snapshots: self.carried.snapshots.clone(),
            conversation: at.conversation,
            history: self.ledger.conversations.get(at.conversation),
            next_conversation: self.ledger.conversations.next(),
            model: self.plan.models.scaffold.as_ref().map(|model| model.info()),
            reference,
            time: at.stage.time,
            seed: self.seed(at, "agent"),
            quota_bytes: workspace.bytes.0,
            quota_entries: workspace.entries,
            memory: workspace.memory.0,
            // A control may do what the human did.
            policy: if self.plan.is_control() { Policy::default() } else { workspace.policy() },
        }
    }

    fn seed(&self, at: &Round<'_>, role: &str) -> u64 {
        let rollout = &self.ledger.rollout;
        let text =
            format!("{}/{rollout}/{}/{}/{role}", self.plan.file.seed, at.position, at.number);
        let hash = Sha256::digest(text.as_bytes());
        hash.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
    }

    async fn run_job(
        &mut self,
        job: Job,
        wall: std::time::Duration,
        roots: Vec<TreeId>,
        scope: Scope,
    ) -> Result<JobResult, WorkerError> {
        let worker = Worker::start(&self.plan.worker, &self.plan.spill_dir)?;
        let gate = Gate::new(self.plan.database.clone(), roots);
        let model = self.plan.models.of_job(&job);
        let mut host = JobHost { ledger: &mut self.ledger, gate, scope, model };
        let result = worker.run(job, wall, &mut host).await?;
        check_trees(&result, &host.gate)?;
        let edits = match &result {
            JobResult::Attempt(attempt) => attempt.session.edits.as_slice(),
            JobResult::Judge(judged) => judged.edits.as_slice(),
            JobResult::Failed(_) => &[],
        };
        scope.check_edits(edits).map_err(|err| WorkerError::Failed(err.to_string()))?;
        Ok(result)
    }

    /// Takes from the worktree what is submitted, and notes what is left out.
    fn submission(&mut self, at: &Round<'_>, worktree: TreeId) -> Result<TreeId, RolloutError> {
        let database = &self.plan.database;
        let left_out =
            gitignore::ignored_additions(database, at.start, worktree, &self.plan.file.exclude)?;
        let tree = gitignore::without(database, &mut &*database, worktree, &left_out)?;
        let options = DiffOptions::default();
        let files = match diff::changes(database, at.start, tree, &options) {
            Ok(changes) => changes.len() as u64,
            Err(ObjectError::Missing(_)) => 0,
            Err(err) => return Err(err.into()),
        };
        self.carried.left_out_tree = worktree;
        self.carried.left_out.clone_from(&left_out);
        let record = SubmissionRecord { tree, left_out, files };
        self.ledger.journal.note(Record::Submitted(record))?;
        Ok(tree)
    }

    /// Decides what follows from the end of a round. Only what the agent says it
    /// submits is judged.
    async fn after_attempt(
        &mut self,
        at: &Round<'_>,
        end: AttemptEnd,
        tree: TreeId,
    ) -> Result<Next, RolloutError> {
        let rejected =
            |reason: String| StageOutcome::Rejected { score: None, reason: Some(reason) };
        Ok(Next::End(match end {
            AttemptEnd::Ended(Ending::Submitted) => return self.judge(at, tree).await,
            AttemptEnd::Ended(Ending::LimitReached(which))
            | AttemptEnd::Model(ModelError::BudgetExhausted(which)) => {
                StageOutcome::OverBudget { which }
            }
            AttemptEnd::Model(ModelError::ContextTooLong(_)) => {
                StageOutcome::OverBudget { which: "context window".to_owned() }
            }
            AttemptEnd::Ended(Ending::GaveUp(why)) => rejected(format!("gave up: {why}")),
            AttemptEnd::Ended(Ending::Other(how)) => rejected(how),
            AttemptEnd::Model(ModelError::Refused(why)) => {
                rejected(format!("the model refused: {why}"))
            }
            // That a model is out of reach is the host's to say, not the guest's.
            AttemptEnd::Model(err) => StageOutcome::PluginFailed {
                plugin: self.plan.scaffold.manifest.plugin.name.to_string(),
                failure: CallFailure::Contract(format!("gave up over the model: {err}")),
            },
            AttemptEnd::Errored(why) => StageOutcome::PluginFailed {
                plugin: self.plan.scaffold.manifest.plugin.name.to_string(),
                failure: CallFailure::Contract(why),
            },
            AttemptEnd::Failed { plugin, failure } => {
                StageOutcome::PluginFailed { plugin, failure }
            }
        }))
    }

    /// Has the judge score a submission, in a worker apart from the agent's.
    async fn judge(&mut self, at: &Round<'_>, tree: TreeId) -> Result<Next, RolloutError> {
        let submission = match self.typed_submission(at, tree) {
            Ok(submission) => submission,
            Err(outcome) => return Ok(Next::End(outcome)),
        };
        let size = submission.candidate_patch.len();
        if size > MAX_PATCH {
            let reason =
                format!("the patch has {size} bytes, more than the {MAX_PATCH} that are judged");
            return Ok(Next::End(StageOutcome::Rejected { score: None, reason: Some(reason) }));
        }
        let job = Job::Judge(JudgeJob {
            judge: self.plan.judge.clone(),
            programs: self.plan.programs.clone(),
            start: JudgeStart {
                base: at.start,
                candidate: tree,
                reference: at.stage.human,
                model: self.plan.models.judge.as_ref().map(|model| model.info()),
                time: at.stage.time,
                seed: self.seed(at, "judge"),
                next_conversation: self.ledger.conversations.next(),
            },
            submission,
        });
        let mut roots = vec![at.start, tree, at.stage.human];
        roots.extend(self.plan.files_of_programs());
        let scope = Scope {
            main: None,
            first_own: self.ledger.conversations.next(),
            may_use_model: self.plan.judge.rights.model,
        };
        let wall = self.plan.judge.limits.wall.0;
        let JudgeResult { judged, edits, used } = match self.run_job(job, wall, roots, scope).await
        {
            Ok(JobResult::Judge(result)) => result,
            Ok(_) => return Ok(Next::End(wrong_result())),
            Err(err) => return Ok(Next::End(worker_outcome(err)?)),
        };
        self.note_judged(judged.clone(), edits, used)?;
        if let Some(reason) = self.ledger.unavailable.take() {
            let reason = format!("the judge's model is unavailable: {reason}");
            return Ok(Next::End(StageOutcome::Infrastructure { reason }));
        }
        Ok(self.after_verdict(judged))
    }

    /// What is put before the judge, or how the stage ends where that can't be.
    fn typed_submission(&self, at: &Round<'_>, tree: TreeId) -> Result<Submission, StageOutcome> {
        let database = &self.plan.database;
        let reference_patch = at
            .stage
            .reference_patch(database)
            .map_err(|err| StageOutcome::NoVerdict { reason: in_one_line(&err) })?;
        let candidate_patch = patch::write(database, at.start, tree, &DiffOptions::default())
            .map_err(|err| match err {
                ObjectError::TooLarge { .. } => {
                    StageOutcome::Rejected { score: None, reason: Some(in_one_line(&err)) }
                }
                err => StageOutcome::NoVerdict { reason: in_one_line(&err) },
            })?;
        Ok(Submission {
            stage: at.position,
            stages: u32::try_from(self.chain.stages.len()).unwrap_or(u32::MAX),
            overview: self.chain.overview.clone(),
            query: at.stage.query.clone(),
            candidate_patch,
            reference_patch,
        })
    }

    fn note_judged(
        &mut self,
        judged: Judged,
        edits: Vec<(ConversationId, catena_model::Edit)>,
        used: BTreeMap<String, Used>,
    ) -> Result<(), JournalError> {
        self.ledger.conversations.apply(&edits);
        let judge = self.plan.judge.manifest.plugin.name.to_string();
        self.ledger.journal.note(Record::Judged { judge, judged, edits, used })?;
        Ok(())
    }

    fn after_verdict(&self, judged: Judged) -> Next {
        let threshold = self.plan.file.threshold;
        match judged {
            // The worker has checked the range; this side does not rely on it.
            Judged::Verdict(Verdict { score, .. }) if !(0.0..=1.0).contains(&score) => {
                let plugin = self.plan.judge.manifest.plugin.name.to_string();
                let failure = CallFailure::Contract("gave a score outside 0 to 1".to_owned());
                Next::End(StageOutcome::PluginFailed { plugin, failure })
            }
            Judged::Verdict(Verdict { score, .. }) if score >= threshold => {
                Next::End(StageOutcome::Accepted { score })
            }
            Judged::Verdict(Verdict { score, feedback, .. }) => {
                Next::Refine(Feedback { score, threshold, text: feedback })
            }
            Judged::NoVerdict(reason) => Next::End(StageOutcome::NoVerdict { reason }),
            Judged::Failed(failure) => {
                let plugin = self.plan.judge.manifest.plugin.name.to_string();
                Next::End(StageOutcome::PluginFailed { plugin, failure })
            }
        }
    }
}

/// A worker may only leave trees that it was given or has handed over; else it
/// could pass the human tree off as its own.
fn check_trees(result: &JobResult, gate: &Gate) -> Result<(), WorkerError> {
    let JobResult::Attempt(attempt) = result else { return Ok(()) };
    let session = &attempt.session;
    let left = [session.worktree, session.scratch].into_iter();
    let strange = left.chain(session.snapshots.values().copied()).find(|tree| !gate.admits(*tree));
    match strange {
        Some(tree) => Err(WorkerError::Failed(format!(
            "it left tree `{tree}`, which it was not given and has not handed over"
        ))),
        None => Ok(()),
    }
}

/// Whether a file can be put at `path` without taking anything away: nothing is
/// there, and all above it are directories.
fn is_free(objects: &dyn Objects, tree: TreeId, path: &RepoPath) -> Result<bool, ObjectError> {
    let mut dir = tree;
    for name in path.components() {
        let entries = objects.tree(dir)?;
        match entry_named(&entries, name).map(|entry| entry.kind) {
            None => return Ok(true),
            Some(EntryKind::Directory(below)) => dir = below,
            Some(_) => return Ok(false),
        }
    }
    Ok(false)
}

fn carry_for_task(carry: &CarryRecord) -> Carry {
    match carry.word() {
        "fresh" => Carry::Fresh,
        "clean" => Carry::Clean,
        "merged" => Carry::Merged,
        _ => {
            let told = carry.conflicts().iter().map(|conflict| {
                let kind = serde_json::to_value(conflict.kind).ok();
                let kind = kind.and_then(|kind| kind.as_str().map(str::to_owned));
                (conflict.path.clone(), kind.unwrap_or_default())
            });
            Carry::Conflicted(told.collect())
        }
    }
}

fn infrastructure<T>(err: WorkerError) -> Result<Result<T, StageOutcome>, RolloutError> {
    Ok(Err(worker_outcome(err)?))
}

/// A worker's failure ends the stage, unless it is the journal's.
fn worker_outcome(err: WorkerError) -> Result<StageOutcome, RolloutError> {
    match err {
        WorkerError::Host(cause) => match cause.downcast::<JournalError>() {
            Ok(journal) => Err((*journal).into()),
            Err(other) => Ok(StageOutcome::Infrastructure { reason: other.to_string() }),
        },
        other => Ok(StageOutcome::Infrastructure { reason: in_one_line(&other) }),
    }
}

fn wrong_result() -> StageOutcome {
    let reason = "the worker answered another job; this is a bug of the host".to_owned();
    StageOutcome::Infrastructure { reason }
}
