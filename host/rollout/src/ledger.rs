//! What stays the same over all workers of a rollout: the journal, the
//! conversations, what they have cost, and the exchange that is under way.
//!
//! Its invariant: what comes from outside is in the journal before a guest sees
//! it, and what the journal has is not asked for again.

mod exchanges;
mod party;

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use catena_model::{Account, Usage};
use catena_plugin::{Digest, Event, NativeEnd, ToolEnd, ToolStart};
use catena_tree::ObjectError;
use catena_worker::message::ObjectFailure;
use serde::Serialize;

use crate::asking::Asking;
use crate::conversations::Conversations;
use crate::journal::{Journal, JournalError, Position};
use crate::network::Requests;
use crate::progress::{Progress, ProgressEvent};
use crate::record::{Record, RolloutId, Settled};
use crate::rollout::Plan;
use crate::stop::{self, Stop};
use party::{Party, Turns};

/// Why a worker is not served any further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unserved {
    /// The journal can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The model takes long, and the worker is not needed meanwhile.
    #[error("the rollout waits for its model without a worker")]
    Parked,
    /// The user stopped the run.
    #[error("the run was stopped")]
    Stopped,
}

/// The journal of the rollout has become as long as it may.
#[derive(Debug, thiserror::Error)]
#[error("the rollout's journal has all that it may have")]
pub(crate) struct JournalFull;

/// Which records of finished work a replay relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reliance {
    /// All that are whole.
    Finished,
    /// Those alone that can't be made again.
    Irreproducible,
}

/// What a journal says of what judges came to.
pub(crate) enum SettledBefore {
    /// It is known.
    So(Settled),
    /// It was not put down, as journals before version 3 have it.
    Unsaid,
    /// It is to be found out.
    NotYet,
}

pub(crate) struct Ledger {
    pub(crate) rollout: RolloutId,
    pub(crate) journal: Journal,
    pub(crate) conversations: Conversations,
    pub(crate) reliance: Reliance,
    /// How much of the journal was relied on that could not be made again.
    pub(crate) taken: u64,
    /// How many ends of commands outside the sandbox were.
    pub(crate) native_taken: u64,
    /// Requests that were made for plugins so far.
    pub(crate) requests: Requests,
    /// The end of the last command outside the sandbox that the journal has.
    pub(crate) native_left: Option<Box<NativeEnd>>,
    progress: Arc<dyn Progress>,
    agent: Party,
    judges: Party,
    /// Whether a submission is with the judges.
    is_judging: bool,
    run_account: Arc<Account>,
    park_after: Option<Duration>,
    stop: Stop,
    most_journal: u64,
    known_tools: HashSet<Digest>,
    /// Objects that could not be had.
    lost_objects: HashMap<String, ObjectFailure>,
    /// The stage at work, as the chain file names it.
    stage: String,
    /// What was told and charged before the rollout went back.
    seen: Position,
    /// An exchange whose worker is gone.
    parked: Option<Asking>,
    /// Why the journal could not be used where that could not be said.
    broken: Option<JournalError>,
    /// Why the model could not be reached, once it could not.
    pub(crate) unavailable: Option<String>,
}

/// Where a rollout may go back to.
pub(crate) struct Mark {
    position: Position,
    conversations: Conversations,
    known_tools: HashSet<Digest>,
    lost_objects: HashMap<String, ObjectFailure>,
    turns: (Turns, Turns),
    taken: u64,
    native_taken: u64,
    requests: Requests,
}

impl Ledger {
    pub(crate) fn new(rollout: RolloutId, journal: Journal, plan: &Plan) -> Self {
        let budget = plan.file.budget;
        let account = Account::new(budget.bounds(), &journal.in_vain());
        let agent = Party::new(account, budget.turns);
        let budget = plan.file.judging.budget;
        let account = Account::new(budget.bounds(), &Usage::default());
        let judges = Party::new(account, budget.turns);
        Self {
            rollout,
            journal,
            conversations: Conversations::default(),
            reliance: plan.reliance,
            taken: 0,
            native_taken: 0,
            requests: Requests::default(),
            native_left: None,
            progress: plan.progress.clone(),
            agent,
            judges,
            is_judging: false,
            run_account: plan.account.clone(),
            park_after: plan.file.park_after(),
            stop: plan.stop.clone(),
            most_journal: plan.file.budget.most_journal().0,
            known_tools: HashSet::new(),
            lost_objects: HashMap::new(),
            stage: String::new(),
            seen: Position::default(),
            parked: None,
            broken: None,
            unavailable: None,
        }
    }

