//! The bytes of a file that was written here: in memory while the budget lasts,
//! on disk beyond it, shared with snapshots until they are written again.

use std::sync::Arc;

use bytes::Bytes;

use super::error::FsError;
use crate::ids::BlobId;
use crate::objects::{BlobContent, EditedContent, ObjectError, clamp};
use crate::spill::{Charge, Spill, Spilled};

pub(super) struct OwnBytes {
    charge: Charge,
    data: Data,
}

enum Data {
    Memory(Vec<u8>),
    /// In memory and part of a snapshot, which counts it.
    Shared(Bytes),
    Spilled(Spilled),
    /// In memory as what differs from the content it was made of.
    Edited(Arc<EditedContent>),
}

/// Bytes that count against a budget as long as anyone has them.
struct Counted {
    bytes: Vec<u8>,
    _charge: Charge,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl OwnBytes {
    pub(super) fn new(spill: &Arc<Spill>, bytes: Vec<u8>) -> Self {
        let charge = Charge::new(spill.clone(), bytes.len() as u64);
        Self { charge, data: Data::Memory(bytes) }
    }

    /// A copy of `bytes`, on disk if the budget says so.
    pub(super) fn of(spill: &Arc<Spill>, bytes: &[u8]) -> Result<Self, FsError> {
        let mut own = Self::new(spill, Vec::new());
        own.write(0, bytes)?;
        Ok(own)
    }

    /// A copy of the first `kept` bytes of a blob.
    pub(super) fn copied(
        spill: &Arc<Spill>,
        content: &BlobContent,
        kept: u64,
    ) -> Result<Self, FsError> {
        let mut own = Self::new(spill, Vec::new());
        own.data = match content {
            BlobContent::Memory(bytes) => Data::Shared(bytes.clone()),
            BlobContent::Spilled(spilled) => Data::Spilled(spilled.clone()),
            BlobContent::Edited(edited) => Data::Edited(edited.clone()),
        };
        if kept < own.len() {
            own.truncate(kept)?;
        }
        Ok(own)
    }

    pub(super) fn len(&self) -> u64 {
        match &self.data {
            Data::Memory(bytes) => bytes.len() as u64,
            Data::Shared(bytes) => bytes.len() as u64,
            Data::Spilled(spilled) => spilled.len(),
            Data::Edited(edited) => edited.len() as u64,
        }
    }

    /// Reads up to `len` bytes; fewer at the end, none behind it.
    pub(super) fn read(&self, offset: u64, len: u64) -> Result<Bytes, FsError> {
        match &self.data {
            Data::Memory(bytes) => {
                let range = clamp(bytes.len(), offset, len);
                Ok(bytes.get(range).map(Bytes::copy_from_slice).unwrap_or_default())
            }
            Data::Shared(bytes) => Ok(bytes.slice(clamp(bytes.len(), offset, len))),
            Data::Spilled(spilled) => Ok(spilled.read(offset, len)?),
            Data::Edited(edited) => Ok(edited.read(offset, len)),
        }
    }

    /// Writes `data` at `offset`; a gap before it becomes zeros.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), FsError> {
        let end = offset.saturating_add(data.len() as u64);
        let bytes = match self.for_len(self.len().max(end))? {
            Place::Disk(spilled) => return Ok(spilled.write(offset, data)?),
            Place::Memory(bytes) => bytes,
        };
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
        self.charge.set(self.in_memory());
        Ok(())
    }

    /// Drops content that need not be copied, as all of it is to be written again.
    pub(super) fn forget_shared(&mut self) {
        if matches!(self.data, Data::Shared(_) | Data::Edited(_)) {
            self.data = Data::Memory(Vec::new());
        }
    }

    /// Cuts the content to `len` bytes, or extends it with zeros.
    pub(super) fn truncate(&mut self, len: u64) -> Result<(), FsError> {
        let shrinks = len < self.len();
        if len == 0 {
            self.data = Data::Memory(Vec::new());
        } else if let (Data::Shared(bytes), true) = (&mut self.data, shrinks) {
            bytes.truncate(to_index(len)?);
        } else {
            match self.for_len(len)? {
                Place::Disk(spilled) => spilled.truncate(len)?,
                Place::Memory(bytes) => {
                    bytes.resize(to_index(len)?, 0);
                    bytes.shrink_to(to_index(len.saturating_mul(2))?);
                }
            }
        }
        self.charge.set(self.in_memory());
        Ok(())
    }

