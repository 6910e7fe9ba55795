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
    /// Bytes that its guests may add.
    pub(crate) quota: u64,
    /// The tool call that is made at the moment.
    pub(crate) pending: Option<ToolStart>,
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
        let answer = self.ledger.exchange(exchange, self.model.as_ref()).await?;
        self.ledger.check_room()?;
        Ok(answer)
    }

    fn before_tool(&mut self, start: ToolStart) -> Result<BeforeTool, HostError> {
        self.ledger.check_whole()?;
        let Some(end) = self.ledger.finished_tool_call(&start) else {
            self.pending = Some(start);
            return Ok(BeforeTool::Run);
        };
        self.ledger.check_room()?;
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
        self.ledger.check_room()?;
        self.gate.open_for([end.worktree.tree, end.scratch.tree]);
        // It has handed over what the command was to see.
        self.gate.make_room(self.quota);
        Ok(Ok(end))
    }

    async fn http(&mut self, start: HttpStart) -> Result<Result<HttpEnd, ObjectError>, HostError> {
        self.ledger.check_whole()?;
        let reach = &self.desk.plan.reach;
        let end = network::answer(self.ledger, &self.desk.askers, reach, start).await?;
        self.ledger.check_room()?;
        Ok(Ok(end))
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
            check_call(&event, self.pending.take().as_ref(), &self.gate)?;
            self.ledger.tell(ProgressEvent::ToolCall { tool: tool.clone() });
        }
        self.ledger.journal.note(Record::Event(event))?;
        Ok(self.ledger.check_room()?)
    }
}

/// A call that is told of must be the one that was begun, and leave what the worker was
/// given or has handed over: a later worker is given what it left.
fn check_call(event: &Event, begun: Option<&ToolStart>, gate: &Gate) -> Result<(), Trespass> {
    let Event::ToolCall { plugin, tool, call_id, tree, end, .. } = event else { return Ok(()) };
    let arguments = end.as_ref().map(|end| &end.arguments);
    let is_begun = begun.is_some_and(|start| {
        (&start.plugin, &start.tool, &start.call_id) == (plugin, tool, call_id)
            && arguments.is_none_or(|arguments| *arguments == start.arguments)
    });
    if !is_begun {
        return Err(Trespass(format!("the tool call `{call_id}`")));
    }
    let after = end.as_ref().and_then(|end| end.after.as_ref());
    let left = after.into_iter().flat_map(|after| {
        [after.worktree, after.scratch].into_iter().chain(after.snapshots.values().copied())
    });
    // Without what it left, the tree is told and never served.
    let told = after.map(|_| *tree);
    match left.chain(told).find(|tree| !gate.admits(*tree)) {
        Some(tree) => Err(Trespass(format!("tree `{tree}`"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use catena_plugin::{After, Digest, ToolAnswer, ToolEnd};
    use catena_tree::ObjectDatabase;

    use super::*;

    fn tree(byte: u8) -> TreeId {
        format!("{byte:02x}").repeat(20).parse().unwrap()
    }

    fn call(call_id: &str, told: TreeId, after: Option<[TreeId; 3]>) -> Event {
        let after = after.map(|[worktree, scratch, snapshot]| After {
            worktree,
            worktree_state: String::new(),
            scratch,
            scratch_state: String::new(),
            snapshots: [("one".to_owned(), snapshot)].into(),
            clock: 0,
            random_streams: 0,
        });
        let answer = ToolAnswer::UnknownTool("bash".to_owned());
        let (arguments, used) = (Digest::of(b"{}"), BTreeMap::new());
        let end = ToolEnd { arguments, answer, used, timed_out: false, after };
        Event::ToolCall {
            plugin: "tool-bash".to_owned(),
            tool: "bash".to_owned(),
            call_id: call_id.to_owned(),
            outcome: "ok".to_owned(),
            exit_status: None,
            output_bytes: 0,
            wall_us: 0,
            tree: told,
            end: Some(Box::new(end)),
        }
    }

    #[test]
    fn a_call_is_the_one_that_was_begun_and_leaves_what_the_job_may_have() {
        let dir = tempfile::tempdir().unwrap();
        let database = ObjectDatabase::create(dir.path(), &[]).unwrap();
        let (own, answer) = (tree(1), tree(2));
        let gate = Gate::new(database, [own]);
        let start = ToolStart {
            plugin: "tool-bash".to_owned(),
            tool: "bash".to_owned(),
            call_id: "1".to_owned(),
            arguments: Digest::of(b"{}"),
        };
        let check = |event: &Event, begun: Option<&ToolStart>| check_call(event, begun, &gate);
        assert!(check(&call("1", own, Some([own; 3])), Some(&start)).is_ok());
        assert!(check(&call("1", answer, None), Some(&start)).is_ok(), "it is not served");
        assert!(check(&call("1", own, Some([own; 3])), None).is_err());
        assert!(check(&call("2", own, Some([own; 3])), Some(&start)).is_err());
        let other = ToolStart { arguments: Digest::of(b"[]"), ..start.clone() };
        assert!(check(&call("1", own, Some([own; 3])), Some(&other)).is_err());
        for place in 0..3 {
            let mut left = [own; 3];
            left[place] = answer;
            assert!(check(&call("1", own, Some(left)), Some(&start)).is_err(), "{place}");
        }
        assert!(check(&call("1", answer, Some([own; 3])), Some(&start)).is_err());
    }

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
