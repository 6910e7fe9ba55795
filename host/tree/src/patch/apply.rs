//! What a patch makes of files.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use super::image::Image;
use super::{
    Action, BinaryChange, ContentChange, Edit, FileKind, FilePatch, FileState, Files, Patch,
    PatchError, binary,
};
use crate::deadline::Deadline;
use crate::ids::BlobId;
use crate::lines::{self, Work};
use crate::objects::ObjectError;
use crate::path::RepoPath;

/// Most bytes of content that a patch may make. Few bytes of it can make many,
/// by copies of large files and by deltas.
const MOST_MADE: u64 = 1 << 30;

pub(super) fn edits(
    patch: &Patch,
    files: &dyn Files,
    deadline: Deadline,
) -> Result<Vec<Edit>, PatchError> {
    let leaving = patch
        .files
        .iter()
        .filter(|file| matches!(file.action, Action::Delete | Action::Rename))
        .filter_map(|file| file.old_path.clone())
        .collect();
    let mut state =
        State { files, leaving, results: BTreeMap::new(), made: 0, work: Work::until(deadline) };
    for file in &patch.files {
        state.apply(file)?;
    }
    state.check_directories()?;
    Ok(state.into_edits())
}

/// The files that the patch has touched so far.
struct State<'a> {
    files: &'a dyn Files,
    /// Paths that some part of the patch deletes or moves away, so that another
    /// part may create them anew.
    leaving: HashSet<RepoPath>,
    /// `None` for a path that has no file any more.
    results: BTreeMap<RepoPath, Option<FileState>>,
    /// Bytes of content made so far.
    made: u64,
    /// What looking for the places of hunks may take.
    work: Work,
}

/// The file a change starts from.
struct Source {
    state: FileState,
    /// Whether an earlier part of the patch made it.
    made: bool,
}

impl State<'_> {
    fn apply(&mut self, file: &FilePatch) -> Result<(), PatchError> {
        let source = file.old_path.as_ref().map(|path| self.source(file, path)).transpose()?;
        if let Some(path) = &file.new_path
            && file.action != Action::Modify
        {
            self.check_free(path)?;
        }
        let result = self
            .work
            .share(|work| changed(file, source.as_ref().map(|source| &source.state), work));
        if self.work.is_late() {
            return Err(ObjectError::OutOfTime.into());
        }
        let result = result?;
        if file.content != ContentChange::Unchanged || file.action == Action::Copy {
            self.made = self.made.saturating_add(result.content.len() as u64);
        }
        if self.made > MOST_MADE {
            let path = file.new_path.as_ref().or(file.old_path.as_ref());
            let reason = format!("the patch makes more than {MOST_MADE} bytes");
            return Err(wrong(&path.cloned().unwrap_or_default(), &reason));
        }
        match (file.action, &file.old_path) {
            (Action::Delete, Some(path)) => {
                self.results.insert(path.clone(), None);
            }
            // Two renames may swap names: what another rename has put there stays.
            (Action::Rename, Some(path)) => {
                let made = source.is_some_and(|source| source.made);
                if made || !self.results.contains_key(path) {
                    self.results.insert(path.clone(), None);
                }
            }
            _ => {}
        }
        if let Some(path) = &file.new_path {
            self.results.insert(path.clone(), Some(result));
        }
        Ok(())
    }

    /// Renames and copies start from the file as it was before the patch, other
    /// changes from what earlier parts of the patch have made of it.
    fn source(&self, file: &FilePatch, path: &RepoPath) -> Result<Source, PatchError> {
        let made = self.results.get(path).cloned();
        let moves = matches!(file.action, Action::Rename | Action::Copy);
        let source = match made {
            Some(state) if !moves => state.map(|state| Source { state, made: true }),
            made => match self.files.read(path)? {
                Some(state) => Some(Source { state, made: false }),
                None => made.flatten().map(|state| Source { state, made: true }),
            },
        };
        let source = source.ok_or_else(|| wrong(path, "there is no such file"))?;
        match file.old_kind {
            Some(kind) if file_type(kind) != file_type(source.state.kind) => {
                let (is, expected) = (name_of(source.state.kind), name_of(kind));
                Err(wrong(path, &format!("it is {is}, and the patch is for {expected}")))
            }
            _ => Ok(source),
        }
    }

    fn check_free(&self, path: &RepoPath) -> Result<(), PatchError> {
        let taken = match self.results.get(path) {
            Some(result) => result.is_some() && !self.leaving.contains(path),
            None => !self.leaving.contains(path) && self.files.read(path)?.is_some(),
        };
        if taken { Err(wrong(path, "the patch creates it, but it exists")) } else { Ok(()) }
    }

    /// A path cannot be a file and a directory.
    fn check_directories(&self) -> Result<(), PatchError> {
        for (path, _) in self.results.iter().filter(|(_, result)| result.is_some()) {
            let mut above = path.parent();
            while let Some(dir) = above.filter(|dir| !dir.is_root()) {
                let is_file = match self.results.get(&dir) {
                    Some(result) => result.is_some(),
                    None => self.files.read(&dir)?.is_some(),
                };
                if is_file {
                    return Err(wrong(path, &format!("`{dir}` is a file, not a directory")));
                }
                above = dir.parent();
            }
            let stays = |below: &RepoPath| !matches!(self.results.get(below), Some(None));
            if self.files.files_below(path)?.iter().any(stays) {
                return Err(wrong(path, "it is a directory, not a file"));
            }
        }
        Ok(())
    }

    fn into_edits(self) -> Vec<Edit> {
        let edit = |(path, result): (RepoPath, Option<FileState>)| match result {
            Some(FileState { content, kind }) => Edit::Write { path, content, kind },
            None => Edit::Delete { path },
        };
        self.results.into_iter().map(edit).collect()
    }
}

