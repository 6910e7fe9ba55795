//! A worktree's state as files in a real directory, and changes taken back.
//!
//! Programs outside the sandbox need files. A [`Materialised`] directory holds
//! a tree: [`Materialised::push`] makes it equal to another tree by writing
//! what differs, [`Materialised::pull`] turns what programs changed in it into
//! edits of a worktree. Both cost their changes, plus one `stat` of every entry
//! in a pull: without the kernel's help, only that finds what others changed.
//!
//! Contents come from untrusted repositories and are changed by untrusted
//! programs, also while this module works. Everything happens below an open
//! directory, one name at a time, through no symlink, so nothing outside is
//! read or written. A push destroys nothing that was not pulled before: what
//! it finds in its way is refused and reported. A pull takes only files,
//! symlinks and directories, and within the worktree's quota.
//!
//! Reading order: `disk` (one entry), `cursor` (open directories), `index` and
//! `log` (what is known of the directory, and the file in which that lasts),
//! `push`, `scan` and `pull`, `blob_files` (contents to share blocks with).
//!
//! The index is written after the changes it tells of. A sync that was killed
//! is done again by [`Materialised::open`]; a process that is killed loses
//! nothing, a machine that loses power may.
//!
//! What no program can rule out: a change made while a push writes the same
//! file is unseen if it keeps size and times within one tick of the kernel's
//! clock, and a directory that somebody moves away while it is worked on is
//! still the directory worked on. Programs that see nothing but the directory
//! can only fool themselves by that.
//!
//! What is left to the callers: that one worktree and one directory belong
//! together. Where both changed, a pull takes the directory's state and reports it.

mod blob_files;
mod cursor;
mod disk;
mod index;
mod log;
mod pull;
mod push;
mod scan;

use std::path::Path;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice as _};
use cap_std::ambient_authority;

pub use cap_std::fs::Dir;

pub use self::blob_files::BlobFiles;
use self::index::{Change, Index};
use self::log::Log;
pub use self::log::LogError;
use self::push::Occasion;
use crate::ids::TreeId;
use crate::objects::Objects;
use crate::path::RepoPath;
use crate::worktree::{FsError, Worktree};

/// Why a directory cannot be synchronised at all.
#[derive(Debug, thiserror::Error)]
pub enum MaterialiseError {
    /// The index cannot be had or kept.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A directory cannot be opened.
    #[error("`{path}` cannot be used as a directory")]
    Directory {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A push that was cut off needs objects that cannot be had now.
    #[error("a push that was cut off cannot be done again at `{path}`: {reason}")]
    Unrepaired {
        /// The path they are for.
        path: BString,
        /// Why they cannot be had.
        reason: Refusal,
    },
    /// There is no index, so it was never materialised.
    #[error("nothing was materialised here")]
    New,
}

/// Why one path was left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A `.git`, which no worktree has.
    #[error("git directories are left out")]
    GitDirectory,
    /// A named pipe, a socket or a device.
    #[error("a {0} is no content")]
    Special(&'static str),
    /// The path or a name in it is too long for a worktree.
    #[error("the path is too long")]
    TooLong,
    /// Files inside a submodule belong to another repository.
    #[error("files in a submodule belong to another repository")]
    InSubmodule,
    /// More entries or bytes than one sync may have.
    #[error("there is more than a sync may write or take; the rest is left as it is")]
    TooMuch,
    /// It changed each time it was read.
    #[error("it keeps changing while it is read")]
    Unsteady,
    /// It is not as it was at the last sync; a pull takes it first.
    #[error("it was changed in the directory and not pulled yet")]
    NotPulled,
    /// The object source does not have its content.
    #[error("its content cannot be had: {0}")]
    Object(String),
    /// The worktree does not take it.
    #[error("the worktree does not take it: {0}")]
    Worktree(FsError),
    /// The operating system does not allow it.
    #[error("{0}")]
    Io(String),
}

/// A path that was left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where; not always a path that a repository can have.
    pub path: BString,
    /// Why.
    pub reason: Refusal,
}

/// What a sync did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncReport {
    /// Files, symlinks and submodules that were written, by content or mode.
    pub changed: Vec<RepoPath>,
    /// Those that were removed.
    pub removed: Vec<RepoPath>,
    /// Those that had been changed in the worktree too, since the last sync.
    /// Only a pull does that; the directory's state was taken.
    pub overwritten: Vec<RepoPath>,
    /// What was left as it is. Each sync that meets it reports it again; names
    /// that no repository can have are reported only by the push of their tree.
    pub refused: Vec<Refused>,
}

/// Where a tree becomes files.
pub struct Place {
    /// The directory for the files.
    pub dir: Dir,
    /// A directory for the index, which the programs that work in `dir` must
    /// not reach.
    pub state: Dir,
    /// Files to share blocks with, where there are any.
    pub blobs: Option<BlobFiles>,
    /// How much one sync writes or takes.
    pub limits: SyncLimits,
}

/// How much one sync writes or takes. What is beyond that is refused and
/// reported, and the rest is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncLimits {
    /// Entries that a pull looks at, and that a push makes.
    pub entries: u64,
    /// Bytes that a push writes.
    pub bytes: u64,
}

impl Default for SyncLimits {
    /// Two million entries, and 64 GiB.
    fn default() -> Self {
        Self { entries: 2_000_000, bytes: 64 << 30 }
    }
}

/// A directory that holds a tree.
pub struct Materialised {
    dir: Dir,
    blobs: Option<BlobFiles>,
    limits: SyncLimits,
    objects: Arc<dyn Objects>,
    index: Index,
    log: Log,
    /// Changes of the index that are not in the log yet.
    pending: Vec<Change>,
}

