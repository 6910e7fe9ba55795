//! Programs: WASI commands that other plugins start by name.
//!
//! * [`ProgramTable`]: how a program is started, as its manifest says.
//! * [`wrap`]: a module or component of any WASI as a command component.
//! * [`store`]: the programs that a user added, by name and digest.
//! * [`python`]: `CPython`, made ready to be one.
//!
//! A program has no right that its caller lacks: it sees the caller's mounts,
//! what it uses comes out of the caller's limits, and it may start only
//! programs that the caller may start.

pub mod python;
pub mod store;
pub mod wrap;

use std::collections::BTreeMap;

use catena_tree::TreeId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use store::{NewProgram, ProgramStore, StoreError, StoredProgram};
pub use wrap::{WrapError, wrap};

/// How deeply programs may start programs.
pub const MAX_DEPTH: u32 = 4;

/// What a program takes for its working directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DirectoryUse {
    /// The directory that it has open under the name `.`: most commands, whose
    /// libc knows no other. Paths that lead out of it by `..` are not found.
    #[default]
    Opened,
    /// The variable `PWD`, to which it changes by itself. It has `/` open, which
    /// is read-only and has `/dev/null` and the places of all other directories.
    Variable,
}

/// The `[program]` table of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProgramTable {
    /// Names under which it is started; the plugin's own where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// Put before the arguments that a caller gives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// In place of the name as the first argument of all, where given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_path: Option<String>,
    /// Set where a caller does not set it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// What it takes for its working directory.
    pub directory: DirectoryUse,
    /// Files of its own, read-only: absolute guest paths, and trees in the store.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub files: BTreeMap<String, TreeId>,
}

impl ProgramTable {
    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Names under which a program called `name` is started.
    pub fn commands_of<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        if self.commands.is_empty() {
            vec![name]
        } else {
            self.commands.iter().map(String::as_str).collect()
        }
    }
}
