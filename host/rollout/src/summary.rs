//! A rollout as its journal tells it: what `catena show` prints and what
//! becomes a trajectory.

use std::collections::BTreeMap;

use catena_chain::StageId;
use catena_model::{ConversationId, FailedAttempt, Message, ToolDefinition, Usage};
use catena_plugin::{Digest, Event, Judged, Used, Verdict};
use catena_tree::{CacheUse, TreeId};
use serde::Serialize;

use crate::carry::CarryRecord;
use crate::record::{
    ExchangeAnswer, Header, Record, RolloutEnd, RolloutId, StageOutcome, SubmissionRecord,
};
use crate::serve::Conversations;

/// One round of a stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoundSummary {
    /// Counted from 1.
    pub round: u32,
    /// What was handed in; none if the round did not come to its end.
    pub submission: Option<SubmissionRecord>,
    /// What the judge said; none if nothing was judged.
    pub verdict: Option<Verdict>,
}

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
    /// The main conversation as it stood when the stage ended.
    #[serde(skip)]
    pub transcript: Vec<Message>,
    /// Its rounds.
    pub rounds: Vec<RoundSummary>,
    /// How it ended; none while it goes on.
    pub outcome: Option<StageOutcome>,
    /// The tree the agent left; none while the stage goes on.
    pub tree: Option<TreeId>,
    /// What its model exchanges took.
    pub usage: Usage,
    /// Turns of the model.
    pub turns: u64,
    /// Tool calls.
    pub tool_calls: u64,
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
    /// Sum over all model exchanges.
    pub usage: Usage,
    /// Turns of the model.
    pub turns: u64,
    /// Attempts at the model that came to nothing.
    pub failed_attempts: u64,
    /// How long they were waited after, in milliseconds.
    pub waited_ms: u64,
    /// Tool calls.
    pub tool_calls: u64,
    /// Starts of programs.
    pub programs: u64,
    /// What each plugin used.
    pub used: BTreeMap<String, Used>,
    /// Refused calls by plugin and right.
    pub refused: BTreeMap<String, u64>,
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
    /// Objects that the agent's workers had at hand.
    pub cache: CacheUse,
    /// All conversations as they stood at the end.
    #[serde(skip)]
    pub conversations: Conversations,
    /// The tools offered to the agent, as far as it asked for them.
    #[serde(skip)]
    pub tools: Vec<ToolDefinition>,
    /// What plugins logged: plugin, level, text.
    #[serde(skip)]
    pub logs: Vec<(String, String, String)>,
}

impl RolloutSummary {
    /// Folds the records of a journal. `None` if there is not even a header.
    pub fn of(records: &[Record]) -> Option<Self> {
        let (first, rest) = records.split_first()?;
        let Record::Header(header) = first else { return None };
        let mut fold = Fold { summary: Self::empty(header), tools: BTreeMap::new() };
        for record in rest {
            fold.record(record);
        }
        Some(fold.summary)
    }

