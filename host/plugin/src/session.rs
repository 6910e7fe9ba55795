//! What a rollout's guests share while they live in one worker: the worktree,
//! the scratch directories, the conversations and the tools.

mod conversations;
mod end;
mod judging;
mod mounts;
mod objects;
mod programs;
mod replay;
mod start;
mod tools;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use catena_model::{ConversationId, ModelInfo};
use catena_tree::spill::{Spill, SpillLimits};
use catena_tree::worktree::{Access, LogicalTime, Policy, Quota, Worktree, WorktreeOptions};
use catena_tree::{MemoryObjects, TreeId};
use serde::{Deserialize, Serialize};
use wasmtime::component::{Component, InstancePre};

use crate::cache::{CacheError, load_compiled};
use crate::capability::Effective;
use crate::check::{CheckError, check};
use crate::clock::LogicalClock;
use crate::compile::Face;
use crate::engine::{Enforced, Engine};
use crate::limits::{Limits, Used};
use crate::manifest::PluginManifest;
use crate::meter::SharedMemory;
use crate::native::Standing;
use crate::outside::Outside;
use crate::refusals::OfFiles;
use crate::state::{State, deny_sockets, link};

pub use conversations::MOST_OPENED;
pub(crate) use conversations::{Conversations, Full};
pub use end::{FinishError, SessionEnd};
use judging::Judging;
pub use judging::{JudgeSetting, JudgeStart};
pub(crate) use mounts::{Mode, Mount};
use programs::ProgramTableOfSession;
pub(crate) use programs::{LoadedProgram, absolute};
pub use start::{Reference, SessionStart};
pub(crate) use tools::ToolTable;

/// Nanoseconds between one tool call and the next, at least.
const SECOND: u64 = 1_000_000_000;

/// Bytes that may be on disk for each byte of the quota: worktree and scratch have
/// one each, and snapshots keep what was overwritten since.
pub const DISK_PER_QUOTA: u64 = 4;

/// Everything a worker needs to load one plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginSpec {
    /// Its manifest.
    pub manifest: PluginManifest,
    /// Its compiled component, in the host's sealed cache.
    pub compiled: PathBuf,
    /// What it may do.
    pub rights: Effective,
    /// What each of its calls may use.
    pub limits: Limits,
    /// Its configuration, a JSON object.
    pub config: String,
}

/// Why a plugin could not be made ready to run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its code can't be loaded.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// It is not what its manifest says.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// There is no engine for it.
    #[error("can't set up an engine")]
    Engine(#[source] wasmtime::Error),
    /// Its types do not fit this host's.
    #[error("plugin `{plugin}` was built against a different version of the plugin interfaces")]
    Link {
        /// Which plugin.
        plugin: String,
        /// What wasmtime says.
        source: wasmtime::Error,
    },
}

/// A plugin whose component is loaded and linked.
pub struct LoadedPlugin {
    pub(crate) spec: PluginSpec,
    pub(crate) enforced: Enforced,
    pub(crate) ready: InstancePre<State>,
}

impl LoadedPlugin {
    /// Loads a compiled component and links it.
    pub fn load(engine: &Engine, spec: PluginSpec) -> Result<Self, LoadError> {
        let engine = &engine.with_stack(spec.limits.stack).map_err(LoadError::Engine)?;
        let component = load_compiled(engine, &spec.compiled)?;
        Self::link(engine, &component, spec)
    }

    fn link(engine: &Engine, component: &Component, spec: PluginSpec) -> Result<Self, LoadError> {
        check(&Face::of(engine, component), &spec.manifest)?;
        let plugin = &spec.manifest.plugin;
        let to_link_error = |source| LoadError::Link { plugin: plugin.name.to_string(), source };
        let mut linker = link(engine, plugin.kind).map_err(to_link_error)?;
        deny_sockets(engine, &mut linker, component).map_err(to_link_error)?;
        let ready = linker.instantiate_pre(component).map_err(to_link_error)?;
        Ok(Self { spec, enforced: engine.enforced(), ready })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.spec.manifest.plugin.name.as_str()
    }
}

