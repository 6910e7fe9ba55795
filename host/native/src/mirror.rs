//! One tree as a directory of real files, kept from one command to the next.
//!
//! What a sync does not take, such as a socket, or what is more than the quota, ends the
//! directory: the next command begins in one that is the tree and nothing else,
//! as it would in a replay.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bstr::{BString, ByteSlice as _};
use catena_plugin::Standing;
use catena_tree::extent::Extent;
use catena_tree::gitignore::PathKind;
use catena_tree::materialise::{
    MaterialiseError, Materialised, Place, Refused, SyncLimits, SyncReport,
};
use catena_tree::objects::ObjectSink as _;
use catena_tree::spill::{Spill, SpillLimits};
use catena_tree::worktree::{
    Access, FsError, Policy, Protection, Quota, Worktree, WorktreeOptions,
};
use catena_tree::{EntryKind, ObjectDatabase, ObjectError, RepoPath, TreeId};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, unlinkat};

use crate::permissions::open_up;
use crate::removal::remove;

/// Files that are written one after the other get times that a build can tell
/// apart only after a tick of the kernel's clock.
const TICK: Duration = Duration::from_millis(12);

/// Bytes of what a command wrote that are in the host's memory on their way into
/// the object database.
const MEMORY: u64 = 16 << 20;

