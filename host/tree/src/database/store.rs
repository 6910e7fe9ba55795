//! The repository behind an object database: handles, caches, references.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gix::objs::{Exists, Find, FindHeader, Kind, Write};
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit};
use gix::refs::{FullName, Target};

use super::create::replace;
use super::{DatabaseError, decode};
use crate::cache::{Bounded, CacheBudget, CacheUse, ObjectCache};
use crate::ids::{BlobId, CommitId, TreeId};
use crate::objects::{EntryKind, ObjectError, TreeEntry};

const CACHE: CacheBudget = CacheBudget { blobs: 256 << 20, trees: 64 << 20, sizes: 64 << 20 };
const COMMITS: usize = 1 << 20;

/// Bytes from which on a blob is not copied out of the buffer it was read into.
const LARGE_BLOB: usize = 1 << 20;

/// A repository with caches.
pub(super) struct Store {
    repository: gix::ThreadSafeRepository,
    path: PathBuf,
    readers: Mutex<Vec<Reader>>,
    cache: ObjectCache,
    parents: Bounded<CommitId, Arc<[Parent]>>,
}

/// A parent of a commit.
pub(super) struct Parent {
    pub(super) id: CommitId,
    /// When it was committed.
    pub(super) time: i64,
}

/// Handles with pack caches of their own, used by one thread at a time.
struct Reader {
    /// Looks at the disk again before it says that an object is missing.
    thorough: gix::OdbHandle,
    /// Does not, which matters where missing objects are normal.
    quick: gix::OdbHandle,
    buffer: Vec<u8>,
}

