//! `wasi:filesystem` over worktrees. Guest paths never reach the operating
//! system: a descriptor is a node of a worktree, and nothing else.
//!
//! Whether something may change is the mount's to say: what is opened below a
//! descriptor can do no more than the descriptor. The flag `mutate-directory` is
//! not looked at, as guests open directories without it and still expect to
//! change them. Links, times and content behave as on Linux, but for paths and
//! symlinks that lead out of their mount: those are `not-permitted`.
//!
//! [`OpenNode`] is an open descriptor, `descriptor` serves what a guest asks of
//! it, `streams` its bytes, and `convert` turns types of worktrees into WASI's.

mod convert;
mod descriptor;
mod paths;
mod streams;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use catena_tree::worktree::{NodeId, NodeKind, Worktree};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode as Code;
use wasmtime_wasi::p2::bindings::sync::filesystem::types as wasi;
use wasmtime_wasi::p2::bindings::sync::io::streams::Error as IoError;
use wasmtime_wasi::p2::{FsError, FsResult};

use crate::session::{Mode, Mount, lock};
use crate::state::State;

use convert::code;
pub(crate) use paths::link as link_paths;

/// An open file or directory. It keeps its node alive until it is dropped.
pub(crate) struct OpenNode {
    worktree: Arc<Mutex<Worktree>>,
    node: NodeId,
    kind: NodeKind,
    /// Tells worktrees apart.
    device: u64,
    /// What the mount allows.
    mode: Mode,
    /// Changes that the mount refused.
    refused: Arc<AtomicU64>,
    /// What the descriptor was opened for; of no matter for a directory.
    asked: wasi::DescriptorFlags,
}

impl OpenNode {
    fn of_mount(mount: &Mount) -> FsResult<Self> {
        lock(&mount.worktree).open(mount.node).map_err(code)?;
        Ok(Self {
            worktree: mount.worktree.clone(),
            node: mount.node,
            kind: NodeKind::Directory,
            device: mount.device,
            mode: mount.mode,
            refused: mount.refused.clone(),
            asked: wasi::DescriptorFlags::READ,
        })
    }

    /// A further descriptor of the same worktree; `node` has been opened for it.
    fn beside(&self, node: NodeId, kind: NodeKind, asked: wasi::DescriptorFlags) -> Self {
        let (worktree, refused) = (self.worktree.clone(), self.refused.clone());
        Self { worktree, node, kind, device: self.device, mode: self.mode, refused, asked }
    }

    fn again(&self) -> FsResult<Self> {
        self.worktree().open(self.node).map_err(code)?;
        Ok(self.beside(self.node, self.kind, self.asked))
    }

    fn worktree(&self) -> MutexGuard<'_, Worktree> {
        lock(&self.worktree)
    }

    /// The descriptor's flags as a guest sees them.
    fn flags(&self) -> wasi::DescriptorFlags {
        let kept = wasi::DescriptorFlags::READ | wasi::DescriptorFlags::WRITE;
        match (self.kind, self.mode) {
            (NodeKind::Directory, Mode::ReadWrite) => {
                wasi::DescriptorFlags::READ | wasi::DescriptorFlags::MUTATE_DIRECTORY
            }
            (NodeKind::Directory, Mode::ReadOnly | Mode::System) => wasi::DescriptorFlags::READ,
            (NodeKind::File | NodeKind::Symlink, _) => self.asked & kept,
        }
    }

    fn check_mutable(&self) -> FsResult<()> {
        match self.mode {
            Mode::ReadWrite => Ok(()),
            Mode::System if self.kind == NodeKind::File => Ok(()),
            Mode::ReadOnly | Mode::System => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(Code::ReadOnly.into())
            }
        }
    }

    /// Whether what is written to it is lost.
    fn is_sink(&self) -> bool {
        self.mode == Mode::System && self.kind == NodeKind::File
    }

    /// As read(2) and write(2): a directory is never open for writing.
    fn check_open_for(&self, access: wasi::DescriptorFlags) -> FsResult<()> {
        let reads = access == wasi::DescriptorFlags::READ;
        if self.kind == NodeKind::Directory && reads {
            return Err(Code::IsDirectory.into());
        }
        if self.kind == NodeKind::Directory || !self.asked.contains(access) {
            return Err(Code::BadDescriptor.into());
        }
        Ok(())
    }

    fn check_writable(&self) -> FsResult<()> {
        self.check_mutable()?;
        self.check_open_for(wasi::DescriptorFlags::WRITE)
    }
}

impl Drop for OpenNode {
    fn drop(&mut self) {
        // A node that is gone already needs no closing.
        let _ = self.worktree().close(self.node);
    }
}

/// Directory entries that a guest has not fetched yet.
struct Listing(std::vec::IntoIter<wasi::DirectoryEntry>);

type Descriptor = Resource<wasi::Descriptor>;

/// Descriptors are ours, but the generated signatures carry wasmtime's type.
/// The number is the same; the table checks what it really holds.
fn ours(descriptor: &Descriptor) -> Resource<OpenNode> {
    Resource::new_borrow(descriptor.rep())
}

impl State {
    fn open_node(&self, descriptor: &Descriptor) -> FsResult<&OpenNode> {
        Ok(self.table.get(&ours(descriptor))?)
    }

    fn open_dir(&self, descriptor: &Descriptor) -> FsResult<&OpenNode> {
        let open = self.open_node(descriptor)?;
        if open.kind == NodeKind::Directory { Ok(open) } else { Err(Code::NotDirectory.into()) }
    }

    fn push_node(&mut self, node: OpenNode) -> FsResult<Descriptor> {
        let pushed = self.table.push(node)?;
        self.meter.count_handle(pushed.rep());
        Ok(Resource::new_own(pushed.rep()))
    }
}

impl preopens::Host for State {
    fn get_directories(
        &mut self,
    ) -> wasmtime::Result<Vec<(Resource<preopens::Descriptor>, String)>> {
        let mut directories = Vec::new();
        for mount in self.mounts.clone() {
            let node =
                OpenNode::of_mount(&mount).map_err(|err| wasmtime::Error::msg(err.to_string()))?;
            let pushed = self.table.push(node)?;
            directories.push((Resource::new_own(pushed.rep()), mount.guest_path.into_owned()));
        }
        Ok(directories)
    }
}

impl wasi::Host for State {
    fn convert_error_code(&mut self, err: FsError) -> wasmtime::Result<wasi::ErrorCode> {
        Ok(err.downcast()?.into())
    }

    fn filesystem_error_code(
        &mut self,
        err: Resource<IoError>,
    ) -> wasmtime::Result<Option<wasi::ErrorCode>> {
        let err = self.table.get(&err)?;
        Ok(err.downcast_ref::<Code>().map(|code| (*code).into()))
    }
}

impl wasi::HostDirectoryEntryStream for State {
    fn read_directory_entry(
        &mut self,
        stream: Resource<wasi::DirectoryEntryStream>,
    ) -> FsResult<Option<wasi::DirectoryEntry>> {
        let listing = self.table.get_mut(&Resource::<Listing>::new_borrow(stream.rep()))?;
        Ok(listing.0.next())
    }

    fn drop(&mut self, stream: Resource<wasi::DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Listing>::new_own(stream.rep()))?;
        Ok(())
    }
}
