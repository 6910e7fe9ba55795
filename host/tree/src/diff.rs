//! Differences of two trees: which paths changed, and how.
//!
//! Works on any [`Objects`], so that a process without a repository can use it.
//! Only differing directories are read, and contents only where a rename has
//! to be told from a deletion and an addition.

use std::sync::Arc;

use crate::deadline::Deadline;
use crate::ids::TreeId;
use crate::objects::{EntryKind, ObjectError, Objects};
use crate::path::RepoPath;
use crate::worktree::Policy;

pub(crate) mod renames;
mod similarity;
mod walk;

/// Git's `diff.renameLimit`.
const RENAME_LIMIT: usize = 1000;

/// How two trees are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffOptions {
    /// Unchanged lines shown around each change of a patch.
    pub context_lines: u32,
    /// Whether renames are looked for.
    pub renames: Renames,
    /// Paths to which the comparison is limited, with all below them. Empty: everything.
    pub paths: Vec<RepoPath>,
    /// Paths that it hides are left out.
    pub policy: Option<Arc<Policy>>,
    /// When the answer is no longer wanted.
    pub deadline: Deadline,
    /// Most bytes of a patch: one that would have more is [`ObjectError::TooLong`].
    pub longest: usize,
}

/// What is done about renamed files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Renames {
    /// A deleted and an added file of equal or at least half equal content are one renamed file.
    #[default]
    Detect,
    /// They stay a deletion and an addition.
    Ignore,
}

impl Default for DiffOptions {
    fn default() -> Self {
        Self {
            context_lines: 3,
            renames: Renames::Detect,
            paths: Vec::new(),
            policy: None,
            deadline: Deadline::NEVER,
            longest: usize::MAX,
        }
    }
}

/// One path that differs. Never a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where the file is; where it was if it is gone.
    pub path: RepoPath,
    /// Where a renamed file was.
    pub previous_path: Option<RepoPath>,
    /// What it was, `None` for an added file.
    pub before: Option<EntryKind>,
    /// What it is, `None` for a deleted file.
    pub after: Option<EntryKind>,
    /// How much of a renamed file stayed, in percent.
    pub similarity: Option<u8>,
}

/// The sort of a [`Change`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// The path is new.
    Added,
    /// The path is gone.
    Deleted,
    /// The content changed, perhaps the mode too.
    Modified,
    /// The file moved; content and mode may have changed.
    Renamed,
    /// A file became a symlink or submodule, or the like.
    TypeChanged,
    /// Only the executable bit changed.
    ModeChanged,
}

impl Change {
    /// The sort of change.
    pub fn kind(&self) -> ChangeKind {
        if self.previous_path.is_some() {
            return ChangeKind::Renamed;
        }
        match (self.before, self.after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Deleted,
            (Some(EntryKind::File { id: before, .. }), Some(EntryKind::File { id: after, .. }))
                if before == after =>
            {
                ChangeKind::ModeChanged
            }
            (Some(EntryKind::File { .. }), Some(EntryKind::File { .. }))
            | (Some(EntryKind::Symlink(_)), Some(EntryKind::Symlink(_)))
            | (Some(EntryKind::Submodule(_)), Some(EntryKind::Submodule(_))) => {
                ChangeKind::Modified
            }
            _ => ChangeKind::TypeChanged,
        }
    }
}

/// The paths in which `from` and `to` differ, sorted by path.
///
/// Renames are found as git finds them: first by equal content, then by
/// similarity of at least 50 %, unless more than 1000 files on a side are left or
/// comparing them takes more than some seconds of a processor.
/// A file whose content is missing takes part in the first step only.
pub fn changes(
    objects: &dyn Objects,
    from: TreeId,
    to: TreeId,
    options: &DiffOptions,
) -> Result<Vec<Change>, ObjectError> {
    let mut changes = walk::changes(objects, from, to, &options.paths)?;
    if let Some(policy) = &options.policy {
        changes.retain(|change| !policy.hides_file(&change.path));
    }
    if options.renames == Renames::Detect {
        changes = renames::pair(objects, &changes, RENAME_LIMIT, options.deadline)?;
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}
