//! Commands outside the sandbox: from a worker's request to an answer that is in
//! the journal before the worker has it.
//!
//! The files they work on last as long as the rollout. What the journal has is
//! not run again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use catena_native::{Bounds, NativeError, Room};
use catena_plugin::{NativeEnd, NativeStart};
use catena_tree::TreeId;
use catena_tree::worktree::{Policy, Quota};
use catena_worker::in_one_line;

use crate::ledger::{Ledger, Unserved};
use crate::rollout::Plan;
use crate::serve::Trespass;

type HostError = Box<dyn std::error::Error + Send + Sync>;

/// Why a command came to nothing. It ends the stage, by no fault of the agent.
#[derive(Debug, thiserror::Error)]
enum DeskError {
    /// The machine does not let it.
    #[error("{}", in_one_line(.0))]
    Native(#[from] NativeError),
    /// There is no place for its files.
    #[error("can't make a place for files outside the sandbox: {0}")]
    Room(#[from] std::io::Error),
    /// The thread that waited for it is gone.
    #[error("a command outside the sandbox was lost; this is a bug of the host")]
    Lost,
}

/// Who runs commands for one job of a rollout.
pub(crate) struct Desk<'a> {
    pub(crate) plan: &'a Plan,
    /// The rollout's files, once there are any.
    pub(crate) room: &'a mut Option<Room>,
    /// The tree that the agent began with.
    pub(crate) base: TreeId,
}

impl Desk<'_> {
    /// Answers a request from the journal or, past its end, by running it.
    pub(crate) async fn run(
        &mut self,
        ledger: &mut Ledger,
        start: NativeStart,
    ) -> Result<NativeEnd, HostError> {
        let Some(settings) = self.plan.native.get(&start.program).cloned() else {
            return Err(Trespass(format!("commands of `{}`", start.program)).into());
        };
        let ended = ledger.finished_native(&start).map_err(Unserved::from)?;
        if let Some(end) = ended {
            return Ok(end);
        }
        ledger.check_stop()?;
        let mut room = match self.room.take() {
            Some(room) => room,
            None => self.new_room(ledger).map_err(DeskError::from)?,
        };
        let (bounds, begin) = (self.bounds(), Instant::now());
        let (room, end, start) = tokio::task::spawn_blocking(move || {
            let end = room.run(&settings, &bounds, &start);
            (room, end, start)
        })
        .await
        .map_err(|_| DeskError::Lost)?;
        // After a failure its files may be anything.
        let end = end.map_err(DeskError::from)?;
        *self.room = Some(room);
        ledger.note_native(&start, &end, begin.elapsed()).await.map_err(Unserved::from)?;
        Ok(end)
    }

    fn new_room(&self, ledger: &Ledger) -> std::io::Result<Room> {
        let dir: PathBuf = self.plan.spill_dir.join("native").join(ledger.rollout.to_string());
        let mut room = Room::new(&dir, &self.plan.database, self.plan.launcher.clone())?;
        if let Some(end) = &ledger.native_left {
            room.remember(end);
        }
        Ok(room)
    }

    fn bounds(&self) -> Bounds {
        let workspace = &self.plan.file.workspace;
        let is_control = self.plan.is_control();
        Bounds {
            base: self.base,
            quota: Quota { bytes: workspace.bytes.0, entries: workspace.entries },
            policy: Arc::new(if is_control { Policy::default() } else { workspace.policy() }),
        }
    }
}
