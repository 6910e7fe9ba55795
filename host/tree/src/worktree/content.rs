//! Reading and writing files.

use bytes::Bytes;

use super::error::FsError;
use super::node::{Body, Content, NodeId};
use super::{Access, Worktree};
use crate::ids::BlobId;

/// The largest size a file may have, 1 TiB; the quota is usually met before.
pub const MAX_FILE: u64 = 1 << 40;

/// Whether a file's executable bit is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executable {
    /// It is.
    Yes,
    /// It is not.
    No,
}

impl Worktree {
    /// Reads up to `len` bytes of a file; fewer at its end, none behind it.
    pub fn read(&mut self, id: NodeId, offset: u64, len: u64) -> Result<Bytes, FsError> {
        match self.file(id)? {
            Content::Own { bytes, .. } => {
                let range = clamp(bytes.len(), offset, len);
                Ok(bytes.get(range).map(Bytes::copy_from_slice).unwrap_or_default())
            }
            Content::Stored { .. } => {
                let bytes = self.all_bytes(id)?;
                Ok(bytes.slice(clamp(bytes.len(), offset, len)))
            }
        }
    }

    /// Writes all of `data` at `offset`. A gap before it becomes zeros.
    pub fn write(&mut self, id: NodeId, offset: u64, data: &[u8]) -> Result<(), FsError> {
        self.check_writable()?;
        let size = self.file_size(id)?;
        if data.is_empty() {
            return Ok(());
        }
        let end = offset.checked_add(data.len() as u64).ok_or(FsError::FileTooLarge)?;
        let kept = if offset == 0 && end >= size { 0 } else { size };
        let bytes = self.own_bytes(id, kept, size.max(end))?;
        let (start, end) = (to_index(offset)?, to_index(end)?);
        if start == bytes.len() {
            bytes.extend_from_slice(data);
        } else {
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            if let Some(target) = bytes.get_mut(start..end) {
                target.copy_from_slice(data);
            }
        }
        self.note_written(id)
    }

    /// Writes all of `data` at the end.
    pub fn append(&mut self, id: NodeId, data: &[u8]) -> Result<(), FsError> {
        let size = self.file_size(id)?;
        self.write(id, size, data)
    }

    /// Cuts a file to `len` bytes, or extends it with zeros.
    pub fn truncate(&mut self, id: NodeId, len: u64) -> Result<(), FsError> {
        self.check_writable()?;
        self.file(id)?;
        // Cutting to nothing must work where the content is missing.
        let size = if len == 0 { None } else { Some(self.file_size(id)?) };
        if size != Some(len) {
            let bytes = self.own_bytes(id, size.map_or(0, |size| size.min(len)), len)?;
            bytes.resize(to_index(len)?, 0);
            bytes.shrink_to(to_index(len.saturating_mul(2))?);
        }
        self.note_written(id)
    }

    /// Sets or clears the executable bit of a file.
    pub fn set_executable(&mut self, id: NodeId, wanted: Executable) -> Result<(), FsError> {
        self.check_writable()?;
        let wanted = wanted == Executable::Yes;
        match &mut self.nodes.get_mut(id)?.body {
            Body::File { executable, .. } if *executable == wanted => return Ok(()),
            Body::File { executable, .. } => *executable = wanted,
            Body::Directory(_) | Body::Submodule(_) => return Err(FsError::IsDirectory),
            Body::Symlink(_) => return Err(FsError::Invalid),
        }
        let now = self.clock.tick();
        self.nodes.get_mut(id)?.change(now);
        self.mark_changed_above(id);
        Ok(())
    }

