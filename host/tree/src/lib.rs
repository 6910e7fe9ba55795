//! Code as content: a state of the codebase is a git tree id, and everything
//! that happens to code is a function from tree ids to tree ids.
//!
//! Reading order:
//!
//! * [`ids`], [`path`]: names of things, which cannot hold a wrong value.
//! * [`objects`]: what an object source offers, in memory or on disk.
//! * [`spill`]: content beyond what memory is to hold.
//! * [`cache`]: objects kept in memory before anything that is slow to ask.
//! * [`database`]: the bare git object database of a run, and the history of a clone.
//! * [`deadline`]: work that is given up when nobody waits for it any more.
//! * [`worktree`]: the overlay an agent works in, and its snapshots.
//! * [`lines`]: which lines of a text became which lines of another.
//! * [`extent`]: how much of trees is listed before that is an error.
//! * [`diff`], [`patch`]: differences of two trees, written and applied as git patches.
//! * [`gitignore`]: which new files a submission leaves out.
//! * [`materialise`]: a worktree's state as real files, and changes taken back.
//! * [`merge`]: three-way merge of trees, by which state is carried.
//!
//! This is the only crate that names gix. It never runs git, never reads a
//! configuration and never lets content (attributes, hooks) act on the host.

pub mod cache;
pub mod database;
pub mod deadline;
pub mod diff;
pub mod extent;
pub mod gitignore;
pub mod ids;
pub mod lines;
pub mod materialise;
pub mod merge;
pub mod objects;
pub mod patch;
pub mod path;
pub mod spill;
pub mod worktree;

pub use cache::{CacheBudget, CacheUse, ObjectCache};
pub use database::ObjectDatabase;
pub use deadline::Deadline;
pub use ids::{BlobId, CommitId, TreeId};
pub use objects::{EntryKind, MemoryObjects, ObjectError, Objects, TreeEntry};
pub use path::{PathError, RepoPath};
pub use worktree::Worktree;
