//! What the host does for a rollout's workers: objects through the gate, model
//! exchanges from the journal or live.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use catena_model::{
    Account, Conversation, ConversationId, Edit, FailedAttempt, Gateway, Message, ModelError,
    Outcome, Purse, Reply, Request, Usage, Waiting, Watch,
};
use catena_plugin::{Digest, Event, Exchange, NewObject};
use catena_tree::{BlobId, ObjectError, TreeEntry, TreeId};
use catena_worker::{Gate, HostSide};
use serde::Serialize;

use crate::journal::{Journal, JournalError};
use crate::progress::{Progress, ProgressEvent};
use crate::record::{ExchangeAnswer, Record, RolloutId};
use crate::rollout::Plan;

type HostError = Box<dyn std::error::Error + Send + Sync>;

/// The host's copies of a rollout's conversations, and what they have cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Conversations {
    held: BTreeMap<ConversationId, Conversation>,
    turns: u64,
}

impl Conversations {
    /// Starts a conversation and returns its id.
    pub(crate) fn open(&mut self) -> ConversationId {
        let id = ConversationId(self.next());
        self.held.insert(id, Conversation::default());
        id
    }

    /// The first id that no conversation has.
    pub(crate) fn next(&self) -> u32 {
        self.held.last_key_value().map_or(0, |(last, _)| last.0.saturating_add(1))
    }

    /// What a conversation holds; nothing for an id that is not known yet.
    pub(crate) fn get(&self, id: ConversationId) -> Conversation {
        self.held.get(&id).cloned().unwrap_or_default()
    }

    /// Completions so far.
    pub(crate) fn turns(&self) -> u64 {
        self.turns
    }

    /// Makes the changes that plugins asked for. Whatever an edit says, only
    /// turns that the model took here count as the model's: a history that is
    /// replaced keeps those it repeats word for word, each once and in order.
    pub(crate) fn apply(&mut self, edits: &[(ConversationId, Edit)]) {
        for (id, edit) in edits {
            match edit {
                Edit::Push(messages) => {
                    let pushed = messages.iter().cloned().map(Message::by_plugin);
                    self.held.entry(*id).or_default().messages.extend(pushed);
                }
                Edit::Replace(messages) => {
                    let held = self.held.entry(*id).or_default();
                    held.replace(with_origins(messages, &held.messages));
                }
                Edit::ForkOf(of) => {
                    let copy = self.get(*of).fork();
                    self.held.insert(*id, copy);
                }
            }
        }
    }

    /// Appends what the model said.
    pub(crate) fn reply(&mut self, id: ConversationId, reply: &Reply) {
        self.held.entry(id).or_default().push_reply(reply.message.clone(), reply.usage);
        self.turns += 1;
    }
}

/// The messages of a new history, with the model's turns of the old one.
fn with_origins(new: &[Message], old: &[Message]) -> Vec<Message> {
    let known: Vec<&Message> = old.iter().collect();
    let kept = kept_turns(new, &known).into_iter();
    let origin = |(message, kept): (&Message, Option<usize>)| match kept {
        Some(_) => message.clone().by_model(),
        None => message.clone().by_plugin(),
    };
    new.iter().zip(kept).map(origin).collect()
}

/// For each message of a new history the model's turn of the old one that it
/// repeats word for word, as an index; each turn once and in order.
pub(crate) fn kept_turns(new: &[Message], old: &[&Message]) -> Vec<Option<usize>> {
    let mut turns = old.iter().enumerate().filter(|(_, message)| message.is_from_model());
    let find = |message: &Message| {
        let Message::Assistant { message: said, .. } = message else { return None };
        let is_same = |turn: &(usize, &&Message)| matches!(turn.1, Message::Assistant { message, .. } if message == said);
        let mut ahead = turns.clone();
        let (index, _) = ahead.find(is_same)?;
        turns = ahead;
        Some(index)
    };
    new.iter().map(find).collect()
}

/// What stays the same over all workers of a rollout.
pub(crate) struct Ledger {
    pub(crate) rollout: RolloutId,
    pub(crate) journal: Journal,
    pub(crate) conversations: Conversations,
    progress: Arc<dyn Progress>,
    purse: Purse,
    most_turns: Option<u64>,
    known_tools: HashSet<Digest>,
    /// The stage at work, as the chain file names it, and its exchanges so far.
    stage: String,
    turns_of_stage: usize,
    /// Why the model could not be reached, once it could not.
    pub(crate) unavailable: Option<String>,
}

impl Ledger {
    pub(crate) fn new(rollout: RolloutId, journal: Journal, plan: &Plan) -> Self {
        let budget = plan.file.budget;
        let account = Account::new(budget.bounds(), &journal.in_vain());
        Self {
            rollout,
            journal,
            conversations: Conversations::default(),
            progress: plan.progress.clone(),
            purse: Purse { rollout: account, run: plan.account.clone() },
            most_turns: budget.turns,
            known_tools: HashSet::new(),
            stage: String::new(),
            turns_of_stage: 0,
            unavailable: None,
        }
    }

