//! Small modules, and what becomes of them.

use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};

use super::*;

/// A module that imports `proc_exit` and `imported`, and exports `exported`, which
/// returns nothing, or 5 where it is `run`.
fn module(imported: (&str, &str), exported: &str) -> Vec<u8> {
    let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
    types.ty().function([ValType::I32], []);
    types.ty().function([], []);
    types.ty().function([], [ValType::I32]);
    imports.import("wasi_snapshot_preview1", "proc_exit", EntityType::Function(0));
    imports.import(imported.0, imported.1, EntityType::Function(2));
    let returns = exported == "run";
    let mut functions = FunctionSection::new();
    functions.function(if returns { 2 } else { 1 });
    let mut memories = MemorySection::new();
    let memory = MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    };
    memories.memory(memory);
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0).export(exported, ExportKind::Func, 2);
    let mut function = Function::new::<[(u32, ValType); 0]>([]);
    if returns {
        function.instructions().call(1).end();
    } else {
        function.instructions().i32_const(7).call(0).end();
    }
    let mut code = CodeSection::new();
    code.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&memories);
    module.section(&exports).section(&code);
    module.finish()
}

const WASI: (&str, &str) = ("wasi_snapshot_preview1", "sched_yield");

fn names(component: &[u8]) -> (Vec<String>, Vec<String>) {
    let wit_component::DecodedWasm::Component(resolve, world) =
        wit_component::decode(component).unwrap()
    else {
        panic!("no component")
    };
    let world = &resolve.worlds[world];
    let names = |keys: Vec<&wit_parser::WorldKey>| {
        keys.into_iter().map(|key| resolve.name_world_key(key)).collect::<Vec<_>>()
    };
    (names(world.imports.keys().collect()), names(world.exports.keys().collect()))
}

#[test]
fn command_of_preview_1_becomes_a_command_component() {
    let module = module(WASI, "_start");
    let component = wrap(&module, &[]).unwrap();
    let (imports, exports) = names(&component);
    assert!(exports.iter().any(|name| name.starts_with("wasi:cli/run@0.2.")), "{exports:?}");
    assert!(imports.iter().all(|name| name.starts_with("wasi:")), "{imports:?}");
    assert!(imports.iter().any(|name| name.starts_with("wasi:cli/exit@0.2.")), "{imports:?}");
}

#[test]
fn component_stays_as_it_is() {
    let component = wrap(&module(WASI, "_start"), &[]).unwrap().into_owned();
    assert!(matches!(wrap(&component, &[]).unwrap(), Cow::Borrowed(same) if same == component));
}

#[test]
fn reactor_with_run_is_given_a_start() {
    let module = module(("host", "call"), "run");
    let component = wrap(&module, &["host"]).unwrap();
    assert!(names(&component).1.iter().any(|name| name.starts_with("wasi:cli/run@0.2.")));
}

#[test]
fn foreign_import_and_library_are_told_apart() {
    let module_with_foreign = module(("host", "call"), "_start");
    let foreign = wrap(&module_with_foreign, &[]);
    assert!(matches!(foreign, Err(WrapError::ForeignImport(name)) if name == "host"));
    assert!(matches!(wrap(&module(WASI, "add"), &[]), Err(WrapError::NoCommand)));
    assert!(matches!(wrap(b"#!/bin/sh", &[]), Err(WrapError::NotWasm(_))));
}
