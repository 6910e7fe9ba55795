//! What is made of conflicts: their names, and the tree by policy.

use std::collections::BTreeSet;

use bstr::BStr;
use gix::merge::plumbing::tree::{Conflict as Found, Resolution, ResolutionFailure};

use super::trees::Outcome;
use super::{Conflict, ConflictKind, ConflictPolicy, MergeError, MergeRequest, Merged, union};
use crate::database::ObjectDatabase;
use crate::ids::{BlobId, TreeId};
use crate::objects::{EntryKind, ObjectError, ObjectSink, Objects};
use crate::patch::{NewEntry, find, is_binary, with_entries};
use crate::path::RepoPath;

/// A conflict in the terms of this crate.
struct Disagreement {
    kind: ConflictKind,
    /// Where it shows in the merged tree.
    shown: BTreeSet<RepoPath>,
    /// All paths that take part, on either side and in the merged tree.
    involved: BTreeSet<RepoPath>,
}

pub(super) fn resolve(
    db: &ObjectDatabase,
    request: &MergeRequest,
    union: &union::Globs,
    outcome: Outcome,
) -> Result<Merged, MergeError> {
    let mut disagreements = Vec::new();
    let mut united = Vec::new();
    for conflict in outcome.conflicts.iter().chain(&outcome.relocated) {
        let disagreement = Disagreement::of(conflict)?;
        match united_entry(db, outcome.tree, union, conflict, &disagreement)? {
            Some(entry) => united.push(entry),
            None => disagreements.push(disagreement),
        }
    }
    let mut sink = db;
    let merged = with_entries(db, &mut sink, outcome.tree, &united)?;
    let conflicts: BTreeSet<_> = disagreements
        .iter()
        .flat_map(|found| found.shown.iter().map(|path| (path.clone(), found.kind)))
        .map(|(path, kind)| Conflict { path, kind })
        .collect();
    let conflicts: Vec<_> = conflicts.into_iter().collect();
    if conflicts.is_empty() {
        return Ok(Merged { tree: merged, conflicts, from_theirs: Vec::new() });
    }
    let involved: BTreeSet<_> =
        disagreements.into_iter().flat_map(|found| found.involved).collect();
    let tree = match request.policy {
        ConflictPolicy::Markers => merged,
        ConflictPolicy::Upstream => as_in_theirs(db, request, merged, &involved)?,
        ConflictPolicy::Stop => request.ours,
    };
    let from_theirs = changed_paths(db, request.ours, tree, involved)?;
    Ok(Merged { tree, conflicts, from_theirs })
}

impl Disagreement {
    fn of(conflict: &Found) -> Result<Self, MergeError> {
        // One side may be a directory, renamed: it is not itself in conflict.
        let files = || {
            [&conflict.ours, &conflict.theirs]
                .into_iter()
                .filter(|change| !change.entry_mode().is_tree())
        };
        let locations = || files().map(|change| change.location());
        let sources = files().map(|change| change.source_location());
        let (kind, moved_to) = named(conflict);
        let final_place = moved_to.or_else(|| renamed_to(conflict));
        let shown: BTreeSet<_> = match kind {
            ConflictKind::Rename => paths(locations())?,
            _ => paths(final_place.or_else(|| locations().next()))?,
        };
        let mut involved = paths(locations().chain(sources).chain(moved_to))?;
        involved.extend(shown.iter().cloned());
        Ok(Self { kind, shown, involved })
    }
}

/// The kind of a conflict, and the path that gix gave to what could not stay.
fn named(conflict: &Found) -> (ConflictKind, Option<&BStr>) {
    use ResolutionFailure as Failure;
    let added = conflict.entries().first().is_some_and(Option::is_none);
    let content = if added { ConflictKind::AddAdd } else { ConflictKind::Content };
    match &conflict.resolution {
        Ok(Resolution::SourceLocationAffectedByRename { final_location }) => {
            (ConflictKind::Directory, Some(final_location.as_ref()))
        }
        Ok(Resolution::OursModifiedTheirsRenamedAndChangedThenRename {
            final_location, ..
        }) => match final_location {
            Some(place) => (ConflictKind::Directory, Some(place.as_ref())),
            None => (ConflictKind::Content, None),
        },
        Ok(Resolution::OursModifiedTheirsModifiedThenBlobContentMerge { .. }) => (content, None),
        Ok(Resolution::Forced(failure)) | Err(failure) => match failure {
            Failure::SubmoduleMerge | Failure::SubmoduleAddAdd => (ConflictKind::Submodule, None),
            Failure::OursRenamedTheirsRenamedToSameLocation
            | Failure::OursRenamedTheirsRenamedDifferently { .. } => (ConflictKind::Rename, None),
            Failure::OursModifiedTheirsDirectoryThenOursRenamed {
                renamed_unique_path_to_modified_blob: place,
            }
            | Failure::OursDirectoryTheirsNonDirectoryTheirsRenamed {
                renamed_unique_path_of_theirs: place,
            }
            | Failure::OursAddedTheirsAddedTypeMismatch { their_unique_location: place } => {
                (ConflictKind::Type, Some(place.as_ref()))
            }
            Failure::OursModifiedTheirsRenamedTypeMismatch | Failure::Unknown => {
                (ConflictKind::Type, None)
            }
            Failure::OursDeletedTheirsRenamed | Failure::OursModifiedTheirsDeleted => {
                (ConflictKind::ModifyDelete, None)
            }
        },
    }
}

