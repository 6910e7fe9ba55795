//! What is changed of a module before the adapters see it.

use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
use wasm_encoder::reencode::{Reencode as _, RoundtripReencoder};
use wasm_encoder::{
    Encode as _, ExportKind, ImportSection, Module, RawSection, SectionId, ValType,
};
use wasmparser::{BinaryReader, Chunk, ImportSectionReader, Parser, Payload};

use super::exit::{self, PROC_EXIT};
use super::{Outline, WrapError};

/// Has the module exit through [`exit::ADAPTER`], and gives it a `_start` where it
/// has none. No index that the module uses changes.
pub(super) fn prepared(code: &[u8], outline: &Outline) -> Result<Vec<u8>, WrapError> {
    let start = if outline.has_export("_start") { None } else { Some(Start::of(outline)?) };
    let mut module = Module::new();
    each_section(code, |id, data| {
        let is = |section: SectionId| id == section as u8;
        let entry = match &start {
            _ if is(SectionId::Import) => {
                module.section(&redirected(data)?);
                return Ok(());
            }
            Some(start) if is(SectionId::Function) => encoded(|out| start.ty.encode(out)),
            Some(start) if is(SectionId::Export) => start.export(),
            Some(start) if is(SectionId::Code) => start.body(),
            _ => {
                module.section(&RawSection { id, data });
                return Ok(());
            }
        };
        let data = with_one_more(data, &entry)?;
        module.section(&RawSection { id, data: &data });
        Ok(())
    })?;
    Ok(module.finish())
}

/// The imports, with the exit from another module.
fn redirected(section: &[u8]) -> Result<ImportSection, WrapError> {
    let broken = |err: wasmparser::BinaryReaderError| WrapError::NotWasm(err.to_string());
    let mut imports = ImportSection::new();
    let reader = ImportSectionReader::new(BinaryReader::new(section, 0)).map_err(broken)?;
    for import in reader.into_imports() {
        let import = import.map_err(broken)?;
        let is_exit =
            import.module == WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME && import.name == PROC_EXIT;
        let module = if is_exit { exit::ADAPTER } else { import.module };
        let ty = RoundtripReencoder
            .entity_type(import.ty)
            .map_err(|err| WrapError::NotWasm(err.to_string()))?;
        imports.import(module, import.name, ty);
    }
    Ok(imports)
}

/// A function at the end of the module's own: it initialises the module where
/// that has to be done, and exits with what `run` returns.
struct Start {
    ty: u32,
    index: u32,
    initialize: Option<u32>,
    run: u32,
    exit: u32,
}

impl Start {
    fn of(outline: &Outline) -> Result<Self, WrapError> {
        let run = outline.function("run").ok_or(WrapError::NoCommand)?;
        let imported = outline.imports.iter().position(super::Import::is_exit);
        let is_procedure = |ty: &Option<wasmparser::FuncType>| {
            ty.as_ref().is_some_and(|ty| ty.params().is_empty() && ty.results().is_empty())
        };
        let ty = outline.types.iter().position(is_procedure);
        let number = |index: usize| u32::try_from(index).ok();
        let own = usize::try_from(outline.functions).unwrap_or(usize::MAX);
        Ok(Self {
            ty: ty.and_then(number).ok_or(WrapError::NoCommand)?,
            index: number(outline.imports.len().saturating_add(own)).ok_or(WrapError::NoCommand)?,
            initialize: outline.function("_initialize"),
            run,
            exit: imported.and_then(number).ok_or(WrapError::NoCommand)?,
        })
    }

    fn export(&self) -> Vec<u8> {
        encoded(|out| {
            "_start".encode(out);
            ExportKind::Func.encode(out);
            self.index.encode(out);
        })
    }

    fn body(&self) -> Vec<u8> {
        let mut function = wasm_encoder::Function::new::<[(u32, ValType); 0]>([]);
        let mut instructions = function.instructions();
        if let Some(initialize) = self.initialize {
            instructions.call(initialize);
        }
        instructions.call(self.run).call(self.exit).end();
        encoded(|out| function.encode(out))
    }
}

/// Goes over the sections of a module but for its names, which only debuggers
/// read.
fn each_section(
    mut code: &[u8],
    mut section: impl FnMut(u8, &[u8]) -> Result<(), WrapError>,
) -> Result<(), WrapError> {
    let broken = |err: wasmparser::BinaryReaderError| WrapError::NotWasm(err.to_string());
    let truncated = || WrapError::NotWasm("it ends too early".to_owned());
    let whole = code;
    let mut parser = Parser::new(0);
    loop {
        let (payload, consumed) = match parser.parse(code, true).map_err(broken)? {
            Chunk::Parsed { payload, consumed } => (payload, consumed),
            Chunk::NeedMoreData(_) => return Err(truncated()),
        };
        code = code.get(consumed..).ok_or_else(truncated)?;
        if let Payload::End(_) = payload {
            return Ok(());
        }
        let Some((id, range)) = payload.as_section() else { continue };
        if let Payload::CodeSectionStart { size, .. } = &payload {
            parser.skip_section();
            code =
                code.get(usize::try_from(*size).unwrap_or(usize::MAX)..).ok_or_else(truncated)?;
        }
        let is_names = matches!(&payload, Payload::CustomSection(it) if it.name() == "name");
        if !is_names {
            let start = usize::try_from(range.start).map_err(|_| truncated())?;
            let end = usize::try_from(range.end).map_err(|_| truncated())?;
            section(id, whole.get(start..end).ok_or_else(truncated)?)?;
        }
    }
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}

/// A section, which is a count and so many entries, with a further entry.
fn with_one_more(section: &[u8], entry: &[u8]) -> Result<Vec<u8>, WrapError> {
    let mut reader = BinaryReader::new(section, 0);
    let broken = |err: wasmparser::BinaryReaderError| WrapError::NotWasm(err.to_string());
    let count = reader.read_var_u32().map_err(broken)?;
    let rest = section.get(reader.current_position()..).unwrap_or_default();
    let mut grown = Vec::with_capacity(section.len() + entry.len() + 1);
    count.saturating_add(1).encode(&mut grown);
    grown.extend_from_slice(rest);
    grown.extend_from_slice(entry);
    Ok(grown)
}
