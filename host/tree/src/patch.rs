//! Git patches: written from two trees, read from text, applied to a tree.
//!
//! `git apply` takes what [`write`] writes, and [`apply`] takes what `git diff`
//! and `git format-patch` write. A patch applies as a whole or not at all.

use bstr::BString;
use bytes::Bytes;

use crate::deadline::Deadline;
use crate::diff::DiffOptions;
use crate::ids::{CommitId, TreeId};
use crate::objects::{ObjectError, ObjectSink, Objects};
use crate::path::RepoPath;

mod apply;
mod binary;
mod compose;
mod hunks;
mod image;
mod parse;
mod quote;
mod tree;

pub(crate) use tree::{NewEntry, find, with_entries};

/// A patch as read: a list of changes to files, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// One for each `diff --git` section.
    pub files: Vec<FilePatch>,
}

impl Patch {
    /// Every path the patch reads or writes, sorted, each once.
    pub fn paths(&self) -> Vec<RepoPath> {
        let sides = self.files.iter().flat_map(|file| [&file.old_path, &file.new_path]);
        let mut paths: Vec<_> = sides.flatten().cloned().collect();
        paths.sort();
        paths.dedup();
        paths
    }
}

/// The change of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePatch {
    /// What happens to the file.
    pub action: Action,
    /// Where its content comes from, `None` when it is created.
    pub old_path: Option<RepoPath>,
    /// Where it is afterwards, `None` when it is deleted.
    pub new_path: Option<RepoPath>,
    /// What it was, where the patch says so.
    pub old_kind: Option<FileKind>,
    /// What it becomes, where the patch says so.
    pub new_kind: Option<FileKind>,
    /// Hexadecimal id of the old content, perhaps shortened, where the patch says so.
    pub old_id: Option<String>,
    /// Hexadecimal id of the new content.
    pub new_id: Option<String>,
    /// How its content changes.
    pub content: ContentChange,
}

/// What a patch does to a file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It stays where it is.
    Modify,
    /// It appears.
    Create,
    /// It goes.
    Delete,
    /// It moves.
    Rename,
    /// Its content is taken for a new file too.
    Copy,
}

/// How a patch changes the content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentChange {
    /// Not at all: a rename, a mode, an empty file.
    Unchanged,
    /// By lines.
    Lines(Vec<Hunk>),
    /// By bytes.
    Binary(BinaryChange),
    /// Binary, but the patch does not hold the bytes (`Binary files … differ`).
    Omitted,
}

/// One `@@` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// First line in the old file, from 1; 0 if there is none.
    pub old_start: u64,
    /// Number of lines in the old file.
    pub old_lines: u64,
    /// First line in the new file, from 1; 0 if there is none.
    pub new_start: u64,
    /// Number of lines in the new file.
    pub new_lines: u64,
    /// What stands after the second `@@`.
    pub section: BString,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A line of a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What happens to it.
    pub change: LineChange,
    /// Its bytes with the line feed, if it ends in one.
    pub text: BString,
}

/// What a patch does with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LineChange {
    /// It stays.
    Context,
    /// It goes.
    Removed,
    /// It comes.
    Added,
}

/// The bytes of a `GIT binary patch`, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BinaryChange {
    /// The whole new content.
    Literal(Bytes),
    /// Instructions of git's pack format that make the new content from the old.
    Delta(Bytes),
}

/// What a file is, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A regular file with the executable bit.
    Executable,
    /// A symbolic link; its content is the target.
    Symlink,
    /// A submodule; its content is `Subproject commit <id>` and a line feed.
    Submodule,
}

/// A file as a patch sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Content, link target or `Subproject commit` line.
    pub content: Bytes,
    /// What it is.
    pub kind: FileKind,
}

/// Where [`edits`] reads the files that a patch changes.
pub trait Files {
    /// The file at `path`, `None` if there is none or it is a directory.
    fn read(&self, path: &RepoPath) -> Result<Option<FileState>, ObjectError>;

    /// The files below `dir`, none if it is not a directory. Keeps a patch from
    /// making a file of a directory that still holds others; a source where that
    /// cannot happen leaves it as it is.
    fn files_below(&self, dir: &RepoPath) -> Result<Vec<RepoPath>, ObjectError> {
        let _ = dir;
        Ok(Vec::new())
    }
}

/// The files of a tree.
#[derive(Clone, Copy)]
pub struct TreeFiles<'a> {
    objects: &'a dyn Objects,
    tree: TreeId,
}

impl<'a> TreeFiles<'a> {
    /// The files of `tree`.
    pub fn new(objects: &'a dyn Objects, tree: TreeId) -> Self {
        Self { objects, tree }
    }
}