    /// All bytes of a file or symlink.
    pub(super) fn all_bytes(&mut self, id: NodeId) -> Result<Bytes, FsError> {
        let node = self.nodes.get(id)?;
        let (blob, is_open) = match node.body.content() {
            None => return Err(FsError::IsDirectory),
            Some(Content::Own { bytes, .. }) => return Ok(Bytes::copy_from_slice(bytes)),
            Some(Content::Stored { held: Some(bytes), .. }) => return Ok(bytes.clone()),
            Some(Content::Stored { id, .. }) => (*id, node.handles > 0),
        };
        let bytes = self.blob(id, blob)?;
        if let Some(Content::Stored { size, held, .. }) = self.nodes.get_mut(id)?.body.content_mut()
        {
            *size = Some(bytes.len() as u64);
            *held = is_open.then(|| bytes.clone());
        }
        Ok(bytes)
    }

    fn blob(&mut self, node: NodeId, blob: BlobId) -> Result<Bytes, FsError> {
        if let Some((id, bytes)) = &self.recent
            && *id == blob
        {
            return Ok(bytes.clone());
        }
        let read = self.objects.blob(blob);
        let bytes = read.map_err(|err| FsError::at(self.path_of(node), err))?;
        self.recent = Some((blob, bytes.clone()));
        Ok(bytes)
    }

    /// The content of a file; an error for anything else.
    pub(super) fn file(&self, id: NodeId) -> Result<&Content, FsError> {
        match &self.nodes.get(id)?.body {
            Body::File { content, .. } => Ok(content),
            Body::Directory(_) | Body::Submodule(_) => Err(FsError::IsDirectory),
            Body::Symlink(_) => Err(FsError::Invalid),
        }
    }

    /// The size of a file, by reading it where nobody knows.
    fn file_size(&mut self, id: NodeId) -> Result<u64, FsError> {
        self.file(id)?;
        match self.size_of(id)? {
            Some(size) => Ok(size),
            None => Ok(self.all_bytes(id)?.len() as u64),
        }
    }

    /// The file's bytes to change, at least the first `kept` of them, after
    /// counting that there will be `len`.
    fn own_bytes(&mut self, id: NodeId, kept: u64, len: u64) -> Result<&mut Vec<u8>, FsError> {
        if len > MAX_FILE {
            return Err(FsError::FileTooLarge);
        }
        let counted = self.nodes.get(id)?.body.own_len();
        self.meter.check(counted, len, 0)?;
        if matches!(self.file(id)?, Content::Stored { .. }) {
            let mut own = Vec::new();
            own.try_reserve(to_index(len)?).map_err(|_| FsError::Quota)?;
            if kept > 0 {
                let old = self.all_bytes(id)?;
                own.extend_from_slice(&old.slice(clamp(old.len(), 0, kept)));
            }
            if let Some(content) = self.nodes.get_mut(id)?.body.content_mut() {
                *content = Content::own(own);
            }
        }
        let Some(Content::Own { bytes, saved }) = self.nodes.get_mut(id)?.body.content_mut() else {
            return Err(FsError::Invalid);
        };
        let more = to_index(len)?.saturating_sub(bytes.len());
        bytes.try_reserve(more).map_err(|_| FsError::Quota)?;
        self.meter.replace(counted, len);
        *saved = None;
        Ok(bytes)
    }

    fn note_written(&mut self, id: NodeId) -> Result<(), FsError> {
        let now = self.clock.tick();
        self.nodes.get_mut(id)?.modify(now);
        self.mark_changed_above(id);
        Ok(())
    }

    pub(super) fn check_writable(&self) -> Result<(), FsError> {
        match self.access {
            Access::ReadOnly => Err(FsError::ReadOnly),
            Access::ReadWrite => Ok(()),
        }
    }
}

/// The part of `offset..offset + len` that lies within `size` bytes.
fn clamp(size: usize, offset: u64, len: u64) -> std::ops::Range<usize> {
    let within = |at: u64| usize::try_from(at).map_or(size, |at| at.min(size));
    within(offset)..within(offset.saturating_add(len))
}

fn to_index(at: u64) -> Result<usize, FsError> {
    usize::try_from(at).map_err(|_| FsError::FileTooLarge)
}
