//! Files in which conflicting lines of both sides are kept.

use bstr::ByteSlice;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::MergeError;
use crate::path::RepoPath;

/// The globs of a merge request.
pub(super) struct Globs(GlobSet);

impl Globs {
    pub(super) fn new(globs: &[String]) -> Result<Self, MergeError> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            let built = GlobBuilder::new(glob).literal_separator(true).build();
            set.add(built.map_err(|err| MergeError::Glob {
                glob: glob.clone(),
                reason: err.kind().to_string(),
            })?);
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