/// One file to write or delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The file gets this content and kind, whatever was there.
    Write {
        /// Where.
        path: RepoPath,
        /// Content as in [`FileState`].
        content: Bytes,
        /// What it is.
        kind: FileKind,
    },
    /// The file goes.
    Delete {
        /// Where.
        path: RepoPath,
    },
}

/// A patch that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The tree with the patch in it.
    pub tree: TreeId,
    /// The paths that were written or deleted, sorted.
    pub paths: Vec<RepoPath>,
}

/// Why a patch cannot be read or applied.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The text is not a patch.
    #[error("line {line} of the patch: {reason}")]
    Syntax {
        /// Line of the text, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A hunk does not fit the file.
    #[error("`{path}`: hunk {hunk} (line {line}) does not apply: {reason}")]
    Hunk {
        /// The file.
        path: RepoPath,
        /// Number of the hunk in the file, from 1.
        hunk: usize,
        /// Line of the old file where the hunk should start.
        line: u64,
        /// Why not.
        reason: String,
    },
    /// A file is not as the patch expects it.
    #[error("`{path}`: {reason}")]
    File {
        /// The file.
        path: RepoPath,
        /// What is wrong.
        reason: String,
    },
    /// The files could not be read or written.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// The patch that makes `to` out of `from`, in git's format with full ids.
pub fn write(
    objects: &dyn Objects,
    from: TreeId,
    to: TreeId,
    options: &DiffOptions,
) -> Result<Vec<u8>, ObjectError> {
    compose::patch(objects, from, to, options)
}

/// Reads a patch. Text before, between and after its sections is skipped.
pub fn parse(bytes: &[u8]) -> Result<Patch, PatchError> {
    parse::patch(bytes)
}

/// What applying `patch` does to `files`, as one edit for each path, sorted by path.
pub fn edits(patch: &Patch, files: &dyn Files) -> Result<Vec<Edit>, PatchError> {
    edits_until(patch, files, Deadline::NEVER)
}

/// [`edits`], where they are wanted until then: [`ObjectError::OutOfTime`] if it took longer.
pub fn edits_until(
    patch: &Patch,
    files: &dyn Files,
    deadline: Deadline,
) -> Result<Vec<Edit>, PatchError> {
    apply::edits(patch, files, deadline)
}

/// Applies `patch` to `tree`.
pub fn apply(
    objects: &dyn Objects,
    sink: &mut dyn ObjectSink,
    tree: TreeId,
    patch: &Patch,
) -> Result<Applied, PatchError> {
    let edits = edits(patch, &TreeFiles::new(objects, tree))?;
    let tree = edit_tree(objects, sink, tree, &edits)?;
    let paths = edits.iter().map(|edit| edit.path().clone()).collect();
    Ok(Applied { tree, paths })
}

/// `tree` with `edits` made. Only directories on the way to an edit are written;
/// a directory that would be empty vanishes, and a file on the way to an edit
/// gives way to a directory.
pub fn edit_tree(
    objects: &dyn Objects,
    sink: &mut dyn ObjectSink,
    tree: TreeId,
    edits: &[Edit],
) -> Result<TreeId, ObjectError> {
    tree::edited(objects, sink, tree, edits)
}

impl Edit {
    /// The file it is about.
    pub fn path(&self) -> &RepoPath {
        match self {
            Self::Write { path, .. } | Self::Delete { path } => path,
        }
    }
}

impl Files for TreeFiles<'_> {
    fn read(&self, path: &RepoPath) -> Result<Option<FileState>, ObjectError> {
        tree::read(self.objects, self.tree, path)
    }

    fn files_below(&self, dir: &RepoPath) -> Result<Vec<RepoPath>, ObjectError> {
        tree::files_below(self.objects, self.tree, dir)
    }
}

/// Whether git would take this content for binary: a NUL byte among the first 8000.
pub fn is_binary(content: &[u8]) -> bool {
    content.iter().take(8000).any(|byte| *byte == 0)
}

/// A submodule as the line that patches show for it.
pub(crate) fn submodule_content(id: CommitId) -> Bytes {
    format!("{SUBMODULE}{id}\n").into()
}

/// The commit in such a line.
pub(crate) fn submodule_id(content: &[u8]) -> Option<CommitId> {
    let id = content.strip_prefix(SUBMODULE.as_bytes())?.trim_ascii_end();
    std::str::from_utf8(id).ok()?.parse().ok()
}

const SUBMODULE: &str = "Subproject commit ";