    pub(crate) fn begin_stage(&mut self, id: &str) {
        id.clone_into(&mut self.stage);
        self.agent.turns.of_stage = 0;
        self.judges.turns.of_stage = 0;
    }

    /// From here on models are asked by judges.
    pub(crate) fn begin_judging(&mut self) {
        self.is_judging = true;
    }

    /// Whether what is asked for is a judge's.
    pub(crate) fn is_judging(&self) -> bool {
        self.is_judging
    }

    /// From here on models are asked by the agent again.
    pub(crate) fn end_judging(&mut self) {
        self.is_judging = false;
    }

    fn party(&self) -> &Party {
        if self.is_judging { &self.judges } else { &self.agent }
    }

    fn party_mut(&mut self) -> &mut Party {
        if self.is_judging { &mut self.judges } else { &mut self.agent }
    }

    /// What judges came to together, as far as the journal is to be relied on for it.
    pub(crate) fn settled_before(&mut self) -> SettledBefore {
        let next = self.journal.ahead().next().cloned();
        match next {
            None => SettledBefore::NotYet,
            Some(Record::Settled(_)) if self.reliance == Reliance::Irreproducible => {
                SettledBefore::NotYet
            }
            Some(Record::Settled(settled)) => {
                self.journal.take();
                SettledBefore::So(settled)
            }
            Some(_) => SettledBefore::Unsaid,
        }
    }

    /// Tells what happened, unless it was told before the rollout went back.
    pub(crate) fn tell(&self, event: ProgressEvent) {
        if self.journal.position() >= self.seen {
            self.progress.tell(&self.rollout, event);
        }
    }

