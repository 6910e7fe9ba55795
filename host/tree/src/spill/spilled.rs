//! Content in a spill file.

use std::sync::Arc;

use bytes::Bytes;

use super::{BLOCK, Spill, SpillError};

/// Content in blocks of a [`Spill`]'s file. A clone costs its list of blocks and
/// keeps what it had when it was made.
#[derive(Clone)]
pub struct Spilled {
    spill: Arc<Spill>,
    /// As many as the length asks for; none where only zeros are. Behind the
    /// length the last one may hold anything.
    blocks: Vec<Option<Arc<Block>>>,
    len: u64,
}

struct Block {
    spill: Arc<Spill>,
    number: u32,
}

impl Drop for Block {
    fn drop(&mut self) {
        self.spill.give_back(self.number);
    }
}

/// A part of content that lies in one block or in blocks one after another.
struct Run {
    /// The first block; none for zeros.
    number: Option<u32>,
    within: usize,
    len: usize,
}

impl Spilled {
    /// No content yet.
    pub(crate) fn empty(spill: Arc<Spill>) -> Self {
        Self { spill, blocks: Vec::new(), len: 0 }
    }

    /// The same content as `bytes`.
    pub(crate) fn of(spill: Arc<Spill>, bytes: &[u8]) -> Result<Self, SpillError> {
        let mut content = Self::empty(spill);
        content.write(0, bytes)?;
        Ok(content)
    }

    /// Bytes of content.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no content.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads up to `len` bytes; fewer at the end, none behind it.
    pub fn read(&self, offset: u64, len: u64) -> Result<Bytes, SpillError> {
        let len = len.min(self.len.saturating_sub(offset));
        let len = usize::try_from(len).map_err(|_| SpillError::Full)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| SpillError::Full)?;
        bytes.resize(len, 0);
        let mut rest = bytes.as_mut_slice();
        for run in self.runs(offset, len) {
            let Some((target, behind)) = rest.split_at_mut_checked(run.len) else { break };
            if let Some(number) = run.number {
                self.spill.read_at(number, run.within, target)?;
            }
            rest = behind;
        }
        Ok(bytes.into())
    }

    /// Writes `data` at `offset`; a gap before it becomes zeros. When that fails,
    /// the length is as before and what was to be overwritten may be in part.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), SpillError> {
        let end = offset.checked_add(data.len() as u64).ok_or(SpillError::Full)?;
        let written = self.prepare(offset, end).and_then(|()| self.put(offset, data));
        match written {
            Ok(()) => self.len = self.len.max(end),
            Err(_) => self.blocks.truncate(block_count(self.len)),
        }
        written
    }

    /// Cuts the content to `len` bytes, or extends it with zeros.
    pub(crate) fn truncate(&mut self, len: u64) -> Result<(), SpillError> {
        if len > self.len {
            self.clear_tail(len)?;
        }
        self.blocks.resize(block_count(len), None);
        self.len = len;
        Ok(())
    }

    /// Makes all blocks from `offset` to `end` this content's own.
    fn prepare(&mut self, offset: u64, end: u64) -> Result<(), SpillError> {
        if offset > self.len {
            self.clear_tail(offset)?;
        }
        let needed = block_count(end);
        if self.blocks.len() < needed {
            self.blocks.resize(needed, None);
        }
        let first = index(offset / BLOCK as u64);
        let is_shared = |block: &mut Option<Arc<Block>>| {
            block.as_mut().is_none_or(|block| Arc::get_mut(block).is_none())
        };
        let range = self.blocks.iter_mut().enumerate().take(needed).skip(first);
        let shared: Vec<_> =
            range.filter_map(|(at, block)| is_shared(block).then_some(at)).collect();
        // All are there before the first is put in its place.
        let fresh = shared.iter().map(|_| {
            let number = self.spill.take()?;
            Ok(Block { number, spill: self.spill.clone() })
        });
        let fresh = fresh.collect::<Result<Vec<_>, SpillError>>()?;
        for (at, fresh) in shared.into_iter().zip(fresh) {
            self.replace_block(at, fresh, offset, end)?;
        }
        Ok(())
    }

    /// Puts a fresh block in the place of a shared one or of a hole, with what it
    /// held, unless all of that is about to be overwritten.
    fn replace_block(
        &mut self,
        at: usize,
        fresh: Block,
        offset: u64,
        end: u64,
    ) -> Result<(), SpillError> {
        let start = at as u64 * BLOCK as u64;
        let is_overwritten = offset <= start && end >= (start + BLOCK as u64).min(self.len);
        let Some(block) = self.blocks.get_mut(at) else { return Ok(()) };
        if let Some(shared) = block
            && !is_overwritten
        {
            let mut copy = vec![0; BLOCK];
            self.spill.read_at(shared.number, 0, &mut copy)?;
            self.spill.write_at(fresh.number, 0, &copy)?;
        }
        *block = Some(Arc::new(fresh));
        Ok(())
    }

    fn put(&self, offset: u64, data: &[u8]) -> Result<(), SpillError> {
        let mut rest = data;
        for run in self.runs(offset, data.len()) {
            let Some((bytes, behind)) = rest.split_at_checked(run.len) else { break };
            if let Some(number) = run.number {
                self.spill.write_at(number, run.within, bytes)?;
            }
            rest = behind;
        }
        Ok(())
    }

    /// Clears what the last block holds between the length and `to`.
    fn clear_tail(&mut self, to: u64) -> Result<(), SpillError> {
        let within = index(self.len % BLOCK as u64);
        let has_tail = within > 0 && matches!(self.blocks.last(), Some(Some(_)));
        if !has_tail {
            return Ok(());
        }
        let tail = usize::try_from(to - self.len).map_or(BLOCK, |gap| gap.min(BLOCK));
        let tail = tail.min(BLOCK - within);
        let (len, zeros) = (self.len, vec![0; tail]);
        self.prepare(len, len + tail as u64)?;
        self.put(len, &zeros)
    }

    /// The places of `len` bytes from `offset` on, neighbours as one.
    fn runs(&self, offset: u64, len: usize) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut left = len;
        let mut within = index(offset % BLOCK as u64);
        let first = index(offset / BLOCK as u64);
        for block in self.blocks.iter().skip(first) {
            if left == 0 {
                break;
            }
            let len = left.min(BLOCK - within);
            let number = block.as_ref().map(|block| block.number);
            match runs.last_mut() {
                Some(last) if follows(last, number) => last.len += len,
                _ => runs.push(Run { number, within, len }),
            }
            left -= len;
            within = 0;
        }
        runs
    }
}

/// Whether block `number` lies right behind a run, which ends with its block.
fn follows(run: &Run, number: Option<u32>) -> bool {
    match (run.number, number) {
        (None, None) => true,
        (Some(first), Some(number)) => {
            let blocks = (run.within + run.len).div_ceil(BLOCK);
            number as usize == first as usize + blocks
        }
        _ => false,
    }
}

fn block_count(len: u64) -> usize {
    index(len.div_ceil(BLOCK as u64))
}

/// A file has at most 2^40 bytes, so that its blocks can be counted.
fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
