//! What a command takes while it runs: the memory and the number of all its
//! processes, and what it has written to its directories.
//!
//! Limits of a process don't bound what many of them take, and control groups
//! are not everybody's to make. So the host looks, several times a second, at
//! whatever is in the command's namespace of processes, which nothing leaves. A
//! burst between two looks is bounded by the limits of each process alone.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat, openat2, statat,
};
use rustix::io::Errno;

/// What a command may take.
pub(crate) struct Allowance {
    pub(crate) memory: u64,
    pub(crate) processes: u32,
    /// Directories, and what may be in them.
    pub(crate) written: Vec<(PathBuf, Size)>,
    /// When its time is up. No look takes longer.
    pub(crate) deadline: Instant,
}

/// What is below a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Bytes on disk.
    pub(crate) bytes: u64,
    /// Files, directories and whatever else has a name.
    pub(crate) entries: u64,
}

impl Size {
    /// As much as there can be.
    pub(crate) const MAX: Self = Self { bytes: u64::MAX, entries: u64::MAX };

    fn is_more_than(self, most: Self) -> bool {
        self.bytes > most.bytes || self.entries > most.entries
    }
}

/// The look at one command.
pub(crate) struct Watch {
    allowance: Allowance,
    namespace: Option<PathBuf>,
    next_walk: Instant,
}

/// Time between two looks at directories: this many times what a look takes.
const WALK_SHARE: u32 = 20;

/// And at least this.
const WALK_PAUSE: Duration = Duration::from_millis(250);

impl Watch {
    pub(crate) fn new(allowance: Allowance) -> Self {
        Self { allowance, namespace: None, next_walk: Instant::now() + WALK_PAUSE }
    }

    /// What the command whose first process is `first` takes too much of.
    pub(crate) fn exceeded(&mut self, first: Option<u32>) -> Option<String> {
        let first = first?;
        if self.namespace.is_none() {
            self.namespace = fs::read_link(format!("/proc/{first}/ns/pid")).ok();
        }
        let (processes, memory) = self.processes();
        if memory > self.allowance.memory {
            return Some("memory".to_owned());
        }
        if processes > u64::from(self.allowance.processes) {
            return Some("processes".to_owned());
        }
        self.written_too_much().then(|| "disk".to_owned())
    }

    /// Threads of all processes in the namespace, and their memory in bytes.
    fn processes(&self) -> (u64, u64) {
        let Some(namespace) = &self.namespace else { return (0, 0) };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let in_namespace = entries
            .map(|entry| entry.path())
            .filter(|path| fs::read_link(path.join("ns/pid")).is_ok_and(|link| link == *namespace));
        in_namespace.fold((0, 0), |(threads, memory), path| {
            let status = fs::read_to_string(path.join("status")).unwrap_or_default();
            let own = number(&status, "Threads:").max(1);
            (threads + own, memory + number(&status, "VmRSS:") * 1024)
        })
    }

    fn written_too_much(&mut self) -> bool {
        let begin = Instant::now();
        if begin < self.next_walk {
            return false;
        }
        let until = self.allowance.deadline;
        let is_too_much = |dir: &Path, most: Size| match size_of(dir, most, until) {
            Ok(size) => size.is_more_than(most),
            // What the host can't look at, it can't bound.
            Err(_) => true,
        };
        let too_much = self.allowance.written.iter().any(|(dir, most)| is_too_much(dir, *most));
        self.next_walk = Instant::now() + (begin.elapsed() * WALK_SHARE).max(WALK_PAUSE);
        too_much
    }
}

fn number(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// What is below a directory, through no symlink. Ends early where that is more than
/// `most`, and at `until` in any case.
pub(crate) fn size_of(dir: &Path, most: Size, until: Instant) -> Result<Size, Errno> {
    const DIRECTORY: OFlags =
        OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
    let root = openat(CWD, dir, DIRECTORY, Mode::empty())?;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let mut size = Size { bytes: 0, entries: 0 };
    let mut ahead = vec![b".".to_vec()];
    while let Some(path) = ahead.pop() {
        let opened = match openat2(&root, &*path, DIRECTORY, Mode::empty(), beneath) {
            // Kernels before 5.6, and filters that don't know it.
            Err(Errno::NOSYS | Errno::PERM) => openat(&root, &*path, DIRECTORY, Mode::empty()),
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
            size.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
            size.entries += 1;
            if size.is_more_than(most) || Instant::now() >= until {
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

    fn later() -> Instant {
        Instant::now() + Duration::from_mins(10)
    }

    #[test]
    fn entries_are_counted_and_symlinks_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/file"), vec![1; 100_000]).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("a/root")).unwrap();
        let size = size_of(dir.path(), Size::MAX, later()).unwrap();
        assert_eq!(size.entries, 4);
        let most = Size { bytes: u64::MAX, entries: 2 };
        assert_eq!(size_of(dir.path(), most, later()).unwrap().entries, 3);
        assert_eq!(size_of(dir.path(), Size::MAX, Instant::now()).unwrap().entries, 1);
    }

    #[test]
    fn what_cannot_be_looked_at_is_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let mut watch = Watch::new(Allowance {
            memory: u64::MAX,
            processes: u32::MAX,
            written: vec![(missing, Size::MAX)],
            deadline: later(),
        });
        watch.next_walk = Instant::now();
        assert!(watch.written_too_much());
    }
}
