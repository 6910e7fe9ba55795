//! `wasi:filesystem` over worktrees. Guest paths never reach the operating
//! system: a descriptor is a node of a worktree, and nothing else.

mod streams;

use std::sync::{Arc, Mutex};

use bstr::ByteSlice;
use catena_tree::worktree::{
    FsError as TreeError, Links, LogicalTime, Metadata, NodeId, NodeKind, OnExisting, Place,
    Resolved, SetTime, Worktree,
};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode as Code;
use wasmtime_wasi::p2::bindings::sync::filesystem::types as wasi;
use wasmtime_wasi::p2::bindings::sync::io::streams::Error as IoError;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use crate::session::{Mode, lock};
use crate::state::State;

use streams::{FileReader, FileWriter, WriteAt};

/// An open file or directory. It keeps its node alive until it is dropped.
pub(crate) struct OpenNode {
    worktree: Arc<Mutex<Worktree>>,
    node: NodeId,
    readable: bool,
    mode: Mode,
}

impl OpenNode {
    fn open(
        worktree: &Arc<Mutex<Worktree>>,
        node: NodeId,
        readable: bool,
        mode: Mode,
    ) -> FsResult<Self> {
        lock(worktree).open(node).map_err(code)?;
        Ok(Self { worktree: worktree.clone(), node, readable, mode })
    }

    fn reopen(&self) -> FsResult<Self> {
        Self::open(&self.worktree, self.node, self.readable, self.mode)
    }

    fn check_writable(&self) -> FsResult<()> {
        match self.mode {
            Mode::ReadWrite => Ok(()),
            Mode::ReadOnly => Err(Code::ReadOnly.into()),
        }
    }
}

