//! What stands where a push is to write, and whether it may go.
//!
//! Only what is known, and so was pulled, may go; reads no more than tells that.

use std::io;

use super::super::disk::{self, Found, Read};
use super::super::index::Leaf;
use super::{Occasion, Push, leaf_kind};
use crate::objects::EntryKind;
use crate::path::RepoPath;

/// Bytes of a file that are read to find out whether it may go.
const MAX_COMPARED: u64 = 1 << 30;

/// What stands at a place that is to be changed.
pub(super) enum InTheWay {
    Nothing,
    /// What is wanted.
    Same(Leaf),
    /// Something that may go, because it is known or part of what is wanted.
    Expendable(Found),
    Foreign,
}

impl Push<'_> {
    /// Compares what is at a place with what is known of it and what is to be
    /// there.
    pub(super) fn in_the_way(
        &mut self,
        path: &RepoPath,
        known: Option<Leaf>,
        wanted: Option<(EntryKind, &[u8])>,
    ) -> io::Result<InTheWay> {
        let (dir, name) = match self.parent(path) {
            Ok(place) => place,
            // Nothing can be where there is no directory.
            Err(err) if disk::is_replaced(&err) && wanted.is_none() => {
                return Ok(InTheWay::Nothing);
            }
            Err(err) => return Err(err),
        };
        let Some(found) = disk::look(dir, name)? else { return Ok(InTheWay::Nothing) };
        let wanted_kind = wanted.map(|(kind, _)| kind);
        let (read, stat) = match found {
            Found::Directory => {
                let is_wanted = matches!(wanted_kind, Some(EntryKind::Submodule(_)));
                return Ok(match wanted_kind {
                    Some(kind) if is_wanted => InTheWay::Same(Leaf { kind, seen: None }),
                    // It goes only if it is empty, so nothing is lost.
                    _ => InTheWay::Expendable(found),
                });
            }
            Found::Special(_) => return Ok(InTheWay::Foreign),
            Found::File(stat) | Found::Symlink(stat)
                if known.is_some_and(|leaf| leaf.seen == Some(stat)) =>
            {
                return Ok(InTheWay::Expendable(found));
            }
            Found::File(stat) if !self.may_go(stat.size, known, wanted) => {
                return Ok(InTheWay::Foreign);
            }
            Found::File(stat) => (disk::read_file(self.parent(path)?.0, name, MAX_COMPARED)?, stat),
            Found::Symlink(stat) => (disk::read_link(self.parent(path)?.0, name)?, stat),
        };
        let Read::Content(content, _) = read else { return Ok(InTheWay::Foreign) };
        let kind = leaf_kind(found, &content);
        if let Some(kind) = kind.filter(|kind| Some(*kind) == wanted_kind) {
            return Ok(InTheWay::Same(Leaf { kind, seen: Some(stat) }));
        }
        // A push that was killed left the beginning of what it wrote.
        let is_repeated = self.occasion == Occasion::Repeated;
        let is_part = wanted.filter(|_| is_repeated).is_some_and(|(wanted_kind, whole)| {
            matches!((found, wanted_kind), (Found::File(_), EntryKind::File { .. }))
                && whole.starts_with(&content)
        });
        let is_known = known.is_some_and(|leaf| Some(leaf.kind) == kind);
        Ok(if is_part || is_known { InTheWay::Expendable(found) } else { InTheWay::Foreign })
    }

    /// Whether a file of a size can be what is known, what is wanted or part of
    /// that; if not, it need not be read.
    fn may_go(&self, size: u64, known: Option<Leaf>, wanted: Option<(EntryKind, &[u8])>) -> bool {
        let is_wanted = wanted.is_some_and(|(_, content)| match self.occasion {
            Occasion::First => size == content.len() as u64,
            Occasion::Repeated => size <= content.len() as u64,
        });
        let is_known = match known.map(|leaf| leaf.kind) {
            // Where nobody knows the size, the content tells.
            Some(EntryKind::File { id, .. }) => {
                self.objects.blob_size(id).map_or(true, |known| known == size)
            }
            _ => false,
        };
        is_wanted || is_known
    }
}
