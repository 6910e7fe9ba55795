//! The paths in which two trees differ, by a walk over both at once.

use std::cmp::Ordering;

use bstr::ByteSlice;

use super::Change;
use crate::extent::Extent;
use crate::ids::TreeId;
use crate::objects::{EntryKind, ObjectError, Objects, TreeEntry};
use crate::path::RepoPath;

/// All paths that differ and lie at or below one of `limits`, in no useful order.
pub(super) fn changes(
    objects: &dyn Objects,
    from: TreeId,
    to: TreeId,
    limits: &[RepoPath],
) -> Result<Vec<Change>, ObjectError> {
    let mut walk =
        Walk { objects, limits, found: Vec::new(), ahead: Vec::new(), extent: Extent::default() };
    if from != to {
        walk.ahead.push((RepoPath::root(), Some(from), Some(to)));
    }
    while let Some((dir, from, to)) = walk.ahead.pop() {
        walk.directories(&dir, from, to)?;
    }
    Ok(walk.found)
}

struct Walk<'a> {
    objects: &'a dyn Objects,
    limits: &'a [RepoPath],
    found: Vec<Change>,
    /// Directories that differ and are still to be looked into.
    ahead: Vec<(RepoPath, Option<TreeId>, Option<TreeId>)>,
    extent: Extent,
}

impl Walk<'_> {
    fn directories(
        &mut self,
        dir: &RepoPath,
        from: Option<TreeId>,
        to: Option<TreeId>,
    ) -> Result<(), ObjectError> {
        let before = from.map(|id| by_name(self.objects, id)).transpose()?.unwrap_or_default();
        let after = to.map(|id| by_name(self.objects, id)).transpose()?.unwrap_or_default();
        self.extent.add_directory(before.len() + after.len())?;
        let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.name.cmp(&b.name),
            };
            let was = if order == Ordering::Greater { None } else { old.next() };
            let is = if order == Ordering::Less { None } else { new.next() };
            let Some(name) = was.or(is).map(|entry| entry.name.as_bstr()) else { return Ok(()) };
            if was.map(|entry| entry.kind) == is.map(|entry| entry.kind) {
                continue;
            }
            let path = dir.join(name).map_err(|err| ObjectError::Malformed {
                id: from.or(to).unwrap_or(TreeId::EMPTY).to_string(),
                expected: "tree",
                reason: err.to_string(),
            })?;
            self.entries(path, was.map(|entry| entry.kind), is.map(|entry| entry.kind))?;
        }
    }

    fn entries(
        &mut self,
        path: RepoPath,
        was: Option<EntryKind>,
        is: Option<EntryKind>,
    ) -> Result<(), ObjectError> {
        let (old_dir, old_file) = split(was);
        let (new_dir, new_file) = split(is);
        if (old_dir.is_some() || new_dir.is_some()) && self.reaches_into(&path) {
            self.extent.add_path(&path)?;
            self.ahead.push((path.clone(), old_dir, new_dir));
        }
        if (old_file.is_some() || new_file.is_some()) && self.covers(&path) {
            self.extent.add_path(&path)?;
            self.found.push(Change {
                path,
                previous_path: None,
                before: old_file,
                after: new_file,
                similarity: None,
            });
        }
        Ok(())
    }

    fn covers(&self, path: &RepoPath) -> bool {
        self.limits.is_empty() || self.limits.iter().any(|limit| path.is_at_or_below(limit))
    }

    fn reaches_into(&self, dir: &RepoPath) -> bool {
        self.covers(dir) || self.limits.iter().any(|limit| limit.is_at_or_below(dir))
    }
}

fn split(kind: Option<EntryKind>) -> (Option<TreeId>, Option<EntryKind>) {
    match kind {
        Some(EntryKind::Directory(id)) => (Some(id), None),
        other => (None, other),
    }
}

/// Git's order puts `a.b` between the file `a` and the directory `a`; by plain
/// name both sides of a file that became a directory meet.
fn by_name(objects: &dyn Objects, id: TreeId) -> Result<Vec<TreeEntry>, ObjectError> {
    let mut entries = objects.tree(id)?.to_vec();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}
