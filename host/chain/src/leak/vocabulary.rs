//! Which words a tree has.

use std::collections::{BTreeMap, HashMap, HashSet};

use bstr::ByteSlice as _;
use bytes::Bytes;
use catena_tree::{BlobId, EntryKind, ObjectError, Objects, RepoPath, TreeId};
use foldhash::fast::RandomState;

use super::Beside;
use super::code::{self, Language};
use super::words;

/// Longest content that is looked into, in bytes.
pub(super) const MAX_CONTENT: u64 = 2 << 20;

/// Most words of contents that are kept, in half a gigabyte: twice as many as the chains of
/// a repository of fifteen thousand pull requests need. Beyond, all is read anew.
const MAX_KEPT: usize = 1 << 26;

/// Most directories that are looked into, which is more than the largest
/// repositories have.
const MAX_TREES: usize = 1 << 20;

/// Most files whose text is read to find out whether a row of words is in them.
/// Rows of words that more files have are too common to tell.
const MAX_READ: usize = 16;

/// Directories that hold copies of other projects, or of this one, unless the
/// change itself is in them.
const COPIES: [&str; 24] = [
    "site-packages",
    "dist-packages",
    "node_modules",
    "bower_components",
    "vendor",
    "vendored",
    "_vendor",
    "third_party",
    "third-party",
    "thirdparty",
    "bundled",
    "extern",
    "external",
    "externals",
    "_external",
    "subprojects",
    "Godeps",
    "__pypackages__",
    ".venv",
    "venv",
    ".tox",
    ".nox",
    ".eggs",
    "eggs",
];

/// The words of the trees of one repository, kept by content, so that a second tree
/// costs little more than what differs. Takes some tens of megabytes for a
/// repository of ten thousand files.
#[derive(Debug, Default)]
pub struct Vocabulary {
    /// The place of each content, in the order in which they were read.
    known: HashMap<BlobId, u32, RandomState>,
    /// The contents that have a word, by its hash; places ascend.
    holders: HashMap<u64, Vec<u32>, RandomState>,
    /// Names behind an `@` that begin a line of a program.
    decorators: HashMap<u32, Vec<String>>,
    /// Places in all of `holders`.
    kept: usize,
}

/// What is looked for in a tree.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    /// The files of the change, and by which ends of paths copies of them are known.
    pub(super) changed: &'a [RepoPath],
    /// Words that copies of the changed files are looked through for.
    pub(super) words: Vec<&'a String>,
}

/// The files of a tree, as far as their words are known.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The project's own files.
    own: Vec<OwnFile>,
    /// For each place of a content, which of the own files has it: one more than its
    /// index, and 0 where none has.
    by_place: Vec<u32>,
    /// Wanted words that copies of the changed files have, each with the first such
    /// file.
    pub(super) copied: BTreeMap<String, String>,
}

/// What is looked for, and where the tree is one beside the code, what stands before
/// its paths.
#[derive(Clone, Copy)]
struct Walk<'a> {
    wanted: &'a Wanted<'a>,
    beside: Option<&'a str>,
}

/// A file with the place of its content.
#[derive(Debug)]
struct OwnFile {
    path: RepoPath,
    id: BlobId,
    place: u32,
}

impl Vocabulary {
    /// Looks through `tree`: all its own text files, and those copies in directories
    /// of other projects that end as a changed file does. Files that the repository
    /// lacks are passed over.
    pub(super) fn scan(
        &mut self,
        objects: &dyn Objects,
        tree: TreeId,
        wanted: &Wanted<'_>,
    ) -> Result<Scan, ObjectError> {
        if self.kept > MAX_KEPT {
            *self = Self::default();
        }
        let mut scan = Scan::default();
        self.walk(objects, tree, Walk { wanted, beside: None }, &mut scan)?;
        Ok(scan)
    }

    /// Looks through files that are not of the tree, as through copies in it.
    pub(super) fn look_beside(
        &mut self,
        beside: Beside<'_>,
        wanted: &Wanted<'_>,
        scan: &mut Scan,
    ) -> Result<(), ObjectError> {
        let walk = Walk { wanted, beside: Some(beside.place) };
        self.walk(beside.objects, beside.tree, walk, scan)
    }

