//! Which files a repository's `.gitignore` rules leave out.
//!
//! Rules are those of `gitignore(5)`: files of all levels, the deeper one
//! first, and nothing below an ignored directory comes back in. Only regular
//! `.gitignore` files count, as with git. There is no user-wide or
//! repository-wide configuration. Costs follow the paths that are asked for.

use std::collections::HashMap;

use bstr::{BStr, ByteSlice};
use gix::glob::Pattern;
use gix::glob::pattern::Case;
use gix::glob::wildmatch::Mode;

use crate::ids::{BlobId, TreeId};
use crate::objects::{EntryKind, ObjectError, ObjectSink, Objects, TreeEntry, entry_named};
use crate::patch::{Edit, edit_tree, find, with_entries};
use crate::path::RepoPath;

/// Largest `.gitignore` that is read, in bytes, as with git.
const MAX_RULES: u64 = 100 << 20;

/// Why a line is not an ignore pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not an ignore pattern: {reason}")]
pub struct PatternError {
    /// The line.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Whether a path is asked for as a directory; patterns that end in a slash
/// match only those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// A file or symlink.
    File,
    /// A directory or submodule.
    Directory,
}

/// The ignore rules of a tree.
pub struct Ignore<'a> {
    objects: &'a dyn Objects,
    tree: TreeId,
    exclude: Option<Rules>,
    directories: HashMap<RepoPath, DirectoryRules>,
}

/// What is known of one directory.
struct DirectoryRules {
    /// Its tree; none if the tree has no directory there.
    tree: Option<TreeId>,
    /// Its own `.gitignore`.
    own: Option<Rules>,
    is_ignored: bool,
}

impl<'a> Ignore<'a> {
    /// The rules in the `.gitignore` files of `tree`. Reads nothing yet.
    pub fn from_tree(objects: &'a dyn Objects, tree: TreeId) -> Self {
        Self { objects, tree, exclude: None, directories: HashMap::new() }
    }

    /// Adds patterns relative to the root that no `.gitignore` file can undo.
    /// A malformed one matches nothing; see [`check_pattern`].
    #[must_use]
    pub fn with_exclude(mut self, patterns: &[String]) -> Self {
        self.exclude = Rules::parse(patterns.join("\n").as_bytes());
        self
    }

    /// Whether the rules match `path` or a directory it is in. Whether it is
    /// tracked, in which case git would not care, is for the caller to know.
    pub fn matches(&mut self, path: &RepoPath, kind: PathKind) -> Result<bool, ObjectError> {
        let Some(parent) = path.parent() else { return Ok(false) };
        self.learn(&parent)?;
        if self.directories.get(&parent).is_some_and(|rules| rules.is_ignored) {
            return Ok(true);
        }
        Ok(self.is_matched(path, kind))
    }

    /// Gets to know a directory and those it is in.
    fn learn(&mut self, dir: &RepoPath) -> Result<(), ObjectError> {
        let mut unknown = Vec::new();
        let mut current = Some(dir.clone());
        while let Some(path) = current.filter(|path| !self.directories.contains_key(path)) {
            current = path.parent();
            unknown.push(path);
        }
        for path in unknown.into_iter().rev() {
            let rules = self.rules_of(&path)?;
            self.directories.insert(path, rules);
        }
        Ok(())
    }

    /// The rules of a directory whose parent is known.
    fn rules_of(&self, dir: &RepoPath) -> Result<DirectoryRules, ObjectError> {
        let above = dir.parent().and_then(|parent| self.directories.get(&parent));
        let is_ignored = above.is_some_and(|rules| rules.is_ignored)
            || self.is_matched(dir, PathKind::Directory);
        let tree = match (dir.file_name(), above.and_then(|rules| rules.tree)) {
            (None, _) => Some(self.tree),
            (Some(name), Some(tree)) => match entry_named(&self.objects.tree(tree)?, name) {
                Some(TreeEntry { kind: EntryKind::Directory(tree), .. }) => Some(*tree),
                _ => None,
            },
            (Some(_), None) => None,
        };
        let own = match tree {
            Some(tree) if !is_ignored => self.own_rules(tree)?,
            _ => None,
        };
        Ok(DirectoryRules { tree, own, is_ignored })
    }

    fn own_rules(&self, tree: TreeId) -> Result<Option<Rules>, ObjectError> {
        let entries = self.objects.tree(tree)?;
        match entry_named(&entries, BStr::new(".gitignore")) {
            Some(TreeEntry { kind: EntryKind::File { id, .. }, .. }) => self.parse(*id),
            _ => Ok(None),
        }
    }

    fn parse(&self, id: BlobId) -> Result<Option<Rules>, ObjectError> {
        if self.objects.blob_size(id)? > MAX_RULES {
            return Ok(None);
        }
        Ok(Rules::parse(&self.objects.blob(id)?))
    }

    /// What the rules say of `path` itself; its parent is known.
    fn is_matched(&self, path: &RepoPath, kind: PathKind) -> bool {
        if path.is_root() {
            return false;
        }
        let excluded = self.exclude.as_ref().and_then(|rules| rules.verdict(path.as_bstr(), kind));
        if excluded == Some(Verdict::Ignored) {
            return true;
        }
        let mut dir = path.parent();
        while let Some(at) = dir {
            let rules = self.directories.get(&at).and_then(|rules| rules.own.as_ref());
            match rules.and_then(|rules| rules.verdict(below(&at, path), kind)) {
                Some(verdict) => return verdict == Verdict::Ignored,
                None => dir = at.parent(),
            }
        }
        false
    }
}

