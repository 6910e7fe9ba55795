//! What a command takes while it runs: the memory and the number of all its
//! processes, and what it has written to its directories.
//!
//! Limits of a process don't bound what many of them take, and control groups
//! are not everybody's to make. So the host looks, several times a second, at
//! whatever is in the command's namespace of processes, which nothing leaves. A
//! burst between two looks is bounded by the limits of each process alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a command may take.
pub(crate) struct Allowance {
    pub(crate) memory: u64,
    pub(crate) processes: u32,
    /// Directories, and the bytes that may be in them.
    pub(crate) written: Vec<(PathBuf, u64)>,
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
        let too_much = self.allowance.written.iter().any(|(dir, most)| size_of(dir) > *most);
        self.next_walk = Instant::now() + (begin.elapsed() * WALK_SHARE).max(WALK_PAUSE);
        too_much
    }
}

fn number(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Bytes on disk below a directory, through no symlink.
pub(crate) fn size_of(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    let mut ahead = vec![dir.to_owned()];
    while let Some(dir) = ahead.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            bytes += metadata.blocks() * 512;
            if metadata.is_dir() {
                ahead.push(entry.path());
            }
        }
    }
    bytes
}
