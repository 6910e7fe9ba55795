//! What a guest asks of a descriptor. Each function converts, checks the
//! right, calls the worktree and converts back.

use std::sync::Arc;

use bstr::{BStr, ByteSlice};
use catena_tree::worktree::{Links, Metadata, NodeKind};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode as Code;
use wasmtime_wasi::p2::bindings::sync::filesystem::types as wasi;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::convert::{code, descriptor_type, identity, links, open_options, set_time, stat};
use super::streams::{FileReader, FileWriter, MAX_CHUNK, WriteAt};
use super::{Descriptor, Listing, OpenNode, ours};
use crate::session::Mode;
use crate::state::State;

fn bytes(path: &str) -> &BStr {
    path.as_bytes().as_bstr()
}

impl State {
    fn metadata(&self, descriptor: &Descriptor) -> FsResult<Metadata> {
        let open = self.open_node(descriptor)?;
        open.worktree().metadata(open.node).map_err(code)
    }

    fn metadata_at(
        &self,
        dir: &Descriptor,
        flags: wasi::PathFlags,
        path: &str,
    ) -> FsResult<Metadata> {
        let dir = self.open_dir(dir)?;
        let mut worktree = dir.worktree();
        let found = worktree.resolve(dir.node, bytes(path), links(flags)).map_err(code)?;
        worktree.metadata(found.node().map_err(code)?).map_err(code)
    }

    fn push_writer(&mut self, fd: &Descriptor, at: WriteAt) -> FsResult<Resource<DynOutputStream>> {
        let open = self.open_node(fd)?;
        open.check_writable()?;
        let writer: DynOutputStream = Box::new(FileWriter::new(open.again()?, at));
        let pushed = self.table.push(writer)?;
        self.meter.count_handle(pushed.rep());
        Ok(pushed)
    }
}

/// Places in a file are signed numbers, as for pread(2).
fn check_place(offset: u64, len: u64) -> FsResult<()> {
    match offset.checked_add(len).map(i64::try_from) {
        Some(Ok(_)) => Ok(()),
        _ => Err(Code::Invalid.into()),
    }
}

/// What is opened as a directory is not made or cut by that.
fn check_open_flags(flags: wasi::OpenFlags) -> FsResult<()> {
    let making = wasi::OpenFlags::CREATE | wasi::OpenFlags::EXCLUSIVE | wasi::OpenFlags::TRUNCATE;
    if flags.contains(wasi::OpenFlags::DIRECTORY) && flags.intersects(making) {
        return Err(Code::Invalid.into());
    }
    Ok(())
}

impl wasi::HostDescriptor for State {
    fn open_at(
        &mut self,
        fd: Descriptor,
        path_flags: wasi::PathFlags,
        path: String,
        open_flags: wasi::OpenFlags,
        flags: wasi::DescriptorFlags,
    ) -> FsResult<Descriptor> {
        let dir = self.open_dir(&fd)?;
        check_open_flags(open_flags)?;
        let writes = flags.contains(wasi::DescriptorFlags::WRITE);
        let changes =
            writes || open_flags.intersects(wasi::OpenFlags::CREATE | wasi::OpenFlags::TRUNCATE);
        let is_system = dir.mode == Mode::System;
        if changes && !is_system {
            dir.check_mutable()?;
        }
        let kept = wasi::OpenFlags::DIRECTORY;
        let open_flags = if is_system { open_flags & kept } else { open_flags };
        let options = open_options(path_flags, open_flags);
        let mut worktree = dir.worktree();
        let node = worktree.open_at(dir.node, bytes(&path), options).map_err(code)?;
        let kind = worktree.kind(node).map_err(code)?;
        let allowed = if writes && !is_system { worktree.check_change(node) } else { Ok(()) };
        drop(worktree);
        let opened = dir.beside(node, kind, flags);
        if writes && kind == NodeKind::Directory {
            return Err(Code::IsDirectory.into());
        }
        allowed.map_err(code)?;
        self.push_node(opened)
    }