/// Where the renamed file of a conflict is afterwards.
fn renamed_to(conflict: &Found) -> Option<&BStr> {
    [&conflict.ours, &conflict.theirs]
        .into_iter()
        .find(|change| change.location() != change.source_location())
        .map(|change| change.location())
}

fn paths<'a>(names: impl IntoIterator<Item = &'a BStr>) -> Result<BTreeSet<RepoPath>, MergeError> {
    names
        .into_iter()
        .map(|name| RepoPath::new(name).map_err(|err| MergeError::Failed(err.to_string())))
        .collect()
}

/// The entry with the lines of both sides, where the conflict is one of text and
/// a glob says that both are kept.
fn united_entry(
    db: &ObjectDatabase,
    merged: TreeId,
    union: &union::Globs,
    conflict: &Found,
    disagreement: &Disagreement,
) -> Result<Option<(RepoPath, NewEntry)>, MergeError> {
    if !matches!(disagreement.kind, ConflictKind::Content | ConflictKind::AddAdd) {
        return Ok(None);
    }
    let Some(path) = disagreement.shown.iter().find(|path| union.cover(path)) else {
        return Ok(None);
    };
    let [base, ours, theirs] = conflict.entries().map(|entry| entry.map(|entry| entry.id));
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return Ok(None) };
    let Some(EntryKind::File { executable, .. }) = find(db, merged, path)? else {
        return Ok(None);
    };
    let read = |id: gix::ObjectId| db.blob(BlobId::from(id)).map_err(missing);
    let base = base.map(read).transpose()?.unwrap_or_default();
    let (ours, theirs) = (read(ours)?, read(theirs)?);
    if [&base, &ours, &theirs].into_iter().any(|content| is_binary(content)) {
        return Ok(None);
    }
    let content = union::merge(&base, &ours, &theirs);
    let size = content.len() as u64;
    let mut sink = db;
    let id = sink.write_blob(content)?;
    Ok(Some((path.clone(), Some((EntryKind::File { id, executable }, Some(size))))))
}

fn missing(err: ObjectError) -> MergeError {
    match err {
        ObjectError::Missing(id) => MergeError::MissingObject { id },
        err => MergeError::Object(err),
    }
}

/// `merged`, but with `paths` as they are in theirs.
fn as_in_theirs(
    db: &ObjectDatabase,
    request: &MergeRequest,
    merged: TreeId,
    paths: &BTreeSet<RepoPath>,
) -> Result<TreeId, MergeError> {
    let mut entries: Vec<(RepoPath, NewEntry)> = Vec::new();
    let mut directory: Option<&RepoPath> = None;
    // Sorted by path, what is in a directory comes after the directory.
    for path in paths {
        if directory.is_some_and(|dir| path.is_at_or_below(dir)) {
            continue;
        }
        let entry = find(db, request.theirs, path)?;
        if matches!(entry, Some(EntryKind::Directory(_))) {
            directory = Some(path);
        }
        entries.push((path.clone(), entry.map(|kind| (kind, None))));
    }
    let mut sink = db;
    Ok(with_entries(db, &mut sink, merged, &entries)?)
}

/// Those of `paths` that are not as in ours. At a path in conflict, the
/// difference can only come from the other side.
fn changed_paths(
    db: &ObjectDatabase,
    ours: TreeId,
    result: TreeId,
    paths: BTreeSet<RepoPath>,
) -> Result<Vec<RepoPath>, ObjectError> {
    let mut changed = Vec::new();
    for path in paths {
        if find(db, ours, &path)? != find(db, result, &path)? {
            changed.push(path);
        }
    }
    Ok(changed)
}
