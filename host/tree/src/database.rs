//! The object database of a run, and the history of a clone.
//!
//! Reads any repository that git reads, without its configuration having a say
//! beyond the format of the objects. Writes only loose objects and references,
//! each by a rename, so that a killed process leaves nothing half written.

use std::collections::{BinaryHeap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use gix::objs::Kind;

use crate::cache::CacheUse;
use crate::ids::{BlobId, CommitId, TreeId};
use crate::objects::{BlobContent, ObjectError, ObjectSink, Objects, TreeEntry, encode_tree};

mod create;
mod decode;
mod large;
mod references;
mod store;

pub use large::BlobWriter;
use store::Store;

/// Why a repository cannot be opened, created or asked for a revision.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// There is no repository at the path, or not one that can be read.
    #[error("`{}` is not a git repository that can be read: {reason}", path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The repository cannot be created or changed.
    #[error("`{}` cannot be written: {reason}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The revision names no commit.
    #[error("`{revision}` names no commit in `{}`: {reason}", path.display())]
    Revision {
        /// The revision as given.
        revision: String,
        /// The repository.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The name cannot be that of a reference.
    #[error("`{name}` is not a reference name: {reason}")]
    Reference {
        /// The name as given.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// A git object database with its references. Cheap to clone and to share.
#[derive(Clone)]
pub struct ObjectDatabase {
    store: Arc<Store>,
}

/// A commit, as far as anyone here needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: CommitId,
    /// The state of the codebase.
    pub tree: TreeId,
    /// Its parents; the first is the branch it was made on.
    pub parents: Vec<CommitId>,
    /// Name of the author. Bytes that are not UTF-8 are replaced.
    pub author: String,
    /// Address of the author.
    pub author_email: String,
    /// When it was committed, in seconds since 1970.
    pub time: i64,
    /// The whole message. Bytes that are not UTF-8 are replaced.
    pub message: String,
}

/// A commit to be written. Author and committer are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit {
    /// The state of the codebase.
    pub tree: TreeId,
    /// Its parents.
    pub parents: Vec<CommitId>,
    /// Name of the author. `<`, `>` and line breaks, which git cannot hold, are left out.
    pub author: String,
    /// Address of the author, likewise.
    pub author_email: String,
    /// When, in seconds since 1970, UTC.
    pub time: i64,
    /// The message.
    pub message: String,
}

impl ObjectDatabase {
    /// Opens a clone or a bare repository. Neither the configuration of the
    /// user nor that of the system is read, and no environment variable.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        Ok(Self { store: Arc::new(Store::open(path)?) })
    }

    /// Creates a bare repository, or opens the one that is there. It reads
    /// objects of the repositories in `borrow_from` too, which must stay.
    pub fn create(path: &Path, borrow_from: &[PathBuf]) -> Result<Self, DatabaseError> {
        create::bare_repository(path, borrow_from)?;
        Self::open(path)
    }

    /// The git directory.
    pub fn path(&self) -> &Path {
        self.store.path()
    }

    /// The directories that its objects come from: its own, those that it borrows from
    /// (`objects/info/alternates`) and those that these do, by their real paths.
    pub fn object_directories(&self) -> Result<Vec<PathBuf>, DatabaseError> {
        self.store.object_directories()
    }

    /// What became of the questions to its cache, which all clones share.
    pub fn cache_use(&self) -> CacheUse {
        self.store.cache_use()
    }

    /// Reads a commit.
    pub fn commit(&self, id: CommitId) -> Result<Commit, ObjectError> {
        self.store.with_object(id.into(), Kind::Commit, |data| decode::commit(id, data))?
    }

    /// The commit that `revision` names: `HEAD`, a branch, a tag, an id or what
    /// else `git rev-parse` knows.
    pub fn resolve(&self, revision: &str) -> Result<CommitId, DatabaseError> {
        self.store.resolve(revision)
    }

    /// The commits from `tip` along first parents, newest first. Ends after the
    /// first error.
    pub fn first_parents(
        &self,
        tip: CommitId,
    ) -> impl Iterator<Item = Result<Commit, ObjectError>> + use<> {
        let db = self.clone();
        let mut next = Some(tip);
        std::iter::from_fn(move || {
            let commit = db.commit(next.take()?);
            if let Ok(commit) = &commit {
                next = commit.parents.first().copied();
            }
            Some(commit)
        })
    }

    /// Whether `ancestor` is `descendant` or one of its ancestors.
    pub fn is_ancestor(
        &self,
        ancestor: CommitId,
        descendant: CommitId,
    ) -> Result<bool, ObjectError> {
        let mut seen = HashSet::from([descendant]);
        let mut queue = BinaryHeap::from([(i64::MAX, descendant)]);
        while let Some((_, id)) = queue.pop() {
            if id == ancestor {
                return Ok(true);
            }
            for parent in self.store.parents(id)?.iter() {
                if seen.insert(parent.id) {
                    queue.push((parent.time, parent.id));
                }
            }
        }
        Ok(false)
    }

    /// Writes a commit.
    pub fn write_commit(&self, commit: &NewCommit) -> Result<CommitId, ObjectError> {
        let content = decode::encode_commit(commit);
        let id = CommitId::of(&content);
        self.store.write(id.into(), Kind::Commit, &content)?;
        Ok(id)
    }

    /// Lets the reference `name`, such as `refs/heads/main`, point to a commit.
    pub fn set_ref(&self, name: &str, id: CommitId) -> Result<(), DatabaseError> {
        self.store.set_ref(name, id)
    }

    /// Makes `branch`, such as `main`, the branch that `HEAD` stands for.
    pub fn set_head(&self, branch: &str) -> Result<(), DatabaseError> {
        self.store.set_head(branch)
    }

    /// Begins a blob of `len` bytes that come in pieces.
    pub fn begin_blob(&self, len: u64) -> Result<BlobWriter, ObjectError> {
        BlobWriter::begin(self.store.clone(), len)
    }

    /// The database as gix sees it, for plumbing in this crate.
    pub(crate) fn repository(&self) -> gix::Repository {
        self.store.repository()
    }

    /// Stores a blob unless it is there.
    pub(crate) fn store_blob(&self, content: &[u8]) -> Result<BlobId, ObjectError> {
        let id = BlobId::of(content);
        self.store.write(id.into(), Kind::Blob, content)?;
        Ok(id)
    }
}

impl Objects for ObjectDatabase {
    fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        self.store.tree(id)
    }

    fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        self.store.blob(id)
    }

    fn blob_size(&self, id: BlobId) -> Result<u64, ObjectError> {
        self.store.blob_size(id)
    }
}

impl ObjectSink for &ObjectDatabase {
    fn write_blob(&mut self, content: Bytes) -> Result<BlobId, ObjectError> {
        self.store_blob(&content)
    }

    fn write_content(&mut self, content: BlobContent) -> Result<BlobId, ObjectError> {
        if let BlobContent::Memory(bytes) = &content {
            return self.store_blob(bytes);
        }
        let mut blob = self.begin_blob(content.len())?;
        for chunk in content.chunks() {
            blob.write(&chunk?)?;
        }
        blob.finish()
    }

    fn write_tree(&mut self, mut entries: Vec<TreeEntry>) -> Result<TreeId, ObjectError> {
        let content = encode_tree(&mut entries).map_err(|err| ObjectError::Io(err.to_string()))?;
        let id = TreeId::of(&content);
        self.store.write(id.into(), Kind::Tree, &content)?;
        Ok(id)
    }
}
