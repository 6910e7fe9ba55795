//! Open directories on the way to where work is done.
//!
//! Every step down is taken by one name, from a directory that is open, and
//! never through a symlink. What was opened stays the same directory even when
//! somebody moves it or puts something else in its place.

use std::io;

use bstr::{BStr, BString};
use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use super::disk::as_path;
use crate::path::RepoPath;

/// Directories that are kept open. What lies deeper is opened from the last of
/// them each time, so that a deep tree cannot use up all file handles.
const MAX_OPEN: usize = 64;

/// A place in a directory tree on disk.
pub(super) struct Cursor<'a> {
    root: &'a Dir,
    open: Vec<(BString, Dir)>,
    deep: Option<(RepoPath, Dir)>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(root: &'a Dir) -> Self {
        Self { root, open: Vec::new(), deep: None }
    }

    /// The directory at `path`, unless there is none or a symlink is on the way.
    pub(super) fn enter(&mut self, path: &RepoPath) -> io::Result<&Dir> {
        let names: Vec<&BStr> = path.components().collect();
        let shared = self.open.iter().zip(&names).take_while(|((open, _), name)| open == *name);
        let shared = shared.count();
        self.open.truncate(shared);
        for name in names.iter().take(MAX_OPEN).skip(shared) {
            let next = self.last().open_dir_nofollow(as_path(name))?;
            self.open.push(((*name).to_owned(), next));
        }
        let mut below = names.iter().skip(MAX_OPEN);
        let Some(first) = below.next() else { return Ok(self.last()) };
        if self.deep.as_ref().is_none_or(|(deep, _)| deep != path) {
            let mut dir = self.last().open_dir_nofollow(as_path(first))?;
            for name in below {
                dir = dir.open_dir_nofollow(as_path(name))?;
            }
            self.deep = Some((path.clone(), dir));
        }
        Ok(self.deep.as_ref().map_or(self.root, |(_, dir)| dir))
    }

    fn last(&self) -> &Dir {
        self.open.last().map_or(self.root, |(_, dir)| dir)
    }

    /// Forgets what is open, because entries on the way were replaced.
    pub(super) fn leave(&mut self, path: &RepoPath) {
        let depth = path.components().count();
        self.open.truncate(depth.saturating_sub(1));
        self.deep = None;
    }
}
