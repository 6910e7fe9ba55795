//! Paths that may not be changed and paths that are not there, for those who use
//! a worktree. The entries themselves stay in it and in its snapshots.
//!
//! Everything that looks an entry up asks `is_hidden`; everything that changes
//! one asks `check_change`, `check_place` or, where whole directories move or
//! go, `check_move` and `check_gone`. Without a policy that costs nothing.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice as _};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::FsError;
use super::node::{NodeId, NodeKind};
use super::{Access, Worktree};
use crate::diff::{self, DiffOptions, Renames};
use crate::gitignore::{PathKind, PatternError};
use crate::ids::TreeId;
use crate::objects::{EntryKind, ObjectSink};
use crate::patch::with_entries;
use crate::path::RepoPath;

/// Patterns as in `.gitignore`, relative to the root: one that matches a directory
/// is about all that is below it, and of several that match the last one counts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct PathPatterns {
    lines: Vec<String>,
    rules: Gitignore,
}

/// Which paths are protected.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    /// Paths that can be read but not changed.
    pub read_only: PathPatterns,
    /// Paths that are not there.
    pub hidden: PathPatterns,
}

/// What a policy says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// Nothing.
    Open,
    /// It can be read but not changed.
    ReadOnly,
    /// It is not there, and nothing can be put there.
    Hidden,
}

impl Protection {
    fn check(self) -> Result<(), FsError> {
        match self {
            Self::Open => Ok(()),
            Self::ReadOnly => Err(FsError::ReadOnly),
            Self::Hidden => Err(FsError::Access),
        }
    }
}

impl PathPatterns {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether they match a path or a directory it is in.
    pub fn is_match(&self, path: &BStr, kind: PathKind) -> bool {
        if self.is_empty() {
            return false;
        }
        let (mut path, mut is_directory) = (path, kind == PathKind::Directory);
        while !path.is_empty() {
            let found = self.rules.matched(OsStr::from_bytes(path), is_directory);
            if !found.is_none() {
                return found.is_ignore();
            }
            path = path.rfind_byte(b'/').and_then(|end| path.get(..end)).unwrap_or_default().into();
            is_directory = true;
        }
        false
    }
}

impl Default for PathPatterns {
    /// None.
    fn default() -> Self {
        Self { lines: Vec::new(), rules: Gitignore::empty() }
    }
}

impl PartialEq for PathPatterns {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for PathPatterns {}

impl TryFrom<Vec<String>> for PathPatterns {
    type Error = PatternError;

    /// Fails where a pattern is malformed or can match nothing.
    fn try_from(lines: Vec<String>) -> Result<Self, PatternError> {
        let mut all = GitignoreBuilder::new("");
        for pattern in &lines {
            let wrong = |reason: String| PatternError { pattern: pattern.clone(), reason };
            all.add_line(None, pattern).map_err(|err| wrong(err.to_string()))?;
            let mut alone = GitignoreBuilder::new("");
            alone.add_line(None, pattern).map_err(|err| wrong(err.to_string()))?;
            let alone = alone.build().map_err(|err| wrong(err.to_string()))?;
            let leads_out = pattern.split('/').any(|name| name == "." || name == "..");
            if alone.is_empty() || leads_out {
                return Err(wrong("it matches no path of a repository".to_owned()));
            }
        }
        let rules = all
            .build()
            .map_err(|err| PatternError { pattern: lines.join(" "), reason: err.to_string() })?;
        Ok(Self { lines, rules })
    }
}

impl From<PathPatterns> for Vec<String> {
    fn from(patterns: PathPatterns) -> Self {
        patterns.lines
    }
}

impl Policy {
    /// Whether it protects nothing.
    pub fn is_empty(&self) -> bool {
        self.read_only.is_empty() && self.hidden.is_empty()
    }

    /// What it says of a path.
    pub fn protection(&self, path: &BStr, kind: PathKind) -> Protection {
        if self.hidden.is_match(path, kind) {
            Protection::Hidden
        } else if self.read_only.is_match(path, kind) {
            Protection::ReadOnly
        } else {
            Protection::Open
        }
    }

    /// The strictest it says of a path, whatever is to be there.
    fn protection_of_any(&self, path: &BStr) -> Protection {
        let as_file = self.protection(path, PathKind::File);
        as_file.max(self.protection(path, PathKind::Directory))
    }