    pub(crate) fn begin_stage(&mut self, id: &str) {
        id.clone_into(&mut self.stage);
        self.turns_of_stage = 0;
    }

    pub(crate) fn tell(&self, event: ProgressEvent) {
        self.progress.tell(&self.rollout, event);
    }

    /// Answers an exchange from the journal or, past its end, live. A live
    /// answer is in the journal before anybody sees it.
    async fn exchange(
        &mut self,
        exchange: Exchange,
        model: Option<&Gateway>,
    ) -> Result<Result<Reply, ModelError>, JournalError> {
        if let Some(reason) = &self.unavailable {
            // The rollout ends as an infrastructure failure and begins again at
            // the exchange that failed; another one would be paid for nothing.
            return Ok(Err(ModelError::Unavailable(reason.clone())));
        }
        self.conversations.apply(&exchange.edits);
        let request = digest(&exchange);
        let tools = digest(&exchange.tools);
        if self.known_tools.insert(tools) {
            let definitions = exchange.tools.clone();
            self.journal.note(Record::Tools { digest: tools, definitions })?;
        }
        let answer = if let Some(answer) = self.journaled_answer(&exchange, request, tools)? {
            answer
        } else {
            let (answer, failed) = self.ask(&exchange, model).await;
            let record = Record::Exchange {
                conversation: exchange.conversation,
                request,
                edits: exchange.edits,
                tools,
                failed,
                answer: answer.clone(),
            };
            let is_paid = record.spent() != Usage::default();
            self.journal.note(record)?;
            if is_paid || matches!(answer, ExchangeAnswer::Reply(_)) {
                self.journal.sync()?;
            }
            answer
        };
        Ok(self.settle(exchange.conversation, answer))
    }

    fn journaled_answer(
        &mut self,
        exchange: &Exchange,
        request: Digest,
        tools: Digest,
    ) -> Result<Option<ExchangeAnswer>, JournalError> {
        let Some(journaled) = self.journal.take() else { return Ok(None) };
        let asked = |answer: &ExchangeAnswer, failed: &[FailedAttempt]| Record::Exchange {
            conversation: exchange.conversation,
            request,
            edits: exchange.edits.clone(),
            tools,
            failed: failed.to_vec(),
            answer: answer.clone(),
        };
        if let Record::Exchange { answer, failed, .. } = &journaled
            && asked(answer, failed) == journaled
        {
            // The run's account knew it before the rollout began.
            self.purse.rollout.charge(&journaled.spent());
            return Ok(Some(answer.clone()));
        }
        let unknown = ExchangeAnswer::Error(ModelError::Other("not asked yet".to_owned()));
        Err(self.journal.strayed(&journaled, &asked(&unknown, &[])))
    }

    async fn ask(
        &self,
        exchange: &Exchange,
        model: Option<&Gateway>,
    ) -> (ExchangeAnswer, Vec<FailedAttempt>) {
        let unasked = |error| (ExchangeAnswer::Error(error), Vec::new());
        let Some(model) = model else {
            return unasked(ModelError::Other("the run file names no model".to_owned()));
        };
        if self.most_turns.is_some_and(|limit| self.conversations.turns() >= limit) {
            return unasked(ModelError::BudgetExhausted("turns".to_owned()));
        }
        let conversation = self.conversations.get(exchange.conversation);
        let rollout = self.rollout.to_string();
        let request = Request {
            rollout: &rollout,
            stage: &self.stage,
            turn_of_stage: self.turns_of_stage,
            messages: &conversation.messages,
            measured: conversation.measured(),
            tools: &exchange.tools,
            sampling: &exchange.sampling,
        };
        let Outcome { answer, failed } = model.complete(&request, &self.purse, self).await;
        let answer = match answer {
            Ok(reply) => ExchangeAnswer::Reply(reply),
            Err(err) => ExchangeAnswer::Error(err),
        };
        (answer, failed)
    }

    fn settle(
        &mut self,
        conversation: ConversationId,
        answer: ExchangeAnswer,
    ) -> Result<Reply, ModelError> {
        match answer {
            ExchangeAnswer::Reply(reply) => {
                self.conversations.reply(conversation, &reply);
                self.turns_of_stage += 1;
                self.tell(ProgressEvent::Turn { usage: reply.usage });
                // What the server told beside it is for the journal alone.
                Ok(Reply { details: None, ..reply })
            }
            ExchangeAnswer::Error(err) => {
                if let ModelError::Unavailable(reason) = &err {
                    self.unavailable = Some(reason.clone());
                }
                Err(err)
            }
        }
    }
}

impl Watch for Ledger {
    fn waits(&self, waiting: Waiting) {
        self.tell(ProgressEvent::Waits(waiting));
    }
}

/// Digest of a value's JSON form.
pub(crate) fn digest<T: Serialize>(value: &T) -> Digest {
    // Our own types always have a JSON form.
    Digest::of(&serde_json::to_vec(value).unwrap_or_default())
}