    fn drop(&mut self, fd: Descriptor) -> wasmtime::Result<()> {
        self.table.delete(Resource::<OpenNode>::new_own(fd.rep()))?;
        Ok(())
    }

    fn create_directory_at(&mut self, fd: Descriptor, path: String) -> FsResult<()> {
        let dir = self.open_dir(&fd)?;
        dir.check_mutable()?;
        dir.worktree().create_dir_at(dir.node, bytes(&path)).map(|_| ()).map_err(code)
    }

    fn symlink_at(&mut self, fd: Descriptor, target: String, path: String) -> FsResult<()> {
        let dir = self.open_dir(&fd)?;
        dir.check_mutable()?;
        dir.worktree().symlink_at(dir.node, bytes(&path), bytes(&target)).map_err(code)
    }

    fn remove_directory_at(&mut self, fd: Descriptor, path: String) -> FsResult<()> {
        let dir = self.open_dir(&fd)?;
        dir.check_mutable()?;
        dir.worktree().remove_dir_at(dir.node, bytes(&path)).map_err(code)
    }

    fn unlink_file_at(&mut self, fd: Descriptor, path: String) -> FsResult<()> {
        let dir = self.open_dir(&fd)?;
        dir.check_mutable()?;
        dir.worktree().remove_file_at(dir.node, bytes(&path)).map_err(code)
    }

    fn rename_at(
        &mut self,
        fd: Descriptor,
        old_path: String,
        new_fd: Descriptor,
        new_path: String,
    ) -> FsResult<()> {
        let (from, to) = (self.open_dir(&fd)?, self.open_dir(&new_fd)?);
        if !Arc::ptr_eq(&from.worktree, &to.worktree) {
            return Err(Code::CrossDevice.into());
        }
        from.check_mutable()?;
        to.check_mutable()?;
        let (old_path, new_path) = (bytes(&old_path), bytes(&new_path));
        from.worktree().rename_at(from.node, old_path, to.node, new_path).map_err(code)
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

    fn readlink_at(&mut self, fd: Descriptor, path: String) -> FsResult<String> {
        let dir = self.open_dir(&fd)?;
        let mut worktree = dir.worktree();
        let found = worktree.resolve(dir.node, bytes(&path), Links::NoFollow).map_err(code)?;
        let target = worktree.read_link(found.node().map_err(code)?).map_err(code)?;
        target.to_str().map(str::to_owned).map_err(|_| Code::IllegalByteSequence.into())
    }

    fn read_directory(&mut self, fd: Descriptor) -> FsResult<Resource<wasi::DirectoryEntryStream>> {
        let open = self.open_node(&fd)?;
        let entries = open.worktree().read_dir(open.node).map_err(code)?;
        // Names that are not UTF-8 can't be told in WASI; they stay in snapshots.
        let shown = entries.into_iter().filter_map(|entry| {
            let name = String::from_utf8(entry.name.into()).ok()?;
            Some(wasi::DirectoryEntry { type_: descriptor_type(entry.kind), name })
        });
        let listing = Listing(shown.collect::<Vec<_>>().into_iter());
        let pushed = self.table.push(listing)?;
        self.meter.count_handle(pushed.rep());
        Ok(Resource::new_own(pushed.rep()))
    }

    fn read(&mut self, fd: Descriptor, len: u64, offset: u64) -> FsResult<(Vec<u8>, bool)> {
        let open = self.open_node(&fd)?;
        open.check_open_for(wasi::DescriptorFlags::READ)?;
        let len = len.min(MAX_CHUNK as u64);
        check_place(offset, len)?;
        let bytes = open.worktree().read(open.node, offset, len).map_err(code)?;
        let at_end = (bytes.len() as u64) < len;
        self.transfer_bytes(&bytes).map_err(FsError::trap)?;
        Ok((bytes.to_vec(), at_end))
    }

    fn write(&mut self, fd: Descriptor, bytes: Vec<u8>, offset: u64) -> FsResult<u64> {
        self.transfer_bytes(&bytes).map_err(FsError::trap)?;
        let open = self.open_node(&fd)?;
        open.check_writable()?;
        check_place(offset, bytes.len() as u64)?;
        if !open.is_sink() {
            open.worktree().write(open.node, offset, &bytes).map_err(code)?;
        }
        Ok(bytes.len() as u64)
    }

    fn set_size(&mut self, fd: Descriptor, size: u64) -> FsResult<()> {
        let open = self.open_node(&fd)?;
        open.check_mutable()?;
        // What ftruncate(2) says of a descriptor that is not open for writing.
        open.check_open_for(wasi::DescriptorFlags::WRITE).map_err(|_| Code::Invalid)?;
        check_place(size, 0)?;
        if open.is_sink() {
            return Ok(());
        }
        open.worktree().truncate(open.node, size).map_err(code)
    }

    fn read_via_stream(
        &mut self,
        fd: Descriptor,
        offset: u64,
    ) -> FsResult<Resource<DynInputStream>> {
        let open = self.open_node(&fd)?;
        open.check_open_for(wasi::DescriptorFlags::READ)?;
        let reader: DynInputStream = Box::new(FileReader::new(open.again()?, offset));
        let pushed = self.table.push(reader)?;
        self.meter.count_handle(pushed.rep());
        Ok(pushed)
    }

    fn write_via_stream(
        &mut self,
        fd: Descriptor,
        offset: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.push_writer(&fd, WriteAt::Offset(offset))
    }

    fn append_via_stream(&mut self, fd: Descriptor) -> FsResult<Resource<DynOutputStream>> {
        self.push_writer(&fd, WriteAt::End)
    }

    /// Content is in memory: there is nothing to prepare and nothing to wait for.
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
        Ok(self.open_node(&fd)?.flags())
    }

