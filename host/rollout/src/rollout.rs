//! One agent over one chain, stage by stage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use catena_chain::{Chain, Stage};
use catena_model::{Account, ConversationId};
use catena_native::{Launcher, NativeUse, Room};
use catena_plugin::session::PluginSpec;
use catena_plugin::{Digest, NativeOffer};
use catena_tree::{ObjectDatabase, RepoPath, TreeId};
use catena_worker::{Walls, WorkerCommand, in_one_line};

use crate::carry::{CarryError, CarryMode, CarryRecord, Left, carry};
use crate::durable::DurableLog;
use crate::journal::{Beyond, Journal, JournalError};
use crate::judging::RunJudge;
use crate::judging::guard::Guard;
use crate::ledger::{Ledger, Reliance, Unserved};
use crate::models::Models;
use crate::network::Reach;
use crate::places::{Place, Places};
use crate::progress::{Progress, ProgressEvent};
use crate::record::{Header, JOURNAL_VERSION, Record, RolloutEnd, RolloutId, StageOutcome};
use crate::run_file::{ConversationScope, OnReject, Recipe, RunFile};
use crate::stop::Stop;

/// Why a rollout could not be brought to an end that can be put down.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// The journal can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The object database can't be used.
    #[error("object database of the run")]
    Objects(#[from] catena_tree::ObjectError),
    /// The user stopped the run; the rollout can be gone on with.
    #[error("the rollout was stopped before its end")]
    Stopped,
}

impl From<Unserved> for RolloutError {
    fn from(unserved: Unserved) -> Self {
        match unserved {
            Unserved::Journal(err) => Self::Journal(err),
            Unserved::Stopped | Unserved::Parked => Self::Stopped,
        }
    }
}

/// How a rollout ended, and what that rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// How.
    pub end: RolloutEnd,
    /// Calls that were taken from the journal as they can't be made again: those
    /// that ran out of wall-clock time.
    pub taken: u64,
    /// Ends of commands outside the sandbox that were taken from it.
    pub native: u64,
    /// Requests of plugins, of which a replay takes all answers from it.
    pub requests: u64,
    /// Whether a model could not be reached.
    pub(crate) lost_model: bool,
    /// Where its worker was lost, if that is what ended it.
    pub(crate) lost_at: Option<LostAt>,
}

/// What all rollouts of a run share.
pub struct Plan {
    /// How requests of plugins reach servers.
    pub(crate) reach: Reach,
    /// Digest of what was approved of its plugins; none before that was asked for.
    pub(crate) approved: Option<Digest>,
    /// The run file.
    pub file: RunFile,
    /// Objects of the repository and of the agents.
    pub database: ObjectDatabase,
    /// The scaffold; none where stored submissions are judged.
    pub scaffold: Option<PluginSpec>,
    /// Its tools.
    pub tools: Vec<PluginSpec>,
    /// The judges, in the order in which they are heard.
    pub(crate) judges: Vec<RunJudge>,
    /// What keeps the reference out of feedback.
    pub(crate) guard: Guard,
    /// Programs that any of them may start.
    pub programs: Vec<PluginSpec>,
    /// How one works in the repository, where the run file says it.
    pub recipe: Option<Recipe>,
    /// Commands outside the sandbox that scaffold or tools are granted, by name.
    pub native: BTreeMap<String, NativeUse>,
    /// How they are started.
    pub launcher: Launcher,
    /// The scaffold's model.
    pub models: Models,
    /// What the whole run may spend.
    pub account: Arc<Account>,
    /// How workers are started.
    pub worker: WorkerCommand,
    /// The directory on whose disk workers put what is too much for their memory.
    pub spill_dir: PathBuf,
    /// What stands between workers and this machine, as far as it was tried.
    pub walls: OnceLock<Walls>,
    /// Whether guests may run only where all walls stand.
    pub require_walls: bool,
    /// Digest of run file, chain file and plugins.
    pub digest: Digest,
    /// Names the engine.
    pub engine: String,
    /// Makes journals survive a loss of power; none where nothing is written.
    pub log: Option<DurableLog>,
    /// Says whether the user wants the run to stop.
    pub stop: Stop,
    /// Places for rollouts that have a worker.
    pub(crate) places: Arc<Places>,
    /// What of finished work a replay relies on.
    pub(crate) reliance: Reliance,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
}

impl Plan {
    /// Whether the agent is shown the answer.
    pub fn is_control(&self) -> bool {
        self.scaffold.as_ref().is_some_and(|scaffold| scaffold.manifest.plugin.control)
    }

