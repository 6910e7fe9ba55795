//! Operations on paths below a directory, with the answers Linux gives: what
//! `openat(2)`, `unlinkat(2)`, `renameat(2)` and the like are to a kernel.
//!
//! The last component is taken as a name and never followed, except where an
//! operation says so.

use bstr::{BStr, ByteSlice};

use super::Worktree;
use super::edit::OnExisting;
use super::error::FsError;
use super::lookup::check_searched_name;
use super::node::{NodeId, NodeKind};
use super::resolve::{Links, Purpose, Resolved, check_path};

/// Whether opening creates a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Create {
    /// It must exist.
    #[default]
    Never,
    /// It is created if it does not exist.
    IfMissing,
    /// It must not exist.
    Exclusive,
}

/// What may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Openable {
    /// A file or a directory.
    #[default]
    Any,
    /// Only a directory.
    Directory,
}

/// What opening does to the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnOpen {
    /// Nothing.
    #[default]
    Keep,
    /// It is cut to nothing.
    Truncate,
}

/// How to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOptions {
    /// Whether a symlink as the last component is followed.
    pub links: Links,
    /// Whether a file is created.
    pub create: Create,
    /// What may be opened.
    pub openable: Openable,
    /// What happens to the content.
    pub on_open: OnOpen,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            links: Links::Follow,
            create: Create::Never,
            openable: Openable::Any,
            on_open: OnOpen::Keep,
        }
    }
}

/// The last component of a path, and the directory it is in.
struct Last<'p> {
    dir: NodeId,
    name: Name<'p>,
    has_slash: bool,
}

enum Name<'p> {
    Normal(&'p BStr),
    Dot,
    DotDot,
}

impl Worktree {
    /// Finds or creates what a file handle is to stand for, and opens it: the
    /// caller closes it again with [`Worktree::close`].
    pub fn open_at(
        &mut self,
        dir: NodeId,
        path: &BStr,
        options: OpenOptions,
    ) -> Result<NodeId, FsError> {
        let node = match options.create {
            Create::Never => self.find_to_open(dir, path, options)?,
            Create::IfMissing | Create::Exclusive => self.find_or_create(dir, path, options)?,
        };
        if options.on_open == OnOpen::Truncate {
            self.truncate(node, 0)?;
        }
        self.open(node)?;
        Ok(node)
    }

    /// Creates a directory.
    pub fn create_dir_at(&mut self, dir: NodeId, path: &BStr) -> Result<NodeId, FsError> {
        let last = self.parent_of(dir, path)?;
        match last.name {
            Name::Normal(name) => self.create_dir(last.dir, name),
            Name::Dot | Name::DotDot => Err(FsError::Exists),
        }
    }

    /// Creates a symlink.
    pub fn symlink_at(&mut self, dir: NodeId, path: &BStr, target: &BStr) -> Result<(), FsError> {
        let last = self.parent_of(dir, path)?;
        let Name::Normal(name) = last.name else { return Err(FsError::Exists) };
        check_searched_name(name)?;
        if last.has_slash && self.child(last.dir, name)?.is_none() {
            return Err(FsError::NoEntry);
        }
        self.symlink(last.dir, name, target).map(|_| ())
    }

    /// Removes a file or symlink.
    pub fn remove_file_at(&mut self, dir: NodeId, path: &BStr) -> Result<(), FsError> {
        let last = self.parent_of(dir, path)?;
        let Name::Normal(name) = last.name else { return Err(FsError::IsDirectory) };
        if last.has_slash {
            let node = self.lookup(last.dir, name)?;
            self.check_slash(&last, node)?;
        }
        self.remove_file(last.dir, name)
    }

    /// Removes an empty directory.
    pub fn remove_dir_at(&mut self, dir: NodeId, path: &BStr) -> Result<(), FsError> {
        let last = self.parent_of(dir, path)?;
        match last.name {
            Name::Normal(name) => self.remove_dir(last.dir, name),
            Name::Dot => Err(FsError::Invalid),
            Name::DotDot => Err(FsError::NotEmpty),
        }
    }

    /// Moves an entry, over a file or an empty directory where there is one.
    pub fn rename_at(
        &mut self,
        from_dir: NodeId,
        from: &BStr,
        to_dir: NodeId,
        to: &BStr,
    ) -> Result<(), FsError> {
        let from = self.parent_of(from_dir, from)?;
        let to = self.parent_of(to_dir, to)?;
        let (Name::Normal(from_name), Name::Normal(to_name)) = (&from.name, &to.name) else {
            return Err(FsError::Busy);
        };
        let node = self.lookup(from.dir, from_name)?;
        check_searched_name(to_name)?;
        self.check_slash(&from, node)?;
        self.check_slash(&to, node)?;
        self.rename(from.dir, from_name, to.dir, to_name)
    }

    fn find_to_open(
        &mut self,
        dir: NodeId,
        path: &BStr,
        options: OpenOptions,
    ) -> Result<NodeId, FsError> {
        let node = self.resolve(dir, path, options.links)?.node()?;
        match (self.kind(node)?, options.openable) {
            (NodeKind::File | NodeKind::Symlink, Openable::Directory) => Err(FsError::NotDirectory),
            (NodeKind::Symlink, Openable::Any) => Err(FsError::TooManyLinks),
            _ => Ok(node),
        }
    }

    fn find_or_create(
        &mut self,
        dir: NodeId,
        path: &BStr,
        options: OpenOptions,
    ) -> Result<NodeId, FsError> {
        if options.openable == Openable::Directory {
            return Err(FsError::Invalid);
        }
        let is_exclusive = options.create == Create::Exclusive;
        let links = if is_exclusive { Links::NoFollow } else { options.links };
        match self.resolve_to(Purpose::Create, dir, path, links)? {
            Resolved::Existing(_) if is_exclusive => Err(FsError::Exists),
            Resolved::Existing(node) => match self.kind(node)? {
                NodeKind::File => Ok(node),
                NodeKind::Directory => Err(FsError::IsDirectory),
                NodeKind::Symlink => Err(FsError::TooManyLinks),
            },
            Resolved::Missing { at, .. } => {
                self.create_file(at.dir, at.name.as_ref(), OnExisting::Refuse)
            }
        }
    }

    /// A trailing slash demands a directory.
    fn check_slash(&self, last: &Last<'_>, node: NodeId) -> Result<(), FsError> {
        if last.has_slash && self.kind(node)? != NodeKind::Directory {
            return Err(FsError::NotDirectory);
        }
        Ok(())
    }

    /// Resolves all of a path but its last component.
    fn parent_of<'p>(&mut self, start: NodeId, path: &'p BStr) -> Result<Last<'p>, FsError> {
        check_path(path)?;
        let trimmed = path.trim_end_with(|byte| byte == '/');
        let split = trimmed.rfind_byte(b'/').map_or(0, |slash| slash + 1);
        let (above, name) = trimmed.split_at_checked(split).ok_or(FsError::Invalid)?;
        let dir = if above.is_empty() {
            self.load(start)?;
            start
        } else {
            self.resolve(start, above.as_bstr(), Links::Follow)?.node()?
        };
        let name = match name {
            b"." => Name::Dot,
            b".." => {
                // It must not lead out, whatever the answer would be.
                self.resolve(start, path, Links::Follow)?;
                Name::DotDot
            }
            name => Name::Normal(name.as_bstr()),
        };
        Ok(Last { dir, name, has_slash: trimmed.len() < path.len() })
    }
}
