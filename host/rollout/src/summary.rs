//! A rollout as its journal tells it: what `catena show` prints and what
//! becomes a trajectory.

mod round;

use std::collections::BTreeMap;

use catena_chain::StageId;
use catena_model::{ConversationId, Edit, FailedAttempt, Usage};
use catena_plugin::refusals::attempts;
use catena_plugin::session::SessionEnd;
use catena_plugin::{Digest, Event, Used};
use catena_tree::{CacheUse, TreeId};
use serde::Serialize;

use crate::carry::CarryRecord;
use crate::history::{At, Called, Histories};
use crate::record::{ExchangeAnswer, Header, Record, RolloutEnd, RolloutId, StageOutcome};

pub use round::{JudgeSummary, RoundSummary};

/// One stage of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageSummary {
    /// Counted from 1.
    pub stage: u32,
    /// Its id in the chain file.
    pub id: StageId,
    /// Where its tree came from.
    pub carry: CarryRecord,
    /// The agent's main conversation at this stage.
    pub conversation: ConversationId,
    /// Its rounds.
    pub rounds: Vec<RoundSummary>,
    /// How it ended; none while it goes on.
    pub outcome: Option<StageOutcome>,
    /// The tree the agent left; none while the stage goes on.
    pub tree: Option<TreeId>,
    /// What the agent's model exchanges took.
    pub usage: Usage,
    /// What the judges' took.
    pub judging_usage: Usage,
    /// Turns that the model took for the agent.
    pub turns: u64,
    /// Tool calls.
    pub tool_calls: u64,
    /// How long its model exchanges and tool calls took, in milliseconds.
    pub wall_ms: u64,
}

/// A whole rollout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RolloutSummary {
    /// Which.
    pub rollout: RolloutId,
    /// The agent was shown the answer.
    pub control: bool,
    /// How it ended; none while it goes on or was interrupted.
    pub end: Option<RolloutEnd>,
    /// Its stages so far.
    pub stages: Vec<StageSummary>,
    /// Sum over the agent's model exchanges.
    pub usage: Usage,
    /// Sum over the judges'.
    pub judging_usage: Usage,
    /// Turns that the model took for the agent.
    pub turns: u64,
    /// Turns that it took for judges.
    pub judging_turns: u64,
    /// Attempts at the model that came to nothing.
    pub failed_attempts: u64,
    /// How long they were waited after, in milliseconds.
    pub waited_ms: u64,
    /// Tool calls.
    pub tool_calls: u64,
    /// Starts of programs, commands outside the sandbox included.
    pub programs: u64,
    /// Commands outside the sandbox that were run.
    pub native: u64,
    /// Requests to the network that were made for plugins.
    pub requests: u64,
    /// Conversations that the scaffold forked for sub-agents and the like.
    pub forks: u64,
    /// How often the scaffold put other messages in the place of a history.
    pub replacements: u64,
    /// What each plugin used.
    pub used: BTreeMap<String, Used>,
    /// What was refused to each plugin that something was refused to, by kind.
    pub refused: BTreeMap<String, BTreeMap<String, u64>>,
    /// Most bytes added to the worktree at any time.
    pub workspace_bytes: u64,
    /// Most entries added to the worktree at any time.
    pub workspace_entries: u64,
    /// Writes that the quota refused.
    pub workspace_refused: u64,
    /// Changes of protected paths that were refused.
    pub workspace_protected: u64,
    /// Most bytes of what guests wrote that were in a worker's memory at any time.
    pub workspace_memory: u64,
    /// Most bytes of it that were on disk at any time.
    pub workspace_spilled: u64,
    /// Most bytes of linear memory that the agent's guests had together at any time.
    pub guest_memory: u64,
    /// Objects that the agent's workers had at hand.
    pub cache: CacheUse,
    /// The agent's conversations as they went.
    #[serde(skip)]
    pub histories: Histories,
    /// What plugins logged: plugin, level, text.
    #[serde(skip)]
    pub logs: Vec<(String, String, String)>,
}

impl RolloutSummary {
    /// Folds the records of a journal. `None` if there is not even a header.
    pub fn of(records: &[Record]) -> Option<Self> {
        let (first, rest) = records.split_first()?;
        let Record::Header(header) = first else { return None };
        let mut fold = Fold { summary: Self::empty(header), is_judged: false };
        for record in rest {
            fold.record(record);
        }
        Some(fold.finished())
    }

