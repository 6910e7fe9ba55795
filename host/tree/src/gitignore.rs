//! Which files a repository's `.gitignore` rules leave out.
//!
//! Rules are those of `gitignore(5)`: files of all levels, the deeper one
//! first, and nothing below an ignored directory comes back in. Only regular
//! `.gitignore` files count, as with git. There is no user-wide or
//! repository-wide configuration. Costs follow the paths that are asked for.
//!
//! Unlike git's, they are bounded: 1 MiB and 10,000 patterns of `.gitignore` files are
//! read of a tree, and about as much is matched as takes some seconds. Below a file that
//! is too much nothing is ignored, nor is anything once the time is used up: a file too
//! many is handed in rather than one too few lost.

use std::collections::HashMap;

use bstr::{BStr, ByteSlice};

use self::rules::{Effort, Rules, TooManyPatterns, Verdict};
use crate::extent::Extent;
use crate::ids::{BlobId, TreeId};
use crate::objects::{EntryKind, ObjectError, ObjectSink, Objects, entry_named};
use crate::patch::{Edit, edit_tree, find, with_entries};
use crate::path::RepoPath;

mod rules;

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
    effort: Effort,
}

/// What is known of one directory.
struct DirectoryRules {
    /// Its tree; none if the tree has no directory there.
    tree: Option<TreeId>,
    /// Its own `.gitignore`.
    own: Own,
    is_ignored: bool,
}

/// The `.gitignore` of a directory.
enum Own {
    None,
    Rules(Rules),
    /// It is more than is read. What it says is not known, so nothing is ignored.
    Unread,
}

impl<'a> Ignore<'a> {
    /// The rules in the `.gitignore` files of `tree`. Reads nothing yet.
    pub fn from_tree(objects: &'a dyn Objects, tree: TreeId) -> Self {
        let (directories, effort) = (HashMap::new(), Effort::of_tree());
        Self { objects, tree, exclude: None, directories, effort }
    }

    /// Adds patterns relative to the root that no `.gitignore` file can undo.
    /// A malformed one matches nothing; see [`check_pattern`].
    #[must_use]
    pub fn with_exclude(mut self, patterns: &[String]) -> Self {
        self.exclude = Rules::parse(patterns.join("\n").as_bytes(), &mut Effort::endless()).ok();
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
    fn rules_of(&mut self, dir: &RepoPath) -> Result<DirectoryRules, ObjectError> {
        let above = dir.parent().and_then(|parent| self.directories.get(&parent));
        let (tree_above, is_below_ignored) =
            above.map_or((None, false), |rules| (rules.tree, rules.is_ignored));
        let is_ignored = is_below_ignored || self.is_matched(dir, PathKind::Directory);
        let tree = match (dir.file_name(), tree_above) {
            (None, _) => Some(self.tree),
            (Some(name), Some(tree)) => match self.look_up(tree, name)? {
                Some(EntryKind::Directory(tree)) => Some(tree),
                _ => None,
            },
            (Some(_), None) => None,
        };
        let own = match tree {
            Some(tree) if !is_ignored => self.own_rules(tree)?,
            _ => Own::None,
        };
        Ok(DirectoryRules { tree, own, is_ignored })
    }

    /// What a tree has by this name; nothing once the effort is used up.
    fn look_up(&mut self, tree: TreeId, name: &BStr) -> Result<Option<EntryKind>, ObjectError> {
        let entries = self.objects.tree(tree)?;
        if !self.effort.may_look_up(entries.len()) {
            return Ok(None);
        }
        Ok(entry_named(&entries, name).map(|entry| entry.kind))
    }

    fn own_rules(&mut self, tree: TreeId) -> Result<Own, ObjectError> {
        match self.look_up(tree, BStr::new(".gitignore"))? {
            Some(EntryKind::File { id, .. }) => self.read(id),
            _ => Ok(Own::None),
        }
    }

    fn read(&mut self, id: BlobId) -> Result<Own, ObjectError> {
        if !self.effort.may_read(self.objects.blob_size(id)?) {
            return Ok(Own::Unread);
        }
        Ok(match Rules::parse(&self.objects.blob(id)?, &mut self.effort) {
            Ok(rules) if rules.is_empty() => Own::None,
            Ok(rules) => Own::Rules(rules),
            Err(TooManyPatterns) => Own::Unread,
        })
    }

    /// What the rules say of `path` itself; its parent is known.
    fn is_matched(&mut self, path: &RepoPath, kind: PathKind) -> bool {
        if path.is_root() {
            return false;
        }
        let excluded = |rules: &Rules| rules.verdict(path.as_bstr(), kind, &mut Effort::endless());
        if self.exclude.as_ref().and_then(excluded) == Some(Verdict::Ignored) {
            return true;
        }
        let mut dir = path.parent();
        while let Some(at) = dir {
            if !self.effort.may_look_at(at.as_bstr()) {
                return false;
            }
            let verdict = match self.directories.get(&at).map(|rules| &rules.own) {
                Some(Own::Unread) => return false,
                Some(Own::Rules(rules)) => rules.verdict(below(&at, path), kind, &mut self.effort),
                Some(Own::None) | None => None,
            };
            match verdict {
                Some(verdict) => return verdict == Verdict::Ignored,
                None => dir = at.parent(),
            }
        }
        false
    }
}

/// Checks that `pattern` can be part of an exclude list.
pub fn check_pattern(pattern: &str) -> Result<(), PatternError> {
    let wrong = |reason: String| PatternError { pattern: pattern.to_owned(), reason };
    // Git takes a malformed pattern for one that matches nothing.
    globset::Glob::new(pattern).map_err(|err| wrong(err.kind().to_string()))?;
    match Rules::parse(pattern.as_bytes(), &mut Effort::endless()) {
        Ok(rules) if !rules.is_empty() => Ok(()),
        _ => Err(wrong("it is a comment or blank".to_owned())),
    }
}

/// Files and symlinks of `tree` that are not in `base` and that the ignore
/// rules of `tree` or the patterns in `exclude` match, sorted. These are what
/// `git status --ignored` shows with `base` as the index, within the bounds of the rules.
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
    let mut extent = Extent::default();
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
        let new = objects.tree(tree)?;
        extent.add_directory(old.len() + new.len())?;
        for entry in new.iter() {
            if old.get(&BStr::new(&entry.name)) == Some(&entry.kind) {
                continue;
            }
            let path = dir.join(entry.name.as_ref()).map_err(|err| ObjectError::Malformed {
                id: tree.to_string(),
                expected: "tree",
                reason: err.to_string(),
            })?;
            extent.add_path(&path)?;
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
