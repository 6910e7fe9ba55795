//! What a command takes while it runs: the memory and the number of all its
//! processes, and what it has written to disk.
//!
//! Limits of a process don't bound what many of them take, and control groups
//! are not everybody's to make. So the host looks, several times a second, at
//! whatever is in the command's namespace of processes, which nothing leaves. A
//! burst between two looks is bounded by the limits of each process alone. The disk
//! has a thread of its own: a walk over many files delays no other limit.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use catena_groups::Group;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, chmod, fstat, openat, openat2, statat,
};
use rustix::io::Errno;

/// What a command may take.
pub(crate) struct Allowance {
    pub(crate) memory: u64,
    pub(crate) processes: u32,
    /// Directories, and what may be in them.
    pub(crate) written: Vec<(PathBuf, Size)>,
}

/// What is below a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Bytes on disk, and at least the length of each file.
    pub(crate) bytes: u64,
    /// Files, directories and whatever else has a name.
    pub(crate) entries: u64,
}

impl Size {
    /// As much as there can be.
    pub(crate) const MAX: Self = Self { bytes: u64::MAX, entries: u64::MAX };

    pub(crate) fn is_more_than(self, most: Self) -> bool {
        self.bytes > most.bytes || self.entries > most.entries
    }
}

/// The look at one command, shared by the thread that waits for it and the one that
/// looks at the disk.
pub(crate) struct Watch {
    allowance: Allowance,
    group: Option<Group>,
    /// The command's, once its first process is there.
    namespace: OnceLock<PathBuf>,
    has_ended: AtomicBool,
    fills_the_disk: AtomicBool,
}

/// Time between two looks at directories: this many times what a look takes.
const WALK_SHARE: u32 = 20;

/// And at least this.
const WALK_PAUSE: Duration = Duration::from_millis(250);

impl Watch {
    pub(crate) fn new(allowance: Allowance, group: Option<Group>) -> Self {
        Self {
            allowance,
            group,
            namespace: OnceLock::new(),
            has_ended: AtomicBool::new(false),
            fills_the_disk: AtomicBool::new(false),
        }
    }

    /// What the command whose first process is `first` takes too much of.
    pub(crate) fn exceeded(&self, first: Option<u32>) -> Option<String> {
        if let Some(which) = self.exhausted() {
            return Some(which.to_owned());
        }
        if self.fills_the_disk.load(Ordering::Relaxed) {
            return Some("disk".to_owned());
        }
        if self.namespace.get().is_none() {
            let namespace = fs::read_link(format!("/proc/{}/ns/pid", first?)).ok()?;
            // Only this thread sets it.
            let _ = self.namespace.set(namespace);
        }
        if self.group.is_some() {
            return None;
        }
        let taken = self.taken();
        if taken.memory > self.allowance.memory {
            return Some("memory".to_owned());
        }
        (taken.threads > u64::from(self.allowance.processes)).then(|| "processes".to_owned())
    }

    /// What its control group had too little of for the command.
    pub(crate) fn exhausted(&self) -> Option<&'static str> {
        self.group.as_ref().and_then(Group::exhausted)
    }

    /// Looks at the disk until the command has ended or has written too much.
    pub(crate) fn walk(&self) {
        let mut pause = WALK_PAUSE;
        loop {
            thread::park_timeout(pause);
            if self.has_ended.load(Ordering::Relaxed) {
                return;
            }
            let begin = Instant::now();
            if self.has_written_too_much() {
                self.fills_the_disk.store(true, Ordering::Relaxed);
                return;
            }
            pause = (begin.elapsed() * WALK_SHARE).max(WALK_PAUSE);
        }
    }

    /// Has [`Self::walk`] end, in the thread that is given.
    pub(crate) fn end(&self, walking: &thread::Thread) {
        self.has_ended.store(true, Ordering::Relaxed);
        walking.unpark();
    }

    fn has_written_too_much(&self) -> bool {
        let is_over = || self.has_ended.load(Ordering::Relaxed);
        let is_too_much = |(dir, most): &(PathBuf, Size)| match size_of(dir, *most, is_over) {
            Ok(size) => size.is_more_than(*most),
            // What the host can't look at, it can't bound.
            Err(_) => !is_over(),
        };
        let written = &self.allowance.written;
        let most = written.iter().map(|(_, most)| most.bytes).max().unwrap_or(u64::MAX);
        written.iter().any(is_too_much) || self.taken().unnamed > most
    }

    /// What the processes of the namespace take.
    fn taken(&self) -> Taken {
        let mut taken = Taken::default();
        let Some(namespace) = self.namespace.get() else { return taken };
        let mut unnamed = HashMap::new();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let path = process.path();
            if fs::read_link(path.join("ns/pid")).is_ok_and(|link| link == *namespace) {
                let status = fs::read_to_string(path.join("status")).unwrap_or_default();
                taken.threads += number(&status, "Threads:").max(1);
                taken.memory += number(&status, "VmRSS:") * 1024;
                unnamed.extend(unnamed_files(&path));
            }
        }
        for file in unnamed.into_values() {
            match file {
                Unnamed::InMemory(bytes) => taken.memory += bytes,
                Unnamed::OnDisk(bytes) => taken.unnamed += bytes,
            }
        }
        taken
    }
}