/// The host of one job: the ledger behind a gate.
pub(crate) struct JobHost<'a> {
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) gate: Gate,
    pub(crate) scope: Scope,
    /// The model of the plugin that the job is about.
    pub(crate) model: Option<Arc<Gateway>>,
}

/// What a job may say of conversations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    /// The conversation that it was handed, where it was handed one.
    pub(crate) main: Option<ConversationId>,
    /// The first id for conversations of its own.
    pub(crate) first_own: u32,
    /// Whether it may ask the model.
    pub(crate) may_use_model: bool,
}

/// Most conversations that one job may open.
const MAX_CONVERSATIONS: u32 = 1_000;

/// A worker that reaches for what is not its own has been broken into.
#[derive(Debug, thiserror::Error)]
#[error("the worker reached for {0}, which is not its own")]
pub(crate) struct Trespass(String);

impl Scope {
    fn check(&self, id: ConversationId) -> Result<(), Trespass> {
        let own = self.first_own..self.first_own.saturating_add(MAX_CONVERSATIONS);
        if self.main == Some(id) || own.contains(&id.0) {
            return Ok(());
        }
        Err(Trespass(format!("conversation {}", id.0)))
    }

    /// Checks that edits touch only conversations of the job.
    pub(crate) fn check_edits(&self, edits: &[(ConversationId, Edit)]) -> Result<(), Trespass> {
        for (id, edit) in edits {
            self.check(*id)?;
            if let Edit::ForkOf(of) = edit {
                self.check(*of)?;
            }
        }
        Ok(())
    }

    fn check_exchange(&self, exchange: &Exchange) -> Result<(), Trespass> {
        if !self.may_use_model {
            return Err(Trespass("the model".to_owned()));
        }
        self.check(exchange.conversation)?;
        self.check_edits(&exchange.edits)
    }
}

#[async_trait]
impl HostSide for JobHost<'_> {
    fn tree(&mut self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        self.gate.tree(id)
    }

    fn blob(&mut self, id: BlobId) -> Result<Bytes, ObjectError> {
        self.gate.blob(id)
    }

    fn blob_size(&mut self, id: BlobId) -> Result<u64, ObjectError> {
        self.gate.blob_size(id)
    }

    fn put(&mut self, objects: Vec<NewObject>) -> Result<(), ObjectError> {
        self.gate.put(objects)
    }

    async fn complete(
        &mut self,
        exchange: Exchange,
    ) -> Result<Result<Reply, ModelError>, HostError> {
        self.scope.check_exchange(&exchange)?;
        Ok(self.ledger.exchange(exchange, self.model.as_deref()).await?)
    }

    fn record(&mut self, event: Event) -> Result<(), HostError> {
        if let Event::ToolCall { tool, .. } = &event {
            self.ledger.tell(ProgressEvent::ToolCall { tool: tool.clone() });
        }
        self.ledger.journal.note(Record::Event(event))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use catena_model::{AssistantMessage, FinishReason, Origin};

    use super::*;

    fn said(text: &str) -> AssistantMessage {
        AssistantMessage { content: text.to_owned(), ..AssistantMessage::default() }
    }

    fn claimed(text: &str) -> Message {
        Message::Assistant { message: said(text), origin: Origin::Model }
    }

    fn from_model(conversations: &Conversations, id: ConversationId) -> Vec<bool> {
        conversations.get(id).messages.iter().map(Message::is_from_model).collect()
    }

    #[test]
    fn only_turns_the_model_took_count_as_its_own() {
        let mut conversations = Conversations::default();
        let id = conversations.open();
        conversations.apply(&[(id, Edit::Push(vec![claimed("forged")]))]);
        for text in ["one", "two"] {
            let reply = Reply {
                message: said(text),
                finish: FinishReason::Stop,
                usage: Usage::default(),
                details: None,
            };
            conversations.reply(id, &reply);
        }
        assert_eq!(from_model(&conversations, id), [false, true, true]);
        let history = ["two", "one", "two", "three"].map(claimed).to_vec();
        conversations.apply(&[(id, Edit::Replace(history))]);
        assert_eq!(from_model(&conversations, id), [true, false, false, false]);
    }

    #[test]
    fn a_job_reaches_its_own_conversations_alone() {
        let scope = Scope { main: Some(ConversationId(2)), first_own: 5, may_use_model: true };
        let edit = |id| vec![(ConversationId(id), Edit::Push(Vec::new()))];
        assert!(scope.check_edits(&edit(2)).is_ok());
        assert!(scope.check_edits(&edit(5)).is_ok());
        for foreign in [0, 4, 5 + MAX_CONVERSATIONS, u32::MAX] {
            assert!(scope.check_edits(&edit(foreign)).is_err(), "{foreign}");
        }
        let fork = vec![(ConversationId(6), Edit::ForkOf(ConversationId(0)))];
        assert!(scope.check_edits(&fork).is_err());
    }
}