    pub(crate) fn scaffold_name(&self) -> String {
        let name = |spec: &PluginSpec| spec.manifest.plugin.name.to_string();
        self.scaffold.as_ref().map(name).unwrap_or_default()
    }

    /// Commands outside the sandbox that some plugin may start.
    pub(crate) fn native_offers(&self) -> Vec<NativeOffer> {
        self.native.iter().map(|(name, used)| used.offer(name)).collect()
    }

    /// The command line that runs the repository's tests.
    pub(crate) fn test_command(&self) -> Option<&str> {
        self.recipe.as_ref()?.test.as_deref().map(str::trim)
    }

    /// The trees that hold the programs' own files.
    pub(crate) fn files_of_programs(&self) -> impl Iterator<Item = TreeId> {
        let of_program = |program: &PluginSpec| {
            program.manifest.program.files.values().copied().collect::<Vec<_>>()
        };
        self.programs.iter().flat_map(of_program).collect::<Vec<_>>().into_iter()
    }
}

/// What goes from stage to stage.
pub(crate) struct Carried {
    /// The agent's accepted tree and the index of the stage it is of.
    pub(crate) left: Option<(usize, TreeId)>,
    /// New files that stayed out of the submission, and the tree that has them.
    pub(crate) left_out: Vec<RepoPath>,
    pub(crate) left_out_tree: TreeId,
    pub(crate) scratch: TreeId,
    pub(crate) snapshots: BTreeMap<String, TreeId>,
    pub(crate) conversation: Option<ConversationId>,
}

impl Carried {
    fn nothing() -> Self {
        Self {
            left: None,
            left_out: Vec::new(),
            left_out_tree: TreeId::EMPTY,
            scratch: TreeId::EMPTY,
            snapshots: BTreeMap::new(),
            conversation: None,
        }
    }
}

/// One rollout at work.
pub(crate) struct Rollout<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) chain: &'a Chain,
    pub(crate) ledger: Ledger,
    pub(crate) carried: Carried,
    /// What judges keep from round to round of a stage, by their names.
    pub(crate) kept: BTreeMap<String, String>,
    /// Real files for commands outside the sandbox, once there are any.
    pub(crate) room: Option<Room>,
    /// What allows it a worker; none while it waits without one.
    pub(crate) place: Option<Place>,
    pub(crate) lost_model: bool,
    /// Where its worker was lost, in this try.
    pub(crate) lost_at: Option<LostAt>,
    /// Where each earlier try lost its worker, if this is the last.
    pub(crate) last_of: Option<LostAt>,
}

/// A round in which a worker was lost, by what its guests may have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LostAt {
    /// The stage, counted from 1.
    pub(crate) stage: u32,
    /// Counted from 1.
    pub(crate) round: u32,
}

/// Runs a rollout, or goes on with one, and returns how it ended. What was done
/// before is replayed from the journal at `path`.
pub(crate) async fn roll_out(
    plan: &Plan,
    chain: &Chain,
    id: &RolloutId,
    path: &Path,
    place: Place,
    last_of: Option<LostAt>,
) -> Result<Ended, RolloutError> {
    let mut rollout = begin(plan, chain, id, path, Some(place), plan.is_control())?;
    rollout.last_of = last_of;
    let end = rollout.run().await?;
    Ok(rollout.ended(end))
}

/// Opens the journal of a rollout.
pub(crate) fn begin<'a>(
    plan: &'a Plan,
    chain: &'a Chain,
    id: &RolloutId,
    path: &Path,
    place: Option<Place>,
    control: bool,
) -> Result<Rollout<'a>, RolloutError> {
    let header = Header {
        journal: JOURNAL_VERSION,
        catena: env!("CARGO_PKG_VERSION").to_owned(),
        engine: plan.engine.clone(),
        rollout: id.clone(),
        plan: plan.digest,
        approved: plan.approved,
        control,
        walls: plan.walls.get().cloned().unwrap_or_default(),
    };
    let journal = match &plan.log {
        Some(log) => Journal::open(path, &header, Beyond::Live)?.synced_by(log.clone()),
        None => Journal::open(path, &header, Beyond::Forbidden)?,
    };
    Ok(Rollout {
        plan,
        chain,
        ledger: Ledger::new(id.clone(), journal, plan),
        carried: Carried::nothing(),
        kept: BTreeMap::new(),
        room: None,
        place,
        lost_model: false,
        lost_at: None,
        last_of: None,
    })
}

