//! Work that is given up when nobody waits for it any more.

use std::time::Instant;

/// When work is no longer wanted. What is done until then does not depend on it:
/// late work is an error ([`crate::ObjectError::OutOfTime`]), never another result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The work is done, however long it takes.
    pub const NEVER: Self = Self(None);

    /// The work is given up some time after `end`.
    pub fn at(end: Instant) -> Self {
        Self(Some(end))
    }

    /// Whether it is too late.
    pub fn is_past(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::diff::{DiffOptions, changes};
    use crate::objects::{MemoryObjects, NoObjects};
    use crate::patch::{self, PatchError, TreeFiles};
    use crate::{ObjectError, TreeId, Worktree, worktree::WorktreeOptions};

    type Store = std::sync::Arc<MemoryObjects<NoObjects>>;

    fn tree(store: &Store, files: impl IntoIterator<Item = (String, String)>) -> TreeId {
        let mut worktree = Worktree::new(store.clone(), TreeId::EMPTY, WorktreeOptions::default());
        let edits: Vec<_> = files
            .into_iter()
            .map(|(path, text)| patch::Edit::Write {
                path: path.parse().unwrap(),
                content: text.into(),
                kind: patch::FileKind::Regular,
            })
            .collect();
        worktree.apply_edits(&edits).unwrap();
        worktree.snapshot(&mut &**store).unwrap()
    }

    /// Lines drawn from `kinds` by a small generator.
    fn mixed(seed: u64, lines: usize, kinds: u64) -> String {
        let mut state = seed;
        let mut text = String::new();
        for _ in 0..lines {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let _ = writeln!(text, "{}", (state >> 33) % kinds);
        }
        text
    }

    fn late() -> DiffOptions {
        DiffOptions { deadline: Deadline::at(Instant::now()), ..DiffOptions::default() }
    }

    #[test]
    fn texts_that_take_long_to_compare_are_not_compared_when_it_is_too_late() {
        let store = Store::new(MemoryObjects::new(NoObjects));
        let [old, new] =
            [1, 2].map(|seed| tree(&store, [("f".to_owned(), mixed(seed, 30_000, 3))]));
        let written = patch::write(&store, old, new, &late());
        assert!(matches!(written, Err(ObjectError::OutOfTime)), "{written:?}");
        assert!(patch::write(&store, old, new, &DiffOptions::default()).is_ok());
    }

    #[test]
    fn renames_that_take_long_to_find_are_not_found_when_it_is_too_late() {
        let store = Store::new(MemoryObjects::new(NoObjects));
        let [old, new] = [1_u64, 2].map(|side| {
            let file =
                |number: u64| (format!("{side}-{number}"), mixed(2 * number + side, 600, 5_000));
            tree(&store, (0..80).map(file))
        });
        let found = changes(&store, old, new, &late());
        assert!(matches!(found, Err(ObjectError::OutOfTime)), "{found:?}");
        assert_eq!(changes(&store, old, new, &DiffOptions::default()).unwrap().len(), 160);
    }

    #[test]
    fn hunks_that_take_long_to_place_are_not_placed_when_it_is_too_late() {
        let store = Store::new(MemoryObjects::new(NoObjects));
        let base = tree(&store, [("f".to_owned(), "a\n".repeat(60_000))]);
        let text = format!(
            "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -5,101 +5,101 @@\n{}-b\n+c\n a\n",
            " a\n".repeat(99)
        );
        let parsed = patch::parse(text.as_bytes()).unwrap();
        let files = TreeFiles::new(&store, base);
        let placed = patch::edits_until(&parsed, &files, Deadline::at(Instant::now()));
        assert!(matches!(placed, Err(PatchError::Object(ObjectError::OutOfTime))), "{placed:?}");
        let placed = patch::edits(&parsed, &files);
        assert!(matches!(placed, Err(PatchError::Hunk { .. })), "{placed:?}");
    }
}
