//! Content that differs from another in one place, held as what differs.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::clamp;
use crate::lines::{common_end, common_start};
use crate::spill::Charge;

/// Content made of other content, most of which is shared with it.
pub struct EditedContent {
    base: Bytes,
    /// Bytes at the beginning that are those of the base.
    lead: usize,
    middle: Bytes,
    /// Bytes at the end that are those of the base.
    tail: usize,
    _charge: Charge,
}

impl EditedContent {
    /// Content up to this size is held as it is.
    pub(crate) const SMALL: u64 = 4 << 10;

    /// `content` as what differs from `base`, unless that is more than half of it.
    /// The base is charged for too, as nobody else may hold it.
    pub(crate) fn new(base: &Bytes, content: &[u8], mut charge: Charge) -> Result<Self, Charge> {
        let lead = common_start(base, content);
        let rest = |bytes| <[u8]>::get(bytes, lead..).unwrap_or_default();
        let tail = common_end(rest(base), rest(content));
        let middle = content.get(lead..content.len() - tail).unwrap_or_default();
        if content.len() as u64 <= Self::SMALL || middle.len() > content.len() / 2 {
            return Err(charge);
        }
        let middle = Bytes::copy_from_slice(middle);
        charge.set((base.len() + middle.len()).max(content.len()) as u64);
        Ok(Self { base: base.clone(), lead, middle, tail, _charge: charge })
    }

    pub(crate) fn len(&self) -> usize {
        self.lead + self.middle.len() + self.tail
    }

    /// Adds all of it to `out`.
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        let tail = self.base.len() - self.tail;
        for piece in [self.base.get(..self.lead), Some(&self.middle), self.base.get(tail..)] {
            out.extend_from_slice(piece.unwrap_or_default());
        }
    }

    /// Reads up to `len` bytes; fewer at the end, none behind it.
    pub(crate) fn read(&self, offset: u64, len: u64) -> Bytes {
        let Range { start, end } = clamp(self.len(), offset, len);
        if end <= self.lead {
            return self.base.slice(start..end);
        }
        let mut content = BytesMut::with_capacity(end - start);
        let tail = self.base.len() - self.tail..self.base.len();
        let mut before = 0;
        for piece in [self.base.slice(..self.lead), self.middle.clone(), self.base.slice(tail)] {
            let part = |at: usize| at.saturating_sub(before).min(piece.len());
            content.extend_from_slice(&piece.slice(part(start)..part(end)));
            before += piece.len();
        }
        content.freeze()
    }
}
