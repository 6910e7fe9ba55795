//! Any WASI command as a component of WASI 0.2.
//!
//! A component stays as it is. A module of preview 1 gets the adapter that turns
//! its imports into those of 0.2; what the adapter keeps is in the module's own
//! memory, so the module's allocator must not claim pages that others took: one
//! linked with a WASI libc from 2023 or newer, or one that exports
//! `cabi_realloc`.
//!
//! An interpreter may be a reactor instead, a module with `run() -> i32` and no
//! `_start`: it is given a `_start` that exits with what `run` returns.

mod exit;
mod start;
mod stubs;

use std::borrow::Cow;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// Why a file can't be made a program.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// It is no WebAssembly.
    #[error("not a WebAssembly module or component: {0}")]
    NotWasm(String),
    /// It is a library.
    #[error("the module exports neither `_start` nor `run`, so it is no command")]
    NoCommand,
    /// It imports what neither WASI nor the caller's stubs have.
    #[error("the module imports `{0}`, which no WASI has")]
    ForeignImport(String),
    /// The encoder does not take it.
    #[error("the module does not fit the adapter for WASI preview 1: {0}")]
    Encode(String),
}

/// Makes a command component of `code`. Functions that it imports from the
/// modules in `stubbed` are there and answer -1.
pub fn wrap<'a>(code: &'a [u8], stubbed: &[&str]) -> Result<Cow<'a, [u8]>, WrapError> {
    if Parser::is_component(code) {
        return Ok(Cow::Borrowed(code));
    }
    let outline = Outline::of(code)?;
    if !outline.has_export("_start") && !outline.has_export("run") {
        return Err(WrapError::NoCommand);
    }
    let module = start::prepared(code, &outline)?;
    let failed = |err| WrapError::Encode(format!("{err:#}"));
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true);
    encoder.module(&module).map_err(failed)?;
    encoder
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER)
        .map_err(failed)?;
    if outline.imports.iter().any(Import::is_exit) {
        encoder.adapter(exit::ADAPTER, &exit::adapter()?).map_err(failed)?;
    }
    for name in outline.foreign_modules() {
        if !stubbed.contains(&name) {
            return Err(WrapError::ForeignImport(name.to_owned()));
        }
        let stub = stubs::module(&outline, name)?;
        encoder.adapter(name, &stub).map_err(failed)?;
    }
    encoder.encode().map(Cow::Owned).map_err(failed)
}

/// A function that a module imports.
struct Import {
    module: String,
    name: String,
    ty: u32,
}

impl Import {
    /// Whether it ends the program.
    fn is_exit(&self) -> bool {
        self.module == WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME && self.name == exit::PROC_EXIT
    }
}

/// What of a module matters for wrapping it.
#[derive(Default)]
struct Outline {
    /// Types that are of functions, by their index.
    types: Vec<Option<wasmparser::FuncType>>,
    imports: Vec<Import>,
    /// Functions of its own.
    functions: u32,
    exports: Vec<(String, wasmparser::ExternalKind, u32)>,
}

impl Outline {
    fn of(code: &[u8]) -> Result<Self, WrapError> {
        let broken = |err: wasmparser::BinaryReaderError| WrapError::NotWasm(err.to_string());
        let mut outline = Self::default();
        for payload in Parser::new(0).parse_all(code) {
            match payload.map_err(broken)? {
                Payload::TypeSection(section) => outline.add_types(section).map_err(broken)?,
                Payload::ImportSection(section) => outline.add_imports(section).map_err(broken)?,
                Payload::FunctionSection(section) => outline.functions = section.count(),
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.map_err(broken)?;
                        outline.exports.push((export.name.to_owned(), export.kind, export.index));
                    }
                }
                _ => {}
            }
        }
        Ok(outline)
    }

    fn add_types(&mut self, section: wasmparser::TypeSectionReader<'_>) -> wasmparser::Result<()> {
        for group in section {
            for ty in group?.into_types() {
                let inner = ty.composite_type.inner;
                self.types.push(match inner {
                    wasmparser::CompositeInnerType::Func(ty) => Some(ty),
                    _ => None,
                });
            }
        }
        Ok(())
    }

    fn add_imports(
        &mut self,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> wasmparser::Result<()> {
        for import in section.into_imports() {
            let import = import?;
            if let wasmparser::TypeRef::Func(ty) = import.ty {
                let (module, name) = (import.module.to_owned(), import.name.to_owned());
                self.imports.push(Import { module, name, ty });
            }
        }
        Ok(())
    }

    fn has_export(&self, name: &str) -> bool {
        self.function(name).is_some()
    }

    /// The index of an exported function.
    fn function(&self, name: &str) -> Option<u32> {
        let is_it = |(export, kind, _): &&(String, wasmparser::ExternalKind, u32)| {
            export == name && *kind == wasmparser::ExternalKind::Func
        };
        self.exports.iter().find(is_it).map(|(_, _, index)| *index)
    }

    /// Modules that are imported from and are no WASI preview 1, nor interfaces
    /// of a component, which have a `:` in their names.
    fn foreign_modules(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.imports.iter().map(|it| it.module.as_str()).collect();
        names.retain(|name| *name != WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME && !name.contains(':'));
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests;
