//! One stage: rounds of the scaffold and what they submit.

use catena_chain::Stage;
use catena_model::{Conversation, ConversationId, ModelError};
use catena_plugin::session::{Reference, SessionEnd, SessionStart};
use catena_plugin::{Attempt, AttemptEnd, CallFailure, Carry, Ending, Feedback, Task};
use catena_tree::diff::{self, DiffOptions};
use catena_tree::objects::entry_named;
use catena_tree::worktree::Policy;
use catena_tree::{EntryKind, ObjectError, Objects, RepoPath, TreeId, gitignore};
use catena_worker::{AttemptJob, Job, JobResult, in_one_line};
use sha2::{Digest as _, Sha256};

use crate::carry::CarryRecord;
use crate::job::{Lost, Work, wrong_result};
use crate::progress::ProgressEvent;
use crate::record::{JOURNAL_LIMIT, Record, StageOutcome, SubmissionRecord};
use crate::rollout::{LostAt, Rollout, RolloutError};
use crate::run_file::Refine;
use crate::serve::Scope;

/// One round at one stage.
pub(crate) struct Round<'a> {
    pub(crate) stage: &'a Stage,
    /// Of the stage, counted from 1.
    pub(crate) position: u32,
    /// Of the round, counted from 1.
    pub(crate) number: u32,
    /// As judges are told it.
    pub(crate) told: u32,
    pub(crate) start: TreeId,
    pub(crate) conversation: ConversationId,
}