impl Drop for OpenNode {
    fn drop(&mut self) {
        // A node that is gone already needs no closing.
        let _ = lock(&self.worktree).close(self.node);
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

    fn push_node(&mut self, node: OpenNode) -> FsResult<Descriptor> {
        let pushed = self.table.push(node)?;
        Ok(Resource::new_own(pushed.rep()))
    }

    /// Finds what `path` names below a descriptor.
    fn resolve(&self, dir: &Descriptor, path: &str, links: Links) -> FsResult<Resolved> {
        let open = self.open_node(dir)?;
        lock(&open.worktree).resolve(open.node, path.as_bytes().as_bstr(), links).map_err(code)
    }

    /// The name that `path` is to be made at, which must be free.
    fn free_place(&self, dir: &Descriptor, path: &str, only: NodeKind) -> FsResult<Place> {
        self.open_node(dir)?.check_writable()?;
        match self.resolve(dir, path, Links::NoFollow)? {
            Resolved::Existing { .. } => Err(Code::Exist.into()),
            Resolved::Missing { only: Some(kind), .. } if kind != only => {
                Err(Code::NoEntry.into())
            }
            Resolved::Missing { at, .. } => Ok(at),
        }
    }

    /// The name under which what `path` names can be removed or moved.
    fn taken_place(&self, dir: &Descriptor, path: &str) -> FsResult<(NodeId, Place)> {
        self.open_node(dir)?.check_writable()?;
        match self.resolve(dir, path, Links::NoFollow)? {
            Resolved::Existing { node, at: Some(at) } => Ok((node, at)),
            Resolved::Existing { at: None, .. } => Err(Code::Busy.into()),
            Resolved::Missing { .. } => Err(Code::NoEntry.into()),
        }
    }

    fn metadata(&self, descriptor: &Descriptor) -> FsResult<Metadata> {
        let open = self.open_node(descriptor)?;
        lock(&open.worktree).metadata(open.node).map_err(code)
    }

    fn metadata_at(
        &self,
        dir: &Descriptor,
        flags: wasi::PathFlags,
        path: &str,
    ) -> FsResult<Metadata> {
        let node = self.resolve(dir, path, links(flags))?.node().map_err(code)?;
        let open = self.open_node(dir)?;
        lock(&open.worktree).metadata(node).map_err(code)
    }

    /// The node that `open-at` is to open, made where the flags ask for it.
    fn node_to_open(
        &self,
        dir: &Descriptor,
        path_flags: wasi::PathFlags,
        path: &str,
        open_flags: wasi::OpenFlags,
    ) -> FsResult<NodeId> {
        let exclusive = open_flags.contains(wasi::OpenFlags::EXCLUSIVE);
        let create = open_flags.contains(wasi::OpenFlags::CREATE);
        let links = if create && exclusive { Links::NoFollow } else { links(path_flags) };
        match self.resolve(dir, path, links)? {
            Resolved::Existing { .. } if create && exclusive => Err(Code::Exist.into()),
            Resolved::Existing { node, .. } => Ok(node),
            Resolved::Missing { at, only: None } if create => {
                let open = self.open_node(dir)?;
                open.check_writable()?;
                let mut worktree = lock(&open.worktree);
                worktree.create_file(at.dir, at.name.as_bstr(), OnExisting::Refuse).map_err(code)
            }
            Resolved::Missing { only: Some(_), .. } if create => Err(Code::IsDirectory.into()),
            Resolved::Missing { .. } => Err(Code::NoEntry.into()),
        }
    }
}

impl preopens::Host for State {
    fn get_directories(
        &mut self,
    ) -> wasmtime::Result<Vec<(Resource<preopens::Descriptor>, String)>> {
        let mut directories = Vec::new();
        for mount in self.mounts.clone() {
            let node = OpenNode::open(&mount.worktree, mount.node, true, mount.mode)
                .map_err(|err| wasmtime::Error::msg(err.to_string()))?;
            let pushed = self.table.push(node)?;
            directories.push((Resource::new_own(pushed.rep()), mount.guest_path.to_owned()));
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

impl wasi::HostDescriptor for State {
    fn advise(&mut self, fd: Descriptor, _: u64, _: u64, _: wasi::Advice) -> FsResult<()> {
        self.open_node(&fd).map(|_| ())
    }

    fn sync_data(&mut self, fd: Descriptor) -> FsResult<()> {
        self.open_node(&fd).map(|_| ())
    }

    fn sync(&mut self, fd: Descriptor) -> FsResult<()> {
        self.open_node(&fd).map(|_| ())
    }

    fn get_flags(&mut self, fd: Descriptor) -> FsResult<wasi::DescriptorFlags> {
        let kind = self.metadata(&fd)?.kind;
        let open = self.open_node(&fd)?;
        let mut flags = wasi::DescriptorFlags::empty();
        if open.readable {
            flags |= wasi::DescriptorFlags::READ;
        }
        if open.mode == Mode::ReadWrite {
            flags |= match kind {
                NodeKind::Directory => wasi::DescriptorFlags::MUTATE_DIRECTORY,
                NodeKind::File | NodeKind::Symlink => wasi::DescriptorFlags::WRITE,
            };
        }
        Ok(flags)
    }

    fn get_type(&mut self, fd: Descriptor) -> FsResult<wasi::DescriptorType> {
        Ok(descriptor_type(self.metadata(&fd)?.kind))
    }

    fn set_size(&mut self, fd: Descriptor, size: u64) -> FsResult<()> {
        let open = self.open_node(&fd)?;
        open.check_writable()?;
        lock(&open.worktree).truncate(open.node, size).map_err(code)
    }

    fn set_times(
        &mut self,
        fd: Descriptor,
        accessed: wasi::NewTimestamp,
        modified: wasi::NewTimestamp,
    ) -> FsResult<()> {
        let open = self.open_node(&fd)?;
        open.check_writable()?;
        let mut worktree = lock(&open.worktree);
        worktree.set_times(open.node, set_time(accessed), set_time(modified)).map_err(code)
    }

    fn set_times_at(
        &mut self,
        fd: Descriptor,
        path_flags: wasi::PathFlags,
        path: String,
        accessed: wasi::NewTimestamp,
        modified: wasi::NewTimestamp,
    ) -> FsResult<()> {
        let node = self.resolve(&fd, &path, links(path_flags))?.node().map_err(code)?;
        let open = self.open_node(&fd)?;
        open.check_writable()?;
        let mut worktree = lock(&open.worktree);
        worktree.set_times(node, set_time(accessed), set_time(modified)).map_err(code)
    }

    fn read(&mut self, fd: Descriptor, len: u64, offset: u64) -> FsResult<(Vec<u8>, bool)> {
        let open = self.open_node(&fd)?;
        if !open.readable {
            return Err(Code::BadDescriptor.into());
        }
        let len = len.min(streams::MAX_CHUNK as u64);
        let bytes = lock(&open.worktree).read(open.node, offset, len).map_err(code)?;
        let at_end = (bytes.len() as u64) < len;
        Ok((bytes.to_vec(), at_end))
    }

    fn write(&mut self, fd: Descriptor, bytes: Vec<u8>, offset: u64) -> FsResult<u64> {
        let open = self.open_node(&fd)?;
        open.check_writable()?;
        lock(&open.worktree).write(open.node, offset, &bytes).map_err(code)?;
        Ok(bytes.len() as u64)
    }

    fn read_directory(
        &mut self,
        fd: Descriptor,
    ) -> FsResult<Resource<wasi::DirectoryEntryStream>> {
        let open = self.open_node(&fd)?;
        let entries = lock(&open.worktree).read_dir(open.node).map_err(code)?;
        // Names that are not UTF-8 can't be told in WASI; they stay in snapshots.
        let shown = entries.into_iter().filter_map(|entry| {
            let name = entry.name.to_str().ok()?.to_owned();
            Some(wasi::DirectoryEntry { type_: descriptor_type(entry.kind), name })
        });
        let listing = Listing(shown.collect::<Vec<_>>().into_iter());
        let pushed = self.table.push(listing)?;
        Ok(Resource::new_own(pushed.rep()))
    }

    fn create_directory_at(&mut self, fd: Descriptor, path: String) -> FsResult<()> {
        let at = self.free_place(&fd, &path, NodeKind::Directory)?;
        let open = self.open_node(&fd)?;
        let mut worktree = lock(&open.worktree);
        worktree.create_dir(at.dir, at.name.as_bstr()).map(|_| ()).map_err(code)
    }

    fn stat(&mut self, fd: Descriptor) -> FsResult<wasi::DescriptorStat> {
        Ok(stat(&self.metadata(&fd)?))
    }

    fn stat_at(
        &mut self,
        fd: Descriptor,
        path_flags: wasi::PathFlags,
        path: String,
    ) -> FsResult<wasi::DescriptorStat> {
        Ok(stat(&self.metadata_at(&fd, path_flags, &path)?))
    }

    /// A worktree has no hard links; git could not keep them.
    fn link_at(
        &mut self,
        _: Descriptor,
        _: wasi::PathFlags,
        _: String,
        _: Descriptor,
        _: String,
    ) -> FsResult<()> {
        Err(Code::Unsupported.into())
    }

    fn open_at(
        &mut self,
        fd: Descriptor,
        path_flags: wasi::PathFlags,
        path: String,
        open_flags: wasi::OpenFlags,
        flags: wasi::DescriptorFlags,
    ) -> FsResult<Descriptor> {
        let wants_write = flags.contains(wasi::DescriptorFlags::WRITE)
            || open_flags.contains(wasi::OpenFlags::TRUNCATE);
        if wants_write || flags.contains(wasi::DescriptorFlags::MUTATE_DIRECTORY) {
            self.open_node(&fd)?.check_writable()?;
        }
        let node = self.node_to_open(&fd, path_flags, &path, open_flags)?;
        let open = self.open_node(&fd)?;
        let mut worktree = lock(&open.worktree);
        let kind = worktree.kind(node).map_err(code)?;
        match kind {
            NodeKind::Symlink => return Err(Code::Loop.into()),
            NodeKind::Directory if wants_write => return Err(Code::IsDirectory.into()),
            NodeKind::File if open_flags.contains(wasi::OpenFlags::DIRECTORY) => {
                return Err(Code::NotDirectory.into());
            }
            NodeKind::File | NodeKind::Directory => {}
        }
        if open_flags.contains(wasi::OpenFlags::TRUNCATE) {
            worktree.truncate(node, 0).map_err(code)?;
        }
        drop(worktree);
        // A directory handle passes its mount's mode on; a file has what was asked.
        let writable = match kind {
            NodeKind::Directory => flags.contains(wasi::DescriptorFlags::MUTATE_DIRECTORY),
            NodeKind::File | NodeKind::Symlink => flags.contains(wasi::DescriptorFlags::WRITE),
        };
        let mode = if writable { open.mode } else { Mode::ReadOnly };
        let readable = kind == NodeKind::Directory || flags.contains(wasi::DescriptorFlags::READ);
        let opened = OpenNode::open(&open.worktree, node, readable, mode)?;
        self.push_node(opened)
    }

    fn drop(&mut self, fd: Descriptor) -> wasmtime::Result<()> {
        self.table.delete(Resource::<OpenNode>::new_own(fd.rep()))?;
        Ok(())
    }

    fn readlink_at(&mut self, fd: Descriptor, path: String) -> FsResult<String> {
        let node = self.resolve(&fd, &path, Links::NoFollow)?.node().map_err(code)?;
        let open = self.open_node(&fd)?;
        let target = lock(&open.worktree).read_link(node).map_err(code)?;
        target.to_str().map(str::to_owned).map_err(|_| Code::IllegalByteSequence.into())
    }

    fn remove_directory_at(&mut self, fd: Descriptor, path: String) -> FsResult<()> {
        let (_, at) = self.taken_place(&fd, &path)?;
        let open = self.open_node(&fd)?;
        lock(&open.worktree).remove_dir(at.dir, at.name.as_bstr()).map_err(code)
    }

    fn unlink_file_at(&mut self, fd: Descriptor, path: String) -> FsResult<()> {
        let (_, at) = self.taken_place(&fd, &path)?;
        let open = self.open_node(&fd)?;
        lock(&open.worktree).remove_file(at.dir, at.name.as_bstr()).map_err(code)
    }

    fn rename_at(
        &mut self,
        fd: Descriptor,
        old_path: String,
        new_fd: Descriptor,
        new_path: String,
    ) -> FsResult<()> {
        let (node, from) = self.taken_place(&fd, &old_path)?;
        self.open_node(&new_fd)?.check_writable()?;
        let target = self.resolve(&new_fd, &new_path, Links::NoFollow)?;
        let (old, new) = (self.open_node(&fd)?, self.open_node(&new_fd)?);
        if !Arc::ptr_eq(&old.worktree, &new.worktree) {
            return Err(Code::CrossDevice.into());
        }
        let mut worktree = lock(&old.worktree);
        let to = match target {
            Resolved::Existing { at: Some(at), .. } => at,
            Resolved::Existing { at: None, .. } => return Err(Code::Busy.into()),
            Resolved::Missing { only: Some(NodeKind::Directory), .. }
                if worktree.kind(node).map_err(code)? != NodeKind::Directory =>
            {
                return Err(Code::NotDirectory.into());
            }
            Resolved::Missing { at, .. } => at,
        };
        worktree
            .rename(from.dir, from.name.as_bstr(), to.dir, to.name.as_bstr())
            .map_err(code)
    }

    fn symlink_at(&mut self, fd: Descriptor, target: String, path: String) -> FsResult<()> {
        let at = self.free_place(&fd, &path, NodeKind::Symlink)?;
        let open = self.open_node(&fd)?;
        let mut worktree = lock(&open.worktree);
        let target = target.as_bytes().as_bstr();
        worktree.symlink(at.dir, at.name.as_bstr(), target).map(|_| ()).map_err(code)
    }

    fn read_via_stream(
        &mut self,
        fd: Descriptor,
        offset: u64,
    ) -> FsResult<Resource<DynInputStream>> {
        let open = self.open_node(&fd)?;
        if !open.readable {
            return Err(Code::BadDescriptor.into());
        }
        let reader: DynInputStream = Box::new(FileReader::new(open.reopen()?, offset));
        Ok(self.table.push(reader)?)
    }

    fn write_via_stream(
        &mut self,
        fd: Descriptor,
        offset: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        let open = self.open_node(&fd)?;
        open.check_writable()?;
        let writer: DynOutputStream =
            Box::new(FileWriter::new(open.reopen()?, WriteAt::Offset(offset)));
        Ok(self.table.push(writer)?)
    }

    fn append_via_stream(&mut self, fd: Descriptor) -> FsResult<Resource<DynOutputStream>> {
        let open = self.open_node(&fd)?;
        open.check_writable()?;
        let writer: DynOutputStream = Box::new(FileWriter::new(open.reopen()?, WriteAt::End));
        Ok(self.table.push(writer)?)
    }

    fn is_same_object(&mut self, a: Descriptor, b: Descriptor) -> wasmtime::Result<bool> {
        let (a, b) = (self.table.get(&ours(&a))?, self.table.get(&ours(&b))?);
        Ok(a.node == b.node && Arc::ptr_eq(&a.worktree, &b.worktree))
    }

    fn metadata_hash(&mut self, fd: Descriptor) -> FsResult<wasi::MetadataHashValue> {
        Ok(identity(&self.metadata(&fd)?))
    }

    fn metadata_hash_at(
        &mut self,
        fd: Descriptor,
        path_flags: wasi::PathFlags,
        path: String,
    ) -> FsResult<wasi::MetadataHashValue> {
        Ok(identity(&self.metadata_at(&fd, path_flags, &path)?))
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

fn links(flags: wasi::PathFlags) -> Links {
    if flags.contains(wasi::PathFlags::SYMLINK_FOLLOW) { Links::Follow } else { Links::NoFollow }
}

fn descriptor_type(kind: NodeKind) -> wasi::DescriptorType {
    match kind {
        NodeKind::File => wasi::DescriptorType::RegularFile,
        NodeKind::Directory => wasi::DescriptorType::Directory,
        NodeKind::Symlink => wasi::DescriptorType::SymbolicLink,
    }
}

fn stat(metadata: &Metadata) -> wasi::DescriptorStat {
    wasi::DescriptorStat {
        type_: descriptor_type(metadata.kind),
        link_count: metadata.links,
        size: metadata.size,
        data_access_timestamp: datetime(metadata.accessed),
        data_modification_timestamp: datetime(metadata.modified),
        status_change_timestamp: datetime(metadata.changed),
    }
}

fn datetime(time: LogicalTime) -> Option<wasi::Datetime> {
    let seconds = u64::try_from(time.seconds).ok()?;
    Some(wasi::Datetime { seconds, nanoseconds: time.nanoseconds })
}

fn set_time(time: wasi::NewTimestamp) -> SetTime {
    match time {
        wasi::NewTimestamp::NoChange => SetTime::Keep,
        wasi::NewTimestamp::Now => SetTime::Now,
        wasi::NewTimestamp::Timestamp(at) => SetTime::At(LogicalTime {
            seconds: i64::try_from(at.seconds).unwrap_or(i64::MAX),
            nanoseconds: at.nanoseconds,
        }),
    }
}

fn identity(metadata: &Metadata) -> wasi::MetadataHashValue {
    let (upper, lower) = metadata.identity;
    wasi::MetadataHashValue { lower, upper }
}

/// The error code of the same meaning.
pub(super) fn error_code(err: &TreeError) -> Code {
    match err {
        TreeError::Access => Code::Access,
        TreeError::NotPermitted => Code::NotPermitted,
        TreeError::BadDescriptor => Code::BadDescriptor,
        TreeError::NoEntry => Code::NoEntry,
        TreeError::Exists => Code::Exist,
        TreeError::NotDirectory => Code::NotDirectory,
        TreeError::IsDirectory => Code::IsDirectory,
        TreeError::NotEmpty => Code::NotEmpty,
        TreeError::Invalid => Code::Invalid,
        TreeError::NameTooLong => Code::NameTooLong,
        TreeError::TooManyLinks => Code::Loop,
        TreeError::Quota => Code::Quota,
        TreeError::FileTooLarge => Code::FileTooLarge,
        TreeError::ReadOnly => Code::ReadOnly,
        TreeError::Busy => Code::Busy,
        TreeError::CrossDevice => Code::CrossDevice,
        TreeError::Unsupported => Code::Unsupported,
        TreeError::MissingObject { .. } | TreeError::Io { .. } => Code::Io,
    }
}

fn code(err: TreeError) -> FsError {
    error_code(&err).into()
}
