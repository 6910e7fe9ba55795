//! Which words a tree has.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bstr::ByteSlice as _;
use catena_tree::{BlobId, EntryKind, ObjectError, Objects, RepoPath, TreeId};

use super::words;

/// Longest content that is looked into, in bytes.
pub(super) const MAX_CONTENT: u64 = 2 << 20;

/// Most directories that are looked into, which is more than the largest
/// repositories have.
const MAX_TREES: usize = 1 << 20;

/// Directories that hold copies of other projects, or of this one.
const COPIES: [&str; 11] = [
    "site-packages",
    "dist-packages",
    "node_modules",
    "vendor",
    "vendored",
    "_vendor",
    "third_party",
    "third-party",
    "bundled",
    ".venv",
    "venv",
];

/// The words of trees, kept by content, so that a second tree of the same
/// repository costs little more than what differs. Takes some ten megabytes for
/// a repository of as many thousand files.
pub struct Vocabulary<'a> {
    objects: &'a dyn Objects,
    known: HashMap<BlobId, Arc<[u64]>>,
}

/// What was found of wanted words.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Wanted words that the project's own files have, each with one such file.
    pub(super) own: HashMap<String, RepoPath>,
    /// Those that copies of the changed files have.
    pub(super) copied: HashMap<String, RepoPath>,
    /// Names of all files.
    pub(super) file_names: HashSet<String>,
}

impl<'a> Vocabulary<'a> {
    /// Knows no word yet.
    pub fn new(objects: &'a dyn Objects) -> Self {
        Self { objects, known: HashMap::new() }
    }

    /// Where the trees come from.
    pub(super) fn objects(&self) -> &'a dyn Objects {
        self.objects
    }

    /// Looks for `wanted` in all text files of `tree` and, where it holds copies of
    /// projects, in those of the files whose [`tail`]s are named. Files that the
    /// repository lacks are passed over.
    pub(super) fn scan(
        &mut self,
        tree: TreeId,
        wanted: &HashSet<String>,
        tails: &HashSet<String>,
    ) -> Result<Scan, ObjectError> {
        let mut wanted: Vec<(u64, &String)> =
            wanted.iter().map(|word| (words::hash(word), word)).collect();
        let mut scan = Scan::default();
        let mut scanned = 0;
        let mut open = vec![(RepoPath::root(), tree, false)];
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
            for entry in self.objects.tree(tree)?.iter() {
                let Ok(below) = path.join(entry.name.as_bstr()) else { continue };
                match entry.kind {
                    EntryKind::Directory(id) => {
                        let name = entry.name.to_string();
                        let is_copy = is_copy || COPIES.contains(&name.as_str());
                        open.push((below, id, is_copy));
                    }
                    EntryKind::File { id, .. } => {
                        scan.file_names.insert(entry.name.to_string());
                        if is_copy && !tails.contains(&tail(&below)) {
                            continue;
                        }
                        let words = self.words(id)?;
                        scan.look(&words, &mut wanted, &below, is_copy);
                    }
                    EntryKind::Symlink(_) | EntryKind::Submodule(_) => {}
                }
            }
        }
        Ok(scan)
    }

    /// Hashes of a content's words, sorted.
    fn words(&mut self, id: BlobId) -> Result<Arc<[u64]>, ObjectError> {
        if let Some(words) = self.known.get(&id) {
            return Ok(words.clone());
        }
        let mut hashes = Vec::new();
        if let Some(content) = text(self.objects, id)? {
            hashes.extend(words::names(&content).map(words::hash));
            let references = words::references(&content).map(words::reference);
            hashes.extend(references.map(|word| words::hash(&word)));
        }
        hashes.sort_unstable();
        hashes.dedup();
        let hashes: Arc<[u64]> = hashes.into();
        self.known.insert(id, hashes.clone());
        Ok(hashes)
    }
}

impl Scan {
    /// Takes out of `wanted` what a file of the project itself has.
    fn look(
        &mut self,
        words: &[u64],
        wanted: &mut Vec<(u64, &String)>,
        path: &RepoPath,
        is_copy: bool,
    ) {
        let found = if is_copy { &mut self.copied } else { &mut self.own };
        wanted.retain(|(hash, word)| {
            let is_here = words.binary_search(hash).is_ok();
            if is_here {
                found.entry((*word).clone()).or_insert_with(|| path.clone());
            }
            !is_here || is_copy
        });
    }
}

/// The end of a path by which a copy of a file is known: its name and directory.
pub(super) fn tail(path: &RepoPath) -> String {
    let components: Vec<_> = path.components().map(ToString::to_string).collect();
    let start = components.len().saturating_sub(2);
    components.get(start..).unwrap_or_default().join("/")
}

/// A content, if it is text, not too long, and in the repository.
pub(super) fn text(objects: &dyn Objects, id: BlobId) -> Result<Option<bytes::Bytes>, ObjectError> {
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
