//! Why an operation on a worktree failed, in the terms of `wasi:filesystem`.

use bstr::BString;

use crate::objects::ObjectError;
use crate::path::PathError;
use crate::spill::SpillError;

/// Why an operation on a worktree failed. Except where a variant says
/// otherwise, the worktree is as it was before the call.
///
/// Each variant but [`FsError::MissingObject`] is the `error-code` of
/// `wasi:filesystem` of the same meaning; a missing object is `io` there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FsError {
    /// A policy of the worktree denies it.
    #[error("access denied")]
    Access,
    /// Never allowed: leaving the directory, creating `.git`, writing into a submodule.
    #[error("operation not permitted")]
    NotPermitted,
    /// The node is not (or no longer) one of this worktree.
    #[error("bad descriptor")]
    BadDescriptor,
    /// Nothing has this name.
    #[error("no such file or directory")]
    NoEntry,
    /// Something already has this name.
    #[error("file exists")]
    Exists,
    /// A directory is needed here.
    #[error("not a directory")]
    NotDirectory,
    /// A directory cannot be used here.
    #[error("is a directory")]
    IsDirectory,
    /// The directory has entries.
    #[error("directory not empty")]
    NotEmpty,
    /// An argument makes no sense, such as a name with a NUL byte.
    #[error("invalid argument")]
    Invalid,
    /// A name has over 255 bytes, or a path over 4095.
    #[error("name too long")]
    NameTooLong,
    /// More than 40 symlinks on the way, or one where none may be.
    #[error("too many levels of symbolic links")]
    TooManyLinks,
    /// The quota on bytes or entries is used up.
    #[error("quota exceeded")]
    Quota,
    /// The disk is full that content beyond memory goes to. What was to be
    /// overwritten may be in part.
    #[error("no space left")]
    NoSpace,
    /// The file would be larger than any file may be.
    #[error("file too large")]
    FileTooLarge,
    /// The worktree is read-only.
    #[error("read-only worktree")]
    ReadOnly,
    /// The root cannot be removed or moved.
    #[error("resource busy")]
    Busy,
    /// The two places are on different mounts.
    #[error("places on different mounts")]
    CrossDevice,
    /// This kind of worktree does not offer it.
    #[error("unsupported operation")]
    Unsupported,
    /// The object source does not have the content at this path.
    #[error("the content of `{path}` (object `{object}`) is missing from the repository")]
    MissingObject {
        /// Where in the worktree it is.
        path: BString,
        /// Id of the object.
        object: String,
    },
    /// The object source failed.
    #[error("input/output error: {object}")]
    Io {
        /// What the source said.
        object: String,
    },
}

impl FsError {
    /// What an object source's failure means for the entry at `path`.
    pub(super) fn at(path: BString, err: ObjectError) -> Self {
        match err {
            ObjectError::Missing(object) => Self::MissingObject { path, object },
            other => Self::Io { object: other.to_string() },
        }
    }
}

impl From<ObjectError> for FsError {
    fn from(err: ObjectError) -> Self {
        Self::at(BString::default(), err)
    }
}

impl From<SpillError> for FsError {
    fn from(err: SpillError) -> Self {
        match err {
            SpillError::Full => Self::NoSpace,
            SpillError::Io(_) => Self::Io { object: err.to_string() },
        }
    }
}

impl From<PathError> for FsError {
    fn from(err: PathError) -> Self {
        match err {
            PathError::NotNormal(_) | PathError::Nul(_) => Self::Invalid,
            PathError::GitDirectory(_) => Self::NotPermitted,
            PathError::TooLong(_) => Self::NameTooLong,
        }
    }
}
