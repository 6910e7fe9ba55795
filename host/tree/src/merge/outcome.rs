//! The merged tree, and what the policy makes of its conflicts.

use std::collections::{BTreeMap, BTreeSet};

use super::collect::{OURS, Stages};
use super::settle::Settled;
use super::{Conflict, ConflictPolicy, MergeError, MergeRequest, Merged};
use crate::database::ObjectDatabase;
use crate::ids::TreeId;
use crate::objects::{EntryKind, ObjectError};
use crate::patch::{NewEntry, find, with_entries};
use crate::path::RepoPath;

pub(super) fn resolve(
    db: &ObjectDatabase,
    request: &MergeRequest,
    original: &BTreeMap<RepoPath, Stages>,
    settled: Settled,
    hidden: Vec<Conflict>,
) -> Result<Merged, MergeError> {
    let merged = merged_tree(db, request.ours, original, &settled.files)?;
    let mut conflicts: BTreeSet<_> = hidden.into_iter().collect();
    let mut involved = BTreeSet::new();
    for disagreement in settled.disagreements {
        involved.extend(disagreement.involved);
        conflicts.insert(Conflict { path: disagreement.path, kind: disagreement.kind });
    }
    let conflicts: Vec<_> = conflicts.into_iter().collect();
    let tree = match request.policy {
        _ if conflicts.is_empty() => merged,
        ConflictPolicy::Markers => merged,
        ConflictPolicy::Upstream => as_in_theirs(db, request, merged, &involved)?,
        ConflictPolicy::Stop => request.ours,
    };
    let from_theirs = changed_paths(db, request.ours, tree, involved)?;
    Ok(Merged { tree, conflicts, from_theirs })
}

/// Ours with all that the merge has changed.
fn merged_tree(
    db: &ObjectDatabase,
    ours: TreeId,
    original: &BTreeMap<RepoPath, Stages>,
    files: &BTreeMap<RepoPath, EntryKind>,
) -> Result<TreeId, MergeError> {
    let before = |path: &RepoPath| original.get(path).and_then(|stages| stages.entry(OURS));
    let paths: BTreeSet<_> = original.keys().chain(files.keys()).collect();
    let changed = paths.into_iter().filter_map(|path| {
        let after = files.get(path).copied();
        (after != before(path)).then(|| (path.clone(), after.map(|kind| (kind, None))))
    });
    let mut sink = db;
    Ok(with_entries(db, &mut sink, ours, &changed.collect::<Vec<_>>())?)
}

/// `merged`, but with `paths` as they are in theirs.
fn as_in_theirs(
    db: &ObjectDatabase,
    request: &MergeRequest,
    merged: TreeId,
    paths: &BTreeSet<RepoPath>,
) -> Result<TreeId, MergeError> {
    let mut entries: Vec<(RepoPath, NewEntry)> = Vec::new();
    for path in paths {
        // What is in a directory that is taken over as a whole comes with it.
        let whole = |(dir, entry): &(RepoPath, NewEntry)| {
            matches!(entry, Some((EntryKind::Directory(_), _))) && path.is_at_or_below(dir)
        };
        if !entries.iter().any(whole) {
            let entry = find(db, request.theirs, path)?;
            entries.push((path.clone(), entry.map(|kind| (kind, None))));
        }
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
