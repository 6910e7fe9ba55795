//! Merge of one file.

use std::cell::RefCell;

use bstr::ByteSlice;
use bytes::Bytes;

use super::collect::{BASE, OURS, Stages, THEIRS};
use super::text::{self, OnConflict};
use super::union::Globs;
use super::{MergeError, MergeRequest};
use crate::database::ObjectDatabase;
use crate::ids::BlobId;
use crate::lines::{self, Work};
use crate::objects::{EntryKind, Objects};
use crate::patch::is_binary;
use crate::path::RepoPath;

/// A merged file.
#[derive(Debug, Clone, Copy)]
pub(super) struct MergedFile {
    pub(super) entry: EntryKind,
    pub(super) clean: bool,
    /// Whether the entry is ours because nothing could be merged.
    pub(super) kept_ours: bool,
}

/// How long the lines are that mark a conflict.
#[derive(Clone, Copy)]
pub(super) enum Markers {
    /// As everywhere.
    Plain,
    /// One longer, for content that may come to stand inside another conflict.
    Nested,
}

/// Merges contents in a database.
pub(super) struct Contents<'a> {
    pub(super) db: &'a ObjectDatabase,
    pub(super) request: &'a MergeRequest,
    pub(super) union: Globs,
    /// What comparing texts may take, for the whole merge.
    pub(super) work: RefCell<Work>,
}

impl Contents<'_> {
    /// Merges a file that both sides have, with the same type.
    pub(super) fn merge(
        &self,
        path: &RepoPath,
        stages: &Stages,
        markers: Markers,
    ) -> Result<Option<MergedFile>, MergeError> {
        let (Some(ours), Some(theirs)) = (stages.entry(OURS), stages.entry(THEIRS)) else {
            return Ok(None);
        };
        let base = stages.entry(BASE);
        let trivial = |entry| MergedFile { entry, clean: true, kept_ours: false };
        let kept = MergedFile { entry: ours, clean: false, kept_ours: true };
        let (
            EntryKind::File { id: our_id, executable: our_bit },
            EntryKind::File { id: their_id, executable: their_bit },
        ) = (ours, theirs)
        else {
            return Ok(Some(match base {
                _ if ours == theirs => trivial(ours),
                base if base == Some(ours) => trivial(theirs),
                base if base == Some(theirs) => trivial(ours),
                _ => kept,
            }));
        };
        let (base_id, base_bit) = match base {
            Some(EntryKind::File { id, executable }) => (Some(id), Some(executable)),
            _ => (None, None),
        };
        let (executable, bit_clean) = if our_bit == their_bit || Some(our_bit) == base_bit {
            (their_bit, true)
        } else {
            (our_bit, Some(their_bit) == base_bit)
        };
        let file = |id| EntryKind::File { id, executable };
        let merged = if our_id == their_id || base_id == Some(our_id) {
            trivial(file(their_id))
        } else if base_id == Some(their_id) {
            trivial(file(our_id))
        } else {
            let labels = self.labels(path, stages);
            let (id, clean) =
                self.text(path, [base_id, Some(our_id), Some(their_id)], &labels, markers)?;
            MergedFile { entry: file(id), clean, kept_ours: id == our_id }
        };
        Ok(Some(MergedFile { clean: merged.clean && bit_clean, ..merged }))
    }

    /// The labels, with the path of each side where a rename makes them differ.
    fn labels(&self, path: &RepoPath, stages: &Stages) -> [Vec<u8>; 2] {
        let [base, ours, theirs] = stages.paths.each_ref().map(|own| own.as_ref().unwrap_or(path));
        let labels = &self.request.labels;
        if base == ours && ours == theirs {
            return [labels.ours.clone().into_bytes(), labels.theirs.clone().into_bytes()];
        }
        let with_path = |label: &str, path: &RepoPath| {
            [label.as_bytes(), b":", path.as_bstr().as_bytes()].concat()
        };
        [with_path(&labels.ours, ours), with_path(&labels.theirs, theirs)]
    }

    fn text(
        &self,
        path: &RepoPath,
        ids: [Option<BlobId>; 3],
        [ours_label, theirs_label]: &[Vec<u8>; 2],
        markers: Markers,
    ) -> Result<(BlobId, bool), MergeError> {
        let read = |id: Option<BlobId>| id.map_or(Ok(Bytes::new()), |id| self.db.blob(id));
        let [base, ours, theirs] = ids.map(read);
        let (base, ours, theirs) = (base?, ours?, theirs?);
        let [_, our_id, _] = ids;
        if [&base, &ours, &theirs]
            .into_iter()
            .any(|content| is_binary(content) || lines::are_too_many(content))
        {
            return Ok((our_id.unwrap_or(BlobId::of(&ours)), false));
        }
        let marker_size = match markers {
            Markers::Plain => PLAIN_MARKER,
            Markers::Nested => NESTED_MARKER,
        };
        let on_conflict = if self.union.cover(path) {
            OnConflict::Union
        } else {
            OnConflict::Mark { marker_size, labels: [ours_label, theirs_label] }
        };
        let merged = self
            .work
            .borrow_mut()
            .share(|work| text::merge(&base, &ours, &theirs, on_conflict, work));
        let id = self.db.store_blob(&merged.content)?;
        Ok((id, merged.clean))
    }
}

const PLAIN_MARKER: usize = 7;
const NESTED_MARKER: usize = 8;
