//! What the host does for a worker: objects through the gate, commands outside the
//! sandbox by the desk, everything else by the ledger.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use catena_model::{ConversationId, Edit, Gateway, ModelError, Reply};
use catena_plugin::session::MOST_OPENED;
use catena_plugin::{
    BeforeTool, Event, Exchange, HttpEnd, HttpStart, NativeEnd, NativeStart, NewObject, ToolStart,
};
use catena_tree::{BlobId, ObjectError, TreeEntry, TreeId};
use catena_worker::{Gate, HostSide, Walls};

use crate::ledger::Ledger;
use crate::native::Desk;
use crate::network;
use crate::progress::ProgressEvent;
use crate::record::Record;

type HostError = Box<dyn std::error::Error + Send + Sync>;

/// The host of one job: the ledger behind a gate.
pub(crate) struct JobHost<'a> {
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) gate: Gate,
    pub(crate) desk: Desk<'a>,
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

/// A worker that reaches for what is not its own has been broken into.
#[derive(Debug, thiserror::Error)]
#[error("the worker reached for {0}, which is not its own")]
pub(crate) struct Trespass(pub(crate) String);

impl Scope {
    fn check(&self, id: ConversationId) -> Result<(), Trespass> {
        let own = self.first_own..self.first_own.saturating_add(MOST_OPENED);
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
        self.ledger.object(&id, || self.gate.tree(id))
    }

    fn blob(&mut self, id: BlobId) -> Result<Bytes, ObjectError> {
        self.ledger.object(&id, || self.gate.blob(id))
    }

    fn blob_size(&mut self, id: BlobId) -> Result<u64, ObjectError> {
        self.ledger.object(&id, || self.gate.blob_size(id))
    }

    fn put(&mut self, objects: Vec<NewObject>) -> Result<(), ObjectError> {
        self.gate.put(objects)
    }

    async fn complete(
        &mut self,
        exchange: Exchange,
    ) -> Result<Result<Reply, ModelError>, HostError> {
        self.scope.check_exchange(&exchange)?;
        self.ledger.check_whole()?;
        Ok(self.ledger.exchange(exchange, self.model.as_ref()).await?)
    }

    fn before_tool(&mut self, start: ToolStart) -> Result<BeforeTool, HostError> {
        self.ledger.check_whole()?;
        let Some(end) = self.ledger.finished_tool_call(&start) else { return Ok(BeforeTool::Run) };
        if let Some(after) = &end.after {
            let trees = [after.worktree, after.scratch].into_iter();
            self.gate.open_for(trees.chain(after.snapshots.values().copied()));
        }
        Ok(BeforeTool::Finished(end))
    }

    async fn native(
        &mut self,
        start: NativeStart,
    ) -> Result<Result<NativeEnd, ObjectError>, HostError> {
        self.ledger.check_whole()?;
        let strange = [start.worktree.tree, start.scratch.tree].into_iter();
        if let Some(tree) = strange.into_iter().find(|tree| !self.gate.admits(*tree)) {
            return Err(Trespass(format!("tree `{tree}`")).into());
        }
        let end = self.desk.run(self.ledger, start).await?;
        self.gate.open_for([end.worktree.tree, end.scratch.tree]);
        Ok(Ok(end))
    }

    async fn http(&mut self, start: HttpStart) -> Result<Result<HttpEnd, ObjectError>, HostError> {
        self.ledger.check_whole()?;
        let reach = &self.desk.plan.reach;
        Ok(Ok(network::answer(self.ledger, &self.desk.askers, reach, start).await?))
    }

    fn walled(&mut self, walls: Walls) -> Result<(), HostError> {
        if self.desk.plan.require_walls && !walls.stand() {
            return Err(format!("not all walls around the worker stand: {walls}").into());
        }
        Ok(())
    }

    fn record(&mut self, event: Event) -> Result<(), HostError> {
        self.ledger.check_whole()?;
        if let Event::ToolCall { tool, .. } = &event {
            self.ledger.tell(ProgressEvent::ToolCall { tool: tool.clone() });
        }
        self.ledger.journal.note(Record::Event(event))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_reaches_its_own_conversations_alone() {
        let scope = Scope { main: Some(ConversationId(2)), first_own: 5, may_use_model: true };
        let edit = |id| vec![(ConversationId(id), Edit::Push(Vec::new()))];
        assert!(scope.check_edits(&edit(2)).is_ok());
        assert!(scope.check_edits(&edit(5)).is_ok());
        for foreign in [0, 4, 5 + MOST_OPENED, u32::MAX] {
            assert!(scope.check_edits(&edit(foreign)).is_err(), "{foreign}");
        }
        let fork = vec![(ConversationId(6), Edit::ForkOf(ConversationId(0)))];
        assert!(scope.check_edits(&fork).is_err());
    }
}
