//! Real files for the commands of one rollout, and the way from trees to trees
//! through one command.
//!
//! ```text
//! ROOM/
//!   workspace/   /workspace, writable as the caller may
//!   scratch/     tmp for /tmp, home for /home/agent
//!   state/       what is known of both; no command sees it
//!   etc/         passwd and group
//!   shared/      /dev/shm, empty for each command
//!   status.json  what the backend tells of the command that runs
//! ```
//!
//! A room lasts as long as its rollout, so a sync costs what changed since the
//! command before.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use catena_plugin::{
    NativeBytes, NativeEnd, NativeOutcome, NativeStart, Standing, WorkspaceAccess,
};
use catena_tree::worktree::{Policy, Quota};
use catena_tree::{ObjectDatabase, RepoPath, TreeId};

use crate::confinement::{self, Places};
use crate::execute::Execution;
use crate::launch::Launcher;
use crate::mirror::{Mirror, MirrorError, Rules};
use crate::removal::remove;
use crate::settings::NativeUse;
use crate::watch::{Size, size_of};

/// Why a command could not be run. A fault of this machine, not of the command.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// Its files can't be brought or taken back.
    #[error("can't share files with a command outside the sandbox")]
    Mirror(#[from] MirrorError),
    /// It can't be started or waited for.
    #[error("can't run a command outside the sandbox")]
    Run(#[source] io::Error),
    /// What is to be mounted is something else.
    #[error("`{0}` is no directory")]
    NotADirectory(PathBuf),
    /// What confines it is gone.
    #[error("`bwrap` is not on this machine")]
    NoBackend,
}

/// What commands may do with the files.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The tree that the agent began with.
    pub base: TreeId,
    /// What an agent may add over it, and to scratch.
    pub quota: Quota,
    /// Which paths agents may not change or not see.
    pub policy: Arc<Policy>,
}

/// The files of one rollout's commands.
pub struct Room {
    dir: PathBuf,
    launcher: Launcher,
    worktree: Mirror,
    scratch: Mirror,
    /// What was in `workspace` when it was first written.
    at_first: Option<Size>,
}

/// What a command left of both.
struct Both {
    worktree: Standing,
    scratch: Standing,
    notes: Vec<String>,
    /// Of what there was more than the quota. Then nothing was taken.
    too_much: Option<String>,
}

/// The directories as commands know them.
const WORKTREE: &str = "/workspace";
const SCRATCH: &str = "/tmp and /home/agent";

/// Notes on what was not taken that a command's caller is told.
const MOST_NOTES: usize = 5;

/// Bytes on disk that a command may have beyond its quota for a while.
const SLACK: u64 = 64 << 20;

/// The same of files and directories.
const SLACK_ENTRIES: u64 = 10_000;

/// How long a look at a directory may take in which no command is at work.
const PATIENCE: Duration = Duration::from_mins(2);

impl Room {
    /// A room in `dir`, which is emptied now and removed at the end.
    pub fn new(dir: &Path, database: &ObjectDatabase, launcher: Launcher) -> io::Result<Self> {
        // The backend starts elsewhere.
        let dir = &std::path::absolute(dir)?;
        remove(dir)?;
        let etc = dir.join("etc");
        fs::create_dir_all(&etc)?;
        // What agents write is not for other users of the machine.
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
        confinement::write_identity(&etc)?;
        Ok(Self {
            worktree: Mirror::new(dir, "workspace", database.clone()),
            scratch: Mirror::new(dir, "scratch", database.clone()),
            dir: dir.to_owned(),
            launcher,
            at_first: None,
        })
    }

    /// Notes what a command left that the journal has, and which is not run.
    pub fn remember(&mut self, end: &NativeEnd) {
        self.worktree.remember(&end.worktree);
        self.scratch.remember(&end.scratch);
    }

    /// Runs a command from the trees it names to those it leaves.
    pub fn run(
        &mut self,
        settings: &NativeUse,
        bounds: &Bounds,
        start: &NativeStart,
    ) -> Result<NativeEnd, NativeError> {
        let backend = confinement::find_backend().ok_or(NativeError::NoBackend)?;
        self.worktree.bring(&start.worktree, &bounds.policy)?;
        let scratch = with_own_directories(&start.scratch);
        self.scratch.bring(&scratch, &Policy::default())?;
        let places = Places {
            worktree: self.worktree.dir.clone(),
            temporary: self.scratch.dir.join("tmp"),
            home: self.scratch.dir.join("home"),
            shared: self.dir.join("shared"),
            etc: self.dir.join("etc"),
        };
        check_mounted(&places)?;
        let written = self.allowance(&bounds.quota, &places).map_err(NativeError::Run)?;
        let execution = Execution {
            backend: &backend,
            launcher: &self.launcher,
            settings,
            places: &places,
            status: self.dir.join("status.json"),
            file: bounds.quota.bytes,
            written,
        };
        let executed = execution.run(start).map_err(NativeError::Run)?;
        let filled = filled(&execution.written);
        let taken = self.take(bounds, start, &scratch, filled)?;
        let mut stderr = executed.stderr.bytes;
        let mut outcome = executed.outcome;
        if !matches!(outcome, NativeOutcome::NotStarted(_)) {
            add_notes(&mut stderr, &taken.notes);
            if let Some(too_much) = taken.too_much {
                outcome = NativeOutcome::LimitReached(too_much);
            }
        }
        self.make_durable()?;
        Ok(NativeEnd {
            outcome,
            stdout: NativeBytes(executed.stdout.bytes),
            stderr: NativeBytes(stderr),
            omitted_bytes: executed.stdout.omitted + executed.stderr.omitted,
            worktree: taken.worktree,
            scratch: taken.scratch,
        })
    }

