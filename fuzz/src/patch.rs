//! Any bytes as a patch to the fixture.
//!
//! What can be read and applied gives a valid tree, the same one from a worktree,
//! and the patch we write between the two trees makes each from the other.

use catena_tree::diff::{DiffOptions, Renames};
use catena_tree::patch::{self, PatchError};
use catena_tree::worktree::WorktreeOptions;
use catena_tree::{Objects, TreeId, Worktree};

use crate::fixture::{self, Layer};

/// Runs the target.
pub fn check(data: &[u8]) {
    let Ok(parsed) = patch::parse(data) else { return };
    let (objects, from) = fixture::tree();
    let Ok(applied) = patch::apply(&objects, &mut &*objects, from, &parsed) else {
        in_worktree(&objects, from, &parsed).expect_err("refused for a tree, so for a worktree");
        return;
    };
    let to = applied.tree;
    fixture::assert_valid(&objects, to);
    assert_eq!(in_worktree(&objects, from, &parsed).expect("applied to a tree"), to);
    for (from, to) in [(from, to), (to, from)] {
        for (context_lines, renames) in [(3, Renames::Detect), (1, Renames::Ignore)] {
            let options = DiffOptions { context_lines, renames, ..DiffOptions::default() };
            round_trip(&objects, from, to, &options);
        }
    }
}

/// The patch between two trees makes one from the other.
pub fn round_trip(objects: &Layer, from: TreeId, to: TreeId, options: &DiffOptions) {
    let text = patch::write(objects, from, to, options).expect("every object is held");
    let parsed = patch::parse(&text).expect("we read what we write");
    let applied = patch::apply(objects, &mut &**objects, from, &parsed);
    let made = applied.expect("we apply what we write").tree;
    assert_eq!(made, to, "{}", String::from_utf8_lossy(&text));
}

fn in_worktree(objects: &Layer, from: TreeId, parsed: &patch::Patch) -> Result<TreeId, PatchError> {
    let shared: std::sync::Arc<dyn Objects> = objects.clone();
    let mut worktree = Worktree::new(shared, from, WorktreeOptions::default());
    let edits = patch::edits(parsed, &worktree.files())?;
    let refused = |err: catena_tree::worktree::FsError| {
        PatchError::Object(catena_tree::ObjectError::Io(err.to_string()))
    };
    worktree.apply_edits(&edits).map_err(refused)?;
    worktree.snapshot(&mut &**objects).map_err(refused)
}