/// Whether a stage goes on after a round.
pub(crate) enum Next {
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
        let fresh = self.with_left_out(start)?;
        let mut worktree = fresh;
        let mut submitted = start;
        let mut feedback = None;
        self.kept.clear();
        for round in 1..=self.plan.file.rounds() {
            let at =
                Round { stage, position: number, number: round, told: round, start, conversation };
            self.ledger.journal.note(Record::RoundStarted { stage: number, round })?;
            self.ledger.tell(ProgressEvent::RoundStarted { stage: number, round });
            let task = self.task(&at, carry, feedback.take());
            let (end, session) = match self.attempt(&at, task, worktree).await? {
                Ok(attempt) => attempt,
                Err(outcome) => return Ok((outcome, submitted)),
            };
            // Other rollouts' models are listened to meanwhile.
            let taken = tokio::task::block_in_place(|| self.submission(&at, session.worktree))?;
            submitted = match taken {
                Ok(tree) => tree,
                Err(outcome) => return Ok((outcome, submitted)),
            };
            worktree = match self.plan.file.refine {
                Refine::Keep => session.worktree,
                Refine::Reset => fresh,
            };
            match self.after_attempt(&at, end, submitted).await? {
                Next::End(outcome) => return Ok((outcome, submitted)),
                Next::Refine(given) => feedback = Some(self.with_tree(given)),
            }
        }
        let score = feedback.map(|feedback| feedback.score);
        Ok((StageOutcome::Rejected { score, reason: None }, submitted))
    }

    /// Feedback that says so where the agent does not go on with its tree.
    fn with_tree(&self, feedback: Feedback) -> Feedback {
        if self.plan.file.refine == Refine::Keep {
            return feedback;
        }
        let text = feedback.text.trim_end();
        let text = format!(
            "{text}\n\nYour changes were taken back: the files are as they were when the stage \
             began."
        );
        Feedback { text: text.trim_start().to_owned(), ..feedback }
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
            query: self.query(at.stage),
            interface: at.stage.interface.clone(),
            carry: carry_for_task(carry),
            feedback,
        }
    }

    /// What the agent is asked for, with the command that tests it where the run file
    /// tells one.
    fn query(&self, stage: &Stage) -> String {
        let query = &stage.query;
        match self.plan.test_command() {
            Some(test) => format!("{}\n\nIts tests are run by `{test}`.", query.trim_end()),
            None => query.clone(),
        }
    }

    /// What is run before the agent begins with a stage.
    fn set_up(&self, at: &Round<'_>) -> Vec<String> {
        let recipe = self.plan.recipe.as_ref().filter(|_| at.number == 1);
        recipe.map(|recipe| recipe.set_up.clone()).unwrap_or_default()
    }

    /// Has the scaffold work on a round in a worker of its own. The inner error
    /// ends the stage.
    async fn attempt(
        &mut self,
        at: &Round<'_>,
        task: Task,
        worktree: TreeId,
    ) -> Result<Result<(AttemptEnd, SessionEnd), StageOutcome>, RolloutError> {
        if let Some((end, session)) = self.attempt_in_journal() {
            return Ok(Ok(self.after_job(end, session)));
        }
        let Some(scaffold) = &self.plan.scaffold else { return Ok(Err(wrong_result())) };
        let start = self.session_start(at, worktree);
        let roots: Vec<TreeId> = [worktree, at.start, self.carried.scratch]
            .into_iter()
            .chain(self.carried.snapshots.values().copied())
            .chain(start.reference.iter().map(|reference| reference.tree))
            .chain(self.plan.files_of_programs())
            .collect();
        let set_up = self.set_up(at);
        let job_lines = set_up.len();
        let job = Job::Attempt(AttemptJob {
            scaffold: scaffold.clone(),
            tools: self.plan.tools.clone(),
            programs: self.plan.programs.clone(),
            native: self.plan.native_offers(),
            start,
            set_up,
            task,
        });
        let here = LostAt { stage: at.position, round: at.number };
        // Tools say what they offer and lines of set-up are run before the scaffold's time.
        let walls = self.plan.tools.iter().map(|tool| tool.limits.wall.0);
        let longest = walls.max().unwrap_or_default();
        let lines = u32::try_from(self.plan.tools.len() + job_lines).unwrap_or(u32::MAX);
        let wall = scaffold.limits.wall.0.saturating_add(longest.saturating_mul(lines));
        let model = self.plan.models.scaffold.clone();
        let scope = Scope {
            main: Some(at.conversation),
            first_own: self.ledger.conversations.next(),
            may_use_model: scaffold.rights.model,
        };
        let attempt = match self.run_job(Work { job, wall, roots, scope, model }).await? {
            Ok(JobResult::Attempt(attempt)) => attempt,
            Ok(_) => return Ok(Err(wrong_result())),
            Err(Lost::Worker(reason)) if self.last_of == Some(here) => {
                self.lost_again(worktree, &reason)
            }
            Err(Lost::JournalFull) => self.cut_off(worktree),
            Err(lost) => {
                self.lost_at = matches!(lost, Lost::Worker(_)).then_some(here);
                return Ok(Err(lost.into_outcome()));
            }
        };
        let (end, session) = (attempt.end, Box::new(attempt.session));
        self.ledger
            .journal
            .note(Record::AttemptEnded { end: end.clone(), session: session.clone() })?;
        let ended = self.after_job(end, *session);
        if let Some(reason) = self.ledger.unavailable.take() {
            self.lost_model = true;
            let reason = format!("the model is unavailable: {reason}");
            return Ok(Err(StageOutcome::Infrastructure { reason }));
        }
        Ok(Ok(ended))
    }

    /// What a round comes to whose workers are lost again and again, which is the doing of
    /// who runs in them.
    fn lost_again(&self, worktree: TreeId, reason: &str) -> Attempt {
        let how = format!("lost its worker each time it was begun: {reason}");
        let failure = CallFailure::Contract(how);
        let plugin = self.plan.scaffold_name();
        self.without_session(worktree, AttemptEnd::Failed { plugin, failure })
    }

    /// A round whose guests told more than the journal may have.
    fn cut_off(&self, worktree: TreeId) -> Attempt {
        let which = JOURNAL_LIMIT.to_owned();
        self.without_session(worktree, AttemptEnd::Ended(Ending::LimitReached(which)))
    }

    /// A round that ended so and left all as it was.
    fn without_session(&self, worktree: TreeId, end: AttemptEnd) -> Attempt {
        let (scratch, snapshots) = (self.carried.scratch, self.carried.snapshots.clone());
        Attempt { end, session: SessionEnd::lost(worktree, scratch, snapshots) }
    }

    /// Takes over what a round left.
    fn after_job(&mut self, end: AttemptEnd, session: SessionEnd) -> (AttemptEnd, SessionEnd) {
        self.ledger.conversations.apply(&session.edits);
        self.carried.scratch = session.scratch;
        self.carried.snapshots.clone_from(&session.snapshots);
        (end, session)
    }

    /// The round that begins here, if the journal has all of it and is to be
    /// relied on for it. One that ran out of wall-clock time can't be made again.
    fn attempt_in_journal(&mut self) -> Option<(AttemptEnd, SessionEnd)> {
        let irreproducible = |record: &Record| match record {
            Record::AttemptEnded { end, session } => Some(
                session.timed_out
                    || matches!(end, AttemptEnd::Failed { failure: CallFailure::TimedOut(_), .. }),
            ),
            _ => None,
        };
        match self.ledger.pass_over_to(irreproducible)? {
            Record::AttemptEnded { end, session } => Some((end, *session)),
            _ => None,
        }
    }

    fn session_start(&self, at: &Round<'_>, worktree: TreeId) -> SessionStart {
        let may_see = self.plan.scaffold.as_ref().is_some_and(|scaffold| scaffold.rights.reference);
        let reference = if may_see {
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
            history: Conversation::clone(&self.ledger.conversations.get(at.conversation)),
            next_conversation: self.ledger.conversations.next(),
            model: self.plan.models.scaffold.as_ref().map(|model| model.info()),
            reference,
            time: at.stage.time,
            seed: self.seed(at, "agent"),
            quota_bytes: workspace.bytes.0,
            quota_entries: workspace.entries,
            memory: workspace.memory.0,
            guest_memory: self.plan.file.budget.guest_memory.map_or(u64::MAX, |size| size.0),
            // A control may do what the human did.
            policy: if self.plan.is_control() { Policy::default() } else { workspace.policy() },
        }
    }

    pub(crate) fn seed(&self, at: &Round<'_>, role: &str) -> u64 {
        let rollout = &self.ledger.rollout;
        let text =
            format!("{}/{rollout}/{}/{}/{role}", self.plan.file.seed, at.position, at.number);
        let hash = Sha256::digest(text.as_bytes());
        hash.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
    }

    /// Takes from the worktree what is submitted, and notes what is left out. The inner
    /// error ends the stage: one tree in very many places is more than can be looked at.
    fn submission(
        &mut self,
        at: &Round<'_>,
        worktree: TreeId,
    ) -> Result<Result<TreeId, StageOutcome>, RolloutError> {
        let database = &self.plan.database;
        let exclude = &self.plan.file.exclude;
        let left_out = match gitignore::ignored_additions(database, at.start, worktree, exclude) {
            Err(err @ ObjectError::TooMany { .. }) => {
                let reason = Some(in_one_line(&err));
                return Ok(Err(StageOutcome::Rejected { score: None, reason }));
            }
            left_out => left_out?,
        };
        let tree = gitignore::without(database, &mut &*database, worktree, &left_out)?;
        let options = DiffOptions::default();
        let files = match diff::changes(database, at.start, tree, &options) {
            Ok(changes) => changes.len() as u64,
            // What is too much is told where it is judged.
            Err(ObjectError::Missing(_) | ObjectError::TooMany { .. }) => 0,
            Err(err) => return Err(err.into()),
        };
        self.carried.left_out_tree = worktree;
        self.carried.left_out.clone_from(&left_out);
        let record = SubmissionRecord { tree, left_out, files };
        self.ledger.journal.note(Record::Submitted(record))?;
        Ok(Ok(tree))
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
                plugin: self.plan.scaffold_name(),
                failure: CallFailure::Contract(format!("gave up over the model: {err}")),
            },
            AttemptEnd::Errored(why) => StageOutcome::PluginFailed {
                plugin: self.plan.scaffold_name(),
                failure: CallFailure::Contract(why),
            },
            AttemptEnd::NotSetUp { command, told } => StageOutcome::Infrastructure {
                reason: format!("`{command}`, which is to set it up, failed: {}", told.trim()),
            },
            AttemptEnd::Failed { plugin, failure } => {
                StageOutcome::PluginFailed { plugin, failure }
            }
        }))
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
