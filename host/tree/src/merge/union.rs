//! Files in which conflicting lines of both sides are kept.

use bstr::ByteSlice;
use bytes::Bytes;
use gix::diff::blob::{Algorithm, InternedInput};
use gix::merge::blob::builtin_driver;
use gix::merge::blob::builtin_driver::text;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::MergeError;
use crate::path::RepoPath;

/// The globs of a merge request.
pub(super) struct Globs(GlobSet);

impl Globs {
    pub(super) fn new(globs: &[String]) -> Result<Self, MergeError> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            let wrong = |err: &globset::Error| MergeError::Glob {
                glob: glob.clone(),
                reason: err.kind().to_string(),
            };
            let built = GlobBuilder::new(glob).literal_separator(true).build();
            set.add(built.map_err(|err| wrong(&err))?);
        }
        set.build().map(Self).map_err(|err| MergeError::Glob {
            glob: globs.join(", "),
            reason: err.kind().to_string(),
        })
    }

    pub(super) fn cover(&self, path: &RepoPath) -> bool {
        !self.0.is_empty() && path.as_bstr().to_path().is_ok_and(|path| self.0.is_match(path))
    }
}

/// Merges contents; where both sides changed the same lines, ours come first and
/// theirs after them.
pub(super) fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> Bytes {
    let mut merged = Vec::new();
    builtin_driver::text(
        &mut merged,
        &mut InternedInput::default(),
        text::Labels::default(),
        ours,
        base,
        theirs,
        text::Options {
            diff_algorithm: Algorithm::Histogram,
            conflict: text::Conflict::ResolveWithUnion,
        },
    );
    merged.into()
}
