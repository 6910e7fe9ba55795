//! Reading and writing files.

use bytes::Bytes;

use super::Worktree;
use super::error::FsError;
use super::node::{Body, Content, NodeId};
use super::own::OwnBytes;
use crate::ids::BlobId;
use crate::objects::{BlobContent, EditedContent};

/// The largest size a file may have, 1 TiB; the quota is usually met before.
pub const MAX_FILE: u64 = 1 << 40;

/// Largest content on disk that is taken into memory as a whole, 256 MiB.
const MAX_WHOLE: u64 = 256 << 20;

/// Largest file of which only what was changed is held, and largest blob that it
/// may be made of, 1 MiB. Every write to it costs its size.
const MAX_EDITED: u64 = 1 << 20;

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
            Content::Own { bytes, .. } => bytes.read(offset, len),
            Content::Stored { held: Some(held), .. } => Ok(held.read(offset, len)?),
            Content::Stored { .. } => Ok(self.content_of(id)?.read(offset, len)?),
        }
    }

    /// Writes all of `data` at `offset`. A gap before it becomes zeros.
    pub fn write(&mut self, id: NodeId, offset: u64, data: &[u8]) -> Result<(), FsError> {
        self.check_change(id)?;
        let size = self.file_size(id)?;
        if data.is_empty() {
            return Ok(());
        }
        let end = offset.checked_add(data.len() as u64).ok_or(FsError::FileTooLarge)?;
        let kept = if offset == 0 && end >= size { 0 } else { size };
        self.change(id, kept, size.max(end), |bytes| {
            if kept == 0 {
                bytes.forget_shared();
            }
            bytes.write(offset, data)
        })
    }

    /// Writes all of `data` at the end.
    pub fn append(&mut self, id: NodeId, data: &[u8]) -> Result<(), FsError> {
        let size = self.file_size(id)?;
        self.write(id, size, data)
    }

    /// Cuts a file to `len` bytes, or extends it with zeros.
    pub fn truncate(&mut self, id: NodeId, len: u64) -> Result<(), FsError> {
        self.check_change(id)?;
        self.file(id)?;
        // Cutting to nothing must work where the content is missing.
        let size = if len == 0 { None } else { Some(self.file_size(id)?) };
        if size != Some(len) {
            let kept = size.map_or(0, |size| size.min(len));
            return self.change(id, kept, len, |bytes| bytes.truncate(len));
        }
        self.note_written(id)
    }

    /// Sets or clears the executable bit of a file.
    pub fn set_executable(&mut self, id: NodeId, wanted: Executable) -> Result<(), FsError> {
        self.check_change(id)?;
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

    /// All bytes of a file or symlink, unless they are too many to be held.
    pub(super) fn all_bytes(&mut self, id: NodeId) -> Result<Bytes, FsError> {
        let whole = |content: &BlobContent| match content {
            BlobContent::Spilled(spilled) if spilled.len() > MAX_WHOLE => {
                Err(FsError::FileTooLarge)
            }
            content => Ok(content.bytes()?),
        };
        match self.nodes.get(id)?.body.content() {
            Some(Content::Own { bytes, .. }) if bytes.len() > MAX_WHOLE => {
                Err(FsError::FileTooLarge)
            }
            Some(Content::Own { bytes, .. }) => bytes.read(0, u64::MAX),
            _ => whole(&self.content_of(id)?),
        }
    }

    /// The content of a file or symlink that came from the object source.
    fn content_of(&mut self, id: NodeId) -> Result<BlobContent, FsError> {
        let node = self.nodes.get(id)?;
        let (blob, is_open) = match node.body.content() {
            None => return Err(FsError::IsDirectory),
            Some(Content::Own { .. }) => return Err(FsError::Invalid),
            Some(Content::Stored { held: Some(content), .. }) => return Ok(content.clone()),
            Some(Content::Stored { id, .. }) => (*id, node.handles > 0),
        };
        let content = self.blob(id, blob)?;
        if let Some(Content::Stored { size, held, .. }) = self.nodes.get_mut(id)?.body.content_mut()
        {
            *size = Some(content.len());
            *held = is_open.then(|| content.clone());
        }
        Ok(content)
    }

    pub(super) fn blob(&mut self, node: NodeId, blob: BlobId) -> Result<BlobContent, FsError> {
        if let Some((id, content)) = &self.recent
            && *id == blob
        {
            return Ok(content.clone());
        }
        let read = self.objects.content(blob);
        let content = read.map_err(|err| FsError::at(self.path_of(node), err))?;
        self.recent = Some((blob, content.clone()));
        Ok(content)
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
            None => Ok(self.content_of(id)?.len()),
        }
    }

    /// Changes a file's bytes, of which at least the first `kept` are wanted, after
    /// checking that there may be `len`.
    fn change(
        &mut self,
        id: NodeId,
        kept: u64,
        len: u64,
        change: impl FnOnce(&mut OwnBytes) -> Result<(), FsError>,
    ) -> Result<(), FsError> {
        if len > MAX_FILE {
            return Err(FsError::FileTooLarge);
        }
        let counted = self.nodes.get(id)?.body.own_len();
        self.meter.check(counted, len, 0)?;
        if let Content::Stored { id: origin, .. } = self.file(id)? {
            let origin = Some(*origin);
            let own = if kept > 0 {
                let old = self.content_of(id)?;
                OwnBytes::copied(&self.spill, &old, kept)?
            } else {
                OwnBytes::new(&self.spill, Vec::new())
            };
            if let Some(content) = self.nodes.get_mut(id)?.body.content_mut() {
                *content = Content::Own { bytes: own, saved: None, origin };
            }
        }
        let Some(Content::Own { bytes, saved, .. }) = self.nodes.get_mut(id)?.body.content_mut()
        else {
            return Err(FsError::Invalid);
        };
        *saved = None;
        let changed = change(bytes);
        let now = bytes.len();
        self.meter.replace(counted, now);
        // Even a write that failed may have changed something.
        self.note_written(id)?;
        changed
    }

    /// Holds a file as what differs from the blob it was made of, where that is
    /// little. Tried once: a file for which it fails is held whole from then on.
    pub(super) fn hold_as_edit(&mut self, id: NodeId) {
        let Ok(Content::Own { bytes, origin: Some(origin), .. }) = self.file(id) else { return };
        if !bytes.is_in_memory() || bytes.len() <= EditedContent::SMALL {
            return;
        }
        let (len, origin) = (bytes.len(), *origin);
        let most = MAX_EDITED.min(2 * len);
        let fits =
            len <= MAX_EDITED && self.objects.blob_size(origin).is_ok_and(|size| size <= most);
        let base = if fits { self.objects.content(origin).ok() } else { None };
        let node = self.nodes.get_mut(id);
        if let Ok(Some(Content::Own { bytes, origin, .. })) =
            node.map(|node| node.body.content_mut())
        {
            let held =
                matches!(&base, Some(BlobContent::Memory(base)) if bytes.hold_as_edit_of(base));
            if !held {
                *origin = None;
            }
        }
    }

    fn note_written(&mut self, id: NodeId) -> Result<(), FsError> {
        let now = self.clock.tick();
        self.nodes.get_mut(id)?.modify(now);
        self.mark_changed_above(id);
        Ok(())
    }
}