    fn get_type(&mut self, fd: Descriptor) -> FsResult<wasi::DescriptorType> {
        Ok(descriptor_type(self.open_node(&fd)?.kind))
    }

    fn set_times(
        &mut self,
        fd: Descriptor,
        accessed: wasi::NewTimestamp,
        modified: wasi::NewTimestamp,
    ) -> FsResult<()> {
        let open = self.open_node(&fd)?;
        open.check_mutable()?;
        if open.is_sink() {
            return Ok(());
        }
        let (accessed, modified) = (set_time(accessed), set_time(modified));
        open.worktree().set_times(open.node, accessed, modified).map_err(code)
    }

    fn set_times_at(
        &mut self,
        fd: Descriptor,
        path_flags: wasi::PathFlags,
        path: String,
        accessed: wasi::NewTimestamp,
        modified: wasi::NewTimestamp,
    ) -> FsResult<()> {
        let dir = self.open_dir(&fd)?;
        dir.check_mutable()?;
        let (accessed, modified) = (set_time(accessed), set_time(modified));
        let mut worktree = dir.worktree();
        let found = worktree.resolve(dir.node, bytes(&path), links(path_flags)).map_err(code)?;
        worktree.set_times(found.node().map_err(code)?, accessed, modified).map_err(code)
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

    fn is_same_object(&mut self, a: Descriptor, b: Descriptor) -> wasmtime::Result<bool> {
        let (a, b) = (self.table.get(&ours(&a))?, self.table.get(&ours(&b))?);
        Ok(a.node == b.node && Arc::ptr_eq(&a.worktree, &b.worktree))
    }

    fn metadata_hash(&mut self, fd: Descriptor) -> FsResult<wasi::MetadataHashValue> {
        Ok(identity(&self.metadata(&fd)?, self.open_node(&fd)?.device))
    }

    fn metadata_hash_at(
        &mut self,
        fd: Descriptor,
        path_flags: wasi::PathFlags,
        path: String,
    ) -> FsResult<wasi::MetadataHashValue> {
        let metadata = self.metadata_at(&fd, path_flags, &path)?;
        Ok(identity(&metadata, self.open_node(&fd)?.device))
    }
}