    /// The content as it is now. It costs no copy of what will not be written again.
    pub(super) fn share(&mut self) -> BlobContent {
        match &mut self.data {
            Data::Shared(bytes) => BlobContent::Memory(bytes.clone()),
            Data::Spilled(spilled) => BlobContent::Spilled(spilled.clone()),
            Data::Edited(edited) => BlobContent::Edited(edited.clone()),
            Data::Memory(bytes) => {
                let mut bytes = std::mem::take(bytes);
                bytes.shrink_to_fit();
                let fresh = Charge::new(self.charge.spill().clone(), 0);
                let charge = std::mem::replace(&mut self.charge, fresh);
                let shared = Bytes::from_owner(Counted { bytes, _charge: charge });
                self.data = Data::Shared(shared.clone());
                BlobContent::Memory(shared)
            }
        }
    }

    /// Whether only what differs from other content might be held.
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self.data, Data::Memory(_))
    }

    /// Holds only what differs from `base`, if that is much less; whether it is.
    pub(super) fn hold_as_edit_of(&mut self, base: &Bytes) -> bool {
        let Data::Memory(bytes) = &self.data else { return false };
        let fresh = Charge::new(self.charge.spill().clone(), 0);
        let charge = std::mem::replace(&mut self.charge, fresh);
        match EditedContent::new(base, bytes, charge) {
            Ok(edited) => {
                self.data = Data::Edited(Arc::new(edited));
                true
            }
            Err(charge) => {
                self.charge = charge;
                false
            }
        }
    }

    /// The id of the blob it would be.
    pub(super) fn id(&self) -> Result<BlobId, ObjectError> {
        match &self.data {
            Data::Memory(bytes) => Ok(BlobId::of(bytes)),
            Data::Shared(bytes) => Ok(BlobId::of(bytes)),
            Data::Spilled(spilled) => BlobContent::Spilled(spilled.clone()).id(),
            Data::Edited(edited) => BlobContent::Edited(edited.clone()).id(),
        }
    }

    fn in_memory(&self) -> u64 {
        match &self.data {
            Data::Memory(bytes) => bytes.len() as u64,
            Data::Shared(_) | Data::Spilled(_) | Data::Edited(_) => 0,
        }
    }

    /// Where content that will have `len` bytes is to be changed. Moves it there.
    fn for_len(&mut self, len: u64) -> Result<Place<'_>, FsError> {
        let spill = self.charge.spill().clone();
        let more = len.saturating_sub(self.in_memory());
        let spilled = match &self.data {
            Data::Memory(bytes) if spill.wants(len, more) => Some(Spilled::of(spill, bytes)?),
            Data::Shared(bytes) if spill.wants(len, more) => Some(Spilled::of(spill, bytes)?),
            Data::Edited(edited) if spill.wants(len, more) => {
                Some(Spilled::of(spill, &edited.read(0, u64::MAX))?)
            }
            Data::Memory(_) | Data::Shared(_) | Data::Spilled(_) | Data::Edited(_) => None,
        };
        if let Some(spilled) = spilled {
            self.data = Data::Spilled(spilled);
            self.charge.set(0);
        }
        if matches!(self.data, Data::Shared(_) | Data::Edited(_)) {
            let mut own = Vec::new();
            let capacity = to_index(len.max(self.len()))?;
            own.try_reserve(capacity).map_err(|_| FsError::Quota)?;
            match &self.data {
                Data::Shared(bytes) => own.extend_from_slice(bytes),
                Data::Edited(edited) => edited.append_to(&mut own),
                Data::Memory(_) | Data::Spilled(_) => {}
            }
            self.data = Data::Memory(own);
            self.charge.set(self.in_memory());
        }
        match &mut self.data {
            Data::Spilled(spilled) => Ok(Place::Disk(spilled)),
            Data::Memory(bytes) => {
                let more = to_index(len)?.saturating_sub(bytes.len());
                bytes.try_reserve(more).map_err(|_| FsError::Quota)?;
                Ok(Place::Memory(bytes))
            }
            Data::Shared(_) | Data::Edited(_) => Err(FsError::Invalid),
        }
    }
}

enum Place<'a> {
    Memory(&'a mut Vec<u8>),
    Disk(&'a mut Spilled),
}

fn to_index(at: u64) -> Result<usize, FsError> {
    usize::try_from(at).map_err(|_| FsError::FileTooLarge)
}
