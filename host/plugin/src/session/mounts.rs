//! What a guest sees as its file system.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bstr::ByteSlice;
use catena_tree::worktree::{NodeId, Worktree};

use super::{Session, lock};
use crate::capability::{Effective, WorkspaceAccess};
use crate::refusals::{Refusal, Refusals};

/// Guest paths of the scratch directories and their names in the scratch tree.
const SCRATCH_DIRS: [(&str, &str); 2] = [("/tmp", "tmp"), ("/home/agent", "home")];

/// Whether a mount can be written through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    ReadOnly,
    ReadWrite,
    /// Read-only, but that what is written to its files is lost: `/dev/null`.
    System,
}

/// A directory of some worktree at a guest path.
#[derive(Clone)]
pub(crate) struct Mount {
    pub(crate) guest_path: Cow<'static, str>,
    pub(crate) worktree: Arc<Mutex<Worktree>>,
    pub(crate) node: NodeId,
    /// Which worktree it is of, as guests see it.
    pub(crate) device: u64,
    pub(crate) mode: Mode,
    /// Changes that the mode refused.
    pub(crate) refused: Arc<AtomicU64>,
}

impl Mount {
    /// Counts what its mode refused.
    pub(crate) fn count_in(&self, refusals: &mut Refusals) {
        let refusal = match (self.mode, self.device) {
            (Mode::System, _) | (_, PROGRAM_DEVICE) => Refusal::ProgramFiles,
            (_, WORKTREE_DEVICE) => Refusal::Workspace(WorkspaceAccess::ReadWrite),
            _ => Refusal::Sealed,
        };
        refusals.count(refusal, self.refused.load(Ordering::Relaxed));
    }
}

const WORKTREE_DEVICE: u64 = 1;
const SCRATCH_DEVICE: u64 = 2;
pub(super) const ROOT_DEVICE: u64 = 3;
pub(super) const PROGRAM_DEVICE: u64 = 4;
const FIRST_SEALED_DEVICE: u64 = 5;

impl Session {
    /// The mounts of a plugin with these rights. Without the `workspace` right
    /// there are none; a judge sees the sealed trees, and what is its own only if
    /// it may write there.
    pub(crate) fn mounts(&self, rights: &Effective) -> Vec<Mount> {
        if self.sealed.is_empty() || rights.workspace == WorkspaceAccess::None {
            return self.own_mounts(rights);
        }
        let devices = FIRST_SEALED_DEVICE..;
        let sealed = self.sealed.iter().zip(devices).map(|((guest_path, worktree), device)| {
            let node = lock(worktree).root();
            Mount {
                guest_path: Cow::Borrowed(guest_path),
                worktree: worktree.clone(),
                node,
                device,
                mode: Mode::ReadOnly,
                refused: Arc::default(),
            }
        });
        let mut mounts: Vec<Mount> = sealed.collect();
        if rights.workspace == WorkspaceAccess::ReadWrite {
            mounts.extend(self.own_mounts(rights));
        }
        mounts
    }

    /// Worktree and scratch, all that programs see of a session: what a judge runs
    /// may be the candidate's code, which must not find the human answer.
    pub(super) fn own_mounts(&self, rights: &Effective) -> Vec<Mount> {
        let mode = match rights.workspace {
            WorkspaceAccess::None => return Vec::new(),
            WorkspaceAccess::Read => Mode::ReadOnly,
            WorkspaceAccess::ReadWrite => Mode::ReadWrite,
        };
        let workspace = Mount {
            guest_path: Cow::Borrowed("/workspace"),
            node: lock(&self.worktree).root(),
            worktree: self.worktree.clone(),
            device: WORKTREE_DEVICE,
            mode,
            refused: Arc::default(),
        };
        std::iter::once(workspace).chain(self.scratch_mounts()).collect()
    }

    fn scratch_mounts(&self) -> Vec<Mount> {
        let mut scratch = lock(&self.scratch);
        let root = scratch.root();
        let mount = |(guest_path, name): (&'static str, &str)| {
            let name = name.as_bytes().as_bstr();
            let node = scratch.lookup(root, name).or_else(|_| scratch.create_dir(root, name));
            Some(Mount {
                guest_path: Cow::Borrowed(guest_path),
                worktree: self.scratch.clone(),
                node: node.ok()?,
                device: SCRATCH_DEVICE,
                mode: Mode::ReadWrite,
                refused: Arc::default(),
            })
        };
        SCRATCH_DIRS.into_iter().filter_map(mount).collect()
    }
}