impl Reader {
    fn read<T>(
        &mut self,
        id: gix::ObjectId,
        expected: Kind,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, ObjectError> {
        let found = self
            .thorough
            .try_find(&id, &mut self.buffer)
            .map_err(|err| ObjectError::Io(format!("`{id}` cannot be read: {err}")))?
            .ok_or_else(|| ObjectError::Missing(id.to_string()))?;
        if found.kind != expected {
            let reason = format!("it is a {}", found.kind);
            return Err(decode::malformed(&id.to_string(), kind_name(expected), &reason));
        }
        Ok(read(found.data))
    }

    /// Reads a blob. The buffer goes along with a large one, which is then neither
    /// copied nor kept for the next.
    fn blob(&mut self, id: BlobId) -> Result<Bytes, ObjectError> {
        let small = |data: &[u8]| {
            let is_small = data.len() <= LARGE_BLOB;
            (data.as_ptr().addr(), data.len(), is_small.then(|| Bytes::copy_from_slice(data)))
        };
        let (start, len, copied) = self.read(id.into(), Kind::Blob, small)?;
        if let Some(content) = copied {
            return Ok(content);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.as_ptr().addr() == start && buffer.len() >= len {
            buffer.truncate(len);
            return Ok(buffer.into());
        }
        self.read(id.into(), Kind::Blob, Bytes::copy_from_slice)
    }
}

/// Opens a repository without listening to any configuration but its own.
pub(super) fn open_repository(path: &Path) -> Result<gix::ThreadSafeRepository, DatabaseError> {
    gix::open::Options::isolated()
        .with(gix::sec::Trust::Full)
        .config_overrides(["core.useReplaceRefs=false"])
        .open(path)
        .map_err(|err| DatabaseError::Open { path: path.to_owned(), reason: err.to_string() })
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let repository = open_repository(path)?;
        Ok(Self {
            path: repository.git_dir().to_owned(),
            repository,
            readers: Mutex::default(),
            cache: ObjectCache::new(CACHE),
            parents: Bounded::new(COMMITS),
        })
    }

    pub(super) fn cache_use(&self) -> CacheUse {
        self.cache.usage()
    }

    pub(super) fn object_directories(&self) -> Result<Vec<PathBuf>, DatabaseError> {
        let cannot = |reason: String| DatabaseError::Open { path: self.path.clone(), reason };
        let own = self.repository.objects_dir().to_owned();
        let own = own.canonicalize().map_err(|err| cannot(err.to_string()))?;
        let borrowed = gix::odb::alternate::resolve(own.clone(), &own)
            .map_err(|err| cannot(err.to_string()))?;
        Ok(std::iter::once(own).chain(borrowed).collect())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn objects_dir(&self) -> PathBuf {
        self.repository.objects_dir().to_owned()
    }

    /// Whether a blob is there, here or in a repository borrowed from.
    pub(super) fn exists(&self, id: BlobId) -> bool {
        self.with_reader(|reader| reader.quick.exists(&gix::ObjectId::from(id)))
    }

    pub(super) fn repository(&self) -> gix::Repository {
        self.repository.to_thread_local()
    }

    /// Reads an object of the kind `expected` and hands its content to `read`.
    pub(super) fn with_object<T>(
        &self,
        id: gix::ObjectId,
        expected: Kind,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, ObjectError> {
        self.with_reader(|reader| reader.read(id, expected, read))
    }

    pub(super) fn tree(&self, id: TreeId) -> Result<Arc<[TreeEntry]>, ObjectError> {
        if id == TreeId::EMPTY {
            return Ok(Arc::from([]));
        }
        if let Some(entries) = self.cache.tree(id) {
            return Ok(entries);
        }
        let decoded = self.with_object(id.into(), Kind::Tree, |data| decode::tree(id, data))??;
        let mut complete = true;
        let entries: Arc<[TreeEntry]> = decoded
            .into_iter()
            .map(|(name, kind)| {
                let (size, known) = self.entry_size(kind);
                complete &= known;
                TreeEntry { name, kind, size }
            })
            .collect();
        // A size that is unknown now may be known once the blob has come.
        if complete {
            self.cache.keep_tree(id, entries.clone());
        }
        Ok(entries)
    }

    pub(super) fn blob(&self, id: BlobId) -> Result<Bytes, ObjectError> {
        if let Some(content) = self.cache.blob(id) {
            return Ok(content);
        }
        let content = self.with_reader(|reader| reader.blob(id))?;
        self.cache.keep_blob(id, content.clone());
        Ok(content)
    }

    pub(super) fn blob_size(&self, id: BlobId) -> Result<u64, ObjectError> {
        match self.size_if_present(id) {
            Some(size) => Ok(size),
            None => Ok(self.blob(id)?.len() as u64),
        }
    }

    /// The size of what an entry names, and whether all that can be known is known.
    fn entry_size(&self, kind: EntryKind) -> (Option<u64>, bool) {
        match kind {
            EntryKind::File { id, .. } | EntryKind::Symlink(id) => {
                let size = self.size_if_present(id);
                (size, size.is_some())
            }
            EntryKind::Directory(_) | EntryKind::Submodule(_) => (None, true),
        }
    }

    fn size_if_present(&self, id: BlobId) -> Option<u64> {
        // That a blob is missing is not kept: it may come.
        if let Some(size) = self.cache.size(id).flatten() {
            return Some(size);
        }
        let name = gix::ObjectId::from(id);
        let header = self.with_reader(|reader| reader.quick.try_header(&name)).ok()??;
        let size = (header.kind == Kind::Blob).then_some(header.size)?;
        self.cache.keep_size(id, Some(size));
        Some(size)
    }

    /// The parents of a commit. The time of a parent that is missing, as in a
    /// shallow clone, is an error.
    pub(super) fn parents(&self, id: CommitId) -> Result<Arc<[Parent]>, ObjectError> {
        if let Some(parents) = self.parents.find(&id) {
            return Ok(parents);
        }
        let (_, ids) = self.time_and_parents(id)?;
        let parents: Arc<[Parent]> = ids
            .into_iter()
            .map(|id| Ok(Parent { id, time: self.time_and_parents(id)?.0 }))
            .collect::<Result<_, ObjectError>>()?;
        self.parents.keep(id, parents.clone(), 1);
        Ok(parents)
    }

    fn time_and_parents(&self, id: CommitId) -> Result<(i64, Vec<CommitId>), ObjectError> {
        self.with_object(id.into(), Kind::Commit, |data| decode::parents(id, data))?
    }

    /// Writes an object unless it is there, here or in a repository borrowed from.
    pub(super) fn write(
        &self,
        id: gix::ObjectId,
        kind: Kind,
        content: &[u8],
    ) -> Result<(), ObjectError> {
        self.with_reader(|reader| {
            if reader.quick.exists(&id) {
                return Ok(());
            }
            reader
                .quick
                .write_buf_with_known_id(kind, content, id)
                .map(drop)
                .map_err(|err| ObjectError::Io(format!("`{id}` cannot be written: {err}")))
        })
    }

    pub(super) fn resolve(&self, revision: &str) -> Result<CommitId, DatabaseError> {
        let unknown = |reason: String| DatabaseError::Revision {
            revision: revision.to_owned(),
            path: self.path.clone(),
            reason,
        };
        let repository = self.repository();
        let id = repository.rev_parse_single(revision).map_err(|err| unknown(err.to_string()))?;
        let object = repository.find_object(id).map_err(|err| unknown(err.to_string()))?;
        let commit = object.peel_to_kind(Kind::Commit).map_err(|err| unknown(err.to_string()))?;
        Ok(commit.id.into())
    }

    pub(super) fn set_ref(&self, name: &str, id: CommitId) -> Result<(), DatabaseError> {
        let wrong = |reason: String| DatabaseError::Reference { name: name.to_owned(), reason };
        let full_name = FullName::try_from(name).map_err(|err| wrong(err.to_string()))?;
        let change = Change::Update {
            log: LogChange::default(),
            expected: PreviousValue::Any,
            new: Target::Object(id.into()),
        };
        let edit = RefEdit { change, name: full_name, deref: false };
        let written = self.repository().edit_reference(edit);
        written.map(drop).map_err(|err| DatabaseError::Write {
            path: self.path.join(name),
            reason: err.to_string(),
        })
    }

    pub(super) fn set_head(&self, branch: &str) -> Result<(), DatabaseError> {
        let name = format!("refs/heads/{branch}");
        FullName::try_from(name.as_str()).map_err(|err| DatabaseError::Reference {
            name: name.clone(),
            reason: err.to_string(),
        })?;
        replace(&self.path.join("HEAD"), format!("ref: {name}\n").as_bytes())
    }

    /// Runs `action` with a reader that no other thread uses.
    fn with_reader<T>(&self, action: impl FnOnce(&mut Reader) -> T) -> T {
        let pooled = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut reader = pooled.unwrap_or_else(|| self.new_reader());
        let result = action(&mut reader);
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        result
    }

    fn new_reader(&self) -> Reader {
        let thorough = self.repository().objects;
        let mut quick = self.repository().objects;
        quick.refresh_never();
        Reader { thorough, quick, buffer: Vec::new() }
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Tree => "tree",
        Kind::Blob => "blob",
        Kind::Commit => "commit",
        Kind::Tag => "tag",
    }
}
