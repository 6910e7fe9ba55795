//! Path resolution as `wasi:filesystem` wants it: below a directory, never out of it.

use std::borrow::Cow;
use std::ops::Range;

use bstr::{BStr, BString, ByteSlice};

use super::Worktree;
use super::error::FsError;
use super::lookup::check_searched_name;
use super::node::{Body, NodeId, NodeKind};
use crate::path::MAX_PATH;

/// Symlinks that may be followed for one path, as on Linux.
const MAX_HOPS: u32 = 40;

/// Whether a symlink as the last component is followed. Those before it always
/// are, and so is the last one before a trailing slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It is.
    Follow,
    /// The symlink itself is meant.
    NoFollow,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory.
    pub dir: NodeId,
    /// The name.
    pub name: BString,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// To a node.
    Existing(NodeId),
    /// To a name that is free, in a directory that exists.
    Missing {
        /// The free name.
        at: Place,
        /// The path ended in a slash, so only a directory may be made there.
        only: Option<NodeKind>,
    },
}

impl Resolved {
    /// The node, or [`FsError::NoEntry`].
    pub fn node(&self) -> Result<NodeId, FsError> {
        match self {
            Self::Existing(node) => Ok(*node),
            Self::Missing { .. } => Err(FsError::NoEntry),
        }
    }
}

/// What a path is resolved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Find,
    /// To create a file, which cannot have a slash behind its name.
    Create,
}

/// A path on its way through a worktree. It takes no memory of its own until it
/// comes to a symlink.
struct Walk<'p> {
    /// Where it started; no path leads above that.
    start: NodeId,
    /// Where it is.
    dir: NodeId,
    path: Cow<'p, [u8]>,
    /// Where in `path` the next component begins, or slashes before it.
    at: usize,
    needs_directory: bool,
    links: Links,
    purpose: Purpose,
    hops: u32,
}

impl<'p> Walk<'p> {
    fn new(start: NodeId, path: &'p BStr, links: Links, purpose: Purpose) -> Self {
        Self {
            start,
            dir: start,
            path: Cow::Borrowed(path),
            at: 0,
            needs_directory: path.ends_with(b"/"),
            links,
            purpose,
            hops: 0,
        }
    }

    /// The place of the next component, which is passed by that.
    fn next(&mut self) -> Option<Range<usize>> {
        let rest = self.path.get(self.at..)?;
        let begin = self.at + rest.iter().position(|byte| *byte != b'/')?;
        let len = self.path.get(begin..).and_then(|rest| rest.find_byte(b'/'));
        let end = len.map_or(self.path.len(), |len| begin + len);
        self.at = end;
        Some(begin..end)
    }

    fn name(&self, range: Range<usize>) -> &BStr {
        self.path.get(range).unwrap_or_default().as_bstr()
    }

    /// Whether nothing but slashes is to come.
    fn is_last(&self) -> bool {
        self.path.get(self.at..).unwrap_or_default().iter().all(|byte| *byte == b'/')
    }

    /// Puts the target of a symlink before what is to come.
    fn follow(&mut self, target: &BStr) -> Result<(), FsError> {
        self.hops += 1;
        if self.hops > MAX_HOPS {
            return Err(FsError::TooManyLinks);
        }
        check_path(target)?;
        let mut path = target.to_vec();
        if self.is_last() {
            self.needs_directory |= target.ends_with(b"/");
        } else {
            path.push(b'/');
            path.extend_from_slice(self.path.get(self.at..).unwrap_or_default());
        }
        self.path = Cow::Owned(path);
        self.at = 0;
        Ok(())
    }
}

impl Worktree {
    /// Finds what `path` names below the directory `dir`.
    ///
    /// A path or symlink that is absolute or leads above `dir` is
    /// [`FsError::NotPermitted`], even where it would come back.
    pub fn resolve(&mut self, dir: NodeId, path: &BStr, links: Links) -> Result<Resolved, FsError> {
        self.resolve_to(Purpose::Find, dir, path, links)
    }

    pub(super) fn resolve_to(
        &mut self,
        purpose: Purpose,
        dir: NodeId,
        path: &BStr,
        links: Links,
    ) -> Result<Resolved, FsError> {
        check_path(path)?;
        let mut walk = Walk::new(dir, path, links, purpose);
        while let Some(component) = walk.next() {
            self.load(walk.dir)?;
            match walk.name(component.clone()).as_bytes() {
                b"." => {}
                b".." if walk.dir == walk.start => return Err(FsError::NotPermitted),
                b".." => {
                    walk.dir = self.nodes.get(walk.dir)?.parent.ok_or(FsError::NoEntry)?;
                }
                _ => {
                    if let Some(resolved) = self.step(&mut walk, component)? {
                        return Ok(resolved);
                    }
                }
            }
        }
        self.load(walk.dir)?;
        Ok(Resolved::Existing(walk.dir))
    }

    /// Takes one step to a name; the answer if that was the last one.
    fn step(
        &mut self,
        walk: &mut Walk<'_>,
        component: Range<usize>,
    ) -> Result<Option<Resolved>, FsError> {
        let (is_last, dir) = (walk.is_last(), walk.dir);
        let name = walk.name(component);
        check_searched_name(name)?;
        if is_last && walk.needs_directory && walk.purpose == Purpose::Create {
            return Err(FsError::IsDirectory);
        }
        // What can't be made at a hidden place is counted as a change.
        let found = match walk.purpose {
            Purpose::Create if is_last => self.child(dir, name)?,
            Purpose::Create | Purpose::Find => self.looked_up(dir, name)?,
        };
        let Some(node) = found else {
            if !is_last {
                return Err(FsError::NoEntry);
            }
            let only = walk.needs_directory.then_some(NodeKind::Directory);
            let at = Place { dir, name: name.to_owned() };
            return Ok(Some(Resolved::Missing { at, only }));
        };
        let kind = self.kind(node)?;
        if kind == NodeKind::Symlink
            && (!is_last || walk.links == Links::Follow || walk.needs_directory)
        {
            let target = self.link_target(node)?;
            walk.follow(target.as_bstr())?;
            return Ok(None);
        }
        if (!is_last || walk.needs_directory) && kind != NodeKind::Directory {
            return Err(FsError::NotDirectory);
        }
        if is_last {
            return Ok(Some(Resolved::Existing(node)));
        }
        walk.dir = node;
        Ok(None)
    }

    /// The target of a symlink.
    pub fn read_link(&mut self, node: NodeId) -> Result<BString, FsError> {
        match self.nodes.get(node)?.body {
            Body::Symlink(_) => self.link_target(node),
            _ => Err(FsError::Invalid),
        }
    }

    fn link_target(&mut self, node: NodeId) -> Result<BString, FsError> {
        Ok(Vec::from(self.all_bytes(node)?).into())
    }
}

pub(super) fn check_path(path: &BStr) -> Result<(), FsError> {
    if path.contains(&0) {
        return Err(FsError::Invalid);
    }
    if path.len() > MAX_PATH {
        return Err(FsError::NameTooLong);
    }
    if path.is_empty() {
        return Err(FsError::NoEntry);
    }
    if path.starts_with(b"/") {
        return Err(FsError::NotPermitted);
    }
    Ok(())
}
