//! Makes a component of a WASI preview 1 module.

use anyhow::Context as _;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::ComponentEncoder;

/// Wraps a library module with the adapter that turns its preview 1 imports into
/// imports of WASI 0.2.
///
/// The module must export `cabi_realloc`, as every guest with `wit-bindgen` does.
/// Without it the adapter takes its memory behind the allocator's back, and the
/// allocator of Debian's wasi-libc would later claim the same pages.
pub(super) fn encode(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(exports_realloc(module)?, "the module does not export `cabi_realloc`");
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .context("its description of the plugin interface cannot be read")?
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
        .context("the adapter does not fit")?
        .encode()
        .context("its imports and exports do not fit the plugin interface")
}

fn exports_realloc(module: &[u8]) -> anyhow::Result<bool> {
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        if let wasmparser::Payload::ExportSection(exports) = payload.context("not a module")? {
            for export in exports {
                if export.context("broken export section")?.name == "cabi_realloc" {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_without_cabi_realloc_is_refused() {
        let empty = b"\0asm\x01\0\0\0";
        let err = encode(empty).unwrap_err();
        assert!(err.to_string().contains("`cabi_realloc`"), "{err}");
    }
}
