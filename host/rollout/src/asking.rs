//! An exchange with a model that is under way. It owns all it needs, so that it
//! goes on when the worker that asked is gone.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use catena_model::{
    Conversation, ConversationId, Edit, FailedAttempt, Gateway, Outcome, Purse, Request, Waiting,
    Watch,
};
use catena_plugin::{Digest, Exchange};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};

use crate::progress::{Progress, ProgressEvent};
use crate::record::{ExchangeAnswer, Record, RolloutId};

/// What was asked, as the journal has it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) conversation: ConversationId,
    pub(crate) request: Digest,
    pub(crate) edits: Vec<(ConversationId, Edit)>,
    pub(crate) tools: Digest,
    pub(crate) begin: Instant,
}

impl Asked {
    /// The record with an answer.
    pub(crate) fn answered(&self, answer: ExchangeAnswer, failed: Vec<FailedAttempt>) -> Record {
        Record::Exchange {
            conversation: self.conversation,
            request: self.request,
            edits: self.edits.clone(),
            tools: self.tools,
            failed,
            answer,
            wall_ms: millis(self.begin.elapsed()),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Where an exchange comes from.
pub(crate) struct Origin {
    pub(crate) rollout: RolloutId,
    pub(crate) stage: String,
    pub(crate) turn_of_stage: usize,
    pub(crate) progress: Arc<dyn Progress>,
}

/// An exchange under way.
pub(crate) struct Asking {
    pub(crate) asked: Asked,
    pub(crate) outcome: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    /// Attempts that came to nothing, as soon as they did.
    pub(crate) failed: mpsc::UnboundedReceiver<FailedAttempt>,
    at_server: Arc<AtomicBool>,
}

impl Asking {
    /// Begins to ask. Nothing is sent before the outcome is polled.
    pub(crate) fn begin(
        asked: Asked,
        exchange: Exchange,
        conversation: Arc<Conversation>,
        origin: Origin,
        model: Arc<Gateway>,
        purse: Purse,
    ) -> Self {
        let (sender, failed) = mpsc::unbounded_channel();
        let at_server = Arc::new(AtomicBool::new(false));
        let watch = Watcher {
            rollout: origin.rollout.clone(),
            progress: origin.progress,
            failed: sender,
            at_server: at_server.clone(),
        };
        let outcome = Box::pin(async move {
            let rollout = origin.rollout.to_string();
            let request = Request {
                rollout: &rollout,
                stage: &origin.stage,
                turn_of_stage: origin.turn_of_stage,
                messages: &conversation.messages,
                measured: conversation.measured(),
                tools: &exchange.tools,
                sampling: &exchange.sampling,
            };
            model.complete(&request, &purse, &watch).await
        });
        Self { asked, outcome, failed, at_server }
    }

    /// Whether the server has the request, so that it may have to be paid for.
    pub(crate) fn is_at_server(&self) -> bool {
        self.at_server.load(Ordering::Relaxed)
    }
}

/// Is told what the exchange waits for.
struct Watcher {
    rollout: RolloutId,
    progress: Arc<dyn Progress>,
    failed: mpsc::UnboundedSender<FailedAttempt>,
    at_server: Arc<AtomicBool>,
}

impl Watch for Watcher {
    fn waits(&self, waiting: Waiting) {
        self.at_server.store(waiting == Waiting::ForReply, Ordering::Relaxed);
        self.progress.tell(&self.rollout, ProgressEvent::Waits(waiting));
    }

    fn failed(&self, attempt: &FailedAttempt) {
        // Who does not listen any more has been stopped.
        let _ = self.failed.send(attempt.clone());
    }
}