    fn walk(
        &mut self,
        objects: &dyn Objects,
        tree: TreeId,
        walk: Walk<'_>,
        scan: &mut Scan,
    ) -> Result<(), ObjectError> {
        let Walk { wanted, beside } = walk;
        let tails: HashSet<String> = wanted.changed.iter().map(tail).collect();
        let mut scanned = 0;
        let mut open = vec![(RepoPath::root(), tree, beside.is_some())];
        // A hostile repository has the same tree in very many places.
        let mut seen = HashSet::new();
        while let Some((path, tree, is_copy)) = open.pop() {
            if !is_copy && !seen.insert(tree) {
                continue;
            }
            scanned += 1;
            if scanned > MAX_TREES {
                break;
            }
            for entry in objects.tree(tree)?.iter() {
                let Ok(below) = path.join(entry.name.as_bstr()) else { continue };
                match entry.kind {
                    EntryKind::Directory(id) => {
                        let is_copy = is_copy || is_copies(&below, wanted.changed);
                        open.push((below, id, is_copy));
                    }
                    EntryKind::File { id, .. } if !is_copy => {
                        let place = self.place(objects, id, &below)?;
                        scan.add(OwnFile { path: below, id, place });
                    }
                    EntryKind::File { id, .. } if tails.contains(&tail(&below)) => {
                        let place = self.place(objects, id, &below)?;
                        let path = format!("{}{below}", beside.unwrap_or_default());
                        scan.look_into_copy(self, place, &path, &wanted.words);
                    }
                    EntryKind::File { .. } | EntryKind::Symlink(_) | EntryKind::Submodule(_) => {}
                }
            }
        }
        Ok(())
    }

    /// The place of a content, whose words are read if it is new.
    fn place(
        &mut self,
        objects: &dyn Objects,
        id: BlobId,
        path: &RepoPath,
    ) -> Result<u32, ObjectError> {
        if let Some(place) = self.known.get(&id) {
            return Ok(*place);
        }
        // A repository of four thousand million files could not be read anyway.
        let place = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        self.known.insert(id, place);
        let Some(content) = text(objects, id)? else { return Ok(place) };
        let mut hashes: Vec<u64> = words::names(&content).map(words::hash).collect();
        hashes.extend(words::references(&content).map(|it| words::hash(&words::reference(it))));
        hashes.sort_unstable();
        hashes.dedup();
        self.kept += hashes.len();
        for hash in hashes {
            self.holders.entry(hash).or_default().push(place);
        }
        if path.as_str().is_some_and(|path| Language::of(path).is_program()) {
            let mut names: Vec<String> = words::decorators(&content).map(str::to_owned).collect();
            names.sort();
            names.dedup();
            if !names.is_empty() {
                self.decorators.insert(place, names);
            }
        }
        Ok(place)
    }

    fn holders(&self, word: u64) -> &[u32] {
        self.holders.get(&word).map_or(&[], Vec::as_slice)
    }

    /// Whether the project's own files have a word.
    pub(super) fn has(&self, scan: &Scan, word: &str) -> bool {
        self.holders(words::hash(word)).iter().any(|place| scan.at(*place).is_some())
    }

