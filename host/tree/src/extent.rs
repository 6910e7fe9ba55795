//! How much of trees is listed before that is an error.
//!
//! One tree can be in very many places of another: a dozen objects have more paths than
//! there is memory. Whoever collects paths counts them here, so that it ends the same
//! way on every machine.

use crate::objects::ObjectError;
use crate::path::RepoPath;

/// Most files and directories.
const MOST_PATHS: usize = 1_000_000;

/// Most bytes of their paths.
const MOST_BYTES: usize = 256 << 20;

/// Most entries of the directories that are looked at for them.
const MOST_ENTRIES: usize = 20_000_000;

/// What was listed so far.
#[derive(Debug, Default)]
pub struct Extent {
    paths: usize,
    bytes: usize,
    entries: usize,
}

impl Extent {
    /// Counts a file or directory that is kept in mind.
    pub fn add_path(&mut self, path: &RepoPath) -> Result<(), ObjectError> {
        add(&mut self.paths, 1, MOST_PATHS, "paths")?;
        add(&mut self.bytes, path.as_bstr().len(), MOST_BYTES, "bytes of paths")
    }

    /// Counts a directory of so many entries that is looked at.
    pub fn add_directory(&mut self, entries: usize) -> Result<(), ObjectError> {
        add(&mut self.entries, entries.saturating_add(1), MOST_ENTRIES, "entries of directories")
    }
}

fn add(
    count: &mut usize,
    more: usize,
    limit: usize,
    what: &'static str,
) -> Result<(), ObjectError> {
    *count = count.saturating_add(more);
    if *count > limit { Err(ObjectError::TooMany { limit, what }) } else { Ok(()) }
}
