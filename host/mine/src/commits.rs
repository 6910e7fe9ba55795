//! The commits of a pull request: what its merge brought in.

use std::collections::{BinaryHeap, HashMap};

use catena_tree::database::Commit;
use catena_tree::{CommitId, ObjectDatabase, ObjectError};

/// More commits than this are not read; a pull request that has them is a
/// branch synchronisation, whose messages tell nothing of the change.
pub(crate) const MAX_COMMITS: usize = 100;

/// The commits reachable from `tip` but not from `base`, oldest first, at most
/// [`MAX_COMMITS`]. Merge commits are left out.
///
/// Walks newest first from both ends, as git does, so that it reads little more
/// than the commits it returns. Wrong clocks can let a commit of `base` in.
pub(crate) fn brought_in(
    db: &ObjectDatabase,
    base: CommitId,
    tip: CommitId,
) -> Result<Vec<Commit>, ObjectError> {
    let mut walk = Walk { db, known: HashMap::new(), queue: BinaryHeap::new(), open: 0 };
    walk.reach(tip, Side::Tip)?;
    walk.reach(base, Side::Base)?;
    let mut found = Vec::new();
    while walk.open > 0 && found.len() < MAX_COMMITS {
        let Some((commit, side)) = walk.next() else { break };
        for parent in &commit.parents {
            walk.reach(*parent, side)?;
        }
        if side == Side::Tip && commit.parents.len() < 2 {
            found.push(commit);
        }
    }
    found.reverse();
    Ok(found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Tip,
    Base,
}

struct Walk<'a> {
    db: &'a ObjectDatabase,
    known: HashMap<CommitId, (Side, Option<Commit>)>,
    queue: BinaryHeap<(i64, CommitId)>,
    /// Queued commits that only the tip reaches so far.
    open: usize,
}

impl Walk<'_> {
    fn reach(&mut self, id: CommitId, side: Side) -> Result<(), ObjectError> {
        if let Some((known, waiting)) = self.known.get_mut(&id) {
            if *known == Side::Tip && side == Side::Base {
                *known = Side::Base;
                self.open -= usize::from(waiting.is_some());
            }
            return Ok(());
        }
        let commit = self.db.commit(id)?;
        self.open += usize::from(side == Side::Tip);
        self.queue.push((commit.time, id));
        self.known.insert(id, (side, Some(commit)));
        Ok(())
    }

    fn next(&mut self) -> Option<(Commit, Side)> {
        let (_, id) = self.queue.pop()?;
        let (side, waiting) = self.known.get_mut(&id)?;
        let commit = waiting.take()?;
        self.open -= usize::from(*side == Side::Tip);
        Some((commit, *side))
    }
}