    /// Whether the project's own files have a word as code: many files, or one that
    /// has it outside of comments and texts.
    pub(super) fn is_word_of_code(
        &self,
        objects: &dyn Objects,
        scan: &Scan,
        word: &str,
    ) -> Result<bool, ObjectError> {
        let holders = self.holders(words::hash(word)).iter();
        let holders: Vec<&OwnFile> =
            holders.filter_map(|place| scan.at(*place)).take(MAX_READ + 1).collect();
        if holders.len() > MAX_READ {
            return Ok(true);
        }
        for file in holders {
            let language = Language::of(file.path.as_str().unwrap_or_default());
            let content = text(objects, file.id)?;
            if content.is_some_and(|content| code::has_word(&content, language, word)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first of the project's own files that has a word.
    pub(super) fn first<'s>(&self, scan: &'s Scan, word: &str) -> Option<&'s RepoPath> {
        let holders = self.holders(words::hash(word)).iter();
        holders.filter_map(|place| scan.at(*place)).map(|file| &file.path).min()
    }

    /// All decorators of the project's own files.
    pub(super) fn decorators(&self, scan: &Scan) -> HashSet<String> {
        let found = scan.own.iter().filter_map(|file| self.decorators.get(&file.place));
        found.flatten().cloned().collect()
    }

    /// The own files that have all of the words, and `None` where they are too many
    /// or there is no word to go by.
    fn with_all(&self, scan: &Scan, words: &[u64]) -> Option<Vec<u32>> {
        let rarest = words.iter().map(|word| self.holders(*word)).min_by_key(|it| it.len())?;
        let has_all = |place: &&u32| {
            scan.at(**place).is_some()
                && words.iter().all(|word| self.holders(*word).binary_search(place).is_ok())
        };
        let found: Vec<u32> = rarest.iter().filter(has_all).copied().take(MAX_READ + 1).collect();
        (found.len() <= MAX_READ).then_some(found)
    }

    /// Takes out of `wanted` what one of the project's own files has. Each comes with
    /// the hashes of its names; `is_in` tells which of the places given to it a text
    /// has.
    pub(super) fn retain_new<T>(
        &self,
        objects: &dyn Objects,
        scan: &Scan,
        wanted: Vec<(T, Vec<u64>)>,
        is_in: impl Fn(&Bytes, &[&T]) -> Vec<bool>,
    ) -> Result<Vec<T>, ObjectError> {
        let mut places: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (index, (_, words)) in wanted.iter().enumerate() {
            for place in self.with_all(scan, words).unwrap_or_default() {
                places.entry(place).or_default().push(index);
            }
        }
        let mut is_old = vec![false; wanted.len()];
        for (place, indices) in places {
            let is_old_already = |index: &usize| is_old.get(*index).copied().unwrap_or_default();
            let open: Vec<usize> =
                indices.into_iter().filter(|index| !is_old_already(index)).collect();
            let Some(file) = scan.at(place).filter(|_| !open.is_empty()) else { continue };
            let Some(content) = text(objects, file.id)? else { continue };
            let asked: Vec<&T> =
                open.iter().filter_map(|at| wanted.get(*at)).map(|(it, _)| it).collect();
            for (index, is_here) in open.iter().zip(is_in(&content, &asked)) {
                if let Some(old) = is_old.get_mut(*index) {
                    *old |= is_here;
                }
            }
        }
        let kept = wanted.into_iter().zip(is_old).filter(|(_, is_old)| !is_old);
        Ok(kept.map(|((it, _), _)| it).collect())
    }
}

impl Scan {
    fn add(&mut self, file: OwnFile) {
        let place = usize::try_from(file.place).unwrap_or(usize::MAX);
        if self.by_place.len() <= place {
            self.by_place.resize(place.saturating_add(1), 0);
        }
        self.own.push(file);
        let index = u32::try_from(self.own.len()).unwrap_or(u32::MAX);
        if let Some(last) = self.by_place.get_mut(place) {
            *last = index;
        }
    }

    /// The own file whose content has a place.
    fn at(&self, place: u32) -> Option<&OwnFile> {
        let index = self.by_place.get(usize::try_from(place).ok()?)?.checked_sub(1)?;
        self.own.get(usize::try_from(index).ok()?)
    }

    /// Paths of the project's own files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &RepoPath> {
        self.own.iter().map(|file| &file.path)
    }

    fn look_into_copy(
        &mut self,
        vocabulary: &Vocabulary,
        place: u32,
        path: &str,
        words: &[&String],
    ) {
        for word in words {
            if vocabulary.holders(words::hash(word)).binary_search(&place).is_ok() {
                let first = self.copied.entry((*word).clone()).or_insert_with(|| path.to_owned());
                if path < first.as_str() {
                    path.clone_into(first);
                }
            }
        }
    }
}

/// Whether a directory holds copies, and nothing that is changed.
fn is_copies(dir: &RepoPath, changed: &[RepoPath]) -> bool {
    let name = dir.file_name().map(ToString::to_string).unwrap_or_default();
    // Where setuptools puts what it installs.
    let is_built = name.starts_with("lib") && dir.parent().is_some_and(|it| is_named(&it, "build"));
    (is_built || COPIES.contains(&name.as_str()))
        && !changed.iter().any(|path| path.is_at_or_below(dir))
}

fn is_named(dir: &RepoPath, name: &str) -> bool {
    dir.file_name().is_some_and(|found| *found == name)
}

/// The end of a path by which a copy of a file is known: its name and directory.
pub(super) fn tail(path: &RepoPath) -> String {
    let components: Vec<_> = path.components().map(ToString::to_string).collect();
    let start = components.len().saturating_sub(2);
    components.get(start..).unwrap_or_default().join("/")
}

/// A content, if it is text, not too long, and in the repository.
pub(super) fn text(objects: &dyn Objects, id: BlobId) -> Result<Option<Bytes>, ObjectError> {
    let size = match objects.blob_size(id) {
        Err(ObjectError::Missing(_)) => return Ok(None),
        size => size?,
    };
    if size > MAX_CONTENT {
        return Ok(None);
    }
    let content = objects.blob(id)?;
    Ok((!catena_tree::patch::is_binary(&content)).then_some(content))
}
