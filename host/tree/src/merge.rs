//! Three-way merge of trees, with the outcome that `git merge-tree` has.
//!
//! Merges run on an [`ObjectDatabase`]; blobs and trees they make are stored
//! there. No attribute, filter or merge driver of the content takes part. The
//! steps are those of git's `ort` strategy, whose outcome is the specification:
//!
//! 1. `collect`: what differs between the three trees, path by path;
//! 2. `renames`, `directories`: versions of a renamed file come together under
//!    one path, new files follow a directory that the other side renamed;
//! 3. `settle`: every path is decided, `content` merges files, `text` those
//!    that are text;
//! 4. `outcome`: the tree is written, and the policy applied to conflicts.

use std::cell::RefCell;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::database::ObjectDatabase;
use crate::ids::TreeId;
use crate::objects::ObjectError;
use crate::path::RepoPath;

mod collect;
mod content;
mod directories;
mod outcome;
mod renames;
mod settle;
mod text;
mod union;

use content::Contents;
use union::Globs;

/// What happens to a path on which both sides disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictPolicy {
    /// Both versions are left in the tree, between conflict markers where they are text.
    #[default]
    Markers,
    /// The path is as in `theirs`.
    Upstream,
    /// Nothing is merged: the tree is `ours`.
    Stop,
}

/// How the sides are named in conflict markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// After `<<<<<<<`.
    pub ours: String,
    /// After `>>>>>>>`.
    pub theirs: String,
}

impl Default for Labels {
    fn default() -> Self {
        Self { ours: "ours".into(), theirs: "theirs".into() }
    }
}

/// A merge to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeRequest {
    /// The tree both sides come from.
    pub base: TreeId,
    /// The agent's tree.
    pub ours: TreeId,
    /// The tree of upstream.
    pub theirs: TreeId,
    /// What happens to conflicting paths.
    pub policy: ConflictPolicy,
    /// How the sides are named.
    pub labels: Labels,
    /// Globs of files in which conflicting lines of both sides are kept without
    /// markers, ours first. `*` does not cross `/`, `**` does.
    pub union: Vec<String>,
}

/// The result of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The merged tree.
    pub tree: TreeId,
    /// The paths on which both sides disagree, sorted; none for a clean merge.
    pub conflicts: Vec<Conflict>,
    /// The paths where a conflict brought content of `theirs` into the tree, sorted.
    pub from_theirs: Vec<RepoPath>,
}

/// A path on which both sides disagree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Conflict {
    /// The path.
    pub path: RepoPath,
    /// The disagreement.
    pub kind: ConflictKind,
}

/// How both sides disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictKind {
    /// Both changed the same lines.
    Content,
    /// Both added the path with different content.
    AddAdd,
    /// One changed what the other deleted.
    ModifyDelete,
    /// Both moved it to different places, or different files to the same place.
    Rename,
    /// One made it a file, the other a symlink, a submodule or a directory.
    Type,
    /// Both moved a submodule to different commits.
    Submodule,
    /// It was moved because the other side renamed its directory.
    Directory,
}

impl fmt::Display for ConflictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Content => "content",
            Self::AddAdd => "add/add",
            Self::ModifyDelete => "modify/delete",
            Self::Rename => "rename",
            Self::Type => "type",
            Self::Submodule => "submodule",
            Self::Directory => "directory rename",
        })
    }
}

/// Why trees cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Content that the merge needs is not there.
    #[error("object `{id}` is needed to merge, and missing")]
    MissingObject {
        /// Its id.
        id: String,
    },
    /// A glob of `union` is wrong.
    #[error("`{glob}` is not a glob: {reason}")]
    Glob {
        /// The glob.
        glob: String,
        /// What is wrong.
        reason: String,
    },
    /// Reading or writing failed otherwise.
    #[error(transparent)]
    Object(ObjectError),
}

impl From<ObjectError> for MergeError {
    fn from(err: ObjectError) -> Self {
        match err {
            ObjectError::Missing(id) => Self::MissingObject { id },
            err => Self::Object(err),
        }
    }
}

/// Merges the changes that `ours` and `theirs` made since `base`.
///
/// A clean result is the tree `git merge-tree` gives. Where it is not clean,
/// [`ConflictPolicy::Markers`] leaves this behind:
///
/// * text changed on both sides: the merged file, with markers where it disagrees;
/// * binary files, files of more than a million lines, symlinks and submodules changed on both sides: ours;
/// * changed on one side and deleted on the other: the changed file;
/// * moved to two places: a file in each;
/// * a file on one side and something else on the other: what cannot stay gets a
///   new name, made of its own and the label of its side;
/// * added in a directory that the other side renamed: the file in the renamed directory.
///
/// A missing blob matters only where the contents of a file must be merged.
pub fn merge(db: &ObjectDatabase, request: &MergeRequest) -> Result<Merged, MergeError> {
    let union = Globs::new(&request.union)?;
    let contents = Contents { db, request, union, work: RefCell::default() };
    let mut collected = collect::collect(db, request)?;
    let original = collected.paths.clone();
    let hidden = renames::apply(&contents, &mut collected)?;
    let settled = settle::settle(&contents, &collected.paths)?;
    outcome::resolve(db, request, &original, settled, hidden)
}
