//! Harbor's Agent Trajectory Interchange Format.

use crate::canonical::Rollout;

/// A rollout as one line.
pub(crate) fn line(_: &Rollout) -> Option<Vec<u8>> {
    None
}