impl Place {
    /// Opens two directories by path; fails where one is not there or not a
    /// directory.
    pub fn open(dir: &Path, state: &Path) -> Result<Self, MaterialiseError> {
        let (dir, state) = (open_dir(dir)?, open_dir(state)?);
        Ok(Self { dir, state, blobs: None, limits: SyncLimits::default() })
    }

    /// Shares blocks with files of `blobs`.
    #[must_use]
    pub fn with_blobs(self, blobs: BlobFiles) -> Self {
        Self { blobs: Some(blobs), ..self }
    }

    /// Writes and takes no more than `limits` in one sync.
    #[must_use]
    pub fn within(self, limits: SyncLimits) -> Self {
        Self { limits, ..self }
    }
}

impl Materialised {
    /// Writes a tree into a directory for the first time. What is there already
    /// stays: equal files are taken over, others are refused and reported.
    ///
    /// Fails where there is an index already and where it cannot be written.
    pub fn create(
        place: Place,
        objects: Arc<dyn Objects>,
        tree: TreeId,
    ) -> Result<(Self, SyncReport), MaterialiseError> {
        let Place { dir, state, blobs, limits } = place;
        let blobs = blobs.filter(|blobs| blobs.shares_blocks_with(&dir));
        let log = Log::create(state)?;
        let mut created =
            Self { dir, blobs, limits, objects, index: Index::new(), log, pending: Vec::new() };
        let report = created.push(tree)?;
        Ok((created, report))
    }

    /// Goes on with a directory that was materialised before. A push that was
    /// cut off is done again; then its report comes too.
    ///
    /// Fails with [`MaterialiseError::New`] without an index, with
    /// [`LogError::Locked`] while another process has it, and with
    /// [`MaterialiseError::Unrepaired`] while a push that was cut off cannot
    /// read its objects: what it left half written is no program's change.
    pub fn open(
        place: Place,
        objects: Arc<dyn Objects>,
    ) -> Result<(Self, Option<SyncReport>), MaterialiseError> {
        let Place { dir, state, blobs, limits } = place;
        let blobs = blobs.filter(|blobs| blobs.shares_blocks_with(&dir));
        let kept = Log::open(state)?.ok_or(MaterialiseError::New)?;
        let (index, log) = (kept.index, kept.log);
        let mut opened = Self { dir, blobs, limits, objects, index, log, pending: Vec::new() };
        let repaired = kept.begun.map(|tree| opened.repair(tree)).transpose()?;
        Ok((opened, repaired))
    }

    /// The tree the directory equalled after the last sync. None where something
    /// was refused, and after changes were pulled.
    pub fn tree(&self) -> Option<TreeId> {
        self.index.tree(&RepoPath::root())
    }

    /// Makes the directory equal to a tree. Costs what differs between the
    /// tree and what the last sync saw; reads nothing else. Directories that
    /// lose their last file go, other empty ones stay.
    ///
    /// Fails only if the index cannot be written; the next call catches up.
    pub fn push(&mut self, tree: TreeId) -> Result<SyncReport, MaterialiseError> {
        // Also what could not be kept last time.
        self.keep()?;
        if self.tree() == Some(tree) {
            return Ok(SyncReport::default());
        }
        self.log.append(&[Change::Begin(tree)], &self.index)?;
        let pushed = push::run(self, tree, Occasion::First);
        self.pending.push(Change::End);
        self.keep()?;
        Ok(pushed.report)
    }

    /// Does a push again that was cut off.
    fn repair(&mut self, tree: TreeId) -> Result<SyncReport, MaterialiseError> {
        let pushed = push::run(self, tree, Occasion::Repeated);
        if let Some(Refused { path, reason }) = pushed.unread {
            self.keep()?;
            return Err(MaterialiseError::Unrepaired { path, reason });
        }
        self.pending.push(Change::End);
        self.keep()?;
        Ok(pushed.report)
    }

    /// Turns what changed in the directory since the last sync into edits of a
    /// worktree. Looks at every entry, reads those that look different. What
    /// the worktree does not take stays different and is reported.
    ///
    /// Fails only if the index cannot be written; the worktree has the changes
    /// by then, and the next call catches up.
    pub fn pull(&mut self, worktree: &mut Worktree) -> Result<SyncReport, MaterialiseError> {
        let report = pull::run(self, worktree);
        self.keep()?;
        Ok(report)
    }

    fn note(&mut self, change: Change) {
        self.index.apply(&change);
        self.pending.push(change);
    }

    fn keep(&mut self) -> Result<(), MaterialiseError> {
        if !self.pending.is_empty() {
            self.log.append(&self.pending, &self.index)?;
            self.pending.clear();
        }
        Ok(())
    }
}

impl SyncReport {
    fn refuse(&mut self, path: impl Into<BString>, reason: Refusal) {
        self.refused.push(Refused { path: path.into(), reason });
    }
}

impl From<std::io::Error> for Refusal {
    fn from(err: std::io::Error) -> Self {
        Self::Io(err.to_string())
    }
}

/// The path of a name that may not be one of a repository.
fn joined(dir: &RepoPath, name: &BStr) -> BString {
    let slash: &[u8] = if dir.is_root() { b"" } else { b"/" };
    [dir.as_bstr().as_bytes(), slash, name.as_bytes()].concat().into()
}

fn open_dir(path: &Path) -> Result<Dir, MaterialiseError> {
    Dir::open_ambient_dir(path, ambient_authority())
        .map_err(|source| MaterialiseError::Directory { path: path.display().to_string(), source })
}

#[cfg(test)]
mod tests;
