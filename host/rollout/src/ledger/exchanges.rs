//! Exchanges with models: from the journal while it lasts, then from the model, with
//! each answer and each failed attempt put down before anybody knows of it.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use catena_model::{ConversationId, FailedAttempt, Gateway, ModelError, Purse, Reply, Usage};
use catena_plugin::Exchange;
use tokio::time::Instant;

use super::{Ledger, Unserved, digest};
use crate::asking::{Asked, Asking, Origin};
use crate::conversations::Conversations;
use crate::journal::JournalError;
use crate::progress::ProgressEvent;
use crate::record::{ExchangeAnswer, Record};

impl Ledger {
    /// Answers an exchange from the journal or, past its end, live. A live
    /// answer is in the journal before anybody sees it.
    pub(crate) async fn exchange(
        &mut self,
        exchange: Exchange,
        model: Option<&Arc<Gateway>>,
    ) -> Result<Result<Reply, ModelError>, Unserved> {
        if let Some(reason) = &self.unavailable {
            // The rollout ends as an infrastructure failure and begins again at
            // the exchange that failed; another one would be paid for nothing.
            return Ok(Err(ModelError::Unavailable(reason.clone())));
        }
        self.check_stop()?;
        self.conversations.apply(&exchange.edits);
        let request = digest(&exchange);
        let tools = digest(&exchange.tools);
        if self.known_tools.insert(tools) {
            let definitions = exchange.tools.clone();
            self.journal.note(Record::Tools { digest: tools, definitions })?;
        }
        let (conversation, edits) = (exchange.conversation, exchange.edits.clone());
        let asked = Asked { conversation, request, edits, tools, begin: Instant::now() };
        let answer = match self.journaled_answer(&asked)? {
            Some(answer) => answer,
            None => self.live_answer(asked, exchange, model).await?,
        };
        Ok(self.settle(conversation, answer))
    }

    fn journaled_answer(&mut self, asked: &Asked) -> Result<Option<ExchangeAnswer>, JournalError> {
        while matches!(self.journal.ahead().next(), Some(Record::ModelFailed(_))) {
            if let Some(failed) = self.journal.take() {
                self.charge(&failed.spent());
            }
        }
        let Some(journaled) = self.journal.take() else { return Ok(None) };
        if let Record::Exchange { answer, failed, .. } = &journaled
            && asked.answered(answer.clone(), failed.clone()).agrees_with(&journaled)
        {
            self.charge(&journaled.spent());
            return Ok(Some(answer.clone()));
        }
        let unknown = ExchangeAnswer::Error(ModelError::Other("not asked yet".to_owned()));
        Err(self.journal.strayed(&journaled, &asked.answered(unknown, Vec::new())))
    }

    /// Charges the rollout with what a record cost, unless that was done before
    /// it went back. The run's account knew it before the rollout began.
    pub(super) fn charge(&self, spent: &Usage) {
        if self.journal.position() > self.seen {
            self.party().account.charge(spent);
        }
    }

    async fn live_answer(
        &mut self,
        asked: Asked,
        exchange: Exchange,
        model: Option<&Arc<Gateway>>,
    ) -> Result<ExchangeAnswer, Unserved> {
        let refused = |error| ExchangeAnswer::Error(error);
        let Some(model) = model else {
            let error = ModelError::Other("the run file names no model".to_owned());
            return Ok(self.note_answer(&asked, refused(error)).await?);
        };
        if self.party().is_out_of_turns() {
            let error = ModelError::BudgetExhausted("turns".to_owned());
            return Ok(self.note_answer(&asked, refused(error)).await?);
        }
        let conversation = self.conversations.get(exchange.conversation);
        let origin = Origin {
            rollout: self.rollout.clone(),
            stage: self.stage.clone(),
            turn_of_stage: self.party().turns.of_stage,
            progress: self.progress.clone(),
        };
        let purse = Purse { rollout: self.party().account.clone(), run: self.run_account.clone() };
        let model = model.clone();
        let mut asking = Asking::begin(asked, exchange, conversation, origin, model, purse);
        if let Some(answer) = self.outcome(&mut asking, self.park_after).await? {
            return Ok(answer);
        }
        self.parked = Some(asking);
        Err(Unserved::Parked)
    }

    /// Waits for an exchange that was begun, until it has an answer that is in
    /// the journal, or for `patience`.
    async fn outcome(
        &mut self,
        asking: &mut Asking,
        patience: Option<Duration>,
    ) -> Result<Option<ExchangeAnswer>, Unserved> {
        let out_of_patience = async {
            match patience {
                Some(patience) => tokio::time::sleep(patience).await,
                None => pending().await,
            }
        };
        let mut out_of_patience = pin!(out_of_patience);
        let stop = self.stop.clone();
        let mut stopped = pin!(stop.wait());
        let mut is_stopped = false;
        loop {
            if is_stopped && !asking.is_at_server() {
                return Err(Unserved::Stopped);
            }
            tokio::select! {
                biased;
                Some(failed) = asking.failed.recv() => self.note_failed(failed).await?,
                outcome = &mut asking.outcome => {
                    while let Ok(failed) = asking.failed.try_recv() {
                        self.note_failed(failed).await?;
                    }
                    let answer = match outcome.answer {
                        Ok(reply) => ExchangeAnswer::Reply(reply),
                        Err(err) => ExchangeAnswer::Error(err),
                    };
                    return Ok(Some(self.note_answer(&asking.asked, answer).await?));
                }
                () = &mut stopped, if !is_stopped => is_stopped = true,
                () = &mut out_of_patience => return Ok(None),
            }
        }
    }

    /// Waits for the exchange whose worker is gone.
    pub(crate) async fn finish_parked(&mut self) -> Result<(), Unserved> {
        // The journal has them.
        self.conversations = Conversations::default();
        self.progress.tell(&self.rollout, ProgressEvent::Parked);
        if let Some(mut asking) = self.parked.take() {
            self.outcome(&mut asking, None).await?;
        }
        Ok(())
    }

    async fn note_failed(&mut self, failed: FailedAttempt) -> Result<(), JournalError> {
        let is_paid = failed.usage != Usage::default();
        self.journal.note(Record::ModelFailed(failed))?;
        if is_paid { self.journal.sync().await } else { Ok(()) }
    }

    async fn note_answer(
        &mut self,
        asked: &Asked,
        answer: ExchangeAnswer,
    ) -> Result<ExchangeAnswer, JournalError> {
        self.journal.note(asked.answered(answer.clone(), Vec::new()))?;
        if matches!(answer, ExchangeAnswer::Reply(_)) {
            self.journal.sync().await?;
        }
        Ok(answer)
    }

    pub(super) fn settle(
        &mut self,
        conversation: ConversationId,
        answer: ExchangeAnswer,
    ) -> Result<Reply, ModelError> {
        match answer {
            ExchangeAnswer::Reply(reply) => {
                self.conversations.reply(conversation, &reply);
                self.party_mut().add_turn();
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
