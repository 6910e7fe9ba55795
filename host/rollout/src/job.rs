//! Jobs of a rollout's workers: started, served, and begun again where one was parked.

use std::sync::Arc;

use catena_model::Gateway;
use catena_plugin::judging::{MAX_NOTE, MAX_TESTS};
use catena_tree::TreeId;
use catena_worker::{Gate, Job, JobResult, Worker, WorkerError, in_one_line};

use crate::journal::JournalError;
use crate::ledger::{JournalFull, Mark, Unserved};
use crate::native::{Desk, Side};
use crate::places::Comer;
use crate::record::{JOURNAL_LIMIT, StageOutcome};
use crate::rollout::{Rollout, RolloutError};
use crate::serve::{JobHost, Scope};

/// Bytes of objects that a job may hand over, for each byte of its quota: twice after its
/// tool calls, and worktree, scratch and what snapshots keep.
const HANDED_OVER_PER_QUOTA: u64 = 8;

/// A job with what a worker needs to do it.
pub(crate) struct Work {
    pub(crate) job: Job,
    /// The wall-clock time it may take.
    pub(crate) wall: std::time::Duration,
    /// The trees it may read.
    pub(crate) roots: Vec<TreeId>,
    pub(crate) scope: Scope,
    /// The model of the plugin that it is about.
    pub(crate) model: Option<Arc<Gateway>>,
}

impl Rollout<'_> {
    /// Runs a job in a worker. If the model takes long, the worker is given back,
    /// and another one comes to the same point by the journal.
    pub(crate) async fn run_job(
        &mut self,
        work: Work,
    ) -> Result<Result<JobResult, Lost>, RolloutError> {
        let mark = self.ledger.mark();
        loop {
            self.ledger.check_stop()?;
            let result = self.run_job_once(&work).await;
            match result {
                Ok(result) => return Ok(Ok(result)),
                Err(err) => match unserved(err) {
                    Ok(Unserved::Parked) => self.park(&mark).await?,
                    Ok(unserved) => return Err(unserved.into()),
                    Err(lost) => return Ok(Err(lost)),
                },
            }
        }
    }

    /// Waits for the model without a worker and without a place.
    async fn park(&mut self, mark: &Mark) -> Result<(), RolloutError> {
        self.place = None;
        self.ledger.finish_parked().await?;
        self.place = Some(self.plan.places.take(Comer::Returning).await);
        Ok(self.ledger.go_back(mark)?)
    }

    async fn run_job_once(&mut self, work: &Work) -> Result<JobResult, WorkerError> {
        let Work { job, scope, .. } = work;
        let worker = Worker::start(&self.plan.worker, &self.plan.spill_dir)?;
        let quota = job.quota();
        let room = quota.saturating_mul(HANDED_OVER_PER_QUOTA);
        let gate = Gate::new(self.plan.database.clone(), work.roots.clone()).with_room(room);
        let model = work.model.clone();
        let plan = self.plan;
        // What a judge runs sees nothing that is the agent's, nor the other way round.
        let mut room_of_judge = None;
        let (side, base, askers) = match job {
            Job::Attempt(job) => (
                Side::Agent,
                job.start.stage_start,
                plan.scaffold.iter().chain(&plan.tools).collect(),
            ),
            Job::Judge(job) => (Side::Judge, job.start.base, vec![&job.judge]),
            Job::Write(job) => (Side::Agent, job.start.stage_start, Vec::new()),
            // None of a rollout's.
            Job::Try(_) | Job::Compile(_) | Job::Load(_) | Job::Attack(_) => {
                (Side::Agent, TreeId::EMPTY, Vec::new())
            }
        };
        let room = match side {
            Side::Agent => &mut self.room,
            Side::Judge => &mut room_of_judge,
        };
        let desk = Desk { plan, side, room, base, askers };
        let mut host = JobHost {
            ledger: &mut self.ledger,
            gate,
            desk,
            scope: *scope,
            model,
            quota,
            pending: None,
        };
        let result = worker.run(job.clone(), work.wall, &mut host).await?;
        let gate = host.gate;
        let broken = self.ledger.check_whole();
        broken.map_err(|err| WorkerError::Host(Box::new(Unserved::from(err))))?;
        check_trees(&result, &gate)?;
        check_told(&result)?;
        let edits = match &result {
            JobResult::Attempt(attempt) => attempt.session.edits.as_slice(),
            JobResult::Judge(judged) => judged.edits.as_slice(),
            _ => &[],
        };
        scope.check_edits(edits).map_err(|err| WorkerError::Failed(err.to_string()))?;
        Ok(result)
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

/// A worker bounds what a judge tells and keeps.
fn check_told(result: &JobResult) -> Result<(), WorkerError> {
    let JobResult::Judge(judged) = result else { return Ok(()) };
    let kept = judged.kept.as_ref().map_or(0, String::len);
    if judged.tests.len() > MAX_TESTS || kept > MAX_NOTE {
        return Err(WorkerError::Failed("it tells or keeps more than a judge may".to_owned()));
    }
    Ok(())
}

/// Why a job has no result.
pub(crate) enum Lost {
    /// The worker is lost, which its guests may have brought about. Says how.
    Worker(String),
    /// Its guests have told more than the journal may have.
    JournalFull,
    /// Anything else.
    Otherwise(String),
}

impl Lost {
    /// What it is taken for as long as nothing tells of a fault of the guests.
    pub(crate) fn into_outcome(self) -> StageOutcome {
        match self {
            Self::Worker(reason) | Self::Otherwise(reason) => {
                StageOutcome::Infrastructure { reason }
            }
            Self::JournalFull => StageOutcome::OverBudget { which: JOURNAL_LIMIT.to_owned() },
        }
    }
}

/// A worker's failure ends the stage, unless the host did not serve it any more.
fn unserved(err: WorkerError) -> Result<Unserved, Lost> {
    let is_lost = err.may_be_of_guests();
    let WorkerError::Host(cause) = err else {
        let reason = in_one_line(&err);
        return Err(if is_lost { Lost::Worker(reason) } else { Lost::Otherwise(reason) });
    };
    if cause.is::<JournalFull>() {
        return Err(Lost::JournalFull);
    }
    let cause = match cause.downcast::<Unserved>() {
        Ok(unserved) => return Ok(*unserved),
        Err(cause) => cause,
    };
    match cause.downcast::<JournalError>() {
        Ok(journal) => Ok(Unserved::Journal(*journal)),
        Err(other) => Err(Lost::Otherwise(other.to_string())),
    }
}

pub(crate) fn wrong_result() -> StageOutcome {
    let reason = "the worker answered another job; this is a bug of the host".to_owned();
    StageOutcome::Infrastructure { reason }
}