    fn empty(header: &Header) -> Self {
        Self {
            rollout: header.rollout.clone(),
            control: header.control,
            end: None,
            stages: Vec::new(),
            usage: Usage::default(),
            turns: 0,
            failed_attempts: 0,
            waited_ms: 0,
            tool_calls: 0,
            programs: 0,
            used: BTreeMap::new(),
            refused: BTreeMap::new(),
            workspace_bytes: 0,
            workspace_entries: 0,
            workspace_refused: 0,
            workspace_protected: 0,
            workspace_memory: 0,
            workspace_spilled: 0,
            cache: CacheUse::default(),
            conversations: Conversations::default(),
            tools: Vec::new(),
            logs: Vec::new(),
        }
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
    tools: BTreeMap<Digest, Vec<ToolDefinition>>,
}

impl Fold {
    fn record(&mut self, record: &Record) {
        match record {
            Record::Header(_) | Record::Resumed => {}
            Record::StageStarted { stage, id, carry, conversation } => {
                self.start_stage(*stage, id, carry, *conversation);
            }
            Record::RoundStarted { round, .. } => {
                if let Some(stage) = self.summary.stages.last_mut() {
                    let round = *round;
                    stage.rounds.push(RoundSummary { round, submission: None, verdict: None });
                }
            }
            Record::Tools { digest, definitions } => {
                self.tools.insert(*digest, definitions.clone());
            }
            Record::Exchange { conversation, edits, tools, answer, failed, .. } => {
                self.summary.conversations.apply(edits);
                self.failed_attempts(failed);
                self.exchange(*conversation, *tools, answer);
            }
            Record::Event(event) => self.event(event),
            Record::AttemptEnded { session, .. } => {
                self.summary.conversations.apply(&session.edits);
                self.add_used(&session.used);
                let summary = &mut self.summary;
                summary.workspace_bytes = summary.workspace_bytes.max(session.workspace_bytes);
                summary.workspace_entries =
                    summary.workspace_entries.max(session.workspace_entries);
                summary.workspace_refused += session.workspace_refused;
                summary.workspace_protected += session.workspace_protected;
                summary.workspace_memory = summary.workspace_memory.max(session.workspace_memory);
                summary.workspace_spilled =
                    summary.workspace_spilled.max(session.workspace_spilled);
                summary.cache.add(&session.cache);
            }
            Record::Submitted(submission) => {
                if let Some(round) = self.round() {
                    round.submission = Some(submission.clone());
                }
            }
            Record::Judged { judged, edits, used, .. } => {
                self.summary.conversations.apply(edits);
                self.add_used(used);
                if let (Judged::Verdict(verdict), Some(round)) = (judged, self.round()) {
                    round.verdict = Some(verdict.clone());
                }
            }
            Record::StageEnded { outcome, tree, .. } => self.end_stage(outcome, *tree),
            Record::Ended(end) => self.summary.end = Some(end.clone()),
        }
    }

    fn start_stage(
        &mut self,
        stage: u32,
        id: &StageId,
        carry: &CarryRecord,
        conversation: ConversationId,
    ) {
        // The host opened it, so it exists before any edit names it.
        self.summary.conversations.apply(&[(conversation, catena_model::Edit::Push(Vec::new()))]);
        self.summary.stages.push(StageSummary {
            stage,
            id: id.clone(),
            carry: carry.clone(),
            conversation,
            transcript: Vec::new(),
            rounds: Vec::new(),
            outcome: None,
            tree: None,
            usage: Usage::default(),
            turns: 0,
            tool_calls: 0,
        });
    }

    fn end_stage(&mut self, outcome: &StageOutcome, tree: TreeId) {
        let conversations = &self.summary.conversations;
        if let Some(stage) = self.summary.stages.last_mut() {
            stage.transcript = conversations.get(stage.conversation).messages;
            stage.outcome = Some(outcome.clone());
            stage.tree = Some(tree);
        }
    }

    fn round(&mut self) -> Option<&mut RoundSummary> {
        self.summary.stages.last_mut()?.rounds.last_mut()
    }

    fn exchange(&mut self, conversation: ConversationId, tools: Digest, answer: &ExchangeAnswer) {
        let ExchangeAnswer::Reply(reply) = answer else { return };
        let summary = &mut self.summary;
        summary.conversations.reply(conversation, reply);
        summary.usage += reply.usage;
        summary.turns += 1;
        if let Some(stage) = summary.stages.last_mut() {
            stage.usage += reply.usage;
            stage.turns += 1;
            if stage.conversation == conversation
                && let Some(definitions) = self.tools.get(&tools)
            {
                summary.tools.clone_from(definitions);
            }
        }
    }

    /// What was paid for nothing was paid all the same.
    fn failed_attempts(&mut self, failed: &[FailedAttempt]) {
        for attempt in failed {
            self.summary.failed_attempts += 1;
            self.summary.waited_ms += attempt.wait_ms;
            self.summary.usage += attempt.usage;
            if let Some(stage) = self.summary.stages.last_mut() {
                stage.usage += attempt.usage;
            }
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::ToolCall { .. } => {
                self.summary.tool_calls += 1;
                if let Some(stage) = self.summary.stages.last_mut() {
                    stage.tool_calls += 1;
                }
            }
            Event::Program { .. } => self.summary.programs += 1,
            Event::Log { plugin, level, text } => {
                self.summary.logs.push((plugin.clone(), level.clone(), text.clone()));
            }
            Event::Refused { plugin, right } => {
                *self.summary.refused.entry(format!("{plugin}/{right}")).or_default() += 1;
            }
        }
    }

    fn add_used(&mut self, used: &BTreeMap<String, Used>) {
        for (plugin, used) in used {
            self.summary.used.entry(plugin.clone()).or_default().add(used);
        }
    }
}