    /// Where the rollout is, to go back to.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            position: self.journal.position(),
            conversations: self.conversations.clone(),
            known_tools: self.known_tools.clone(),
            lost_objects: self.lost_objects.clone(),
            turns: (self.agent.turns, self.judges.turns),
            taken: self.taken,
            native_taken: self.native_taken,
            requests: self.requests,
        }
    }

    /// Goes back, to come here again by the journal.
    pub(crate) fn go_back(&mut self, mark: &Mark) -> Result<(), JournalError> {
        self.seen = self.seen.max(self.journal.position());
        self.journal.go_back(mark.position)?;
        self.conversations.clone_from(&mark.conversations);
        self.known_tools.clone_from(&mark.known_tools);
        self.lost_objects.clone_from(&mark.lost_objects);
        (self.agent.turns, self.judges.turns) = mark.turns;
        self.taken = mark.taken;
        self.native_taken = mark.native_taken;
        self.requests = mark.requests;
        self.unavailable = None;
        Ok(())
    }

    /// Fails if the journal failed where that could not be said.
    pub(crate) fn check_whole(&mut self) -> Result<(), JournalError> {
        self.broken.take().map_or(Ok(()), Err)
    }

    /// Fails if guests have told more than the journal may have. In a replay they have
    /// where the journal says so, as earlier programs had no bound.
    pub(crate) fn check_room(&self) -> Result<(), JournalFull> {
        let is_over = self.journal.weight() > self.most_journal;
        let ends_here = self.journal.ahead().next().is_none_or(Record::tells_journal_full);
        if is_over && ends_here { Err(JournalFull) } else { Ok(()) }
    }

    /// Fails if the user wants the rollout to stop and all that was done is in
    /// the journal.
    pub(crate) fn check_stop(&self) -> Result<(), Unserved> {
        let stops = self.journal.is_at_end() && self.stop.asked() != stop::Asked::Nothing;
        if stops { Err(Unserved::Stopped) } else { Ok(()) }
    }

    /// Answers a question for an object. One that could not be had once is not
    /// to be had for the rest of the rollout, so that a replay sees the same.
    pub(crate) fn object<T>(
        &mut self,
        id: &impl Display,
        find: impl FnOnce() -> Result<T, ObjectError>,
    ) -> Result<T, ObjectError> {
        let object = id.to_string();
        if let Some(failure) = self.lost_objects.get(&object) {
            return Err(failure.clone().into());
        }
        let next = self.journal.ahead().next();
        if let Some(Record::ObjectFailed { object: lost, failure }) = next
            && *lost == object
        {
            let failure = failure.clone();
            self.journal.take();
            self.lost_objects.insert(object, failure.clone());
            return Err(failure.into());
        }
        let err = match find() {
            // What the worker has no right to is the same in every replay.
            Err(err) if !matches!(err, ObjectError::Refused(_)) => err,
            found => return found,
        };
        let failure = ObjectFailure::from(err);
        self.lost_objects.insert(object.clone(), failure.clone());
        let noted = self.journal.note(Record::ObjectFailed { object, failure: failure.clone() });
        self.broken = self.broken.take().or(noted.err());
        Err(failure.into())
    }

    /// What came of a tool call that begins, if the journal is to be relied on
    /// for it. Then all records of the call are taken.
    pub(crate) fn finished_tool_call(&mut self, start: &ToolStart) -> Option<Box<ToolEnd>> {
        let Some(Event::ToolCall { plugin, tool, call_id, end: Some(end), .. }) =
            self.journal.tool_call_ahead()
        else {
            return None;
        };
        let is_it = *plugin == start.plugin
            && *tool == start.tool
            && *call_id == start.call_id
            && end.arguments == start.arguments;
        let irreproducible = !end.is_reproducible();
        let is_relied_on = self.reliance == Reliance::Finished || irreproducible;
        if !is_it || !is_relied_on || end.after.is_none() {
            return None;
        }
        let (end, tool) = (end.clone(), tool.clone());
        self.taken += u64::from(irreproducible);
        while let Some(record) = self.journal.take() {
            match record {
                Record::ObjectFailed { object, failure } => {
                    self.lost_objects.insert(object, failure);
                }
                Record::Event(Event::ToolCall { .. }) => break,
                Record::Native { end, .. } => self.remember_native(&end),
                Record::Http { body, end, .. } => self.requests.add(&body, &end),
                _ => {}
            }
        }
        self.tell(ProgressEvent::ToolCall { tool });
        Some(end)
    }

    /// Takes one record of work that is relied on as a whole.
    pub(crate) fn pass_over(&mut self, record: &Record) {
        match record {
            Record::Tools { digest, .. } => {
                self.known_tools.insert(*digest);
            }
            Record::ObjectFailed { object, failure } => {
                self.lost_objects.insert(object.clone(), failure.clone());
            }
            Record::ModelFailed(_) => self.charge(&record.spent()),
            Record::Exchange { conversation, edits, answer, .. } => {
                self.charge(&record.spent());
                self.conversations.apply(edits);
                // The guest's part of the answer went with the guest.
                let _ = self.settle(*conversation, answer.clone());
            }
            Record::Native { end, .. } => self.remember_native(end),
            Record::Http { body, end, .. } => self.requests.add(body, end),
            Record::Event(Event::ToolCall { tool, .. }) => {
                self.tell(ProgressEvent::ToolCall { tool: tool.clone() });
            }
            _ => {}
        }
    }

    /// Takes the records up to the end of a round or a judgement that begins here:
    /// the first of which `irreproducible` says whether it can't be made again.
    /// None if there is no such end, or it is to be made again.
    pub(crate) fn pass_over_to(
        &mut self,
        irreproducible: impl Fn(&Record) -> Option<bool>,
    ) -> Option<Record> {
        let is_boundary = |record: &Record| {
            matches!(
                record,
                Record::RoundStarted { .. } | Record::Settled(_) | Record::StageEnded { .. }
            )
        };
        let within = self.journal.ahead().take_while(|record| !is_boundary(record));
        let (count, irreproducible) =
            within.enumerate().find_map(|(at, record)| Some((at, irreproducible(record)?)))?;
        if self.reliance == Reliance::Irreproducible && !irreproducible {
            return None;
        }
        self.taken += u64::from(irreproducible);
        for _ in 0..count {
            if let Some(record) = self.journal.take() {
                self.pass_over(&record);
            }
        }
        self.journal.take()
    }
}

/// Digest of a value's JSON form.
pub(crate) fn digest<T: Serialize>(value: &T) -> Digest {
    // Our own types always have a JSON form.
    Digest::of(&serde_json::to_vec(value).unwrap_or_default())
}
