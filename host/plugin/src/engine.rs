//! wasmtime as configured for untrusted code: fuel and epochs on, everything
//! that is not deterministic off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wasmtime::{Config, InstanceAllocationStrategy};

use crate::program::MAX_DEPTH;

/// How often the epoch advances, which is how exact wall-clock limits are.
pub const TICK: Duration = Duration::from_millis(5);

/// Stack of one guest in bytes: interpreters recurse deeply. The thread that
/// runs guests needs more, as host functions and nested guests stand on the same
/// stack.
const GUEST_STACK: usize = 8 << 20;

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
    _ticker: Arc<Ticker>,
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

struct Ticker {
    stop: Arc<AtomicBool>,
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
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
        let inner = wasmtime::Engine::new(&config(enforced))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (weak, stopped) = (inner.weak(), stop.clone());
        std::thread::Builder::new().name("epoch".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                match weak.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => break,
                }
            }
        })?;
        Ok(Self { inner, enforced, _ticker: Arc::new(Ticker { stop }) })
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
    wasmtime::Engine::new(&config(enforced))?.precompile_component(component)
}

fn config(enforced: Enforced) -> Config {
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
        .max_wasm_stack(GUEST_STACK)
        .allocation_strategy(InstanceAllocationStrategy::OnDemand);
    config
}
