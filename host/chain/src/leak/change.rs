//! What a stage changes, against the changed files alone.

use std::collections::HashSet;

use bstr::ByteSlice as _;
use bytes::Bytes;
use catena_tree::diff::{self, ChangeKind, DiffOptions};
use catena_tree::{EntryKind, ObjectError, Objects, RepoPath};
use foldhash::fast::RandomState;

use super::code::{self, Language};
use super::is_test_path;
use super::said::Said;
use super::vocabulary::text;
use super::words;
use crate::chain::Stage;

/// What the changed files have now and none of them had before.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Names in files that hold no tests.
    pub(super) source: HashSet<String>,
    /// Names in files that do.
    pub(super) tests: HashSet<String>,
    /// Names that files with tests call, import or reach for, new or not.
    pub(super) used: HashSet<String>,
    /// Texts in quotes, each with the hashes of its names.
    pub(super) literals: Vec<(String, Vec<u64>)>,
    /// Rows of words, each with the hashes of its names.
    pub(super) rows: Vec<(u64, Vec<u64>)>,
    /// Files that were created or renamed.
    pub(super) created: Vec<RepoPath>,
    /// All changed files.
    pub(super) changed: Vec<RepoPath>,
}

/// A changed file on one side.
struct Content {
    text: Bytes,
    language: Language,
    is_test: bool,
}

impl Content {
    /// The part that tests: all of a file of tests, and what Rust has at the end of
    /// other files.
    fn tests(&self) -> &[u8] {
        let own = self.text.find("#[cfg(test)]\nmod ").filter(|_| !self.is_test);
        let start = own.unwrap_or(if self.is_test { 0 } else { self.text.len() });
        self.text.get(start..).unwrap_or_default()
    }
}

impl Change {
    /// Reads the changed files of a stage, for any text or for what `said` has.
    /// Contents that are not in the repository, too long or no text are passed over.
    pub(super) fn of_stage(
        objects: &dyn Objects,
        stage: &Stage,
        said: Option<&[Said<'_>]>,
    ) -> Result<Self, ObjectError> {
        let changes =
            diff::changes(objects, stage.base.tree, stage.human, &DiffOptions::default())?;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut found = Self::default();
        for change in changes {
            before.extend(content(objects, change.before, &change.path)?);
            after.extend(content(objects, change.after, &change.path)?);
            if matches!(change.kind(), ChangeKind::Added | ChangeKind::Renamed) {
                found.created.push(change.path.clone());
            }
            found.changed.push(change.path);
        }
        found.source = new_names(&before, &after, |content| !content.is_test);
        found.tests = new_names(&before, &after, |content| content.is_test);
        for content in &after {
            let used = code::used(content.tests(), content.language);
            found.used.extend(used.into_iter().map(str::to_owned));
        }
        found.literals = new_literals(&before, &after, said);
        found.rows = new_rows(&before, &after, said);
        Ok(found)
    }
}

fn content(
    objects: &dyn Objects,
    kind: Option<EntryKind>,
    path: &RepoPath,
) -> Result<Option<Content>, ObjectError> {
    let Some(EntryKind::File { id, .. }) = kind else { return Ok(None) };
    let path = path.as_str().unwrap_or_default();
    let (language, is_test) = (Language::of(path), is_test_path(path));
    Ok(text(objects, id)?.map(|text| Content { text, language, is_test }))
}

fn new_names<'a>(
    before: &'a [Content],
    after: &'a [Content],
    is_wanted: impl Fn(&Content) -> bool,
) -> HashSet<String> {
    let names = |content: &'a Content| words::names(&content.text);
    let before = before.iter().filter(|content| is_wanted(content));
    let before: HashSet<&str, RandomState> = before.flat_map(names).collect();
    let after = after.iter().filter(|content| is_wanted(content)).flat_map(names);
    let new: HashSet<&str, RandomState> = after.filter(|name| !before.contains(name)).collect();
    new.into_iter().map(str::to_owned).collect()
}

/// Texts that no changed file had, in quotes or not.
fn new_literals(
    before: &[Content],
    after: &[Content],
    said: Option<&[Said<'_>]>,
) -> Vec<(String, Vec<u64>)> {
    let is_said = |literal: &String| {
        said.is_none_or(|said| said.iter().any(|text| text.literal(literal).is_some()))
    };
    let literals = after.iter().flat_map(|it| code::literals(&it.text, it.language));
    let mut literals: Vec<String> = literals.filter(is_said).collect();
    literals.sort();
    literals.dedup();
    literals.retain(|literal| !before.iter().any(|it| it.text.contains_str(literal)));
    let with_names = |literal: String| {
        let names = hashes(literal.as_bytes());
        (literal, names)
    };
    literals.into_iter().map(with_names).collect()
}

fn new_rows(
    before: &[Content],
    after: &[Content],
    said: Option<&[Said<'_>]>,
) -> Vec<(u64, Vec<u64>)> {
    let is_said = |row: u64| said.is_none_or(|said| said.iter().any(|text| text.has_row(row)));
    let rows = before.iter().flat_map(|content| words::rows(&content.text));
    let mut known: HashSet<u64> = rows.map(|(row, _)| row).filter(|row| is_said(*row)).collect();
    let mut found = Vec::new();
    for content in after {
        for (row, range) in words::rows(&content.text) {
            if is_said(row) && known.insert(row) {
                found.push((row, hashes(content.text.get(range).unwrap_or_default())));
            }
        }
    }
    found
}

/// Hashes of the names of a text, as a vocabulary has them.
fn hashes(text: &[u8]) -> Vec<u64> {
    words::names(text).map(words::hash).collect()
}
