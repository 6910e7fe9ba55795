//! Blobs that come in pieces, too large to be held: written to a temporary file
//! as git compresses them, hashed on the way, renamed when they are whole.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use tempfile::NamedTempFile;

use super::store::Store;
use crate::ids::BlobId;
use crate::objects::{BlobHasher, ObjectError};

/// A blob on its way into an object database. What was not finished leaves nothing.
pub struct BlobWriter {
    store: Arc<Store>,
    file: ZlibEncoder<NamedTempFile>,
    hasher: BlobHasher,
    left: u64,
}

impl BlobWriter {
    pub(super) fn begin(store: Arc<Store>, len: u64) -> Result<Self, ObjectError> {
        let objects = store.objects_dir();
        let file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o444))
            .tempfile_in(&objects)
            .map_err(|err| cannot_write(&objects, &err))?;
        let mut file = ZlibEncoder::new(file, Compression::fast());
        file.write_all(&gix::objs::encode::loose_header(gix::objs::Kind::Blob, len))
            .map_err(|err| cannot_write(&objects, &err))?;
        Ok(Self { store, file, hasher: BlobHasher::new(len), left: len })
    }

    /// Bytes that are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Takes the next bytes, which must not be more than are left.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left =
            left.ok_or_else(|| ObjectError::Io("a blob is longer than announced".into()))?;
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|err| cannot_write(self.file.get_ref().path(), &err))
    }

    /// Stores the blob, of which nothing may be left, and returns its id.
    pub fn finish(self) -> Result<BlobId, ObjectError> {
        if self.left > 0 {
            return Err(ObjectError::Io("a blob is shorter than announced".into()));
        }
        let id = self.hasher.finish()?;
        let objects = self.store.objects_dir();
        let file = self.file.finish().map_err(|err| cannot_write(&objects, &err))?;
        if !self.store.exists(id) {
            let path = object_path(&objects, id);
            place(file, &path).map_err(|err| cannot_write(&path, &err))?;
        }
        Ok(id)
    }
}

fn object_path(objects: &Path, id: BlobId) -> PathBuf {
    let hex = id.to_string();
    let (dir, name) = hex.split_at_checked(2).unwrap_or_default();
    objects.join(dir).join(name)
}

fn place(file: NamedTempFile, path: &Path) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    file.persist(path).map(drop).map_err(|err| err.error)
}

fn cannot_write(path: &Path, err: &io::Error) -> ObjectError {
    ObjectError::Io(format!("`{}` cannot be written: {err}", path.display()))
}
