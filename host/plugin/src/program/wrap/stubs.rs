//! Functions of a host that is not there.

use wasm_encoder::reencode::{Reencode as _, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module, TypeSection, ValType,
};

use super::{Outline, WrapError};

/// A module with the functions that are imported from `name`. Each answers -1
/// where it answers a number.
pub(super) fn module(outline: &Outline, name: &str) -> Result<Vec<u8>, WrapError> {
    let (mut types, mut functions) = (TypeSection::new(), FunctionSection::new());
    let (mut exports, mut code) = (ExportSection::new(), CodeSection::new());
    let imported = outline.imports.iter().filter(|it| it.module == name);
    for (import, index) in imported.zip(0..) {
        let foreign = || WrapError::ForeignImport(format!("{name}.{}", import.name));
        let ty = outline.types.get(import.ty as usize).and_then(Option::as_ref);
        let ty = RoundtripReencoder.func_type(ty.cloned().ok_or_else(foreign)?);
        let ty = ty.map_err(|_| foreign())?;
        let mut function = Function::new::<[(u32, ValType); 0]>([]);
        match ty.results() {
            [] => {}
            [ValType::I32] => {
                function.instructions().i32_const(-1);
            }
            [ValType::I64] => {
                function.instructions().i64_const(-1);
            }
            _ => return Err(foreign()),
        }
        function.instructions().end();
        types.ty().func_type(&ty);
        functions.function(index);
        exports.export(&import.name, ExportKind::Func, index);
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);
    Ok(module.finish())
}