impl Rollout<'_> {
    /// What is told of one that ended so.
    pub(crate) fn ended(self, end: RolloutEnd) -> Ended {
        let Ledger { taken, native_taken: native, requests, .. } = self.ledger;
        let requests = requests.count;
        let (lost_model, lost_at) = (self.lost_model, self.lost_at);
        Ended { end, taken, native, requests, lost_model, lost_at }
    }

    async fn run(&mut self) -> Result<RolloutEnd, RolloutError> {
        let stages = u32::try_from(self.chain.stages.len()).unwrap_or(u32::MAX);
        self.ledger.tell(ProgressEvent::RolloutStarted { stages });
        let mut outcomes = Vec::new();
        for (index, stage) in self.chain.stages.iter().enumerate() {
            let outcome = self.stage(index, stage).await?;
            let stops = self.stops_at(&outcome);
            outcomes.push(outcome);
            if stops {
                break;
            }
        }
        let end = end_of(outcomes);
        self.ledger.journal.note(Record::Ended(end.clone()))?;
        self.ledger.journal.finish()?;
        self.ledger.journal.sync().await?;
        self.ledger.tell(ProgressEvent::RolloutEnded { end: end.clone() });
        Ok(end)
    }

    fn stops_at(&self, outcome: &StageOutcome) -> bool {
        match outcome {
            StageOutcome::Accepted { .. } => false,
            StageOutcome::Rejected { .. } | StageOutcome::NoVerdict { .. } => {
                self.plan.file.on_reject == OnReject::Stop
            }
            StageOutcome::Conflict
            | StageOutcome::OverBudget { .. }
            | StageOutcome::PluginFailed { .. }
            | StageOutcome::Infrastructure { .. } => true,
        }
    }

    async fn stage(&mut self, index: usize, stage: &Stage) -> Result<StageOutcome, RolloutError> {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        self.ledger.begin_stage(stage.id.as_str());
        let (outcome, tree) = match self.carry_into(stage) {
            Err(err) => {
                (StageOutcome::Infrastructure { reason: in_one_line(&err) }, stage.base.tree)
            }
            Ok(carry) => {
                let conversation = self.conversation_of_stage();
                self.ledger.journal.note(Record::StageStarted {
                    stage: number,
                    id: stage.id.clone(),
                    carry: carry.clone(),
                    conversation,
                })?;
                self.rounds(number, stage, &carry, conversation).await?
            }
        };
        self.keep_what_is_left(index, &outcome, tree);
        self.ledger.journal.note(Record::StageEnded {
            stage: number,
            outcome: outcome.clone(),
            tree,
        })?;
        self.ledger.journal.sync().await?;
        self.ledger.tell(ProgressEvent::StageEnded { stage: number, outcome: outcome.clone() });
        Ok(outcome)
    }

    fn carry_into(&mut self, stage: &Stage) -> Result<CarryRecord, CarryError> {
        if self.plan.file.mode == CarryMode::Isolated {
            self.carried = Carried::nothing();
        }
        let left = match (self.plan.file.mode, self.carried.left) {
            (CarryMode::Carried, Some((index, tree))) => {
                self.chain.stages.get(index).map(|stage| Left { stage, tree })
            }
            _ => None,
        };
        let file = &self.plan.file;
        carry(&self.plan.database, stage, left, file.on_conflict, &file.union)
    }

    fn conversation_of_stage(&mut self) -> ConversationId {
        let goes_on = self.plan.file.conversation == ConversationScope::Chain;
        let id = match self.carried.conversation.filter(|_| goes_on) {
            Some(id) => id,
            None => self.ledger.conversations.open(),
        };
        self.carried.conversation = Some(id);
        id
    }

    fn keep_what_is_left(&mut self, index: usize, outcome: &StageOutcome, tree: TreeId) {
        let accepted = matches!(outcome, StageOutcome::Accepted { .. });
        if accepted || self.plan.file.on_reject != OnReject::ContinueOracle {
            self.carried.left = Some((index, tree));
        } else {
            self.carried.left = None;
            self.carried.left_out.clear();
        }
    }
}

/// How a rollout with these stages ended: as the first stage that was not
/// accepted, or accepted with the mean score.
fn end_of(outcomes: Vec<StageOutcome>) -> RolloutEnd {
    let mut sum = 0.0;
    let mut count = 0.0;
    for outcome in outcomes {
        match outcome {
            StageOutcome::Accepted { score } => {
                sum += score;
                count += 1.0;
            }
            other => return other,
        }
    }
    RolloutEnd::Accepted { score: if count > 0.0 { sum / count } else { 0.0 } }
}
