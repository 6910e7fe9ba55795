//! The same components in wasmtime alone, without limits and with imports that trap.

use std::path::{Path, PathBuf};

use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Config, Engine, Store};

use crate::Failure;

/// A component that is compiled for wasmtime as it comes.
pub(crate) struct Raw {
    engine: Engine,
    file: PathBuf,
}

impl Raw {
    pub(crate) fn compile(component: &[u8], dir: &Path) -> Result<Self, Failure> {
        let mut config = Config::new();
        config.wasm_exceptions(true);
        let engine = Engine::new(&config)?;
        let file = dir.join("raw");
        std::fs::write(&file, engine.precompile_component(component)?)?;
        Ok(Self { engine, file })
    }

    /// Maps the code and links it.
    pub(crate) fn load(&self) -> Result<InstancePre<()>, Failure> {
        #[expect(unsafe_code, reason = "wasmtime's own way to load what it compiled")]
        // SAFETY: the file was written by this program just now.
        let component = unsafe { Component::deserialize_file(&self.engine, &self.file)? };
        let mut linker = Linker::new(&self.engine);
        linker.define_unknown_imports_as_traps(&component)?;
        Ok(linker.instantiate_pre(&component)?)
    }

    /// Makes an instance and throws it away.
    pub(crate) fn start(&self, loaded: &InstancePre<()>) -> Result<(), Failure> {
        let mut store = Store::new(&self.engine, ());
        loaded.instantiate(&mut store)?;
        Ok(())
    }
}