/// What all processes of a command take at one time.
#[derive(Debug, Default)]
struct Taken {
    threads: u64,
    /// Bytes. What processes share counts once for each.
    memory: u64,
    /// Bytes on disk in files that are open and have no name.
    unnamed: u64,
}

/// Bytes of an open file that no directory has.
#[derive(Debug, Clone, Copy)]
enum Unnamed {
    InMemory(u64),
    OnDisk(u64),
}

/// Open files of a process that no directory has, by device and number.
fn unnamed_files(process: &Path) -> Vec<((u64, u64), Unnamed)> {
    let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let unnamed = open.filter_map(|file| {
        let path = file.path();
        let metadata = fs::metadata(&path).ok()?;
        if !metadata.is_file() || metadata.nlink() > 0 {
            return None;
        }
        let bytes = metadata.blocks() * 512;
        let is_in_memory = fs::read_link(&path)
            .is_ok_and(|name| name.as_os_str().as_encoded_bytes().starts_with(b"/memfd:"));
        let file = if is_in_memory { Unnamed::InMemory(bytes) } else { Unnamed::OnDisk(bytes) };
        Some(((metadata.dev(), metadata.ino()), file))
    });
    unnamed.collect()
}

fn number(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Directories that their owner may not read, and that were opened for as long as a look
/// at what is in them takes.
#[derive(Default)]
struct Shut(Vec<(OwnedFd, Mode)>);

impl Shut {
    fn open(&mut self, root: &OwnedFd, path: &[u8], how: OFlags) -> Result<OwnedFd, Errno> {
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let place = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let place = openat2(root, path, place, Mode::empty(), beneath)?;
        let (mode, name) = (Mode::from_raw_mode(fstat(&place)?.st_mode), by_number(&place));
        chmod(&*name, mode | Mode::RUSR | Mode::XUSR)?;
        self.0.push((place, mode));
        openat(CWD, &*name, how - OFlags::NOFOLLOW, Mode::empty())
    }
}

impl Drop for Shut {
    fn drop(&mut self) {
        for (place, mode) in self.0.iter().rev() {
            // One that is gone needs it no more.
            let _ = chmod(&*by_number(place), *mode);
        }
    }
}

/// An open file by its number, which leads to it whatever became of its name.
fn by_number(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// What is below a directory, through no symlink. Ends early where that is more than
/// `most`, or where it `is_over`.
pub(crate) fn size_of(dir: &Path, most: Size, is_over: impl Fn() -> bool) -> Result<Size, Errno> {
    const DIRECTORY: OFlags =
        OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
    let root = openat(CWD, dir, DIRECTORY, Mode::empty())?;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let mut size = Size { bytes: 0, entries: 0 };
    let mut shut = Shut::default();
    let mut ahead = vec![b".".to_vec()];
    while let Some(path) = ahead.pop() {
        let opened = match openat2(&root, &*path, DIRECTORY, Mode::empty(), beneath) {
            // Kernels before 5.6, and filters that don't know it.
            Err(Errno::NOSYS | Errno::PERM) => openat(&root, &*path, DIRECTORY, Mode::empty()),
            opened => opened,
        };
        let opened = match opened {
            Err(Errno::ACCESS) => shut.open(&root, &path, DIRECTORY),
            opened => opened,
        };
        let opened = match opened {
            // It was removed or replaced meanwhile.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
            opened => opened?,
        };
        for entry in Dir::read_from(&opened)? {
            let name = match entry {
                Err(Errno::NOENT) => break,
                entry => CString::from(entry?.file_name()),
            };
            if matches!(name.as_bytes(), b"." | b"..") {
                continue;
            }
            let stat = match statat(&opened, &*name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                stat => stat?,
            };
            // What has holes is taken over with its whole length.
            let on_disk = u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
            size.bytes += on_disk.max(u64::try_from(stat.st_size).unwrap_or(0));
            size.entries += 1;
            if size.is_more_than(most) || is_over() {
                return Ok(size);
            }
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                ahead.push([&path[..], b"/", name.as_bytes()].concat());
            }
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowing(dir: &Path, bytes: u64) -> Watch {
        let most = Size { bytes, entries: u64::MAX };
        let written = vec![(dir.to_owned(), most)];
        Watch::new(Allowance { memory: u64::MAX, processes: u32::MAX, written }, None)
    }

    #[test]
    fn entries_are_counted_and_symlinks_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/file"), vec![1; 100_000]).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("a/root")).unwrap();
        let size = size_of(dir.path(), Size::MAX, || false).unwrap();
        assert_eq!(size.entries, 4);
        let most = Size { bytes: u64::MAX, entries: 2 };
        assert_eq!(size_of(dir.path(), most, || false).unwrap().entries, 3);
        assert_eq!(size_of(dir.path(), Size::MAX, || true).unwrap().entries, 1);
    }

    #[test]
    fn file_with_holes_counts_with_its_whole_length() {
        let dir = tempfile::tempdir().unwrap();
        fs::File::create(dir.path().join("holes")).unwrap().set_len(1 << 30).unwrap();
        let size = size_of(dir.path(), Size::MAX, || false).unwrap();
        assert!(size.bytes >= 1 << 30);
    }

    #[test]
    fn shut_directory_is_looked_into_and_left_shut() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        let shut = dir.path().join("shut");
        fs::create_dir(&shut).unwrap();
        fs::write(shut.join("file"), "content").unwrap();
        fs::set_permissions(&shut, fs::Permissions::from_mode(0o000)).unwrap();
        assert_eq!(size_of(dir.path(), Size::MAX, || false).unwrap().entries, 2);
        let root = openat(CWD, dir.path(), OFlags::PATH, Mode::empty()).unwrap();
        let mut opened = Shut::default();
        opened.open(&root, b"shut", OFlags::RDONLY | OFlags::DIRECTORY).unwrap();
        assert_eq!(fs::metadata(&shut).unwrap().permissions().mode() & 0o777, 0o500);
        drop(opened);
        assert_eq!(fs::metadata(&shut).unwrap().permissions().mode() & 0o777, 0);
    }

    #[test]
    fn what_cannot_be_looked_at_is_too_much() {
        let dir = tempfile::tempdir().unwrap();
        assert!(allowing(&dir.path().join("missing"), u64::MAX).has_written_too_much());
        assert!(!allowing(dir.path(), u64::MAX).has_written_too_much());
    }

    #[test]
    fn open_file_without_a_name_counts_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = tempfile::tempfile_in(dir.path()).unwrap();
        std::io::Write::write_all(&mut file, &vec![1; 100_000]).unwrap();
        file.sync_all().unwrap();
        let watch = allowing(dir.path(), 50_000);
        assert!(!watch.has_written_too_much());
        watch.exceeded(Some(std::process::id()));
        assert!(watch.has_written_too_much());
    }

    #[test]
    fn walk_ends_with_its_command() {
        let dir = tempfile::tempdir().unwrap();
        let watch = allowing(dir.path(), u64::MAX);
        thread::scope(|scope| {
            let walking = scope.spawn(|| watch.walk());
            watch.end(walking.thread());
            walking.join().unwrap();
        });
    }
}