/// Why a tree can't become a directory or a directory a tree.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// Files can't be written or read.
    #[error(transparent)]
    Materialise(#[from] MaterialiseError),
    /// The directories around them can't.
    #[error("`{path}`")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the tree can't be written or taken over, for want of space or of its content.
    #[error("`{path}` can't be written or taken over: {reason}")]
    Hole {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// What was taken can't be put together.
    #[error("can't take over what a command left")]
    Worktree(#[from] FsError),
    /// The object database can't be used.
    #[error(transparent)]
    Objects(#[from] ObjectError),
}

/// A tree as a directory.
pub(crate) struct Mirror {
    /// The files.
    pub(crate) dir: PathBuf,
    state: PathBuf,
    database: ObjectDatabase,
    kept: Option<Materialised>,
    /// What the command before left.
    left: Option<Standing>,
    /// Trees without what is hidden, by path and full tree.
    shown: HashMap<(BString, TreeId), TreeId>,
}

/// What the caller may do with it.
pub(crate) struct Rules<'a> {
    pub(crate) policy: &'a Arc<Policy>,
    /// What may be added over `base`.
    pub(crate) quota: Quota,
    /// The tree that the agent began with.
    pub(crate) base: TreeId,
}

/// What a command left.
pub(crate) struct Taken {
    pub(crate) left: Standing,
    /// What of it was not taken, and why.
    pub(crate) notes: Vec<String>,
    /// Whether that is more than the quota.
    pub(crate) is_too_much: bool,
}

impl Mirror {
    /// A mirror below `room`, which is made when it is needed.
    pub(crate) fn new(room: &Path, name: &str, database: ObjectDatabase) -> Self {
        Self {
            dir: room.join(name),
            state: room.join("state").join(name),
            database,
            kept: None,
            left: None,
            shown: HashMap::new(),
        }
    }

    /// Notes what a command left that is not run again.
    pub(crate) fn remember(&mut self, left: &Standing) {
        self.left = Some(left.clone());
        self.kept = None;
    }

    /// Makes the directory equal to what stands.
    pub(crate) fn bring(&mut self, now: &Standing, policy: &Policy) -> Result<(), MirrorError> {
        let tree = self.shown(&BString::default(), now.tree, policy)?;
        let is_whole = match &mut self.kept {
            Some(kept) => hole(&kept.push(tree)?).is_none(),
            None => false,
        };
        if !is_whole {
            self.kept = None;
            self.create(tree, policy)?;
        }
        self.set_empty(now)
    }

    /// Writes the directory anew. What changed since the command before is written
    /// after the rest, so that it is newer for those who compare times.
    fn create(&mut self, tree: TreeId, policy: &Policy) -> Result<(), MirrorError> {
        for dir in [&self.dir, &self.state] {
            let made = remove(dir).and_then(|()| fs::create_dir_all(dir));
            made.map_err(|source| MirrorError::Io { path: dir.clone(), source })?;
        }
        let before = self.left.as_ref().map(|left| left.tree);
        let before =
            before.map(|left| self.shown(&BString::default(), left, policy)).transpose()?;
        let place = Place::open(&self.dir, &self.state)?.within(SyncLimits::default());
        let objects = Arc::new(self.database.clone());
        let (mut kept, report) = Materialised::create(place, objects, before.unwrap_or(tree))?;
        if before.is_some_and(|before| before != tree) {
            thread::sleep(TICK);
            check_whole(&kept.push(tree)?)?;
        } else {
            check_whole(&report)?;
        }
        self.kept = Some(kept);
        Ok(())
    }

    /// Turns what a command left into a tree, and says what was not taken.
    ///
    /// All of it is taken whatever the quota, and only then counted: what a command
    /// moved or replaced is for a while there twice. Whether that [`Taken::is_too_much`]
    /// is for the caller to see, who may [`Self::give_up`].
    pub(crate) fn take(
        &mut self,
        before: &Standing,
        rules: &Rules<'_>,
    ) -> Result<Taken, MirrorError> {
        let Some(kept) = &mut self.kept else {
            return Ok(Taken { left: before.clone(), notes: Vec::new(), is_too_much: false });
        };
        let quota = Quota { bytes: u64::MAX, entries: u64::MAX };
        let options = WorktreeOptions { base_time: 0, quota, access: Access::ReadWrite };
        let io_error = |source| MirrorError::Io { path: self.state.clone(), source };
        let file = tempfile::tempfile_in(&self.state).map_err(io_error)?;
        let limits = SpillLimits { memory: MEMORY, disk: u64::MAX, ..SpillLimits::default() };
        let mut worktree = Worktree::new(Arc::new(self.database.clone()), before.tree, options)
            .under(rules.policy.clone())
            .spilling_to(Spill::to_file(file, limits));
        // They were made here before the command, and count as they did.
        let _ = worktree.set_empty_directories(&before.empty);
        let mut report = kept.pull(&mut worktree)?;
        if open_up_refused(&self.dir, &report) {
            report = kept.pull(&mut worktree)?;
        }
        if let Some(lost) = report.refused.iter().find(|refused| is_of_the_machine(&refused.reason))
        {
            return Err(MirrorError::Hole {
                path: lost.path.to_string(),
                reason: lost.reason.to_string(),
            });
        }
        let tree = worktree.snapshot(&mut &self.database)?;
        let empty = worktree.empty_directories()?;
        let empty: Vec<_> =
            empty.into_iter().filter(|path| is_directory(&self.dir, path)).collect();
        let mut added = added(&self.database, rules.base, tree)?;
        added.entries += empty.len() as u64;
        let left = Standing { tree, empty };
        self.left = Some(left.clone());
        let notes: Vec<String> = report
            .refused
            .iter()
            .map(|refused| format!("`{}` was not taken: {}", refused.path, refused.reason))
            .collect();
        if !notes.is_empty() {
            self.kept = None;
        }
        let is_too_much = added.bytes > rules.quota.bytes || added.entries > rules.quota.entries;
        Ok(Taken { left, notes, is_too_much })
    }

    /// Forgets what a command left: the next one begins where it began.
    pub(crate) fn give_up(&mut self, before: &Standing) {
        self.remember(before);
    }

    /// A tree without what is hidden from agents. Costs what is not known yet.
    fn shown(
        &mut self,
        dir: &BString,
        tree: TreeId,
        policy: &Policy,
    ) -> Result<TreeId, MirrorError> {
        use catena_tree::Objects as _;
        if policy.hidden.is_empty() {
            return Ok(tree);
        }
        let key = (dir.clone(), tree);
        if let Some(shown) = self.shown.get(&key) {
            return Ok(*shown);
        }
        let mut entries = Vec::new();
        for entry in self.database.tree(tree)?.iter() {
            let mut path = dir.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&entry.name);
            let is_directory = matches!(entry.kind, EntryKind::Directory(_));
            let kind = if is_directory { PathKind::Directory } else { PathKind::File };
            if policy.protection(path.as_bstr(), kind) == Protection::Hidden {
                continue;
            }
            let mut entry = entry.clone();
            if let EntryKind::Directory(below) = entry.kind {
                let below = self.shown(&path, below, policy)?;
                if below == TreeId::EMPTY {
                    continue;
                }
                entry.kind = EntryKind::Directory(below);
            }
            entries.push(entry);
        }
        let shown = (&mut &self.database).write_tree(entries)?;
        self.shown.insert(key, shown);
        Ok(shown)
    }

    /// Makes the empty directories that stand, and removes those that do no more.
    fn set_empty(&mut self, now: &Standing) -> Result<(), MirrorError> {
        let io_error = |source| MirrorError::Io { path: self.dir.clone(), source };
        for gone in self.left.iter().flat_map(|left| &left.empty) {
            if !now.empty.contains(gone) {
                remove_empty(&self.dir, gone);
            }
        }
        now.empty.iter().try_for_each(|path| make(&self.dir, path)).map_err(io_error)
    }
}

/// The first path that is not as the tree has it, but for those that no worktree can
/// have.
fn hole(pushed: &SyncReport) -> Option<&Refused> {
    use catena_tree::materialise::Refusal;
    let mut refused = pushed.refused.iter();
    refused.find(|refused| match refused.reason {
        Refusal::NotPulled
        | Refusal::Unsteady
        | Refusal::Io(_)
        | Refusal::Object(_)
        | Refusal::TooMuch => true,
        Refusal::GitDirectory
        | Refusal::Special(_)
        | Refusal::TooLong
        | Refusal::InSubmodule
        | Refusal::Worktree(_) => false,
    })
}

/// Whether something was not taken for a fault of the machine. The rest without it would
/// not be what the command left.
fn is_of_the_machine(reason: &catena_tree::materialise::Refusal) -> bool {
    use catena_tree::materialise::Refusal;
    matches!(reason, Refusal::Object(_) | Refusal::Worktree(FsError::NoSpace))
}

/// Makes readable what could not be read. Says whether there was something.
fn open_up_refused(dir: &Path, report: &SyncReport) -> bool {
    use catena_tree::materialise::Refusal;
    let refused = report.refused.iter();
    let unread = refused.filter(|refused| matches!(refused.reason, Refusal::Io(_)));
    // What can't be made readable is refused again.
    unread.filter(|refused| open_up(dir, &refused.path).is_ok()).count() > 0
}

/// A command over a tree with holes would come to what the agent is not to blame for.
fn check_whole(pushed: &SyncReport) -> Result<(), MirrorError> {
    match hole(pushed) {
        None => Ok(()),
        Some(refused) => Err(MirrorError::Hole {
            path: refused.path.to_string(),
            reason: refused.reason.to_string(),
        }),
    }
}

/// What a tree has over another one. A changed file counts with its whole size.
fn added(database: &ObjectDatabase, base: TreeId, tree: TreeId) -> Result<Quota, ObjectError> {
    use catena_tree::Objects as _;
    let mut added = Quota { bytes: 0, entries: 0 };
    let mut extent = Extent::default();
    let mut ahead = vec![(base, tree)];
    while let Some((base, tree)) = ahead.pop() {
        if base == tree {
            continue;
        }
        let known = if base == TreeId::EMPTY { Arc::from([]) } else { database.tree(base)? };
        let entries = database.tree(tree)?;
        extent.add_directory(known.len() + entries.len())?;
        let known: HashMap<_, _> = known.iter().map(|known| (&known.name, known)).collect();
        for entry in entries.iter() {
            let before = known.get(&entry.name);
            if before.is_some_and(|before| before.kind == entry.kind) {
                continue;
            }
            added.entries += u64::from(before.is_none());
            match (entry.kind, before.map(|before| before.kind)) {
                (EntryKind::Directory(below), Some(EntryKind::Directory(base))) => {
                    ahead.push((base, below));
                }
                (EntryKind::Directory(below), _) => ahead.push((TreeId::EMPTY, below)),
                (EntryKind::File { id, .. } | EntryKind::Symlink(id), _) => {
                    added.bytes += database.blob_size(id)?;
                }
                (EntryKind::Submodule(_), _) => {}
            }
        }
    }
    Ok(added)
}

const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// Opens the directory above a path, through no symlink.
fn above(dir: &Path, path: &RepoPath) -> io::Result<OwnedFd> {
    let mut at = openat(CWD, dir, DIRECTORY, Mode::empty())?;
    for name in path.parent().unwrap_or_default().components() {
        at = openat(&at, name.as_bytes(), DIRECTORY, Mode::empty())?;
    }
    Ok(at)
}

/// Makes a directory and those above it. Where something else is, it stays.
fn make(dir: &Path, path: &RepoPath) -> io::Result<()> {
    let mut at = openat(CWD, dir, DIRECTORY, Mode::empty())?;
    for name in path.components() {
        match mkdirat(&at, name.as_bytes(), Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(err) => return Err(err.into()),
        }
        match openat(&at, name.as_bytes(), DIRECTORY, Mode::empty()) {
            Ok(next) => at = next,
            Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => return Ok(()),
            Err(err) => return Err(err.into()),
        }
    }
    Ok(())
}

/// Removes a directory if it is empty.
fn remove_empty(dir: &Path, path: &RepoPath) {
    if let (Ok(above), Some(name)) = (above(dir, path), path.file_name()) {
        // What is not empty is not to go.
        let _ = unlinkat(&above, name.as_bytes(), AtFlags::REMOVEDIR);
    }
}

fn is_directory(dir: &Path, path: &RepoPath) -> bool {
    let Some(name) = path.file_name() else { return true };
    above(dir, path)
        .is_ok_and(|above| openat(&above, name.as_bytes(), DIRECTORY, Mode::empty()).is_ok())
}
