//! What a stage's reference patch brings.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use bstr::ByteSlice as _;
use bytes::Bytes;
use catena_tree::diff::{self, ChangeKind, DiffOptions};
use catena_tree::{CommitId, EntryKind, ObjectError, RepoPath};
use regex::Regex;
use serde::Serialize;

use super::vocabulary::{Scan, Vocabulary, tail, text};
use super::words;
use crate::chain::{Chain, Stage};

/// What a stage's reference patch brings that the code before it has nowhere,
/// and what leads to it.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub(super) identifiers: HashSet<String>,
    pub(super) interface: BTreeSet<String>,
    pub(super) allowed: HashSet<String>,
    pub(super) literals: HashSet<String>,
    /// Paths of new files, and their names where no other file has them.
    pub(super) files: BTreeSet<String>,
    pub(super) rows: HashSet<u64>,
    pub(super) numbers: HashSet<u64>,
    pub(super) commits: Vec<CommitId>,
    pub(super) people: BTreeSet<String>,
    pub(super) suspicions: Vec<Suspicion>,
}

/// Something in the code before a stage that can give the answer away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Suspicion {
    /// What it is.
    pub kind: SuspicionKind,
    /// A file that has it.
    pub path: String,
    /// The word that was found.
    pub excerpt: String,
}

/// What code can have that it should not have yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuspicionKind {
    /// A vendored or installed copy of a changed file has a name that the patch
    /// introduces.
    NewerCopy,
    /// A file refers to a pull request of this stage or a later one, as a
    /// changelog of the future does.
    FutureReference,
}

impl std::fmt::Display for SuspicionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NewerCopy => "newer-copy",
            Self::FutureReference => "future-reference",
        })
    }
}

#[expect(clippy::expect_used, reason = "the pattern is a literal and covered by tests")]
static TEST_PATH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        (?:^|/)(?:tests?|__tests__|specs?)/
        | (?:^|/)(?:test_[^/]*|conftest)\.py$
        | _(?:test|spec)\.[a-z]+$
        | \.(?:test|spec)\.[a-z]+$",
    )
    .expect("literal pattern")
});

#[expect(clippy::expect_used, reason = "the pattern is a literal and covered by tests")]
static TRAILER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?im)^[ \t]*(?:co-authored|signed-off|reviewed|suggested|reported)-by:[ \t]*([^<\n]+)",
    )
    .expect("literal pattern")
});

/// Whether a file holds tests, as its path has it.
pub fn is_test_path(path: &str) -> bool {
    TEST_PATH.is_match(path)
}

impl Answer {
    /// What the stage at `position` of `chain` gives away; nothing if there is no
    /// such stage. Fails if its trees can't be read; contents that the clone
    /// lacks are passed over.
    pub fn of_stage(
        vocabulary: &mut Vocabulary<'_>,
        chain: &Chain,
        position: usize,
    ) -> Result<Self, ObjectError> {
        let Some(stage) = chain.stages.get(position) else { return Ok(Self::default()) };
        let texts = Changed::of_stage(vocabulary, stage)?;
        let later = chain.stages.iter().skip(position);
        let future: Vec<u64> = later.filter_map(number).collect();
        let mut wanted: HashSet<String> =
            texts.new_in_source().chain(texts.new_in_tests()).cloned().collect();
        wanted.extend(future.iter().map(|number| words::reference(*number)));
        wanted.extend(chain.stages.iter().flat_map(people).filter(|name| is_short_word(name)));
        let scan = vocabulary.scan(stage.base.tree, &wanted, &texts.tails)?;
        let is_new = |name: &&String| !scan.own.contains_key(*name);
        let introduced: HashSet<String> = texts.new_in_source().filter(is_new).cloned().collect();
        let mut identifiers: HashSet<String> =
            texts.new_in_tests().filter(is_new).cloned().collect();
        let interface = introduced.intersection(&texts.after.tests).cloned().collect();
        identifiers.extend(introduced);
        Ok(Self {
            allowed: HashSet::new(),
            suspicions: suspicions(&scan, &identifiers, &future),
            interface,
            literals: texts.new_literals().cloned().collect(),
            files: new_files(&texts.created, &scan),
            rows: texts.after.rows.difference(&texts.before.rows).copied().collect(),
            numbers: chain.stages.iter().filter_map(number).collect(),
            commits: chain.stages.iter().map(|stage| stage.merge).collect(),
            people: chain
                .stages
                .iter()
                .flat_map(people)
                .filter(|name| !is_short_word(name) || is_new(&name))
                .collect(),
            identifiers,
        })
    }

    /// Allows all names in what a person has declared, which may be whole
    /// signatures, and takes them for the interface in the place of those alone.
    pub fn declare(&mut self, declared: &[String]) {
        for text in declared {
            for name in words::names(text.as_bytes()) {
                self.interface.remove(name);
                self.allowed.insert(name.to_owned());
            }
        }
    }

    /// Names that the patch introduces and the stage's own tests use, but for those
    /// that are declared.
    pub fn interface(&self) -> &BTreeSet<String> {
        &self.interface
    }

    /// What stands in the code before the stage that should not be there yet.
    pub fn suspicions(&self) -> &[Suspicion] {
        &self.suspicions
    }
}

