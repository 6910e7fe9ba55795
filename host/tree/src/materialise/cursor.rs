//! Open directories on the way to where work is done.
//!
//! Every step down is taken by one name, from a directory that is open, and
//! never through a symlink. What was opened stays the same directory even when
//! somebody moves it or puts something else in its place.

use std::collections::VecDeque;
use std::io;

use bstr::BString;
use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use super::disk::as_path;
use crate::path::RepoPath;

/// Directories that are kept open, the deepest ones, so that a deep tree cannot
/// use up all file handles. Going up so many steps costs the way down again.
const MAX_OPEN: usize = 64;

/// A place in a directory tree on disk.
pub(super) struct Cursor<'a> {
    root: &'a Dir,
    /// The way to where the cursor is.
    names: Vec<BString>,
    /// What the last of those names stand for.
    open: VecDeque<Dir>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(root: &'a Dir) -> Self {
        Self { root, names: Vec::new(), open: VecDeque::new() }
    }

    /// The directory at `path`, unless there is none or a symlink is on the way.
    pub(super) fn enter(&mut self, path: &RepoPath) -> io::Result<&Dir> {
        let shared = self.names.iter().zip(path.components()).take_while(|(is, to)| is == to);
        self.go_up_to(shared.count());
        for name in path.components().skip(self.names.len()) {
            let next = self.last().open_dir_nofollow(as_path(name))?;
            self.names.push(name.to_owned());
            self.open.push_back(next);
            if self.open.len() > MAX_OPEN {
                self.open.pop_front();
            }
        }
        Ok(self.last())
    }

    /// Where the cursor is.
    fn last(&self) -> &Dir {
        self.open.back().unwrap_or(self.root)
    }

    fn go_up_to(&mut self, depth: usize) {
        let steps = self.names.len().saturating_sub(depth);
        self.names.truncate(depth);
        self.open.truncate(self.open.len().saturating_sub(steps));
        if self.open.is_empty() {
            self.names.clear();
        }
    }

    /// Forgets what is open, because entries on the way were replaced.
    pub(super) fn leave(&mut self, path: &RepoPath) {
        self.go_up_to(path.components().count().saturating_sub(1).min(self.names.len()));
    }
}
