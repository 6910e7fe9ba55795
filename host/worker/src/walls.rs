//! The second wall: what a worker gives up before a guest runs, so that a fault of the
//! WebAssembly sandbox is not yet a breach of the machine.
//!
//! ```text
//! start          one thread: no dump, no right of root, bounds on memory, Landlock
//! load           the components, the only files that can still be opened
//! raise          few open files, no further process or thread, a filter of system calls
//! guests run
//! ```
//!
//! The invariant: a thread that runs guests can read and write what is open, which is
//! the pipe and a file without a name, can read the components, and can open, start, connect or signal nothing.
//! A system call outside the list ends the process. What a kernel does not have is
//! told in [`Walls`], and is the operator's to accept or not.

mod attack;
mod filter;

use std::fmt;
use std::fs;
use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, LandlockStatus,
    PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope,
};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use serde::{Deserialize, Serialize};

use crate::frame::MAX_FRAME;

/// The newest Landlock whose rights are known here to be needless for a worker.
const KNOWN: ABI = ABI::V7;

/// The oldest that keeps a process from changing the size of files, which completes
/// the rights over files.
const ENOUGH: u32 = 3;

/// Bytes of memory that a worker may have beside those of its guests and worktrees: a
/// message that is read and written at the same time, its cache and stacks.
const OWN_MEMORY: u64 = 3 * MAX_FRAME as u64 + (512 << 20);

/// Bytes of memory that the kernel may have for a worker, such as its tables of pages.
const OF_THE_KERNEL: u64 = 256 << 20;

/// Files that a worker may have open once its components are loaded.
const OPEN_FILES: u64 = 16;

/// Of all processes, the first to go where the machine's memory is used up.
const FIRST_TO_GO: &str = "1000";

/// What stands between a worker and the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Walls {
    /// The version of Landlock by which files, the network and other processes are out of
    /// reach.
    pub landlock: Option<u32>,
    /// System calls outside a list end the process.
    pub system_calls: bool,
    /// Memory, files and processes are bounded by the kernel.
    pub limits: bool,
    /// So is all memory that the kernel counts to the process, by a control group, where the
    /// host may make one. Limits do without.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub control_group: bool,
    /// Why something of this is missing, or is not all it could be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<String>,
}

impl Walls {
    /// Whether all of them stand.
    pub fn stand(&self) -> bool {
        self.landlock.is_some_and(|version| version >= ENOUGH) && self.system_calls && self.limits
    }

    fn lack(&mut self, what: &str, why: &dyn fmt::Display) {
        self.lacking.push(format!("{what}: {why}"));
    }
}

impl fmt::Display for Walls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let landlock = self.landlock.map(|version| format!("Landlock {version}"));
        let filter = self.system_calls.then(|| "a filter of system calls".to_owned());
        let limits = self.limits.then(|| "limits".to_owned());
        let group = self.control_group.then(|| "a control group".to_owned());
        let standing = [landlock, filter, limits, group];
        let standing: Vec<String> = standing.into_iter().flatten().collect();
        match (standing.is_empty(), self.lacking.is_empty()) {
            (true, true) => f.write_str("none"),
            (true, false) => write!(f, "none ({})", self.lacking.join("; ")),
            (false, true) => f.write_str(&standing.join(", ")),
            (false, false) => {
                write!(f, "{}; not {}", standing.join(", "), self.lacking.join("; "))
            }
        }
    }
}

/// What a worker needs for its job.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needs {
    /// Files that it reads before guests run.
    pub(crate) files: Vec<PathBuf>,
    /// Bytes of memory of its guests and worktrees.
    pub(crate) memory: u64,
    /// Bytes of the largest file that it writes.
    pub(crate) file: u64,
}

impl Needs {
    /// Bytes of memory that a worker may have as its own.
    fn memory_of_its_own(&self) -> u64 {
        self.memory.saturating_add(OWN_MEMORY)
    }

    /// Bytes that may be counted to a worker as memory: also the kernel's for it, and the file
    /// that it writes, where that lies in memory.
    pub(crate) fn memory_with_files(&self) -> u64 {
        self.memory_of_its_own().saturating_add(self.file).saturating_add(OF_THE_KERNEL)
    }
}

/// Gives up what is not needed to load components. To be called while there is one
/// thread.
pub(crate) fn shut_in(needs: &Needs) -> Walls {
    let mut walls = Walls::default();
    // Where it can't be said, the kernel chooses.
    let _ = fs::write("/proc/self/oom_score_adj", FIRST_TO_GO);
    if let Err(err) = withdraw() {
        walls.lack("rights", &err);
    }
    let limits = [
        (Resource::Core, 0),
        (Resource::Data, needs.memory_of_its_own()),
        (Resource::Fsize, needs.file),
    ];
    match limits.into_iter().try_for_each(|(resource, most)| lower(resource, most)) {
        Ok(()) => walls.limits = true,
        Err(err) => walls.lack("limits", &err),
    }
    match restrict(needs) {
        Ok(Some(version)) => {
            walls.landlock = Some(version);
            if version < ENOUGH {
                walls.lack("all of Landlock", &"Linux 6.2 or newer is needed");
            }
        }
        Ok(None) => walls.lack("Landlock", &"the kernel has it not, or not switched on"),
        Err(err) => walls.lack("Landlock", &err),
    }
    walls
}

/// Gives up all but what guests need, in all threads.
pub(crate) fn raise(mut walls: Walls) -> Walls {
    let bounded = lower(Resource::Nofile, OPEN_FILES).and_then(|()| lower(Resource::Nproc, 0));
    if let Err(err) = bounded {
        walls.limits = false;
        walls.lack("limits", &err);
    }
    match filter::install() {
        Ok(()) => walls.system_calls = true,
        Err(err) => walls.lack("a filter of system calls", &err),
    }
    walls
}

/// Takes from this process what it may do as root, but to read the components, and lets
/// nobody look into it: a judge's has the human answer, and a dump of it would too.
fn withdraw() -> rustix::io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let had = capabilities(None)?;
    let kept = had.permitted & CapabilitySet::DAC_READ_SEARCH;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: none })
}

fn lower(resource: Resource, most: u64) -> rustix::io::Result<()> {
    let most = getrlimit(resource).maximum.map_or(most, |had| had.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
}

/// Leaves of the file system a few files to read, and nothing of the network and of
/// other processes. Returns the version of Landlock that sees to it.
fn restrict(needs: &Needs) -> Result<Option<u32>, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    for file in &needs.files {
        // One that is not there is missed when it is loaded.
        if let Ok(open) = PathFd::new(file) {
            rules = rules.add_rule(PathBeneath::new(open, AccessFs::ReadFile))?;
        }
    }
    let status = rules.restrict_self()?;
    let version = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as u32,
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => return Ok(None),
    };
    Ok((status.ruleset != RulesetStatus::NotEnforced).then_some(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walls_are_told_in_a_line() {
        let all = Walls { landlock: Some(7), system_calls: true, limits: true, ..Walls::default() };
        assert!(all.stand());
        assert_eq!(all.to_string(), "Landlock 7, a filter of system calls, limits");
        let grouped = Walls { control_group: true, ..all.clone() };
        assert_eq!(
            grouped.to_string(),
            "Landlock 7, a filter of system calls, limits, a control group"
        );
        let mut some = Walls { landlock: None, ..all };
        some.lack("Landlock", &"not switched on");
        assert!(!some.stand());
        assert_eq!(
            some.to_string(),
            "a filter of system calls, limits; not Landlock: not switched on"
        );
        assert_eq!(Walls::default().to_string(), "none");
    }
}
