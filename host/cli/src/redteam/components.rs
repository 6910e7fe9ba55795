//! Component files that are hard to take in: no components at all, and such as keep
//! a compiler busy.

use wasm_encoder::{
    BlockType, CodeSection, Component, ConstExpr, DataSection, ExportKind, ExportSection, Function,
    FunctionSection, MemorySection, MemoryType, Module, ModuleSection, TypeSection, ValType,
};

/// A text.
pub(crate) fn text() -> Vec<u8> {
    b"this is no WebAssembly\n".to_vec()
}

/// A component without its second half.
pub(crate) fn truncated() -> Vec<u8> {
    let mut code = of_functions(100, 1, |body| drop_sum(body, 100));
    code.truncate(code.len() / 2);
    code
}

/// What wasmtime writes for its own use: an ELF file with its mark. The engine that
/// loads such a file runs what is in it as machine code.
pub(crate) fn precompiled() -> Vec<u8> {
    let mut code = b"\x7fELF\x02\x01\x01\xc8\x01\0\0\0\0\0\0\0".to_vec();
    code.extend([0; 48]);
    code.extend(b".wasmtime.engine\0.wasmtime.info\0.text\0");
    code.extend([0xcc; 4096]);
    code
}

/// An import that is not served, in what is a scaffold by all else that is looked at first.
pub(crate) fn foreign_import() -> Vec<u8> {
    let text = r#"(component
        (import "elsewhere:store/keys@1.0.0" (instance (export "read" (func))))
        (instance $scaffold)
        (export "catena:plugin/scaffold@0.1.0" (instance $scaffold)))"#;
    wat::parse_str(text).unwrap_or_default()
}

/// A million exports of one function.
pub(crate) fn exports() -> Vec<u8> {
    let mut exports = ExportSection::new();
    for number in 0..1_000_000 {
        exports.export(&format!("{number}"), ExportKind::Func, 0);
    }
    let mut bodies = CodeSection::new();
    let mut body = Function::new([]);
    body.instructions().end();
    bodies.function(&body);
    component(&module(1, Some(&exports), &bodies))
}

/// Blocks in blocks.
pub(crate) fn nesting() -> Vec<u8> {
    const DEPTH: u32 = 300_000;
    of_functions(1, 1, |body| {
        for _ in 0..DEPTH {
            body.instructions().block(BlockType::Empty);
        }
        for _ in 0..DEPTH {
            body.instructions().end();
        }
    })
}

/// Functions with as many variables as may be, all of them alive.
pub(crate) fn locals() -> Vec<u8> {
    const VARIABLES: u32 = 49_000;
    of_functions(20, VARIABLES, |body| {
        for variable in 0..VARIABLES {
            body.instructions().i32_const(1).local_set(variable);
        }
        body.instructions().loop_(BlockType::Empty);
        for variable in 1..VARIABLES {
            let mut code = body.instructions();
            code.local_get(variable).local_get(variable - 1).i32_add().local_set(variable);
        }
        body.instructions().local_get(0).br_if(0).end();
    })
}

/// One function as large as may be.
pub(crate) fn huge_function() -> Vec<u8> {
    of_functions(1, 1, |body| drop_sum(body, 1_050_000))
}

/// One function that can go from everywhere to everywhere.
pub(crate) fn branches() -> Vec<u8> {
    const DEPTH: u32 = 60;
    of_functions(1, 1, |body| {
        for _ in 0..DEPTH {
            body.instructions().block(BlockType::Empty);
        }
        let targets: Vec<u32> = (0..DEPTH).collect();
        for _ in 0..90_000 {
            let mut code = body.instructions();
            code.block(BlockType::Empty).local_get(0).br_table(targets.iter().copied(), 1).end();
        }
        for _ in 0..DEPTH {
            body.instructions().end();
        }
    })
}

/// A hundred megabytes of functions.
pub(crate) fn huge() -> Vec<u8> {
    of_functions(1_000, 1, |body| drop_sum(body, 17_000))
}

/// Adds `terms` times to the first variable: seven bytes each.
fn drop_sum(body: &mut Function, terms: u32) {
    for term in 0..terms {
        let mut code = body.instructions();
        code.local_get(0).i32_const(i32::from_ne_bytes((term % 64).to_ne_bytes()));
        code.i32_add().local_set(0);
    }
}

/// A component whose module has `count` functions with so many variables.
fn of_functions(count: u32, variables: u32, fill: impl Fn(&mut Function)) -> Vec<u8> {
    let mut body = Function::new([(variables, ValType::I32)]);
    fill(&mut body);
    body.instructions().end();
    let mut bodies = CodeSection::new();
    for _ in 0..count {
        bodies.function(&body);
    }
    component(&module(count, None, &bodies))
}

fn module(functions: u32, exports: Option<&ExportSection>, bodies: &CodeSection) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut declared = FunctionSection::new();
    for _ in 0..functions {
        declared.function(0);
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(0), *b"data");
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&memories);
    if let Some(exports) = exports {
        module.section(exports);
    }
    module.section(bodies).section(&data);
    module
}

fn component(module: &Module) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&ModuleSection(module));
    component.finish()
}
