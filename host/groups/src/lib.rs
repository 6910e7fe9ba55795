//! A control group for one command or worker, on machines where the host may make one.
//!
//! It bounds what limits of processes can't and what no look at them sees in time:
//! memory that is no process's own, and bursts. Where there is none, the host does without.
//! Both versions of control groups serve; of version 2 only those groups in which
//! others than the host have set the controllers up, as systemd does for a user.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{Access, access};

/// Begin of the names of our groups; the namespace of processes, the host's process and a
/// number follow.
const PREFIX: &str = "catena-";

/// Bytes that the kernel may ask for at a time.
const BATCH: u64 = 4 << 20;

/// How often an ended command's group is tried to be removed, a millisecond apart. The
/// kernel lets go of the last process a moment after its end.
const TRIES: u32 = 100;

/// Where groups can be made: one directory of version 2, or one for each controller
/// of version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hierarchy {
    Unified(PathBuf),
    Separate { memory: PathBuf, pids: PathBuf },
}

/// A group, until it is dropped. By then no process may be in it.
#[derive(Debug)]
pub struct Group(Hierarchy);

impl Group {
    /// Makes a group for processes and threads that have so many bytes of memory together,
    /// without the files that can be written back, if this machine lets the host make one.
    pub fn new(memory: u64, processes: u32) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        hierarchies(&groups, &mounts).into_iter().find_map(|place| {
            let group = Self(place.make().ok()?);
            // One that can't be limited is of no use; dropping it removes it.
            group.limit(memory, processes).ok()?;
            Some(group)
        })
    }

    /// The files into which a process writes `0` to belong to the group.
    pub fn joins(&self) -> Vec<PathBuf> {
        self.0.dirs().map(|dir| dir.join("cgroup.procs")).collect()
    }

    /// Has a process belong to the group, with the memory that it takes from then on.
    pub fn take_in(&self, process: u32) -> io::Result<()> {
        let mut files = self.joins().into_iter();
        files.try_for_each(|file| fs::write(file, process.to_string()))
    }

    /// What there was too little of by its own limits, and not by those of the machine: a
    /// process was killed for want of memory, or could not start another one.
    pub fn exhausted(&self) -> Option<&'static str> {
        let read = |dir: &Path, file: &str| fs::read_to_string(dir.join(file)).unwrap_or_default();
        let has_happened = |text: &str, event: &str| {
            let mut counts = text.lines().filter_map(|line| line.strip_prefix(event));
            counts.any(|count| count.starts_with(' ') && count.trim() != "0")
        };
        let (is_out_of_memory, pids) = match &self.0 {
            Hierarchy::Unified(dir) => {
                let events = read(dir, "memory.events");
                (has_happened(&events, "oom_kill") && has_happened(&events, "oom"), dir)
            }
            Hierarchy::Separate { memory, pids } => {
                let number = |file: &str| read(memory, file).trim().parse::<u64>().ok();
                let most = number("memory.limit_in_bytes");
                let used = number("memory.max_usage_in_bytes");
                // The last pages that were asked for are not among those it had.
                let was_full =
                    most.zip(used).is_some_and(|(most, used)| used.saturating_add(BATCH) >= most);
                (was_full && has_happened(&read(memory, "memory.oom_control"), "oom_kill"), pids)
            }
        };
        if is_out_of_memory {
            return Some("memory");
        }
        // Where the kernel tells how many there were, that says whose limit it was.
        let number = |file: &str| read(pids, file).trim().parse::<u64>().ok();
        let is_own = match (number("pids.peak"), number("pids.max")) {
            (Some(peak), Some(most)) => peak >= most,
            _ => true,
        };
        (is_own && has_happened(&read(pids, "pids.events"), "max")).then_some("processes")
    }

    fn limit(&self, memory: u64, processes: u32) -> io::Result<()> {
        let (memory, processes) = (memory.to_string(), processes.to_string());
        match &self.0 {
            Hierarchy::Unified(dir) => {
                fs::write(dir.join("memory.max"), memory)?;
                fs::write(dir.join("pids.max"), processes)?;
                // Of a command with too little memory nothing goes on.
                fs::write(dir.join("memory.oom.group"), "1")?;
                allow_absence(fs::write(dir.join("memory.swap.max"), "0"))
            }
            Hierarchy::Separate { memory: of_memory, pids } => {
                fs::write(of_memory.join("memory.limit_in_bytes"), &memory)?;
                fs::write(pids.join("pids.max"), processes)?;
                // Memory and swap together.
                allow_absence(fs::write(of_memory.join("memory.memsw.limit_in_bytes"), memory))
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for dir in self.0.dirs() {
            for _ in 0..TRIES {
                match fs::remove_dir(dir) {
                    // One that stays is removed by the next host.
                    Err(err) if err.kind() == io::ErrorKind::ResourceBusy => {
                        thread::sleep(Duration::from_millis(1));
                    }
                    _ => break,
                }
            }
        }
    }
}

impl Hierarchy {
    fn dirs(&self) -> impl Iterator<Item = &PathBuf> {
        let (first, second) = match self {
            Self::Unified(dir) => (dir, None),
            Self::Separate { memory, pids } => (memory, Some(pids)),
        };
        std::iter::once(first).chain(second)
    }

    /// Makes a group in this place.
    fn make(&self) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        static HAS_MADE: AtomicBool = AtomicBool::new(false);
        for place in self.dirs() {
            // Whoever may not move processes out of a group may not move them into one below.
            access(place.join("cgroup.procs"), Access::WRITE_OK)?;
            if !HAS_MADE.load(Ordering::Relaxed) {
                sweep(place);
            }
        }
        let made = loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            match self.make_named(&format!("{}{}-{number}", prefix(), std::process::id())) {
                // One that another process of this number left.
                Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {}
                made => break made?,
            }
        };
        HAS_MADE.store(true, Ordering::Relaxed);
        Ok(made)
    }

    fn make_named(&self, name: &str) -> io::Result<Self> {
        Ok(match self {
            Self::Unified(place) => Self::Unified(make_in(place, name)?),
            Self::Separate { memory, pids } => {
                let memory = make_in(memory, name)?;
                let made = make_in(pids, name);
                if made.is_err() {
                    // Nothing is in it.
                    let _ = fs::remove_dir(&memory);
                }
                Self::Separate { memory, pids: made? }
            }
        })
    }
}