/// The words of all changed files on one side of a change.
#[derive(Debug, Default)]
struct Side {
    /// Names in files that hold no tests.
    source: HashSet<String>,
    /// Names in files that do.
    tests: HashSet<String>,
    literals: HashSet<String>,
    rows: HashSet<u64>,
}

impl Side {
    fn add(&mut self, is_test: bool, content: &[u8]) {
        let names = if is_test { &mut self.tests } else { &mut self.source };
        names.extend(words::names(content).map(str::to_owned));
        self.literals.extend(words::literals(content));
        self.rows.extend(words::rows(content).into_iter().map(|(row, _)| row));
    }
}

/// All changed files before and after the change.
#[derive(Debug, Default)]
struct Changed {
    before: Side,
    after: Side,
    created: Vec<RepoPath>,
    /// What the changed files were.
    old: Vec<Bytes>,
    /// By which copies of the changed files are known.
    tails: HashSet<String>,
}

impl Changed {
    fn of_stage(vocabulary: &Vocabulary<'_>, stage: &Stage) -> Result<Self, ObjectError> {
        let objects = vocabulary.objects();
        let content = |kind: Option<EntryKind>| match kind {
            Some(EntryKind::File { id, .. }) => text(objects, id),
            _ => Ok(None),
        };
        let changes =
            diff::changes(objects, stage.base.tree, stage.human, &DiffOptions::default())?;
        let mut texts = Self::default();
        for change in changes {
            texts.tails.insert(tail(&change.path));
            let is_test = change.path.as_str().is_some_and(is_test_path);
            if let Some(content) = content(change.before)? {
                texts.before.add(is_test, &content);
                texts.old.push(content);
            }
            if let Some(content) = content(change.after)? {
                texts.after.add(is_test, &content);
            }
            if matches!(change.kind(), ChangeKind::Added | ChangeKind::Renamed) {
                texts.created.push(change.path);
            }
        }
        Ok(texts)
    }

    /// Names that files without tests have now and had not before.
    fn new_in_source(&self) -> impl Iterator<Item = &String> {
        self.after.source.difference(&self.before.source)
    }

    /// Names that files with tests have now and had not before.
    fn new_in_tests(&self) -> impl Iterator<Item = &String> {
        self.after.tests.difference(&self.before.tests)
    }

    /// Texts in quotes that no changed file had before, in quotes or not.
    fn new_literals(&self) -> impl Iterator<Item = &String> {
        let had = |literal: &str| self.old.iter().any(|content| content.contains_str(literal));
        let literals = self.after.literals.difference(&self.before.literals);
        literals.filter(move |literal| !had(literal))
    }
}

fn new_files(created: &[RepoPath], scan: &Scan) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for path in created {
        files.extend(path.as_str().map(str::to_owned));
        let name = path.file_name().map(ToString::to_string);
        // A name without an ending may be a word of the language.
        let is_known = |name: &String| !name.contains('.') || scan.file_names.contains(name);
        files.extend(name.filter(|name| !is_known(name)));
    }
    files
}

fn suspicions(scan: &Scan, introduced: &HashSet<String>, future: &[u64]) -> Vec<Suspicion> {
    let suspicion = |kind, (word, path): (&String, &RepoPath)| Suspicion {
        kind,
        path: path.to_string(),
        excerpt: word.clone(),
    };
    // A plain word may stand anywhere.
    let copied =
        scan.copied.iter().filter(|(word, _)| introduced.contains(*word) && words::is_code(word));
    let mut found: Vec<_> =
        copied.map(|found| suspicion(SuspicionKind::NewerCopy, found)).collect();
    let future: Vec<String> = future.iter().map(|number| words::reference(*number)).collect();
    let referred = scan.own.iter().filter(|(word, _)| future.contains(word));
    found.extend(referred.map(|found| suspicion(SuspicionKind::FutureReference, found)));
    found.sort();
    found
}

fn number(stage: &Stage) -> Option<u64> {
    stage.pull_request.as_ref().map(|pull_request| pull_request.number)
}

/// Whether a name can be a word that the code uses for something else.
fn is_short_word(name: &str) -> bool {
    name.len() < 5 && !name.contains(' ')
}

/// Who is known to have written a stage's pull request.
fn people(stage: &Stage) -> Vec<String> {
    let Some(pull_request) = &stage.pull_request else { return Vec::new() };
    let texts = pull_request.commit_messages.iter().chain([&pull_request.body]);
    let named = texts.flat_map(|text| TRAILER.captures_iter(text));
    let named = named.filter_map(|found| Some(found.get(1)?.as_str().trim().to_owned()));
    let people = pull_request.author.iter().cloned().chain(named);
    people.filter(|name| name.chars().count() > 3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_paths_are_known_in_every_usual_form() {
        for path in [
            "tests/a.py",
            "pkg/tests/test_a.py",
            "test_a.py",
            "src/a_test.go",
            "web/a.test.ts",
            "a/conftest.py",
        ] {
            assert!(is_test_path(path), "{path}");
        }
        for path in ["src/latest.py", "contest.py", "docs/testing.md", "a/attest/b.py"] {
            assert!(!is_test_path(path), "{path}");
        }
    }
}