/// The file after its change; for a deletion, what is left of it.
fn changed(
    file: &FilePatch,
    source: Option<&FileState>,
    work: &mut Work,
) -> Result<FileState, PatchError> {
    let path = file.new_path.as_ref().or(file.old_path.as_ref()).cloned().unwrap_or_default();
    let old = source.map_or_else(Bytes::new, |state| state.content.clone());
    let content = match &file.content {
        ContentChange::Unchanged if file.action == Action::Delete && !old.is_empty() => {
            return Err(wrong(&path, "the patch deletes an empty file, and it is not empty"));
        }
        ContentChange::Unchanged => old,
        ContentChange::Lines(_) if lines::are_too_many(&old) => {
            return Err(wrong(&path, "it has too many lines to be changed by lines"));
        }
        ContentChange::Lines(hunks) => {
            let mut image = Image::new(&old, work);
            image.apply_all(hunks).map_err(|(index, reason)| PatchError::Hunk {
                path: path.clone(),
                hunk: index + 1,
                line: hunks.get(index).map_or(0, |hunk| hunk.old_start),
                reason,
            })?;
            image.content().into()
        }
        ContentChange::Binary(change) => binary_content(&path, file, &old, change)?,
        ContentChange::Omitted => {
            return Err(wrong(&path, "it is binary, and the patch does not hold its content"));
        }
    };
    if file.action == Action::Delete && !content.is_empty() {
        return Err(wrong(&path, "the patch deletes it, but there is more in it"));
    }
    let old_kind = source.map(|state| state.kind);
    let kind = file.new_kind.filter(|_| says_new_kind(file, old_kind)).or(old_kind);
    Ok(FileState { content, kind: kind.unwrap_or(FileKind::Regular) })
}

/// The mode on the `index` line says what the file was, not what it shall be.
fn says_new_kind(file: &FilePatch, old_kind: Option<FileKind>) -> bool {
    file.old_kind != file.new_kind || old_kind.is_none()
}

fn binary_content(
    path: &RepoPath,
    file: &FilePatch,
    old: &Bytes,
    change: &BinaryChange,
) -> Result<Bytes, PatchError> {
    let differs = |id: &Option<String>, content: &[u8]| {
        id.as_ref().is_some_and(|id| id.len() == 40 && *id != BlobId::of(content).to_string())
    };
    if file.action != Action::Create && differs(&file.old_id, old) {
        return Err(wrong(path, "it is binary and not the content the patch was made for"));
    }
    let content = match change {
        BinaryChange::Literal(content) => content.clone(),
        BinaryChange::Delta(delta) => {
            binary::apply_delta(old, delta).map_err(|reason| wrong(path, &reason))?
        }
    };
    if file.action != Action::Delete && differs(&file.new_id, &content) {
        return Err(wrong(path, "the binary content is not the one the patch names"));
    }
    Ok(content)
}

fn file_type(kind: FileKind) -> FileKind {
    if kind == FileKind::Executable { FileKind::Regular } else { kind }
}

fn name_of(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Regular | FileKind::Executable => "a regular file",
        FileKind::Symlink => "a symbolic link",
        FileKind::Submodule => "a submodule",
    }
}

fn wrong(path: &RepoPath, reason: &str) -> PatchError {
    PatchError::File { path: path.clone(), reason: reason.to_owned() }
}
