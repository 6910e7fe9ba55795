//! Which deletion and which addition are one renamed file.

use super::Change;
use crate::objects::{ObjectError, Objects};

/// Joins pairs of a deleted and an added file into renames.
pub(super) fn pair(_: &dyn Objects, changes: Vec<Change>) -> Result<Vec<Change>, ObjectError> {
    Ok(changes)
}
