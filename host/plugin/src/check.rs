//! Holds a component against what its manifest says it is, in words instead of
//! a linker's.

use crate::compile::Face;
use crate::manifest::{PluginKind, PluginManifest};

/// The WIT package and version this host serves.
const PACKAGE: &str = "catena:plugin/";
const VERSION: &str = "@0.1.0";

/// Interfaces of `wasi:` packages that are served, without version.
const WASI_SERVED: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", HTTP, "wasi:io/", "wasi:random/"];

const HTTP: &str = "wasi:http/";

/// What is served of it.
const HTTP_SERVED: [&str; 2] = ["wasi:http/types@", "wasi:http/outgoing-handler@"];

/// The libc of Python guests imports sockets whether they are used or not. A
/// component may name them; every call of one traps.
pub(crate) const SOCKETS: &str = "wasi:sockets/";

/// Why a component is not what its manifest says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// It does not export what its kind must.
    #[error(
        "plugin `{plugin}` says it is a {kind}, but its component does not export `{needed}` \
         (it exports {found})"
    )]
    WrongWorld {
        /// Which plugin.
        plugin: String,
        /// The kind in its manifest.
        kind: PluginKind,
        /// The interface a plugin of this kind exports.
        needed: String,
        /// What it exports instead.
        found: String,
    },
    /// It imports something this host has not.
    #[error("plugin `{plugin}` imports `{import}`, which this host does not serve: {reason}")]
    UnknownImport {
        /// Which plugin.
        plugin: String,
        /// The import.
        import: String,
        /// Why it is not served, and what to do.
        reason: String,
    },
    /// It imports the human answer without being a control.
    #[error(
        "plugin `{plugin}` imports `{PACKAGE}reference{VERSION}`, the human answer, but its \
         manifest does not say `control = true`"
    )]
    ReferenceWithoutControl {
        /// Which plugin.
        plugin: String,
    },
}

/// What a WASI command exports, without the last number of its version.
pub(crate) const COMMAND: &str = "wasi:cli/run@0.2";

/// The interface that a plugin of `kind` exports.
pub(crate) fn exported_interface(kind: PluginKind) -> String {
    let name = match kind {
        PluginKind::Scaffold => "scaffold",
        PluginKind::Tool => "tool-provider",
        PluginKind::Judge => "judge",
        PluginKind::Writer => "writer",
        PluginKind::Program => return COMMAND.to_owned(),
    };
    format!("{PACKAGE}{name}{VERSION}")
}

/// Checks exports and imports of a component by name. Types are checked when
/// the component is linked.
pub fn check(face: &Face, manifest: &PluginManifest) -> Result<(), CheckError> {
    let plugin = manifest.plugin.name.to_string();
    let needed = exported_interface(manifest.plugin.kind);
    let exports: Vec<String> =
        face.exports.iter().map(|export| format!("`{}`", export.name)).collect();
    let has_it = match manifest.plugin.kind {
        PluginKind::Program => exports.iter().any(|name| name.starts_with(&format!("`{needed}."))),
        _ => exports.contains(&format!("`{needed}`")),
    };
    if !has_it {
        let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        return Err(CheckError::WrongWorld { plugin, kind: manifest.plugin.kind, needed, found });
    }
    face.imports
        .iter()
        .try_for_each(|import| check_import(&plugin, &import.name, import.interface, manifest))
}

fn check_import(
    plugin: &str,
    import: &str,
    is_interface: bool,
    manifest: &PluginManifest,
) -> Result<(), CheckError> {
    let unknown = |reason: &str| {
        Err(CheckError::UnknownImport {
            plugin: plugin.to_owned(),
            import: import.to_owned(),
            reason: reason.to_owned(),
        })
    };
    if !is_interface {
        return unknown("only interfaces of `catena:plugin` and WASI 0.2 are linked");
    }
    if let Some(rest) = import.strip_prefix(PACKAGE) {
        let Some(name) = rest.strip_suffix(VERSION) else {
            return unknown("this host serves version 0.1.0; rebuild with an SDK of that version");
        };
        return match name {
            "reference" if !manifest.plugin.control => {
                Err(CheckError::ReferenceWithoutControl { plugin: plugin.to_owned() })
            }
            "types" | "log" | "config" | "model" | "tools" | "workspace" | "process"
            | "reference" | "judging" => Ok(()),
            _ => unknown("package `catena:plugin` has no such interface"),
        };
    }
    if import.starts_with(HTTP) && !HTTP_SERVED.iter().any(|served| import.starts_with(served)) {
        return unknown("of `wasi:http` the host serves `types` and `outgoing-handler`");
    }
    let served = WASI_SERVED.iter().any(|package| import.starts_with(package))
        || import.starts_with(SOCKETS);
    match import.split_once('@') {
        Some((_, version)) if served && version.starts_with("0.2.") => Ok(()),
        _ => unknown("the host serves `catena:plugin@0.1.0` and a part of WASI 0.2"),
    }
}
