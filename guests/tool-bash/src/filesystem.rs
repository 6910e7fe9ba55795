//! A mounted directory as the shell's file system, by `std::fs`.
//!
//! Names, links and times are the host's. WASI knows no permission bits: the
//! executable bit of the worktree is set through the `workspace` import, and as
//! nothing tells it back, a file counts as executable when it was made so in the
//! same command or starts with `#!`.

mod across;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bashkit::{DirEntry, FileType, FsBackend, Metadata, Result, async_trait};

pub(crate) use across::MovingAcross;

/// Tells the host that a file is executable, by its path below the mount.
pub(crate) type SetExecutable = fn(&str, bool) -> io::Result<()>;

/// A directory and what was made executable in it.
pub(crate) struct Mounted {
    root: PathBuf,
    set_executable: SetExecutable,
    file_limit: u64,
    executable: Mutex<BTreeMap<PathBuf, bool>>,
}

impl Mounted {
    /// Serves what is below `root`; files of more than `file_limit` bytes are not
    /// read whole.
    pub(crate) fn new(
        root: impl Into<PathBuf>,
        set_executable: SetExecutable,
        file_limit: u64,
    ) -> Self {
        Self { root: root.into(), set_executable, file_limit, executable: Mutex::default() }
    }

    /// Where `std::fs` finds a path of this mount, which starts with `/`.
    fn locate(&self, path: &Path) -> PathBuf {
        match path.strip_prefix("/") {
            Ok(inside) if inside.as_os_str().is_empty() => self.root.clone(),
            Ok(inside) => self.root.join(inside),
            Err(_) => self.root.join(path),
        }
    }

    fn whole(&self, place: &Path) -> io::Result<Vec<u8>> {
        if fs::metadata(place)?.len() > self.file_limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        fs::read(place)
    }

    fn is_marked(&self, path: &Path) -> Option<bool> {
        self.executable.lock().unwrap_or_else(PoisonError::into_inner).get(path).copied()
    }

    fn mark(&self, path: &Path, executable: bool) -> io::Result<()> {
        let inside = path.strip_prefix("/").unwrap_or(path);
        let inside = inside.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
        (self.set_executable)(inside, executable)?;
        let mut marks = self.executable.lock().unwrap_or_else(PoisonError::into_inner);
        marks.insert(path.to_owned(), executable);
        Ok(())
    }

    fn forget(&self, path: &Path) -> Option<bool> {
        self.executable.lock().unwrap_or_else(PoisonError::into_inner).remove(path)
    }

    /// `looks_like_script` is asked only where nothing else tells.
    fn describe(
        &self,
        path: &Path,
        found: &fs::Metadata,
        looks_like_script: impl Fn() -> bool,
    ) -> Metadata {
        let (file_type, mode) = if found.is_dir() {
            (FileType::Directory, 0o755)
        } else if found.is_symlink() {
            (FileType::Symlink, 0o777)
        } else if self.is_marked(path).unwrap_or_else(looks_like_script) {
            (FileType::File, 0o755)
        } else {
            (FileType::File, 0o644)
        };
        let modified = found.modified().unwrap_or(UNIX_EPOCH);
        Metadata { file_type, size: found.len(), mode, modified, created: modified }
    }
}

#[async_trait]
impl FsBackend for Mounted {
    async fn read(&self, path: &Path) -> Result<Vec<u8>> {
        Ok(self.whole(&self.locate(path))?)
    }

    async fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        Ok(fs::write(self.locate(path), content)?)
    }

    async fn append(&self, path: &Path, content: &[u8]) -> Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(self.locate(path))?;
        Ok(file.write_all(content)?)
    }

    async fn mkdir(&self, path: &Path, recursive: bool) -> Result<()> {
        let place = self.locate(path);
        Ok(if recursive { fs::create_dir_all(place) } else { fs::create_dir(place) }?)
    }

    async fn remove(&self, path: &Path, recursive: bool) -> Result<()> {
        let place = self.locate(path);
        self.forget(path);
        Ok(match (fs::symlink_metadata(&place)?.is_dir(), recursive) {
            (true, true) => remove_tree(&place),
            (true, false) => fs::remove_dir(place),
            (false, _) => fs::remove_file(place),
        }?)
    }

    async fn stat(&self, path: &Path) -> Result<Metadata> {
        let place = self.locate(path);
        let found = fs::symlink_metadata(&place)?;
        Ok(self.describe(path, &found, || starts_as_script(&place)))
    }

    async fn read_dir(&self, path: &Path) -> Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.locate(path))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Listings don't open files: it would load every one of them.
            let metadata = self.describe(&path.join(&name), &entry.metadata()?, || false);
            entries.push(DirEntry { name, metadata });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    async fn exists(&self, path: &Path) -> Result<bool> {
        Ok(fs::symlink_metadata(self.locate(path)).is_ok())
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(self.locate(from), self.locate(to))?;
        if let Some(executable) = self.forget(from) {
            self.mark(to, executable)?;
        }
        Ok(())
    }

    async fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let source = self.locate(from);
        fs::copy(&source, self.locate(to))?;
        if self.is_marked(from).unwrap_or_else(|| starts_as_script(&source)) {
            self.mark(to, true)?;
        }
        Ok(())
    }

    #[expect(deprecated, reason = "the platform's own function needs a nightly compiler on WASI")]
    async fn symlink(&self, target: &Path, link: &Path) -> Result<()> {
        Ok(fs::soft_link(target, self.locate(link))?)
    }

    async fn read_link(&self, path: &Path) -> Result<PathBuf> {
        Ok(fs::read_link(self.locate(path))?)
    }

    async fn chmod(&self, path: &Path, mode: u32) -> Result<()> {
        let found = fs::symlink_metadata(self.locate(path))?;
        if found.is_file() {
            self.mark(path, mode & 0o111 != 0)?;
        }
        Ok(())
    }

    async fn set_modified_time(&self, path: &Path, time: SystemTime) -> Result<()> {
        let place = self.locate(path);
        let file = OpenOptions::new().write(true).open(&place).or_else(|_| File::open(&place))?;
        Ok(file.set_modified(time)?)
    }
}

/// What `fs::remove_dir_all` does, which on WASI opens directories for writing.
fn remove_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()? {
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir(directory)
}

fn starts_as_script(place: &Path) -> bool {
    let mut start = [0; 2];
    File::open(place).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"#!"
}