    fn empty(header: &Header) -> Self {
        Self {
            rollout: header.rollout.clone(),
            control: header.control,
            end: None,
            stages: Vec::new(),
            usage: Usage::default(),
            judging_usage: Usage::default(),
            turns: 0,
            judging_turns: 0,
            failed_attempts: 0,
            waited_ms: 0,
            tool_calls: 0,
            programs: 0,
            native: 0,
            requests: 0,
            forks: 0,
            replacements: 0,
            used: BTreeMap::new(),
            refused: BTreeMap::new(),
            workspace_bytes: 0,
            workspace_entries: 0,
            workspace_refused: 0,
            workspace_protected: 0,
            workspace_memory: 0,
            workspace_spilled: 0,
            guest_memory: 0,
            cache: CacheUse::default(),
            histories: Histories::default(),
            logs: Vec::new(),
        }
    }

    /// How often a plugin reached for what is not its own, limits and quotas left out.
    pub fn attempts(&self) -> u64 {
        self.refused.values().map(attempts).sum()
    }

    /// How many stages at the beginning of the chain were accepted.
    pub fn accepted_prefix(&self) -> usize {
        let accepted =
            |stage: &&StageSummary| matches!(stage.outcome, Some(StageOutcome::Accepted { .. }));
        self.stages.iter().take_while(accepted).count()
    }
}

struct Fold {
    summary: RolloutSummary,
    /// Whether a submission is with the judge, whose conversations are its own.
    is_judged: bool,
}

impl Fold {
    fn finished(mut self) -> RolloutSummary {
        self.summary.forks = self.summary.histories.forks();
        self.summary.replacements = self.summary.histories.replacements();
        let kinds = self.summary.used.iter().map(|(name, used)| (name, used.refused.by_kind()));
        let refused = kinds.filter(|(_, kinds)| !kinds.is_empty());
        self.summary.refused = refused.map(|(name, kinds)| (name.clone(), kinds)).collect();
        self.summary
    }

    fn at(&self) -> At {
        let stage = self.summary.stages.last();
        let round = stage.and_then(|stage| stage.rounds.last()).map_or(0, |round| round.round);
        At { stage: stage.map_or(1, |stage| stage.stage), round }
    }

    fn edits(&mut self, edits: &[(ConversationId, Edit)]) {
        if !self.is_judged {
            let at = self.at();
            self.summary.histories.apply(edits, at);
        }
    }

    fn record(&mut self, record: &Record) {
        match record {
            Record::Header(_)
            | Record::Resumed
            | Record::Continued(_)
            | Record::Rewound { .. }
            | Record::ObjectFailed { .. } => {}
            Record::ModelFailed(attempt) => self.failed_attempts(std::slice::from_ref(attempt)),
            Record::StageStarted { stage, id, carry, conversation } => {
                self.start_stage(*stage, id, carry, *conversation);
            }
            Record::RoundStarted { round, .. } => {
                self.is_judged = false;
                if let Some(stage) = self.summary.stages.last_mut() {
                    let round = *round;
                    stage.rounds.push(RoundSummary::begun(round));
                }
            }
            Record::Tools { digest, definitions } => {
                self.summary.histories.define_tools(*digest, definitions);
            }
            Record::Exchange { conversation, edits, tools, answer, failed, wall_ms, .. } => {
                if let Some(stage) = self.summary.stages.last_mut() {
                    stage.wall_ms += wall_ms;
                }
                self.edits(edits);
                self.failed_attempts(failed);
                self.exchange(*conversation, *tools, answer);
            }
            Record::Native { .. } => self.summary.native += 1,
            Record::Http { .. } => self.summary.requests += 1,
            Record::Event(event) => self.event(event),
            Record::AttemptEnded { session, end } => {
                self.edits(&session.edits);
                self.is_judged = true;
                if let Some(round) = self.round() {
                    round.end = Some(end.clone());
                }
                self.session(session);
            }
            Record::Submitted(submission) => {
                self.is_judged = true;
                if let Some(round) = self.round() {
                    round.submission = Some(submission.clone());
                }
            }
            Record::Judged { judge, judged, tests, used, .. } => {
                self.add_used(used);
                if let Some(round) = self.round() {
                    round.add_judge(judge, judged, tests);
                }
            }
            Record::Settled(settled) => {
                if let Some(round) = self.round() {
                    round.settle(settled);
                }
            }
            Record::StageEnded { outcome, tree, .. } => self.end_stage(outcome, *tree),
            Record::Ended(end) => self.summary.end = Some(end.clone()),
        }
    }