    /// Whether it hides a path that is not a directory.
    pub(crate) fn hides_file(&self, path: &RepoPath) -> bool {
        self.hidden.is_match(path.as_bstr(), PathKind::File)
    }
}

fn joined(dir: &BStr, name: &BStr) -> BString {
    let mut path = dir.to_owned();
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

fn path_kind(kind: NodeKind) -> PathKind {
    match kind {
        NodeKind::Directory => PathKind::Directory,
        NodeKind::File | NodeKind::Symlink => PathKind::File,
    }
}

impl Worktree {
    /// Puts whoever uses the worktree under a policy, but for [`Worktree::snapshot`]
    /// and [`Worktree::checkout`].
    #[must_use]
    pub fn under(mut self, policy: Arc<Policy>) -> Self {
        self.policy = Some(policy).filter(|policy| !policy.is_empty());
        self
    }

    /// Whether the content, mode and times of a node may be changed. What is
    /// unlinked is protected no more.
    pub fn check_change(&self, node: NodeId) -> Result<(), FsError> {
        self.check_writable()?;
        let Some(policy) = &self.policy else { return Ok(()) };
        if !self.nodes.get(node)?.linked {
            return Ok(());
        }
        let kind = path_kind(self.kind(node)?);
        self.refused(policy.protection(self.path_of(node).as_ref(), kind).check())
    }

    /// Makes the worktree, or what is at or below `paths`, equal to a tree as
    /// [`Worktree::checkout`] does, but leaves what is hidden as it is and fails
    /// where that would change something read-only. `sink` must feed the source
    /// of the worktree's objects.
    pub fn restore(
        &mut self,
        tree: TreeId,
        paths: &[RepoPath],
        sink: &mut dyn ObjectSink,
    ) -> Result<(), FsError> {
        let Some(policy) = self.policy.clone() else { return self.checkout(tree, paths) };
        let current = self.snapshot(sink)?;
        let options = DiffOptions {
            renames: Renames::Ignore,
            paths: paths.to_vec(),
            ..DiffOptions::default()
        };
        let mut kept = Vec::new();
        for change in diff::changes(&self.objects, current, tree, &options)? {
            match policy.protection(change.path.as_bstr(), PathKind::File) {
                Protection::Hidden => {
                    kept.push((change.path, change.before.map(|kind| (kind, None))));
                }
                protection => self.refused(protection.check())?,
            }
        }
        let tree = with_entries(&self.objects, sink, tree, &kept)?;
        self.checkout(tree, paths)
    }

    /// Whether an entry is not there for those who look.
    pub(super) fn is_hidden(&self, dir: NodeId, name: &BStr, kind: NodeKind) -> bool {
        let hides = self.policy.as_ref().filter(|policy| !policy.hidden.is_empty());
        hides.is_some_and(|policy| {
            let path = joined(self.path_of(dir).as_ref(), name);
            policy.hidden.is_match(path.as_ref(), path_kind(kind))
        })
    }

    /// Whether an entry may come to a place, go from it or be replaced there.
    pub(super) fn check_place(&self, dir: NodeId, name: &BStr) -> Result<(), FsError> {
        let Some(policy) = &self.policy else { return Ok(()) };
        let path = joined(self.path_of(dir).as_ref(), name);
        self.refused(policy.protection_of_any(path.as_ref()).check())
    }

    /// Whether a node may move: nothing at or below it is protected, neither where
    /// it is nor where it would be.
    pub(super) fn check_move(
        &mut self,
        node: NodeId,
        to_dir: NodeId,
        to_name: &BStr,
    ) -> Result<(), FsError> {
        if self.policy.is_none() {
            return Ok(());
        }
        let to = joined(self.path_of(to_dir).as_ref(), to_name);
        self.check_gone(node)?;
        self.check_below(node, &to)
    }

    /// Whether a node may go with all that is below it.
    pub(super) fn check_gone(&mut self, node: NodeId) -> Result<(), FsError> {
        if self.policy.is_none() {
            return Ok(());
        }
        let path = self.path_of(node);
        self.check_below(node, &path)
    }

    /// Whether a path can be made a file or nothing, with whatever gives way.
    pub(super) fn check_path(&mut self, path: &RepoPath) -> Result<(), FsError> {
        if self.policy.is_none() {
            return Ok(());
        }
        let mut dir = self.root;
        let mut left = path.components().count();
        for name in path.components() {
            left -= 1;
            let child = self.any_child(dir, name)?;
            let below = child.filter(|child| left > 0 && self.is_plain_directory(*child));
            if let Some(below) = below {
                dir = below;
                continue;
            }
            // All that is missing of the path would be made.
            self.check_place(dir, name)?;
            self.refused(self.protection_at(path).check())?;
            return child.map_or(Ok(()), |child| self.check_gone(child));
        }
        Ok(())
    }

    /// What is said of a path, whatever is to be there.
    pub(super) fn protection_at(&self, path: &RepoPath) -> Protection {
        let of = |policy: &Arc<Policy>| policy.protection_of_any(path.as_bstr());
        self.policy.as_ref().map_or(Protection::Open, of)
    }

    /// Whether nothing is protected of a node and all below it, at the path `at`.
    fn check_below(&mut self, node: NodeId, at: &BString) -> Result<(), FsError> {
        let Some(policy) = self.policy.clone() else { return Ok(()) };
        let check = |path: &BString, kind| policy.protection(path.as_ref(), kind).check();
        let mut nodes = vec![(node, at.clone())];
        let mut trees = Vec::new();
        while let Some((node, path)) = nodes.pop() {
            let kind = self.kind(node)?;
            self.refused(check(&path, path_kind(kind)))?;
            if kind != NodeKind::Directory {
                continue;
            }
            self.load(node)?;
            for (name, child) in self.touched(node) {
                nodes.push((child, joined(path.as_ref(), name.as_bstr())));
            }
            let untouched = self.untouched(node).into_iter();
            trees.extend(
                untouched.map(|entry| (entry.kind, joined(path.as_ref(), entry.name.as_ref()))),
            );
        }
        while let Some((kind, path)) = trees.pop() {
            let EntryKind::Directory(tree) = kind else {
                self.refused(check(&path, PathKind::File))?;
                continue;
            };
            self.refused(check(&path, PathKind::Directory))?;
            let entries = self.objects.tree(tree)?;
            trees.extend(
                entries
                    .iter()
                    .map(|entry| (entry.kind, joined(path.as_ref(), entry.name.as_ref()))),
            );
        }
        Ok(())
    }

    /// Counts what the policy refuses.
    fn refused(&self, checked: Result<(), FsError>) -> Result<(), FsError> {
        if checked.is_err() {
            self.protected.set(self.protected.get().saturating_add(1));
        }
        checked
    }

    pub(super) fn check_writable(&self) -> Result<(), FsError> {
        match self.access {
            Access::ReadOnly => Err(FsError::ReadOnly),
            Access::ReadWrite => Ok(()),
        }
    }
}
