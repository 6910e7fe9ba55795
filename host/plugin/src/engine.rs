//! wasmtime as configured for untrusted code: fuel and epochs on, everything
//! that is not deterministic off.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use wasmtime::{Config, InstanceAllocationStrategy};

use crate::program::MAX_DEPTH;
use crate::units::StackSize;

/// How often the epoch advances, which is how exact wall-clock limits are.
pub const TICK: Duration = Duration::from_millis(5);

/// Most of a guest's stack in bytes. The thread that runs guests needs more, as host
/// functions and nested guests stand on the same stack.
const GUEST_STACK: usize = 8 << 20;

const _: () = assert!(GUEST_STACK as u64 == StackSize::MOST.bytes());

/// Stack for a thread that runs guests: a scaffold, a tool, programs that start
/// programs, and what the host does for all of them. What is not touched takes
/// no memory.
pub const GUEST_THREAD_STACK: usize = (GUEST_STACK + (2 << 20)) * (2 + MAX_DEPTH as usize);

/// A wasmtime engine and the thread that advances its epoch. The thread ends
/// when the last clone is dropped.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    enforced: Enforced,
    family: Arc<Family>,
}

/// Engines that differ in nothing but the stack of their guests, which wasmtime has one
/// of for all guests of an engine. They run the same code.
#[derive(Default)]
struct Family(Mutex<BTreeMap<StackSize, wasmtime::Engine>>);

impl Family {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<StackSize, wasmtime::Engine>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Advances the epochs until the family is gone.
    fn tick(family: &Weak<Self>) {
        loop {
            std::thread::sleep(TICK);
            let Some(family) = family.upgrade() else { return };
            family.lock().values().for_each(wasmtime::Engine::increment_epoch);
        }
    }
}

/// Which limits are enforced: all of them, but where it is measured what one costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enforced {
    /// CPU time as fuel, and the end of a guest by its wall-clock time, which both are
    /// looked at by code that the compiler puts into the guest's.
    pub time: Time,
    /// Memory and tables, as they grow.
    pub memory: bool,
    /// Bytes of one host call.
    pub host_call: bool,
}

/// What the compiled code of a guest looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Fuel and wall-clock time.
    Both,
    /// Fuel alone.
    Fuel,
    /// Wall-clock time alone.
    Wall,
    /// Nothing.
    Neither,
}

impl Enforced {
    /// All limits.
    pub const ALL: Self = Self { time: Time::Both, memory: true, host_call: true };

    /// None: whatever runs may run for ever.
    pub const NONE: Self = Self { time: Time::Neither, memory: false, host_call: false };

    pub(crate) fn fuel(self) -> bool {
        matches!(self.time, Time::Both | Time::Fuel)
    }

    pub(crate) fn wall(self) -> bool {
        matches!(self.time, Time::Both | Time::Wall)
    }
}

impl Engine {
    /// Sets up the engine and starts its clock.
    pub fn new() -> wasmtime::Result<Self> {
        Self::enforcing(Enforced::ALL)
    }

    /// One that enforces some limits only, to measure what they cost. It loads what was
    /// compiled for the same.
    pub fn enforcing(enforced: Enforced) -> wasmtime::Result<Self> {
        let family = Arc::new(Family::default());
        let engine = Self::in_family(&family, enforced, StackSize::MOST)?;
        let family = Arc::downgrade(&family);
        std::thread::Builder::new()
            .name("epoch".to_owned())
            .spawn(move || Family::tick(&family))?;
        Ok(engine)
    }

    fn in_family(
        family: &Arc<Family>,
        enforced: Enforced,
        stack: StackSize,
    ) -> wasmtime::Result<Self> {
        let mut engines = family.lock();
        let inner = if let Some(engine) = engines.get(&stack) {
            engine.clone()
        } else {
            let engine = wasmtime::Engine::new(&config(enforced, stack))?;
            engines.entry(stack).or_insert(engine).clone()
        };
        Ok(Self { inner, enforced, family: family.clone() })
    }

    /// The engine for guests with such a stack.
    pub(crate) fn with_stack(&self, stack: StackSize) -> wasmtime::Result<Self> {
        Self::in_family(&self.family, self.enforced, stack)
    }

    /// Names the engine: code runs the same, fuel included, where the name is.
    pub fn name(&self) -> String {
        format!("wasmtime/{:016x}", self.compatibility())
    }

    pub(crate) fn enforced(&self) -> Enforced {
        self.enforced
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }

    /// What identifies compiled code as fit for this engine.
    pub(crate) fn compatibility(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        self.inner.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }
}

/// Compiles a component without loading it, about 1.5 s per MB on one core.
pub(crate) fn precompile(component: &[u8], enforced: Enforced) -> wasmtime::Result<Vec<u8>> {
    wasmtime::Engine::new(&config(enforced, StackSize::MOST))?.precompile_component(component)
}

fn config(enforced: Enforced, stack: StackSize) -> Config {
    let stack = usize::try_from(stack.bytes()).unwrap_or(GUEST_STACK);
    let mut config = Config::new();
    config
        .consume_fuel(enforced.fuel())
        .epoch_interruption(enforced.wall())
        .concurrency_support(false)
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .wasm_exceptions(true)
        // No guest runs on such a stack, but the engine wants it to be larger.
        .async_stack_size(2 * GUEST_STACK)
        .max_wasm_stack(stack)
        .allocation_strategy(InstanceAllocationStrategy::OnDemand);
    config
}
