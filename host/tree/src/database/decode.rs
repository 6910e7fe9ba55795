//! Commits and trees as git encodes them.

use bstr::{BStr, BString, ByteSlice};
use gix::objs::tree::EntryKind as Mode;
use gix::objs::{CommitRef, CommitRefIter, TreeRefIter};

use super::{Commit, NewCommit};
use crate::ids::{CommitId, TreeId};
use crate::objects::{EntryKind, ObjectError};

const SHA1: gix::hash::Kind = gix::hash::Kind::Sha1;

/// Decodes a commit.
pub(super) fn commit(id: CommitId, data: &[u8]) -> Result<Commit, ObjectError> {
    let commit = CommitRef::from_bytes(data, SHA1)
        .map_err(|err| malformed(&id.to_string(), "commit", &err.to_string()))?;
    let author = commit.author().ok();
    Ok(Commit {
        id,
        tree: commit.tree().into(),
        parents: commit.parents().map(CommitId::from).collect(),
        author: author.map_or_else(|| lossy(commit.author), |author| lossy(author.name)),
        author_email: author.map_or_else(String::new, |author| lossy(author.email)),
        time: commit.committer().map_or(0, |committer| committer.seconds()),
        message: lossy(commit.message),
    })
}

/// Decodes only what history is made of: the time and the parents.
pub(super) fn parents(id: CommitId, data: &[u8]) -> Result<(i64, Vec<CommitId>), ObjectError> {
    let mut fields = CommitRefIter::from_bytes(data, SHA1);
    fields.tree_id().map_err(|err| malformed(&id.to_string(), "commit", &err.to_string()))?;
    let time = fields.committer().map_or(0, |committer| committer.seconds());
    Ok((time, fields.parent_ids().map(CommitId::from).collect()))
}

/// Decodes the entries of a tree, in git's order.
pub(super) fn tree(id: TreeId, data: &[u8]) -> Result<Vec<(BString, EntryKind)>, ObjectError> {
    TreeRefIter::from_bytes(data, SHA1)
        .map(|entry| {
            let entry =
                entry.map_err(|err| malformed(&id.to_string(), "tree", &err.to_string()))?;
            let target = entry.oid.to_owned();
            let kind = match entry.mode.kind() {
                Mode::Tree => EntryKind::Directory(target.into()),
                Mode::Blob => EntryKind::File { id: target.into(), executable: false },
                Mode::BlobExecutable => EntryKind::File { id: target.into(), executable: true },
                Mode::Link => EntryKind::Symlink(target.into()),
                Mode::Commit => EntryKind::Submodule(target.into()),
            };
            Ok((entry.filename.to_owned(), kind))
        })
        .collect()
}

/// The content of a commit object.
pub(super) fn encode_commit(commit: &NewCommit) -> Vec<u8> {
    let parents: Vec<_> =
        commit.parents.iter().map(|parent| format!("parent {parent}\n")).collect();
    let person = format!(
        "{} <{}> {} +0000",
        without_crud(&commit.author),
        without_crud(&commit.author_email),
        commit.time
    );
    format!(
        "tree {}\n{}author {person}\ncommitter {person}\n\n{}",
        commit.tree,
        parents.concat(),
        commit.message
    )
    .into_bytes()
}

fn without_crud(text: &str) -> String {
    let kept: String =
        text.chars().filter(|c| !matches!(c, '<' | '>' | '\n' | '\r' | '\0')).collect();
    kept.trim().to_owned()
}

fn lossy(bytes: &BStr) -> String {
    bytes.to_str_lossy().into_owned()
}

/// The error for an object that is there but wrong.
pub(super) fn malformed(id: &str, expected: &'static str, reason: &str) -> ObjectError {
    ObjectError::Malformed { id: id.to_owned(), expected, reason: reason.to_owned() }
}
