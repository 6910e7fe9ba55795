//! Tool calls as what they leave: told to the host when they end, and taken over
//! from it in a worker that comes later.
//!
//! Its invariant: a session that took a call over can't be told from one that
//! made it.

use std::time::Duration;

use catena_tree::TreeId;
use catena_tree::worktree::{FsError, Worktree, WorktreeState};

use super::{CallUse, Session, lock, objects};
use crate::outside::{After, Event, ToolAnswer, ToolEnd, ToolStart};

/// Bytes of files that a call may have written for them to be handed over before
/// the round ends.
const MOST_AFTER_CALL: u64 = 64 << 20;

/// What all calls of a session may have handed over of files, for each byte of its quota.
/// What comes later is made again where it is needed.
pub(super) const AFTER_CALLS_PER_QUOTA: u64 = 2;

/// What keeps a session from going on. The round comes to nothing.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(String);

impl Session {
    /// Hands over what a call left and tells the host what came of it.
    pub(crate) fn record_tool_call(
        &self,
        start: ToolStart,
        answer: &ToolAnswer,
        wall: Duration,
    ) -> Result<(), Broken> {
        let (outcome, exit_status, output_bytes) = answer.told();
        let tree = self.snapshot_worktree().map_err(|err| self.breaks(&err))?;
        let CallUse { used, timed_out } = std::mem::take(&mut *lock(&self.call_use));
        let after = self.after_call(tree, timed_out)?;
        let (arguments, answer) = (start.arguments, answer.clone());
        let end = ToolEnd { arguments, answer, used, timed_out, after };
        self.outside.record(Event::ToolCall {
            plugin: start.plugin,
            tool: start.tool,
            call_id: start.call_id,
            outcome: outcome.to_owned(),
            exit_status,
            output_bytes: output_bytes as u64,
            wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
            tree,
            end: Some(Box::new(end)),
        });
        Ok(())
    }

    /// What a call left; none where it is cheaper to make the call again.
    fn after_call(&self, worktree: TreeId, is_needed: bool) -> Result<Option<After>, Broken> {
        if !is_needed && self.has_open_nodes() {
            return Ok(None);
        }
        let scratch = lock(&self.scratch).snapshot(&mut &*self.objects);
        let scratch = scratch.map_err(|err| self.breaks(&err))?;
        let snapshots = lock(&self.snapshots).clone();
        let roots: Vec<TreeId> =
            [worktree, scratch].into_iter().chain(snapshots.values().copied()).collect();
        let mut known = lock(&self.handed_over);
        let most = MOST_AFTER_CALL;
        let weight = objects::weight(&self.objects, &roots, &known, most);
        let mut left = lock(&self.left_after_calls);
        if !is_needed && weight > most.min(*left) {
            return Ok(None);
        }
        *left = left.saturating_sub(weight);
        drop(left);
        objects::hand_over(&self.objects, self.outside.as_ref(), &roots, &mut known)
            .map_err(|err| self.breaks(&err))?;
        Ok(Some(After {
            worktree,
            worktree_state: self.state_of(&lock(&self.worktree))?,
            scratch,
            scratch_state: self.state_of(&lock(&self.scratch))?,
            snapshots,
            clock: self.clock.elapsed(),
            random_streams: lock(&self.conversations).random_streams(),
        }))
    }

    /// Becomes what a call left that was made before, and returns its answer.
    /// None if the call must be made again.
    pub(crate) fn take_over(&self, end: ToolEnd) -> Result<Option<ToolAnswer>, Broken> {
        let is_reproducible = end.is_reproducible();
        let Some(after) = end.after else { return Ok(None) };
        // A node that is open would be closed. Where the call can't be made again
        // the guest is told that its descriptor is bad.
        if is_reproducible && self.has_open_nodes() {
            return Ok(None);
        }
        self.resume(&self.worktree, after.worktree, &after.worktree_state)?;
        self.resume(&self.scratch, after.scratch, &after.scratch_state)?;
        *lock(&self.snapshots) = after.snapshots;
        self.clock.set(after.clock);
        lock(&self.conversations).go_on_from_stream(after.random_streams);
        self.begin_call_use();
        for (plugin, used) in &end.used {
            self.add_used(plugin, used);
        }
        // Programs run within the time of the tool.
        let wall = end.used.values().map(|used| used.wall_us).max();
        self.take_time(Duration::from_micros(wall.unwrap_or_default()));
        *lock(&self.call_use) = CallUse::default();
        Ok(Some(end.answer))
    }

    fn resume(
        &self,
        worktree: &std::sync::Mutex<Worktree>,
        tree: TreeId,
        state: &str,
    ) -> Result<(), Broken> {
        let state: WorktreeState = serde_json::from_str(state).map_err(|err| self.breaks(&err))?;
        let mut worktree = lock(worktree);
        // A call that changed nothing leaves what was there.
        if worktree.is_at(tree) && worktree.state().is_ok_and(|now| now == state) {
            return Ok(());
        }
        worktree.resume(tree, &state).map_err(|err| self.breaks(&err))
    }

    fn state_of(&self, worktree: &Worktree) -> Result<String, Broken> {
        let state = worktree.state().map_err(|err: FsError| self.breaks(&err))?;
        serde_json::to_string(&state).map_err(|err| self.breaks(&err))
    }

    fn has_open_nodes(&self) -> bool {
        lock(&self.worktree).has_open_nodes() || lock(&self.scratch).has_open_nodes()
    }

    /// Notes why the session can't go on, for its end.
    fn breaks(&self, err: &dyn std::error::Error) -> Broken {
        let reason = err.to_string();
        lock(&self.broken).get_or_insert_with(|| reason.clone());
        Broken(reason)
    }
}
