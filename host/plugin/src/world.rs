//! The world of a component: all that it imports and exports with the types of it, as WIT.
//!
//! Two builds of a plugin have the same world if the one can stand where the other stood.

use wit_component::{DecodedWasm, OutputToString, WitPrinter};

use crate::compile::Port;
use crate::resolved::Digest;

/// Digest of a component's world as WIT; where it can't be told as such, of the names of
/// what it imports and exports.
pub(crate) fn digest(component: &[u8], imports: &[Port], exports: &[Port]) -> Digest {
    if let Some(text) = text(component) {
        return Digest::of(text.as_bytes());
    }
    let names = |ports: &[Port]| ports.iter().map(|port| port.name.clone()).collect::<Vec<_>>();
    let (imports, exports) = (names(imports).join(" "), names(exports).join(" "));
    Digest::of(format!("imports {imports}\nexports {exports}\n").as_bytes())
}

fn text(component: &[u8]) -> Option<String> {
    let decoded @ DecodedWasm::Component(..) = wit_component::decode(component).ok()? else {
        return None;
    };
    let (resolve, own) = (decoded.resolve(), decoded.package());
    let nested: Vec<_> =
        resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != own).collect();
    let mut printer = WitPrinter::<OutputToString>::default();
    printer.emit_docs(false);
    printer.print(resolve, own, &nested).ok()?;
    Some(printer.output.to_string())
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        Component, ComponentImportSection, ComponentTypeRef, ComponentTypeSection, CustomSection,
        InstanceType,
    };

    use super::*;

    /// A component that does nothing and imports an interface of one function.
    fn component(function: &str, note: &[u8]) -> Vec<u8> {
        let mut interface = InstanceType::new();
        let no_parameters: [(&str, wasm_encoder::ComponentValType); 0] = [];
        interface.ty().function().params(no_parameters).result(None);
        interface.export(function, ComponentTypeRef::Func(0));
        let mut types = ComponentTypeSection::new();
        types.instance(&interface);
        let mut imports = ComponentImportSection::new();
        imports.import("a:b/c", ComponentTypeRef::Instance(0));
        let mut component = Component::new();
        component.section(&types).section(&imports);
        component.section(&CustomSection { name: "note".into(), data: note.into() });
        component.finish()
    }

    #[test]
    fn world_is_that_of_another_build_and_not_of_other_functions() {
        assert!(text(&component("look", b"")).is_some_and(|text| text.contains("look: func()")));
        let of = |function, note: &[u8]| digest(&component(function, note), &[], &[]);
        assert_eq!(of("look", b"one"), of("look", b"another"));
        assert_ne!(of("look", b"one"), of("reach", b"one"));
    }
}
