//! Path resolution as `wasi:filesystem` wants it: below a directory, never out of it.

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
    Existing {
        /// The node.
        node: NodeId,
        /// Where it can be removed or replaced; none where the path ends in `.`
        /// or `..` or names it by a symlink that it was not meant to follow.
        at: Option<Place>,
    },
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
            Self::Existing { node, .. } => Ok(*node),
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

/// A path on its way through a worktree.
struct Walk {
    /// From the starting directory to where the walk is.
    dirs: Vec<NodeId>,
    /// Components to come, the next one last.
    ahead: Vec<BString>,
    needs_directory: bool,
    links: Links,
    purpose: Purpose,
    hops: u32,
    /// The last component was a symlink that only a slash made us follow.
    passed_last_link: bool,
}

impl Walk {
    fn new(dir: NodeId, path: &BStr, links: Links, purpose: Purpose) -> Self {
        let mut walk = Self {
            dirs: vec![dir],
            ahead: Vec::new(),
            needs_directory: false,
            links,
            purpose,
            hops: 0,
            passed_last_link: false,
        };
        walk.go_along(path);
        walk
    }

    /// Puts the components of `path` before those to come.
    fn go_along(&mut self, path: &BStr) {
        self.needs_directory |= self.ahead.is_empty() && path.ends_with(b"/");
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        self.ahead.extend(names.rev().map(BString::from));
    }

    fn dir(&self) -> Result<NodeId, FsError> {
        self.dirs.last().copied().ok_or(FsError::NotPermitted)
    }

    fn go_up(&mut self) -> Result<(), FsError> {
        self.dirs.pop();
        self.dir().map(|_| ())
    }

    fn follow(&mut self, target: &BStr) -> Result<(), FsError> {
        self.hops += 1;
        if self.hops > MAX_HOPS {
            return Err(FsError::TooManyLinks);
        }
        check_path(target)?;
        self.go_along(target);
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
        while let Some(name) = walk.ahead.pop() {
            let dir = walk.dir()?;
            self.load(dir)?;
            if name == "." || name == ".." {
                if name == ".." {
                    walk.go_up()?;
                }
                continue;
            }
            if let Some(resolved) = self.step(&mut walk, dir, name)? {
                return Ok(resolved);
            }
        }
        let node = walk.dir()?;
        self.load(node)?;
        Ok(Resolved::Existing { node, at: None })
    }

    /// Takes one step to `name` in `dir`; the answer if that was the last one.
    fn step(
        &mut self,
        walk: &mut Walk,
        dir: NodeId,
        name: BString,
    ) -> Result<Option<Resolved>, FsError> {
        let is_last = walk.ahead.is_empty();
        check_searched_name(name.as_ref())?;
        if is_last && walk.needs_directory && walk.purpose == Purpose::Create {
            return Err(FsError::IsDirectory);
        }
        let Some(node) = self.child(dir, name.as_ref())? else {
            if !is_last {
                return Err(FsError::NoEntry);
            }
            let only = walk.needs_directory.then_some(NodeKind::Directory);
            return Ok(Some(Resolved::Missing { at: Place { dir, name }, only }));
        };
        let kind = self.kind(node)?;
        if kind == NodeKind::Symlink
            && (!is_last || walk.links == Links::Follow || walk.needs_directory)
        {
            walk.passed_last_link |= is_last && walk.links == Links::NoFollow;
            let target = self.link_target(node)?;
            walk.follow(target.as_bstr())?;
            return Ok(None);
        }
        if !is_last {
            if kind != NodeKind::Directory {
                return Err(FsError::NotDirectory);
            }
            walk.dirs.push(node);
            return Ok(None);
        }
        if walk.needs_directory && kind != NodeKind::Directory {
            return Err(FsError::NotDirectory);
        }
        let at = (!walk.passed_last_link).then_some(Place { dir, name });
        Ok(Some(Resolved::Existing { node, at }))
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
