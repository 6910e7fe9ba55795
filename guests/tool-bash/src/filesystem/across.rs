//! Moving between mounts, which are file systems of their own.
//!
//! The mount table moves single files across; here directories follow, as `mv`
//! does it: copied whole, then removed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bashkit::{
    DirEntry, Error, FileSystem, FileSystemExt, FileType, FsLimits, FsUsage, Metadata, MountableFs,
    Result, async_trait,
};

/// A mount table whose `rename` also moves directories between mounts.
pub(crate) struct MovingAcross {
    mounts: MountableFs,
}

impl MovingAcross {
    /// Adds moving to a mount table.
    pub(crate) fn new(mounts: MountableFs) -> Self {
        Self { mounts }
    }

    async fn copy_tree(&self, from: &Path, to: &Path) -> Result<()> {
        let mut waiting = vec![(from.to_owned(), to.to_owned())];
        while let Some((from, to)) = waiting.pop() {
            self.mounts.mkdir(&to, true).await?;
            for entry in self.mounts.read_dir(&from).await? {
                let (from, to) = (from.join(&entry.name), to.join(&entry.name));
                match entry.metadata.file_type {
                    FileType::Directory => waiting.push((from, to)),
                    FileType::Symlink => {
                        let target = self.mounts.read_link(&from).await?;
                        self.mounts.symlink(&target, &to).await?;
                    }
                    FileType::File | FileType::Fifo => self.mounts.copy(&from, &to).await?,
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl FileSystem for MovingAcross {
    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        match self.mounts.rename(from, to).await {
            Err(Error::Io(err)) if err.kind() == ErrorKind::Unsupported => {
                self.copy_tree(from, to).await?;
                self.mounts.remove(from, true).await
            }
            renamed => renamed,
        }
    }

    async fn read_file(&self, path: &Path) -> Result<Vec<u8>> {
        self.mounts.read_file(path).await
    }

    async fn write_file(&self, path: &Path, content: &[u8]) -> Result<()> {
        self.mounts.write_file(path, content).await
    }

    async fn append_file(&self, path: &Path, content: &[u8]) -> Result<()> {
        self.mounts.append_file(path, content).await
    }

    async fn mkdir(&self, path: &Path, recursive: bool) -> Result<()> {
        self.mounts.mkdir(path, recursive).await
    }

    async fn remove(&self, path: &Path, recursive: bool) -> Result<()> {
        self.mounts.remove(path, recursive).await
    }

    async fn stat(&self, path: &Path) -> Result<Metadata> {
        self.mounts.stat(path).await
    }

    async fn lstat(&self, path: &Path) -> Result<Metadata> {
        self.mounts.lstat(path).await
    }

    async fn read_dir(&self, path: &Path) -> Result<Vec<DirEntry>> {
        self.mounts.read_dir(path).await
    }

    async fn exists(&self, path: &Path) -> Result<bool> {
        self.mounts.exists(path).await
    }

    async fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        self.mounts.copy(from, to).await
    }

    async fn symlink(&self, target: &Path, link: &Path) -> Result<()> {
        self.mounts.symlink(target, link).await
    }

    async fn read_link(&self, path: &Path) -> Result<PathBuf> {
        self.mounts.read_link(path).await
    }

    async fn chmod(&self, path: &Path, mode: u32) -> Result<()> {
        self.mounts.chmod(path, mode).await
    }

    async fn set_modified_time(&self, path: &Path, time: SystemTime) -> Result<()> {
        self.mounts.set_modified_time(path, time).await
    }
}

#[async_trait]
impl FileSystemExt for MovingAcross {
    fn usage(&self) -> FsUsage {
        self.mounts.usage()
    }

    fn limits(&self) -> FsLimits {
        self.mounts.limits()
    }
}
