//! An exit that keeps its status: the adapter for preview 1 makes a 1 of every
//! failure.

use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    Module, TypeSection, ValType,
};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::WrapError;

/// The module that a command exits through.
pub(super) const ADAPTER: &str = "catena_exit";

/// The function of preview 1 that is in it.
pub(super) const PROC_EXIT: &str = "proc_exit";

const INTERFACE: &str = "wasi:cli/exit@0.2.12";

const WIT: &str = "package wasi:cli@0.2.12;
interface exit {
    exit: func(status: result);
    exit-with-code: func(status-code: u8);
}
world exits {
    import exit;
}";

/// A module with `proc_exit` over `wasi:cli/exit`.
pub(super) fn adapter() -> Result<Vec<u8>, WrapError> {
    let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
    let (mut functions, mut exports) = (FunctionSection::new(), ExportSection::new());
    types.ty().function([ValType::I32], []);
    imports.import(INTERFACE, "exit-with-code", EntityType::Function(0));
    functions.function(0);
    exports.export(PROC_EXIT, ExportKind::Func, 1);
    let mut function = Function::new::<[(u32, ValType); 0]>([]);
    function.instructions().local_get(0).i32_const(0xff).i32_and().call(0).unreachable().end();
    let mut code = CodeSection::new();
    code.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    let mut bytes = module.finish();
    let failed = |err| WrapError::Encode(format!("{err:#}"));
    let mut resolve = Resolve::default();
    let package = resolve.push_str("exit.wit", WIT).map_err(failed)?;
    let world = resolve.select_world(&[package], None).map_err(failed)?;
    embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8, false)
        .map_err(failed)?;
    Ok(bytes)
}
