//! Plugins on their way from a file to something that can run.

use catena_plugin::session::PluginSpec;
use catena_plugin::{CachedComponent, ComponentCache, Engine, ResolvedPlugin, check};
use catena_worker::{ConfinedCompiler, WorkerError, host};

use crate::failure::{Failure, check_hint};
use crate::machine::Machine;

/// Compiles a plugin, or finds it compiled, and holds it against its manifest.
pub(crate) fn compile(
    machine: &Machine,
    engine: &Engine,
    plugin: &ResolvedPlugin,
) -> Result<CachedComponent, Failure> {
    let dir = machine.components();
    let cache = ComponentCache::open(&dir).map_err(anyhow::Error::new)?;
    let confined = ConfinedCompiler::new(machine.worker_command(), dir);
    let compiled = cache.compiled(engine, plugin, &confined).map_err(Failure::input)?;
    check(&compiled.face, &plugin.manifest).map_err(|err| {
        let hint = check_hint(&err);
        Failure::input(err).with_hint(hint)
    })?;
    Ok(compiled)
}

/// Has a worker load a plugin, which finds what names alone don't tell.
pub(crate) fn load_on_trial(machine: &Machine, spec: PluginSpec) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(anyhow::Error::new)?;
    let command = machine.worker_command();
    let tried = runtime.block_on(host::try_load(&command, &machine.components(), spec));
    match tried {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(Failure::input(anyhow::anyhow!(reason))
            .with_hint("rebuild it with an SDK of the version that this program serves")),
        Err(WorkerError::Failed(reason)) => Err(Failure::input(anyhow::anyhow!(reason))),
        Err(err) => Err(anyhow::Error::new(err).into()),
    }
}