/// The patterns of one file, in its order.
struct Rules(Vec<Pattern>);

/// What a pattern says of a path that it matches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ignored,
    /// A pattern with `!`.
    Kept,
}

impl Rules {
    /// The patterns in these lines, if any of them is one. As with git, a line
    /// that makes no sense matches nothing.
    fn parse(lines: &[u8]) -> Option<Self> {
        let patterns = gix::ignore::parse(lines, false).map(|(pattern, _, _)| pattern);
        let patterns: Vec<_> = patterns.collect();
        (!patterns.is_empty()).then_some(Self(patterns))
    }

    /// What the last pattern that matches says.
    fn verdict(&self, path: &BStr, kind: PathKind) -> Option<Verdict> {
        let name = path.rfind_byte(b'/').map(|slash| slash + 1);
        let is_directory = Some(kind == PathKind::Directory);
        let matches = |pattern: &&Pattern| {
            let mode = Mode::NO_MATCH_SLASH_LITERAL;
            pattern.matches_repo_relative_path(path, name, is_directory, Case::Sensitive, mode)
        };
        let found = self.0.iter().rev().find(matches)?;
        Some(if found.is_negative() { Verdict::Kept } else { Verdict::Ignored })
    }
}

/// Checks that `pattern` can be part of an exclude list.
pub fn check_pattern(pattern: &str) -> Result<(), PatternError> {
    let wrong = |reason: String| PatternError { pattern: pattern.to_owned(), reason };
    // Git takes a malformed pattern for one that matches nothing.
    globset::Glob::new(pattern).map_err(|err| wrong(err.kind().to_string()))?;
    match Rules::parse(pattern.as_bytes()) {
        Some(_) => Ok(()),
        None => Err(wrong("it is a comment or blank".to_owned())),
    }
}

/// Files and symlinks of `tree` that are not in `base` and that the ignore
/// rules of `tree` or the patterns in `exclude` match, sorted. These are what
/// `git status --ignored` shows with `base` as the index.
pub fn ignored_additions(
    objects: &dyn Objects,
    base: TreeId,
    tree: TreeId,
    exclude: &[String],
) -> Result<Vec<RepoPath>, ObjectError> {
    let mut ignore = Ignore::from_tree(objects, tree).with_exclude(exclude);
    let mut ignored = Vec::new();
    for path in additions(objects, base, tree)? {
        if ignore.matches(&path, PathKind::File)? {
            ignored.push(path);
        }
    }
    ignored.sort();
    Ok(ignored)
}

/// `tree` without the files at `paths`.
pub fn without(
    objects: &dyn Objects,
    sink: &mut dyn ObjectSink,
    tree: TreeId,
    paths: &[RepoPath],
) -> Result<TreeId, ObjectError> {
    if paths.is_empty() {
        return Ok(tree);
    }
    let edits: Vec<_> = paths.iter().map(|path| Edit::Delete { path: path.clone() }).collect();
    edit_tree(objects, sink, tree, &edits)
}

/// `tree` with the files at `paths` of another tree, whatever was there. Reads and
/// writes no content.
pub fn with_files_of(
    objects: &dyn Objects,
    sink: &mut dyn ObjectSink,
    tree: TreeId,
    other: TreeId,
    paths: &[RepoPath],
) -> Result<TreeId, ObjectError> {
    let mut entries = Vec::new();
    for path in paths {
        match find(objects, other, path)? {
            Some(EntryKind::Directory(_)) | None => {}
            Some(kind) => entries.push((path.clone(), Some((kind, None)))),
        }
    }
    with_entries(objects, sink, tree, &entries)
}

/// Files and symlinks of `tree` at whose path `base` has a directory or nothing.
fn additions(
    objects: &dyn Objects,
    base: TreeId,
    tree: TreeId,
) -> Result<Vec<RepoPath>, ObjectError> {
    let mut added = Vec::new();
    let mut ahead = vec![(RepoPath::root(), Some(base), tree)];
    while let Some((dir, base, tree)) = ahead.pop() {
        if base == Some(tree) {
            continue;
        }
        let old = base.map(|base| objects.tree(base)).transpose()?;
        let old: HashMap<&BStr, EntryKind> = old
            .iter()
            .flat_map(|old| old.iter())
            .map(|old| (old.name.as_ref(), old.kind))
            .collect();
        for entry in objects.tree(tree)?.iter() {
            let path = dir.join(entry.name.as_ref()).map_err(|err| ObjectError::Malformed {
                id: tree.to_string(),
                expected: "tree",
                reason: err.to_string(),
            })?;
            match (entry.kind, old.get(&BStr::new(&entry.name))) {
                (EntryKind::Directory(new), Some(EntryKind::Directory(old))) => {
                    ahead.push((path, Some(*old), new));
                }
                (EntryKind::Directory(new), _) => ahead.push((path, None, new)),
                (EntryKind::Submodule(_), _) => {}
                (_, None | Some(EntryKind::Directory(_))) => added.push(path),
                (_, Some(_)) => {}
            }
        }
    }
    Ok(added)
}

/// The part of `path` below the directory `dir`.
fn below<'a>(dir: &RepoPath, path: &'a RepoPath) -> &'a BStr {
    let skipped = if dir.is_root() { 0 } else { dir.as_bstr().len() + 1 };
    path.as_bstr().get(skipped..).unwrap_or_default().as_bstr()
}

#[cfg(test)]
mod generated;
#[cfg(test)]
mod tests;
