//! Operations on this machine's own file system.

use crate::example;
use crate::operations::{Operation, Outcome, run_all};

/// Carries operations out in a temporary directory with the example's entries.
pub(crate) fn run(operations: &[Operation]) -> Vec<Outcome> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    example::write(&root);
    run_all(&root, operations)
}