    fn session(&mut self, session: &SessionEnd) {
        self.add_used(&session.used);
        let summary = &mut self.summary;
        summary.workspace_bytes = summary.workspace_bytes.max(session.workspace_bytes);
        summary.workspace_entries = summary.workspace_entries.max(session.workspace_entries);
        summary.workspace_refused += session.workspace_refused;
        summary.workspace_protected += session.workspace_protected;
        summary.guest_memory = summary.guest_memory.max(session.guest_memory);
        summary.workspace_memory = summary.workspace_memory.max(session.workspace_memory);
        summary.workspace_spilled = summary.workspace_spilled.max(session.workspace_spilled);
        summary.cache.add(&session.cache);
    }

    fn start_stage(
        &mut self,
        stage: u32,
        id: &StageId,
        carry: &CarryRecord,
        conversation: ConversationId,
    ) {
        // The host opened it, so it exists before any edit names it.
        self.summary.histories.open(conversation, At { stage, round: 0 });
        self.summary.stages.push(StageSummary {
            stage,
            id: id.clone(),
            carry: carry.clone(),
            conversation,
            rounds: Vec::new(),
            outcome: None,
            tree: None,
            usage: Usage::default(),
            judging_usage: Usage::default(),
            turns: 0,
            tool_calls: 0,
            wall_ms: 0,
        });
    }

    fn end_stage(&mut self, outcome: &StageOutcome, tree: TreeId) {
        if let Some(stage) = self.summary.stages.last_mut() {
            stage.outcome = Some(outcome.clone());
            stage.tree = Some(tree);
        }
    }

    fn round(&mut self) -> Option<&mut RoundSummary> {
        self.summary.stages.last_mut()?.rounds.last_mut()
    }

    fn exchange(&mut self, conversation: ConversationId, tools: Digest, answer: &ExchangeAnswer) {
        let ExchangeAnswer::Reply(reply) = answer else { return };
        let at = self.at();
        self.add_usage(reply.usage);
        let summary = &mut self.summary;
        if self.is_judged {
            summary.judging_turns += 1;
            return;
        }
        summary.histories.reply(conversation, reply, tools, at);
        summary.turns += 1;
        if let Some(stage) = summary.stages.last_mut() {
            stage.turns += 1;
        }
    }

    /// What was paid for nothing was paid all the same.
    fn failed_attempts(&mut self, failed: &[FailedAttempt]) {
        for attempt in failed {
            self.summary.failed_attempts += 1;
            self.summary.waited_ms += attempt.wait_ms;
            self.add_usage(attempt.usage);
        }
    }

    /// Agent and judges pay apart.
    fn add_usage(&mut self, usage: Usage) {
        let summary = &mut self.summary;
        let whole = if self.is_judged { &mut summary.judging_usage } else { &mut summary.usage };
        *whole += usage;
        if let Some(stage) = summary.stages.last_mut() {
            *if self.is_judged { &mut stage.judging_usage } else { &mut stage.usage } += usage;
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::ToolCall {
                plugin,
                tool,
                call_id,
                outcome,
                exit_status,
                wall_us,
                tree,
                end,
                ..
            } => {
                self.summary.histories.called(Called {
                    plugin: plugin.clone(),
                    tool: tool.clone(),
                    call_id: call_id.clone(),
                    outcome: outcome.clone(),
                    exit_status: *exit_status,
                    output: end.as_deref().and_then(|end| end.answer.text()).map(str::to_owned),
                    wall_us: *wall_us,
                    tree: *tree,
                });
                self.summary.tool_calls += 1;
                if let Some(stage) = self.summary.stages.last_mut() {
                    stage.tool_calls += 1;
                    stage.wall_ms += wall_us / 1_000;
                }
            }
            Event::Program { .. } => self.summary.programs += 1,
            Event::Log { plugin, level, text } => {
                self.summary.logs.push((plugin.clone(), level.clone(), text.clone()));
            }
            // What was used has the counts, by kind.
            Event::Refused { .. } => {}
        }
    }

    fn add_used(&mut self, used: &BTreeMap<String, Used>) {
        for (plugin, used) in used {
            self.summary.used.entry(plugin.clone()).or_default().add(used);
        }
    }
}
