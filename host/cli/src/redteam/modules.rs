//! WebAssembly text that is too long to be written down.

use std::fmt::Write as _;

/// Memories of one module, and tables; modules may have 100 of each.
const IN_MODULE: usize = 90;

/// Instances of that module; components may have 1,000.
const INSTANCES: usize = 230;

/// Many memories without a page.
pub(crate) fn memories() -> String {
    component("(memory 0)", INSTANCES)
}

/// Many tables, each of a size that is let.
pub(crate) fn tables() -> String {
    component("(table 2000 funcref)", INSTANCES / 2)
}

/// A program with so many instances of a module that has `part` many times.
fn component(part: &str, instances: usize) -> String {
    let mut text = String::from("(component (core module $many ");
    text.push_str(&part.repeat(IN_MODULE));
    text.push(')');
    for _ in 0..instances {
        text.push_str("(core instance (instantiate $many))");
    }
    let _ = write!(
        text,
        "(core module $m (func (export \"run\") (result i32) (i32.const 0)))
         (core instance $i (instantiate $m))
         (func $run (result (result)) (canon lift (core func $i \"run\")))
         (instance $command (export \"run\" (func $run)))
         (export \"wasi:cli/run@0.2.0\" (instance $command)))"
    );
    text
}
