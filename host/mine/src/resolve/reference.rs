//! The reference patch of a stage, checked: applied to the base it must give the
//! human tree, byte for byte.

use catena_chain::verify::{missing_objects, reference_patch};
use catena_chain::{PatchDigest, ReferencePatch};
use catena_tree::patch::{self, ContentChange, LineChange, PatchError};
use catena_tree::{MemoryObjects, ObjectDatabase, ObjectError, TreeId};

use super::Reason;

/// The patch from `base` to `human`, which gives `human` again, byte for byte.
pub(super) fn checked_patch(
    db: &ObjectDatabase,
    base: TreeId,
    human: TreeId,
) -> Result<ReferencePatch, Reason> {
    let unreadable = |err: ObjectError| Reason::Unreadable(err.to_string());
    let bytes = match reference_patch(db, base, human) {
        Ok(bytes) => bytes,
        Err(ObjectError::Missing(id)) => return missing(db, base, human, id),
        Err(err) => return Err(unreadable(err)),
    };
    let inexact = |err: PatchError| Reason::PatchNotExact(err.to_string());
    let patch = patch::parse(&bytes).map_err(inexact)?;
    let scratch = MemoryObjects::new(db.clone());
    let applied = match patch::apply(&scratch, &mut &scratch, base, &patch) {
        Ok(applied) => applied,
        Err(PatchError::Object(ObjectError::Missing(id))) => {
            return missing(db, base, human, id);
        }
        Err(err) => return Err(inexact(err)),
    };
    if applied.tree != human {
        return Err(Reason::PatchNotExact(format!("it gives tree {}", applied.tree)));
    }
    let (added, deleted) = changed_lines(&patch);
    Ok(ReferencePatch::Available {
        sha256: PatchDigest::of(&bytes),
        bytes: bytes.len() as u64,
        files: patch.files.len() as u64,
        added,
        deleted,
    })
}

fn missing(
    db: &ObjectDatabase,
    base: TreeId,
    human: TreeId,
    seen: String,
) -> Result<ReferencePatch, Reason> {
    let mut objects =
        missing_objects(db, base, human).map_err(|err| Reason::Unreadable(err.to_string()))?;
    if objects.is_empty() {
        objects.push(seen);
    }
    Ok(ReferencePatch::MissingObjects { objects })
}

fn changed_lines(patch: &patch::Patch) -> (u64, u64) {
    let (mut added, mut deleted) = (0, 0);
    for file in &patch.files {
        let ContentChange::Lines(hunks) = &file.content else { continue };
        for line in hunks.iter().flat_map(|hunk| &hunk.lines) {
            match line.change {
                LineChange::Added => added += 1,
                LineChange::Removed => deleted += 1,
                LineChange::Context => {}
            }
        }
    }
    (added, deleted)
}
