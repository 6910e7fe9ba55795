//! From a component to code that this machine runs, and what can be said of it
//! without loading that code.
//!
//! Compiling is the first thing that is done with a plugin, and a compiler is a large
//! program: the host has it done by a [`Compiler`], which is a process of its own.

use serde::{Deserialize, Serialize};
use wasmparser::{ComponentExternalKind, ComponentTypeRef, Parser, Payload};
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::engine::{Enforced, Engine, precompile};
use crate::resolved::Digest;
use crate::world;

/// What a component imports and exports, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Face {
    /// What it imports, in its own order.
    pub imports: Vec<Port>,
    /// What it exports, in its own order.
    pub exports: Vec<Port>,
    /// Digest of the types of all that; none for a component that was loaded compiled.
    #[serde(default)]
    pub world: Option<Digest>,
}

/// One import or export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its name, such as `wasi:io/streams@0.2.6`.
    pub name: String,
    /// Whether it is an interface, and not a function or a type by itself.
    pub interface: bool,
}

impl Face {
    /// What a loaded component imports and exports.
    pub(crate) fn of(engine: &Engine, component: &Component) -> Self {
        fn port(name: &str, item: &ComponentItem) -> Port {
            let interface = matches!(item, ComponentItem::ComponentInstance(_));
            Port { name: name.to_owned(), interface }
        }
        let (ty, engine) = (component.component_type(), engine.wasmtime());
        Self {
            imports: ty.imports(engine).map(|(name, item)| port(name, &item.ty)).collect(),
            exports: ty.exports(engine).map(|(name, item)| port(name, &item.ty)).collect(),
            world: None,
        }
    }

    /// What a component's bytes say that it imports and exports.
    fn read(component: &[u8]) -> wasmparser::Result<Self> {
        let mut face = Self::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(component) {
            match payload? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        let import = import?;
                        let interface = matches!(import.ty, ComponentTypeRef::Instance(_));
                        face.imports.push(Port { name: import.name.name.to_owned(), interface });
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        let export = export?;
                        let interface = export.kind == ComponentExternalKind::Instance;
                        face.exports.push(Port { name: export.name.name.to_owned(), interface });
                    }
                }
                _ => {}
            }
        }
        face.world = Some(world::digest(component, &face.imports, &face.exports));
        Ok(face)
    }

    /// The names of its imports, sorted.
    pub fn sorted_imports(&self) -> Vec<String> {
        let mut names: Vec<String> = self.imports.iter().map(|port| port.name.clone()).collect();
        names.sort();
        names
    }
}

/// A compiled component.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// What [`crate::cache::load_compiled`] loads.
    pub code: Vec<u8>,
    /// What it imports and exports.
    pub face: Face,
}

/// Why a component could not be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The bytes are not a component this engine takes.
    #[error("not a valid WebAssembly component: {0}")]
    Invalid(String),
    /// The compiler used up what it may use.
    #[error("compiling it takes more than {0}, which is the limit")]
    TooMuch(String),
    /// The compiler could not be started or did not answer. A fault of the machine, or of
    /// the compiler.
    #[error("the compiler failed: {0}")]
    Failed(String),
}

/// Something that compiles components.
pub trait Compiler {
    /// Compiles a component for an [`Engine`] of this program.
    fn compile(&self, component: &[u8]) -> Result<Compiled, CompileError>;
}

/// Compiles in the process that asks: for a process that is confined, and for components
/// that are trusted. The code looks at the limits that are named.
#[derive(Debug, Clone, Copy)]
pub struct CompileHere(pub Enforced);

impl Compiler for CompileHere {
    fn compile(&self, component: &[u8]) -> Result<Compiled, CompileError> {
        look_at(component).map_err(|reason| CompileError::Invalid(reason.to_owned()))?;
        let code = precompile(component, self.0)
            .map_err(|err| CompileError::Invalid(format!("{err:#}")))?;
        let face = Face::read(component).map_err(|err| CompileError::Invalid(err.to_string()))?;
        Ok(Compiled { code, face })
    }
}

/// Says of what is often taken for a component what it is.
fn look_at(component: &[u8]) -> Result<(), &'static str> {
    if !component.starts_with(b"\0asm") {
        return Err("the file does not begin as WebAssembly does");
    }
    if Parser::is_core_wasm(component) {
        return Err("it is a core module; build for the target wasm32-wasip2");
    }
    Ok(())
}
