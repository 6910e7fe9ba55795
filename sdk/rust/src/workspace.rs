//! The worktree in coarse steps, for what would take thousands of file calls.
//!
//! Single files are reached by `std::fs` below [`ROOT`].

use std::path::{Path, PathBuf};

pub use crate::bindings::imports::catena::plugin::workspace::{
    Change, DiffOptions, FileList, FileSelection, FileSlice, GrepMatch, GrepMatches, GrepQuery,
    ReadRequest, SnapshotRef, WorkspaceError, apply_patch, changes, compose_snapshot, diff,
    drop_snapshot, glob, grep, read_files, restore, set_executable, snapshot_names, take_snapshot,
};

/// Where the worktree is mounted.
pub const ROOT: &str = "/workspace";

/// Where the scratch directory is mounted. It lasts for the rollout and is in no submission.
pub const SCRATCH: &str = "/tmp";

/// Where the agent's home directory is mounted. It lasts like [`SCRATCH`].
pub const HOME: &str = "/home/agent";

/// Where `std::fs` finds a path of the worktree.
pub fn file(path: &str) -> PathBuf {
    Path::new(ROOT).join(path)
}

/// Git's default: three lines of context, renames shown, all paths.
impl Default for DiffOptions {
    fn default() -> Self {
        Self { paths: Vec::new(), context_lines: 3, detect_renames: true }
    }
}

/// All files but ignored ones.
impl Default for FileSelection {
    fn default() -> Self {
        Self {
            below: String::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            respect_ignore: true,
        }
    }
}