    /// Takes over what a command left, whole or, where it is more than the quota, not at
    /// all: a part of it could be what an agent moved, without the rest.
    fn take(
        &mut self,
        bounds: &Bounds,
        start: &NativeStart,
        scratch: &Standing,
        filled: Option<&'static str>,
    ) -> Result<Both, NativeError> {
        if let Some(place) = filled {
            return Ok(self.give_up(bounds, start, scratch, place));
        }
        let no_policy = Arc::default();
        let of_worktree = match start.access {
            WorkspaceAccess::ReadWrite => {
                let rules =
                    Rules { policy: &bounds.policy, quota: bounds.quota, base: bounds.base };
                Some(self.worktree.take(&start.worktree, &rules)?)
            }
            WorkspaceAccess::None | WorkspaceAccess::Read => None,
        };
        let rules = Rules { policy: &no_policy, quota: bounds.quota, base: TreeId::EMPTY };
        let of_scratch = self.scratch.take(scratch, &rules)?;
        let is_of_worktree = of_worktree.as_ref().is_some_and(|taken| taken.is_too_much);
        if is_of_worktree || of_scratch.is_too_much {
            let place = if is_of_worktree { WORKTREE } else { SCRATCH };
            return Ok(self.give_up(bounds, start, scratch, place));
        }
        let (worktree, mut notes) = match of_worktree {
            Some(taken) => (taken.left, taken.notes),
            None => (start.worktree.clone(), Vec::new()),
        };
        notes.extend(of_scratch.notes);
        Ok(Both { worktree, scratch: of_scratch.left, notes, too_much: None })
    }

    /// Takes over nothing.
    fn give_up(
        &mut self,
        bounds: &Bounds,
        start: &NativeStart,
        scratch: &Standing,
        place: &str,
    ) -> Both {
        self.worktree.give_up(&start.worktree);
        self.scratch.give_up(scratch);
        let too_much = format!(
            "disk, and nothing that the command changed was kept: {place} may have {} bytes \
             and {} files more than at first",
            bounds.quota.bytes, bounds.quota.entries
        );
        let (worktree, scratch) = (start.worktree.clone(), scratch.clone());
        Both { worktree, scratch, notes: Vec::new(), too_much: Some(too_much) }
    }

    /// What was taken survives a loss of power: a command can't be run again to the
    /// same end.
    fn make_durable(&self) -> Result<(), NativeError> {
        let dir = fs::File::open(&self.dir).map_err(NativeError::Run)?;
        rustix::fs::syncfs(&dir).map_err(|err| NativeError::Run(err.into()))
    }

    /// What may be in the directories while a command runs.
    fn allowance(&mut self, quota: &Quota, places: &Places) -> io::Result<Vec<(PathBuf, Size)>> {
        let at_first = if let Some(at_first) = self.at_first {
            at_first
        } else {
            let until = Instant::now() + PATIENCE;
            size_of(&self.worktree.dir, Size::MAX, || Instant::now() >= until)?
        };
        self.at_first = Some(at_first);
        let more = Size {
            bytes: quota.bytes.saturating_mul(2).saturating_add(SLACK),
            entries: quota.entries.saturating_mul(2).saturating_add(SLACK_ENTRIES),
        };
        let in_worktree = Size {
            bytes: at_first.bytes.saturating_add(more.bytes),
            entries: at_first.entries.saturating_add(more.entries),
        };
        let in_shared = Size { bytes: quota.bytes, entries: more.entries };
        Ok(vec![
            (self.worktree.dir.clone(), in_worktree),
            (self.scratch.dir.clone(), more),
            (places.shared.clone(), in_shared),
        ])
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // What stays is removed by the next one of the rollout.
        let _ = remove(&self.dir);
    }
}

/// Checks that what is mounted is what it seems: the backend follows symlinks, and
/// a worker that was broken into could send a scratch of such. Empties what
/// processes shared.
fn check_mounted(places: &Places) -> Result<(), NativeError> {
    let emptied = remove(&places.shared).and_then(|()| fs::create_dir(&places.shared));
    emptied.map_err(NativeError::Run)?;
    for dir in [&places.worktree, &places.temporary, &places.home] {
        let metadata = fs::symlink_metadata(dir).map_err(NativeError::Run)?;
        if !metadata.is_dir() {
            return Err(NativeError::NotADirectory(dir.clone()));
        }
    }
    Ok(())
}

/// Scratch with the two directories that are always there.
fn with_own_directories(scratch: &Standing) -> Standing {
    let mut scratch = scratch.clone();
    let own = ["home", "tmp"].into_iter().filter_map(|name| name.parse::<RepoPath>().ok());
    scratch.empty.extend(own);
    scratch
}

/// Which directory an ended command has left with more than it may. No process is at work
/// there any more, so what is found is what would be taken over.
fn filled(written: &[(PathBuf, Size)]) -> Option<&'static str> {
    let until = Instant::now() + PATIENCE;
    let places = written.iter().zip([WORKTREE, SCRATCH]);
    let mut filled = places.filter(|((dir, most), _)| {
        match size_of(dir, *most, || Instant::now() >= until) {
            Ok(size) => size.is_more_than(*most) || Instant::now() >= until,
            // What can't be looked at can't be taken over either.
            Err(_) => true,
        }
    });
    filled.next().map(|(_, place)| place)
}

fn add_notes(stderr: &mut Vec<u8>, notes: &[String]) {
    for note in notes.iter().take(MOST_NOTES) {
        stderr.extend(format!("catena: {note}\n").into_bytes());
    }
    let more = notes.len().saturating_sub(MOST_NOTES);
    if more > 0 {
        stderr.extend(format!("catena: and {more} more were not taken\n").into_bytes());
    }
}