/// Begin of the names of hosts whose process numbers mean the same as here: two
/// containers may share a place.
fn prefix() -> String {
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let namespace = namespace.to_string_lossy();
    let number: String = namespace.chars().filter(char::is_ascii_digit).collect();
    format!("{PREFIX}{number}-")
}

fn make_in(place: &Path, name: &str) -> io::Result<PathBuf> {
    let dir = place.join(name);
    fs::create_dir(&dir).map(|()| dir)
}

/// Removes groups of hosts that were killed.
fn sweep(place: &Path) {
    let own = prefix();
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let host = name.to_str().and_then(|name| name.strip_prefix(&*own)?.split('-').next());
        let is_left = host.is_some_and(|host| {
            host.parse::<u32>().is_ok() && !Path::new("/proc").join(host).exists()
        });
        if is_left {
            // One with processes in it stays.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The kernel may be without what a file stands for.
fn allow_absence(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        // No file can be made here.
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        written => written,
    }
}

/// The places for groups of ours, best first, by what the kernel tells of this process
/// (`/proc/self/cgroup`) and of what is mounted (`/proc/self/mountinfo`).
fn hierarchies(groups: &str, mounts: &str) -> Vec<Hierarchy> {
    let mounted: Vec<Mounted> = mounts.lines().filter_map(Mounted::parse).collect();
    let place_of = |controller: Option<&str>| {
        let of_group = groups.lines().find_map(|line| {
            let (_, line) = line.split_once(':')?;
            let (controllers, path) = line.split_once(':')?;
            let is_it = match controller {
                Some(controller) => controllers.split(',').any(|one| one == controller),
                None => controllers.is_empty(),
            };
            is_it.then_some(path)
        })?;
        let mount = mounted.iter().find(|mount| match controller {
            Some(controller) => {
                mount.kind == "cgroup" && mount.options.split(',').any(|one| one == controller)
            }
            None => mount.kind == "cgroup2",
        })?;
        mount.place(of_group).map(|place| (place, mount.point.clone()))
    };
    let mut found = Vec::new();
    if let Some((own, top)) = place_of(None) {
        let above = own.ancestors().take_while(|dir| dir.starts_with(&top));
        let divides = |dir: &&Path| {
            let given = fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
            ["memory", "pids"].iter().all(|one| given.split_whitespace().any(|other| other == *one))
        };
        found.extend(above.filter(divides).map(|dir| Hierarchy::Unified(dir.to_owned())));
    }
    if let (Some((memory, _)), Some((pids, _))) = (place_of(Some("memory")), place_of(Some("pids")))
    {
        found.push(Hierarchy::Separate { memory, pids });
    }
    found
}

/// A mounted hierarchy.
struct Mounted<'a> {
    /// The group that is seen at the mount point.
    root: &'a str,
    point: PathBuf,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mounted<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, point) = (before.next()?, before.next()?.into());
        let mut after = after.split(' ');
        let kind = after.next()?;
        Some(Self { root, point, kind, options: after.nth(1)? })
    }

    /// Where a group is seen, if it is.
    fn place(&self, group: &str) -> Option<PathBuf> {
        let below = Path::new(group).strip_prefix(self.root).ok()?;
        let is_seen = below.components().all(|part| part != std::path::Component::ParentDir);
        is_seen.then(|| self.point.join(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_that_takes_more_memory_than_its_group_has_is_killed_and_the_group_tells() {
        use std::io::Write as _;
        use std::process::{Command, Stdio};

        let Some(group) = Group::new(64 << 20, 8) else {
            assert!(!can_be_had(), "a group can be made here, but not by `Group::new`");
            return;
        };
        let mut child = Command::new("sh")
            .args(["-c", "read go; exec tail /dev/zero"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        group.take_in(child.id()).unwrap();
        assert_eq!(group.exhausted(), None);
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        assert!(!child.wait().unwrap().success());
        assert_eq!(group.exhausted(), Some("memory"));
        let dirs: Vec<PathBuf> = group.0.dirs().cloned().collect();
        assert!(dirs.iter().all(|dir| dir.exists()));
        drop(group);
        assert!(!dirs.iter().any(|dir| dir.exists()));
    }

    /// Whether groups can be made here, found out without the code under test.
    fn can_be_had() -> bool {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
        let own = |kind: &str, controller: &str| -> Option<PathBuf> {
            let mount = mounts.lines().find_map(|line| {
                let fields: Vec<&str> = line.split(' ').collect();
                let has = controller.is_empty() || fields[3].split(',').any(|it| it == controller);
                (fields[2] == kind && has).then(|| PathBuf::from(fields[1]))
            })?;
            let group = groups.lines().find_map(|line| {
                let fields: Vec<&str> = line.splitn(3, ':').collect();
                let has = fields[1].split(',').any(|it| it == controller);
                has.then(|| mount.join(fields[2].trim_start_matches('/')))
            })?;
            Some(if group.is_dir() { group } else { mount })
        };
        let of_version_1 = own("cgroup", "memory").zip(own("cgroup", "pids"));
        if of_version_1.is_some_and(|(memory, pids)| {
            is_made(&memory, "memory.limit_in_bytes") && is_made(&pids, "pids.max")
        }) {
            return true;
        }
        let divides = |dir: &&Path| {
            let given = fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
            given.contains("memory") && given.contains("pids")
        };
        own("cgroup2", "").is_some_and(|own| {
            own.ancestors().filter(divides).any(|dir| is_made(dir, "memory.oom.group"))
        })
    }

    /// Whether a group can be made in a directory and has this file, and processes can leave
    /// that of the directory.
    fn is_made(dir: &Path, file: &str) -> bool {
        let opens = |path: PathBuf| fs::OpenOptions::new().write(true).open(path).is_ok();
        let made = dir.join(format!("test-of-catena-{}", std::process::id()));
        if fs::create_dir(&made).is_err() {
            return false;
        }
        let is_of_use = opens(made.join(file)) && opens(dir.join("cgroup.procs"));
        fs::remove_dir(&made).unwrap();
        is_of_use
    }

    #[test]
    fn groups_can_be_had_wherever_one_was_made() {
        assert!(Group::new(64 << 20, 8).is_none() || can_be_had());
    }

    const SEPARATE: &str = "8:pids:/\n4:memory:/box/1\n0::/\n";
    const SEPARATE_MOUNTS: &str = "\
        30 20 0:20 / /groups/memory rw,relatime - cgroup cgroup rw,memory\n\
        31 20 0:21 / /groups/pids rw,relatime - cgroup cgroup rw,pids\n";

    #[test]
    fn controllers_of_version_1_are_found_in_their_places() {
        let found = hierarchies(SEPARATE, SEPARATE_MOUNTS);
        let memory = "/groups/memory/box/1".into();
        assert_eq!(found, [Hierarchy::Separate { memory, pids: "/groups/pids".into() }]);
    }

    #[test]
    fn group_of_version_2_that_divides_its_controllers_is_found_above_the_own() {
        let top = tempfile::tempdir().unwrap();
        let slice = top.path().join("user.slice/app.slice");
        fs::create_dir_all(slice.join("shell.scope")).unwrap();
        fs::write(slice.join("cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        fs::write(slice.join("shell.scope/cgroup.subtree_control"), "\n").unwrap();
        fs::write(top.path().join("user.slice/cgroup.subtree_control"), "memory\n").unwrap();
        let mounts = format!("30 20 0:20 / {} rw - cgroup2 cgroup2 rw\n", top.path().display());
        let found = hierarchies("0::/user.slice/app.slice/shell.scope\n", &mounts);
        assert_eq!(found, [Hierarchy::Unified(slice)]);
    }

    #[test]
    fn groups_outside_of_what_is_mounted_are_none() {
        let mounts = SEPARATE_MOUNTS.replace(" / /groups/memory", " /other /groups/memory");
        assert_eq!(hierarchies(SEPARATE, &mounts), []);
        let outside = SEPARATE.replace("/box/1", "/../box");
        assert_eq!(hierarchies(&outside, SEPARATE_MOUNTS), []);
        assert_eq!(hierarchies("", ""), []);
    }
}
