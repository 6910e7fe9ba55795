//! The merge itself, by gix.

use std::cell::RefCell;
use std::num::NonZeroU8;

use bstr::ByteSlice;
use gix::diff::blob as diff_blob;
use gix::merge::blob as merge_blob;
use gix::merge::blob::builtin_driver::text;
use gix::merge::plumbing::tree::{Conflict, Options, Resolution, TreatAsUnresolved};
use gix::objs::{Data, Find, FindHeader, Header, Kind};
use gix::worktree::stack::State;
use gix::worktree::stack::state::Attributes;

use super::{MergeError, MergeRequest};
use crate::database::ObjectDatabase;
use crate::diff::Renames;
use crate::ids::TreeId;

/// Git's `merge.renameLimit`.
const RENAME_LIMIT: usize = 7000;

const MARKER_SIZE: NonZeroU8 = NonZeroU8::new(7).unwrap();

const OBJECT_CACHE: usize = 32 << 20;

/// What gix makes of a merge.
pub(super) struct Outcome {
    pub(super) tree: TreeId,
    /// Those that git would count.
    pub(super) conflicts: Vec<Conflict>,
    /// Files that were moved because their directory was.
    pub(super) relocated: Vec<Conflict>,
}

pub(super) fn merge(
    db: &ObjectDatabase,
    request: &MergeRequest,
    renames: Renames,
) -> Result<Outcome, MergeError> {
    let mut repository = db.repository();
    repository.object_cache_size(OBJECT_CACHE);
    let objects = Source { below: &repository.objects, missing: RefCell::default() };
    let labels = text::Labels {
        ancestor: None,
        current: Some(request.labels.ours.as_bytes().as_bstr()),
        other: Some(request.labels.theirs.as_bytes().as_bstr()),
    };
    let merged = gix::merge::plumbing::tree(
        &gix::ObjectId::from(request.base),
        &gix::ObjectId::from(request.ours),
        &gix::ObjectId::from(request.theirs),
        labels,
        &objects,
        |content| Ok(db.store_blob(content).map_err(gix::Error::from_error)?.into()),
        &mut gix::diff::tree::State::default(),
        &mut diff_cache(),
        &mut merge_cache(),
        options(renames),
    );
    let mut merged = merged.map_err(|err| objects.explain(&err.to_string()))?;
    let tree = merged
        .tree
        .write(|tree| repository.write_object(tree).map(gix::Id::detach))
        .map_err(|err| objects.explain(&err.to_string()))?;
    let (conflicts, resolved): (Vec<_>, Vec<_>) = merged
        .conflicts
        .into_iter()
        .partition(|conflict| conflict.is_unresolved(TreatAsUnresolved::git()));
    let relocated = resolved
        .into_iter()
        .filter(|conflict| {
            matches!(conflict.resolution, Ok(Resolution::SourceLocationAffectedByRename { .. }))
        })
        .collect();
    Ok(Outcome { tree: tree.into(), conflicts, relocated })
}

/// Objects for gix: the empty tree is always there, and what is missing is noted.
struct Source<'a> {
    below: &'a gix::OdbHandle,
    missing: RefCell<Option<gix::ObjectId>>,
}

impl Source<'_> {
    fn note<T>(&self, id: &gix::oid, found: Option<T>) -> Option<T> {
        if found.is_none() {
            self.missing.replace(Some(id.to_owned()));
        }
        found
    }

    /// The cause of a failed merge, which gix's text leaves open.
    fn explain(&self, reason: &str) -> MergeError {
        match *self.missing.borrow() {
            Some(id) => MergeError::MissingObject { id: id.to_string() },
            None => MergeError::Failed(reason.to_owned()),
        }
    }
}

impl Find for Source<'_> {
    fn try_find<'b>(
        &self,
        id: &gix::oid,
        buffer: &'b mut Vec<u8>,
    ) -> gix::Result<Option<Data<'b>>> {
        if id == gix::ObjectId::from(TreeId::EMPTY) {
            return Ok(Some(Data::new(&[], Kind::Tree, gix::hash::Kind::Sha1)));
        }
        Ok(self.note(id, self.below.try_find(id, buffer)?))
    }
}

impl FindHeader for Source<'_> {
    fn try_header(&self, id: &gix::oid) -> gix::Result<Option<Header>> {
        if id == gix::ObjectId::from(TreeId::EMPTY) {
            return Ok(Some(Header { kind: Kind::Tree, size: 0 }));
        }
        Ok(self.note(id, FindHeader::try_header(self.below, id)?))
    }
}

fn options(renames: Renames) -> Options {
    let rewrites = gix::diff::Rewrites { limit: RENAME_LIMIT, ..Default::default() };
    Options {
        rewrites: (renames == Renames::Detect).then_some(rewrites),
        blob_merge: merge_blob::platform::merge::Options {
            is_virtual_ancestor: false,
            resolve_binary_with: None,
            text: text::Options {
                diff_algorithm: diff_blob::Algorithm::Histogram,
                conflict: text::Conflict::Keep {
                    style: text::ConflictStyle::Merge,
                    marker_size: MARKER_SIZE,
                },
            },
        },
        ..Options::default()
    }
}

fn merge_cache() -> merge_blob::Platform {
    merge_blob::Platform::new(
        merge_blob::Pipeline::new(
            merge_blob::pipeline::WorktreeRoots::default(),
            no_filters(),
            merge_blob::pipeline::Options::default(),
        ),
        merge_blob::pipeline::Mode::ToGit,
        no_attributes(),
        Vec::new(),
        merge_blob::platform::Options::default(),
    )
}

fn diff_cache() -> diff_blob::Platform {
    diff_blob::Platform::new(
        diff_blob::platform::Options {
            algorithm: Some(diff_blob::Algorithm::Histogram),
            skip_internal_diff_if_external_is_configured: false,
        },
        diff_blob::Pipeline::new(
            diff_blob::pipeline::WorktreeRoots::default(),
            no_filters(),
            Vec::new(),
            diff_blob::pipeline::Options::default(),
        ),
        diff_blob::pipeline::Mode::ToGit,
        no_attributes(),
    )
}

fn no_filters() -> gix::filter::plumbing::Pipeline {
    gix::filter::plumbing::Pipeline::new(
        gix::command::Context::default(),
        gix::hash::Kind::Sha1,
        gix::filter::plumbing::pipeline::Options::default(),
    )
}

/// Attributes of nothing: no file of the content is asked for them.
fn no_attributes() -> gix::worktree::Stack {
    gix::worktree::Stack::new(
        std::path::PathBuf::new(),
        State::AttributesStack(Attributes::default()),
        gix::glob::pattern::Case::Sensitive,
        Vec::new(),
        Vec::new(),
    )
}