/// The shared state of a worker's guests. One thread uses it; the locks are
/// there because wasmtime's stores must be movable between threads.
pub struct Session {
    pub(crate) outside: Arc<dyn Outside>,
    pub(crate) objects: Arc<MemoryObjects<Arc<dyn Outside>>>,
    pub(crate) worktree: Arc<Mutex<Worktree>>,
    pub(crate) scratch: Arc<Mutex<Worktree>>,
    /// What guests may not change or not see of the worktree.
    pub(crate) policy: Arc<Policy>,
    /// Read-only trees that a judge sees, with their guest paths.
    pub(crate) sealed: Vec<(&'static str, Arc<Mutex<Worktree>>)>,
    /// What a judge may ask, and what it keeps.
    pub(crate) judging: Judging,
    pub(crate) stage_start: TreeId,
    pub(crate) snapshots: Mutex<BTreeMap<String, TreeId>>,
    pub(crate) conversations: Mutex<Conversations>,
    pub(crate) model: Option<ModelInfo>,
    pub(crate) reference: Option<Reference>,
    pub(crate) clock: LogicalClock,
    pub(crate) seed: u64,
    /// Linear memory of the guests that live.
    pub(crate) guest_memory: Arc<SharedMemory>,
    pub(crate) tools: ToolTable,
    pub(crate) programs: ProgramTableOfSession,
    used: Mutex<BTreeMap<String, Used>>,
    /// What was refused of files, as far as it was counted to a plugin.
    attributed: Mutex<OfFiles>,
    call_use: Mutex<CallUse>,
    /// Whether wall-clock time ended anything outside tool calls.
    timed_out: Mutex<bool>,
    /// When the scaffold's wall-clock time is up, and with it its tools'.
    deadline: Mutex<Option<Instant>>,
    /// How long models were waited for.
    waited: Mutex<Duration>,
    /// Bytes of files that calls may still hand over before the round ends.
    left_after_calls: Mutex<u64>,
    /// Objects that the host has.
    handed_over: Mutex<objects::HandedOver>,
    /// Why the session can't go on, once it can't.
    broken: Mutex<Option<String>>,
}

/// What a tool call and the programs in it used.
#[derive(Default)]
pub(crate) struct CallUse {
    used: BTreeMap<String, Used>,
    timed_out: bool,
}

/// Takes a lock; a guest that panicked the host while holding it left the data
/// whole, as every change is made by a crate that keeps its own invariants.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// A session for a scaffold and its tools, with all that is written in memory.
    pub fn new(outside: Arc<dyn Outside>, start: SessionStart, tools: Vec<LoadedPlugin>) -> Self {
        Self::with_spill(outside, start, tools, None)
    }

    /// The same, with an empty file for what is too much for memory.
    pub fn with_spill(
        outside: Arc<dyn Outside>,
        start: SessionStart,
        tools: Vec<LoadedPlugin>,
        file: Option<File>,
    ) -> Self {
        let objects = Arc::new(MemoryObjects::new(outside.clone()));
        let quota = Quota { bytes: start.quota_bytes, entries: start.quota_entries };
        let disk = quota.bytes.saturating_mul(DISK_PER_QUOTA);
        let limits = SpillLimits { memory: start.memory, disk, ..SpillLimits::default() };
        let spill = file.map_or_else(Spill::unlimited, |file| Spill::to_file(file, limits));
        let open = |tree: TreeId| {
            let options =
                WorktreeOptions { base_time: start.time, quota, access: Access::ReadWrite };
            Worktree::new(objects.clone(), tree, options).spilling_to(spill.clone())
        };
        let policy = Arc::new(start.policy);
        Self {
            worktree: Arc::new(Mutex::new(open(start.worktree).under(policy.clone()))),
            scratch: Arc::new(Mutex::new(open(start.scratch))),
            policy,
            sealed: Vec::new(),
            judging: Judging::default(),
            stage_start: start.stage_start,
            snapshots: Mutex::new(start.snapshots),
            conversations: Mutex::new(Conversations::new(
                start.conversation,
                start.history,
                start.next_conversation,
            )),
            model: start.model,
            reference: start.reference,
            clock: LogicalClock::starting_at(start.time),
            seed: start.seed,
            guest_memory: Arc::new(SharedMemory::new(start.guest_memory)),
            tools: ToolTable::new(tools),
            programs: ProgramTableOfSession::default(),
            used: Mutex::default(),
            attributed: Mutex::default(),
            call_use: Mutex::default(),
            timed_out: Mutex::default(),
            deadline: Mutex::default(),
            waited: Mutex::default(),
            left_after_calls: Mutex::new(quota.bytes.saturating_mul(replay::AFTER_CALLS_PER_QUOTA)),
            handed_over: Mutex::default(),
            broken: Mutex::default(),
            objects,
            outside,
        }
    }

    /// Moves all clocks on by a second, so that programs that compare times by
    /// whole seconds, such as `make`, see what changed from one call to the next.
    pub(crate) fn advance_time(&self) {
        self.clock.forget_alarms();
        self.clock.advance_by(SECOND);
        let wall = LogicalTime::from_seconds(self.clock.unix_seconds());
        for worktree in [&self.worktree, &self.scratch] {
            let mut worktree = lock(worktree);
            let next = LogicalTime::from_seconds(worktree.now().seconds.saturating_add(1));
            worktree.advance_time(wall.max(next));
        }
    }

    /// Starts the clock of a scaffold that has `wall` for its round.
    pub(crate) fn begin_attempt(&self, wall: Duration) {
        *lock(&self.deadline) = Instant::now().checked_add(wall);
    }

    /// What is left for a call that may take `wall` by itself. Waiting for a model
    /// takes nothing of it.
    pub(crate) fn time_left(&self, wall: Duration) -> Duration {
        let Some(deadline) = *lock(&self.deadline) else { return wall };
        let left = (deadline + self.waited()).saturating_duration_since(Instant::now());
        left.min(wall)
    }

