//! Content that differs from another in one place, held as what differs.

use bytes::{Bytes, BytesMut};

use crate::lines::{common_end, common_start};
use crate::spill::Charge;

/// Content up to this size is held as it is.
const SMALL: usize = 4 << 10;

/// Content made of other content, most of which is shared with it.
pub struct Edited {
    base: Bytes,
    /// Bytes at the beginning that are those of the base.
    lead: usize,
    middle: Bytes,
    /// Bytes at the end that are those of the base.
    tail: usize,
    _charge: Charge,
}

impl Edited {
    /// `content` as what differs from `base`, unless that is more than half of it.
    /// The charge is kept: nobody else may hold the base.
    pub(crate) fn new(base: &Bytes, content: &[u8], charge: Charge) -> Result<Self, Charge> {
        let lead = common_start(base, content);
        let rest = |bytes| <[u8]>::get(bytes, lead..).unwrap_or_default();
        let tail = common_end(rest(base), rest(content));
        let middle = content.get(lead..content.len() - tail).unwrap_or_default();
        if content.len() <= SMALL || middle.len() > content.len() / 2 {
            return Err(charge);
        }
        let middle = Bytes::copy_from_slice(middle);
        Ok(Self { base: base.clone(), lead, middle, tail, _charge: charge })
    }

    pub(crate) fn len(&self) -> usize {
        self.lead + self.middle.len() + self.tail
    }

    /// Reads up to `len` bytes; fewer at the end, none behind it.
    pub(crate) fn read(&self, offset: u64, len: u64) -> Bytes {
        let within = |at: u64| usize::try_from(at).map_or(self.len(), |at| at.min(self.len()));
        let (start, end) = (within(offset), within(offset.saturating_add(len)));
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
