//! Commands outside the sandbox: from a worker's request to an answer that is in
//! the journal before the worker has it.
//!
//! The files they work on last as long as the rollout. What the journal has is
//! not run again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use catena_native::{Bounds, NativeError, NativeUse, Room};
use catena_plugin::session::PluginSpec;
use catena_plugin::{
    Digest, Effective, NativeBytes, NativeEnd, NativeOutcome, NativeStart, WorkspaceAccess,
};
use catena_tree::TreeId;
use catena_tree::worktree::{Policy, Quota};
use catena_worker::in_one_line;

use crate::journal::JournalError;
use crate::ledger::{Ledger, Unserved, digest};
use crate::record::Record;
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

/// For whom commands are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The agent, whose files last as long as its rollout.
    Agent,
    /// A judge, whose files last as long as its verdict takes.
    Judge,
}

/// Who runs commands for one job of a rollout.
pub(crate) struct Desk<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) side: Side,
    /// The files of its side, once there are any.
    pub(crate) room: &'a mut Option<Room>,
    /// The tree that the agent began with.
    pub(crate) base: TreeId,
    /// The plugins that may ask. In the job of a writer there are none.
    pub(crate) askers: Vec<&'a PluginSpec>,
}

impl Desk<'_> {
    /// Answers a request from the journal or, past its end, by running it.
    pub(crate) async fn run(
        &mut self,
        ledger: &mut Ledger,
        start: NativeStart,
    ) -> Result<NativeEnd, HostError> {
        let settings = self.granted(&start)?.clone();
        let ended = ledger.finished_native(&start).map_err(Unserved::from)?;
        if let Some(end) = ended {
            return Ok(end);
        }
        ledger.check_stop()?;
        let (room, new_room) = (self.room.take(), self.new_room(ledger));
        let (bounds, begin) = (self.bounds(), Instant::now());
        let (room, end, start) = tokio::task::spawn_blocking(move || {
            let mut room = match room {
                Some(room) => room,
                None => new_room()?,
            };
            // After a failure its files may be anything, and it goes.
            let end = room.run(&settings, &bounds, &start)?;
            Ok::<_, DeskError>((room, end, start))
        })
        .await
        .map_err(|_| DeskError::Lost)??;
        *self.room = Some(room);
        ledger.note_native(&start, &end, begin.elapsed()).await.map_err(Unserved::from)?;
        Ok(end)
    }

    /// What an asker is granted. The worker says who asks, and is not believed.
    fn granted(&self, start: &NativeStart) -> Result<&NativeUse, Trespass> {
        let is_granted = self.askers.iter().any(|asker| {
            asker.manifest.plugin.name.as_str() == start.plugin
                && allows(&asker.rights, &start.program, start.access)
        });
        let settings = self.plan.native.get(&start.program).filter(|_| is_granted);
        settings.ok_or_else(|| {
            Trespass(format!("commands of `{}` for `{}`", start.program, start.plugin))
        })
    }

    /// What makes a room for the rollout.
    fn new_room(&self, ledger: &Ledger) -> impl FnOnce() -> std::io::Result<Room> + Send + 'static {
        let (name, left) = match self.side {
            Side::Agent => (ledger.rollout.to_string(), ledger.native_left.clone()),
            Side::Judge => (format!("{}.judge", ledger.rollout), None),
        };
        let dir: PathBuf = self.plan.spill_dir.join("native").join(name);
        let (database, launcher) = (self.plan.database.clone(), self.plan.launcher.clone());
        move || {
            let mut room = Room::new(&dir, &database, launcher)?;
            if let Some(end) = &left {
                room.remember(end);
            }
            Ok(room)
        }
    }

    fn bounds(&self) -> Bounds {
        let workspace = &self.plan.file.workspace;
        // What is protected from agents is not from judges, nor from controls.
        let is_free = self.side == Side::Judge || self.plan.is_control();
        Bounds {
            base: self.base,
            quota: Quota { bytes: workspace.bytes.0, entries: workspace.entries },
            policy: Arc::new(if is_free { Policy::default() } else { workspace.policy() }),
        }
    }
}

/// Whether rights are enough for a command that does this with the worktree.
fn allows(rights: &Effective, program: &str, access: WorkspaceAccess) -> bool {
    rights.programs.contains(program)
        && access != WorkspaceAccess::None
        && access <= rights.workspace
}

impl Ledger {
    /// Notes what the agent's commands left. Judges' begin anew.
    pub(crate) fn remember_native(&mut self, end: &NativeEnd) {
        if !self.is_judging() {
            self.native_left = Some(Box::new(end.clone()));
        }
    }

    /// What came of a command outside the sandbox, if the journal has it. It can't be
    /// run again to the same end.
    pub(crate) fn finished_native(
        &mut self,
        start: &NativeStart,
    ) -> Result<Option<NativeEnd>, JournalError> {
        let Some(journaled) = self.journal.take() else {
            self.journal.check_live()?;
            return Ok(None);
        };
        if let Record::Native { request, end, .. } = &journaled
            && *request == request_of(start)
        {
            self.native_taken += 1;
            self.remember_native(end);
            return Ok(Some(NativeEnd::clone(end)));
        }
        let unknown = native_record(start, None, Duration::ZERO);
        Err(self.journal.strayed(&journaled, &unknown))
    }

    /// Puts the end of a command down, so that it is never run again.
    pub(crate) async fn note_native(
        &mut self,
        start: &NativeStart,
        end: &NativeEnd,
        wall: Duration,
    ) -> Result<(), JournalError> {
        self.journal.note(native_record(start, Some(end), wall))?;
        self.journal.sync().await
    }
}

/// Digest of what is asked of a command; how long it may take is not a part of it.
fn request_of(start: &NativeStart) -> Digest {
    digest(&NativeStart { wall: Duration::ZERO, ..start.clone() })
}

/// The record of a command, with its trees left as they were where none came of it.
fn native_record(start: &NativeStart, end: Option<&NativeEnd>, wall: Duration) -> Record {
    let end = end.cloned().unwrap_or_else(|| NativeEnd {
        outcome: NativeOutcome::NotStarted("not run yet".to_owned()),
        stdout: NativeBytes::default(),
        stderr: NativeBytes::default(),
        omitted_bytes: 0,
        worktree: start.worktree.clone(),
        scratch: start.scratch.clone(),
    });
    Record::Native {
        request: request_of(start),
        program: start.program.clone(),
        command: start.command.clone(),
        end: Box::new(end),
        wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_gets_no_more_for_a_plugin_than_that_is_granted() {
        use WorkspaceAccess::{None, Read, ReadWrite};
        let rights = |workspace| Effective {
            workspace,
            programs: ["native".to_owned()].into(),
            ..Effective::default()
        };
        assert!(allows(&rights(ReadWrite), "native", ReadWrite));
        assert!(allows(&rights(Read), "native", Read));
        assert!(!allows(&rights(Read), "native", ReadWrite));
        assert!(!allows(&rights(ReadWrite), "other", Read));
        assert!(!allows(&rights(None), "native", None));
        assert!(!allows(&Effective { workspace: Read, ..Effective::default() }, "native", Read));
    }
}
