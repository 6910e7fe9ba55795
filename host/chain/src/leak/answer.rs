//! What a stage's reference patch brings.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use bstr::ByteSlice as _;
use catena_tree::{CommitId, ObjectError, Objects, RepoPath};
use regex::Regex;
use serde::Serialize;

use super::change::Change;
use super::said::Said;
use super::vocabulary::{Scan, Vocabulary, Wanted};
use super::{Beside, files, words};
use crate::chain::{Chain, Stage};

/// Shorter names of people are parts of other words.
const LEAST_NAME: usize = 3;

/// Longer names of people are no words of the code.
const LONGEST_PLAIN_NAME: usize = 4;

/// What a stage's reference patch brings that the code before it has nowhere,
/// and what leads to it.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub(super) identifiers: HashSet<String>,
    /// Those of several parts that the code before has in no spelling,
    /// [folded](words::folded).
    pub(super) folded: HashSet<String>,
    pub(super) interface: BTreeSet<String>,
    pub(super) allowed: HashSet<String>,
    pub(super) literals: HashSet<String>,
    /// Paths of new files and, where no other file has them, their names and the
    /// names of their modules.
    pub(super) files: BTreeSet<String>,
    pub(super) rows: HashSet<u64>,
    pub(super) numbers: HashSet<u64>,
    pub(super) commits: Vec<CommitId>,
    pub(super) people: BTreeSet<String>,
    /// What stands behind an `@` in the code before, and is nobody.
    pub(super) decorators: HashSet<String>,
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
        objects: &dyn Objects,
        vocabulary: &mut Vocabulary,
        chain: &Chain,
        position: usize,
    ) -> Result<Self, ObjectError> {
        Self::of_change(objects, vocabulary, chain, position, None, &[])
    }

    /// As much of [`Answer::of_stage`] as the stage's query and the overview can tell,
    /// which costs half as much: not to be asked about other texts. What is suspicious
    /// `beside` the code is told with what is in it.
    pub(super) fn of_own_texts(
        objects: &dyn Objects,
        vocabulary: &mut Vocabulary,
        chain: &Chain,
        position: usize,
        beside: &[Beside<'_>],
    ) -> Result<Self, ObjectError> {
        let query = chain.stages.get(position).map(|stage| &stage.query);
        let said: Vec<Said<'_>> =
            query.into_iter().chain([&chain.overview]).map(|text| Said::new(text)).collect();
        Self::of_change(objects, vocabulary, chain, position, Some(&said), beside)
    }

    fn of_change(
        objects: &dyn Objects,
        vocabulary: &mut Vocabulary,
        chain: &Chain,
        position: usize,
        said: Option<&[Said<'_>]>,
        beside: &[Beside<'_>],
    ) -> Result<Self, ObjectError> {
        let Some(stage) = chain.stages.get(position) else { return Ok(Self::default()) };
        let change = Change::of_stage(objects, stage, said)?;
        let words = change.source.union(&change.tests).collect();
        let wanted = Wanted { changed: &change.changed, words };
        let mut scan = vocabulary.scan(objects, stage.base.tree, &wanted)?;
        for beside in beside {
            vocabulary.look_beside(*beside, &wanted, &mut scan)?;
        }
        let base = Base { objects, vocabulary, scan: &scan };
        let is_new = |name: &&String| !base.has(name);
        let source: HashSet<String> = change.source.iter().filter(is_new).cloned().collect();
        let interface = source.intersection(&change.used).cloned().collect();
        let files = new_files(&change.created, &scan);
        let tests = change.tests.iter().filter(is_new).cloned();
        let identifiers: HashSet<String> = source.into_iter().chain(tests).collect();
        let later = chain.stages.iter().skip(position);
        let people = chain.stages.iter().flat_map(people);
        Ok(Self {
            allowed: HashSet::new(),
            suspicions: base
                .suspicions(&identifiers, &later.filter_map(number).collect::<Vec<_>>()),
            interface,
            folded: identifiers.iter().filter_map(|name| base.new_spelling(name)).collect(),
            literals: base.new_literals(change.literals)?,
            files,
            rows: base.new_rows(change.rows)?,
            numbers: chain.stages.iter().filter_map(number).collect(),
            commits: chain.stages.iter().map(|stage| stage.merge).collect(),
            people: base.people(people)?,
            decorators: vocabulary.decorators(&scan),
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

/// The code before a stage.
struct Base<'a> {
    objects: &'a dyn Objects,
    vocabulary: &'a Vocabulary,
    scan: &'a Scan,
}

impl Base<'_> {
    fn has(&self, word: &str) -> bool {
        self.vocabulary.has(self.scan, word)
    }

    /// A name of several parts, folded, if the code has it in no spelling.
    fn new_spelling(&self, name: &str) -> Option<String> {
        let is_known = words::spellings(name).iter().any(|spelling| self.has(spelling));
        words::folded(name).filter(|_| !is_known)
    }

    fn new_literals(
        &self,
        literals: Vec<(String, Vec<u64>)>,
    ) -> Result<HashSet<String>, ObjectError> {
        let is_in = |text: &bytes::Bytes, literals: &[&String]| {
            literals.iter().map(|literal| text.contains_str(literal)).collect()
        };
        let new = self.vocabulary.retain_new(self.objects, self.scan, literals, is_in)?;
        Ok(new.into_iter().collect())
    }

    fn new_rows(&self, rows: Vec<(u64, Vec<u64>)>) -> Result<HashSet<u64>, ObjectError> {
        let is_in = |text: &bytes::Bytes, rows: &[&u64]| {
            let asked: HashSet<u64> = rows.iter().map(|row| **row).collect();
            let here = words::rows(text).map(|(row, _)| row).filter(|row| asked.contains(row));
            let here: HashSet<u64> = here.collect();
            rows.iter().map(|row| here.contains(*row)).collect()
        };
        let new = self.vocabulary.retain_new(self.objects, self.scan, rows, is_in)?;
        Ok(new.into_iter().collect())
    }

    /// Those of `people` whose names are no words that the code uses for something else.
    fn people(
        &self,
        people: impl Iterator<Item = String>,
    ) -> Result<BTreeSet<String>, ObjectError> {
        let mut kept = BTreeSet::new();
        for name in people.collect::<BTreeSet<_>>() {
            let small = name.to_lowercase();
            let is_word = name.len() <= LONGEST_PLAIN_NAME
                && !name.contains(' ')
                && (self.vocabulary.is_word_of_code(self.objects, self.scan, &small)?
                    || self.vocabulary.is_word_of_code(self.objects, self.scan, &name)?);
            if !is_word {
                kept.insert(name);
            }
        }
        Ok(kept)
    }

    fn suspicions(&self, introduced: &HashSet<String>, future: &[u64]) -> Vec<Suspicion> {
        let suspicion = |kind, word: &str, path: &dyn std::fmt::Display| Suspicion {
            kind,
            path: path.to_string(),
            excerpt: word.to_owned(),
        };
        // A plain word may stand anywhere.
        let copied = self.scan.copied.iter();
        let copied = copied.filter(|(word, _)| introduced.contains(*word) && words::is_code(word));
        let mut found: Vec<_> =
            copied.map(|(word, path)| suspicion(SuspicionKind::NewerCopy, word, path)).collect();
        let entries = self.scan.paths().filter_map(|path| Some((files::entry_of(path)?, path)));
        let entries: Vec<(u64, &RepoPath)> = entries.collect();
        for number in future {
            let reference = words::reference(*number);
            let entry = entries.iter().filter(|(of, _)| of == number).map(|(_, path)| *path);
            let path = self.vocabulary.first(self.scan, &reference).or(entry.min());
            found.extend(
                path.map(|path| suspicion(SuspicionKind::FutureReference, &reference, path)),
            );
        }
        found.sort();
        found
    }
}

/// How new files are named in texts.
fn new_files(created: &[RepoPath], others: &Scan) -> BTreeSet<String> {
    let names: HashSet<String> =
        others.paths().filter_map(RepoPath::file_name).map(ToString::to_string).collect();
    let ends: HashSet<String> = others.paths().filter_map(files::module_end).collect();
    let mut files = BTreeSet::new();
    for path in created {
        files.extend(path.as_str().map(str::to_owned));
        let name = path.file_name().map(ToString::to_string);
        // A name without an ending may be a word of the language.
        let is_known = |name: &String| !name.contains('.') || names.contains(name);
        files.extend(name.filter(|name| !is_known(name)));
        let is_known = files::module_end(path).is_none_or(|end| ends.contains(&end));
        files.extend(files::dotted(path, is_known));
    }
    files
}

fn number(stage: &Stage) -> Option<u64> {
    stage.pull_request.as_ref().map(|pull_request| pull_request.number)
}

/// Who is known to have written a stage's pull request.
fn people(stage: &Stage) -> Vec<String> {
    let Some(pull_request) = &stage.pull_request else { return Vec::new() };
    let texts = pull_request.commit_messages.iter().chain([&pull_request.body]);
    let named = texts.flat_map(|text| TRAILER.captures_iter(text));
    let named = named.filter_map(|found| Some(found.get(1)?.as_str().trim().to_owned()));
    let people = pull_request.author.iter().cloned().chain(named);
    people.filter(|name| name.chars().count() >= LEAST_NAME).collect()
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