    /// How long models were waited for so far.
    pub(crate) fn waited(&self) -> Duration {
        *lock(&self.waited)
    }

    /// Notes that a model was waited for.
    pub(crate) fn add_waited(&self, time: Duration) {
        *lock(&self.waited) += time;
    }

    /// Counts time that a finished call took when it was made.
    pub(crate) fn take_time(&self, time: Duration) {
        let mut deadline = lock(&self.deadline);
        *deadline = deadline.and_then(|deadline| deadline.checked_sub(time)).or(*deadline);
    }

    /// Counts anew what a tool call uses.
    pub(crate) fn begin_call_use(&self) {
        let before = std::mem::take(&mut *lock(&self.call_use));
        *lock(&self.timed_out) |= before.timed_out;
    }

    /// Notes that wall-clock time ended something.
    pub(crate) fn note_timeout(&self) {
        lock(&self.call_use).timed_out = true;
    }

    /// What was refused of files and is counted to nobody yet.
    pub(crate) fn refused_of_files(&self) -> OfFiles {
        let (worktree, scratch) = (lock(&self.worktree).usage(), lock(&self.scratch).usage());
        let refused = OfFiles {
            quota: worktree.refused_writes + scratch.refused_writes,
            changes: worktree.refused_changes,
            lookups: worktree.hidden_lookups,
        };
        refused.without(*lock(&self.attributed))
    }

    /// Adds what a call used.
    pub(crate) fn add_used(&self, plugin: &str, used: &Used) {
        lock(&self.attributed).add(&used.refused);
        lock(&self.used).entry(plugin.to_owned()).or_default().add(used);
        lock(&self.call_use).used.entry(plugin.to_owned()).or_default().add(used);
    }

    /// The worktree as a tree. Its objects stay in this process until [`Self::finish`],
    /// those of earlier snapshots only if they have a name.
    pub(crate) fn snapshot_worktree(&self) -> Result<TreeId, catena_tree::worktree::FsError> {
        let tree = lock(&self.worktree).snapshot(&mut &*self.objects)?;
        if self.objects.has_grown() {
            let named: Vec<_> = lock(&self.snapshots).values().copied().collect();
            self.objects.retain_reachable(named.into_iter().chain([tree]));
        }
        Ok(tree)
    }

    /// Worktree and scratch as they stand, whose objects the host has then.
    pub(crate) fn standing_for_host(&self) -> Result<(Standing, Standing), FinishError> {
        let worktree = self.snapshot_worktree()?;
        let scratch = lock(&self.scratch).snapshot(&mut &*self.objects)?;
        let mut known = lock(&self.handed_over);
        objects::hand_over(&self.objects, self.outside.as_ref(), &[worktree, scratch], &mut known)?;
        let empty_in = |one: &Mutex<Worktree>| lock(one).empty_directories();
        Ok((
            Standing { tree: worktree, empty: empty_in(&self.worktree)? },
            Standing { tree: scratch, empty: empty_in(&self.scratch)? },
        ))
    }

    /// The edits the host has not seen, and what was used: the end of a session
    /// that leaves no worktree behind.
    pub fn conversations_and_use(
        &self,
    ) -> (Vec<(ConversationId, catena_model::Edit)>, BTreeMap<String, Used>) {
        (lock(&self.conversations).take_edits(), lock(&self.used).clone())
    }

    /// Takes the final snapshots, hands over their objects and says how things stand.
    pub fn finish(&self) -> Result<SessionEnd, FinishError> {
        if let Some(reason) = lock(&self.broken).clone() {
            return Err(FinishError::Broken(reason));
        }
        self.begin_call_use();
        let worktree = self.snapshot_worktree()?;
        let scratch = lock(&self.scratch).snapshot(&mut &*self.objects)?;
        let snapshots = lock(&self.snapshots).clone();
        let roots: Vec<TreeId> =
            [worktree, scratch].into_iter().chain(snapshots.values().copied()).collect();
        let mut known = lock(&self.handed_over);
        objects::hand_over(&self.objects, self.outside.as_ref(), &roots, &mut known)?;
        drop(known);
        let usage = lock(&self.worktree).usage();
        Ok(SessionEnd {
            worktree,
            scratch,
            snapshots,
            edits: lock(&self.conversations).take_edits(),
            used: lock(&self.used).clone(),
            workspace_bytes: usage.peak_bytes,
            workspace_entries: usage.peak_entries,
            workspace_refused: usage.refused_writes,
            workspace_protected: usage.refused_changes,
            workspace_memory: usage.peak_memory_bytes,
            workspace_spilled: usage.peak_spilled_bytes,
            guest_memory: self.guest_memory.peak(),
            timed_out: *lock(&self.timed_out),
            cache: self.outside.cache_use(),
        })
    }
}
