//! `plugin.toml` as its author writes it. What it says is a request; see
//! [`crate::resolved`] for a plugin that was found, digested and granted.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capability::Asked;
use crate::limits::LimitsRequest;
use crate::program::ProgramTable;

/// The manifest version this program reads.
pub const MANIFEST_VERSION: u32 = 1;

/// Why a manifest can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file can't be read.
    #[error("can't read the manifest `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a manifest; the source tells line, column and key.
    #[error("`{path}` is not a valid plugin manifest")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// The manifest is of a version this program does not know.
    #[error("`{path}` has manifest version {found}; this program reads version 1")]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
    /// The parts of the manifest contradict each other.
    #[error("`{path}`: {reason}")]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// What contradicts what, and what to do.
        reason: String,
    },
}

/// What a plugin does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PluginKind {
    /// Drives an agent.
    Scaffold,
    /// Offers tools to scaffolds.
    Tool,
    /// Scores a submission.
    Judge,
    /// Turns a chain into queries.
    Writer,
    /// A WASI command that other plugins may start.
    Program,
}

impl PluginKind {
    /// The kind as manifests spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scaffold => "scaffold",
            Self::Tool => "tool",
            Self::Judge => "judge",
            Self::Writer => "writer",
            Self::Program => "program",
        }
    }
}

impl std::fmt::Display for PluginKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Name of a plugin: lower-case letters, digits and `-`, beginning with a letter.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct PluginName(String);

impl PluginName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PluginName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase());
        if begins_well && name.len() <= 64 && name.chars().all(known) {
            Ok(Self(name))
        } else {
            Err(format!(
                "`{name}` is not a plugin name: up to 64 of a-z, 0-9 and `-`, beginning with a letter"
            ))
        }
    }
}

impl From<PluginName> for String {
    fn from(name: PluginName) -> Self {
        name.0
    }
}

impl std::fmt::Display for PluginName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A parsed `plugin.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Catena plugin manifest")]
pub struct PluginManifest {
    /// Version of the manifest's form; 1.
    #[schemars(range(min = 1, max = 1))]
    pub manifest: u32,
    /// What the plugin is.
    pub plugin: About,
    /// What it asks for; nothing when absent.
    #[serde(default)]
    pub capabilities: Asked,
    /// Limits it asks for, within the operator's.
    #[serde(default)]
    pub limits: LimitsRequest,
    /// How a program is started; for plugins of that kind alone.
    #[serde(default, skip_serializing_if = "ProgramTable::is_default")]
    pub program: ProgramTable,
    /// Values for the plugin itself, which the run file can override.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub config: toml::Table,
}

/// The `[plugin]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Its name.
    pub name: PluginName,
    /// Its version, for people.
    pub version: String,
    /// What it does.
    pub kind: PluginKind,
    /// The component, relative to the manifest.
    pub component: PathBuf,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// SPDX expression.
    #[serde(default)]
    pub license: String,
    /// A scaffold that is shown the answer. Its rollouts are never exported or
    /// ranked.
    #[serde(default)]
    pub control: bool,
}

/// The text of the manifest at `path`.
pub(crate) fn read(path: &Path) -> Result<String, ManifestError> {
    std::fs::read_to_string(path)
        .map_err(|source| ManifestError::Read { path: path.to_owned(), source })
}

impl PluginManifest {
    /// Reads and checks a manifest file.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        Self::parse(&read(path)?, path)
    }

    /// Checks the text that was read from the manifest at `path`.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(|source| ManifestError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        manifest.validate(path)?;
        Ok(manifest)
    }

    fn validate(&self, path: &Path) -> Result<(), ManifestError> {
        let inconsistent =
            |reason: String| ManifestError::Inconsistent { path: path.to_owned(), reason };
        if self.manifest != MANIFEST_VERSION {
            return Err(ManifestError::Version { path: path.to_owned(), found: self.manifest });
        }
        if let Some((limit, found)) = self.limits.impossible() {
            return Err(inconsistent(format!(
                "`limits.{limit}` is {found}, with which no plugin can run; leave it out for the default"
            )));
        }
        let component = &self.plugin.component;
        let plain = |part| matches!(part, std::path::Component::Normal(_));
        if !component.components().all(plain) {
            return Err(inconsistent(format!(
                "`plugin.component` is `{}`; it must be a path below the manifest",
                component.display()
            )));
        }
        if component.extension().is_none_or(|extension| extension != "wasm") {
            return Err(inconsistent(format!(
                "`plugin.component` is `{}`; only `.wasm` components are loaded",
                component.display()
            )));
        }
        if self.plugin.control && self.plugin.kind != PluginKind::Scaffold {
            return Err(inconsistent(
                "`plugin.control` is only for scaffolds; remove it".to_owned(),
            ));
        }
        if !self.program.is_default() && self.plugin.kind != PluginKind::Program {
            return Err(inconsistent(
                "`[program]` is only for plugins of kind `program`; remove it".to_owned(),
            ));
        }
        if self.capabilities.reference && !self.plugin.control {
            return Err(inconsistent(
                "`capabilities.reference` shows the human answer and needs `plugin.control = true`"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<PluginManifest, ManifestError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plugin.toml");
        std::fs::write(&path, text).unwrap();
        PluginManifest::load(&path)
    }

    const GOOD: &str = "manifest = 1\n[plugin]\nname = \"a\"\nversion = \"1\"\nkind = \"judge\"\n\
                        component = \"a.wasm\"\n";

    #[test]
    fn nothing_is_asked_for_by_default() {
        assert_eq!(load(GOOD).unwrap().capabilities, Asked::default());
    }

    #[test]
    fn unknown_key_is_named_with_its_line() {
        let err = load(&format!("{GOOD}colour = 1\n")).unwrap_err();
        let ManifestError::Parse { source, .. } = err else { panic!("{err:?}") };
        assert!(source.to_string().contains("unknown field `colour`"), "{source}");
        assert!(source.to_string().contains("line 7"), "{source}");
    }

    #[test]
    fn reference_needs_the_control_mark() {
        let text = GOOD.replace("judge", "scaffold") + "[capabilities]\nreference = true\n";
        assert!(matches!(load(&text), Err(ManifestError::Inconsistent { .. })));
    }

    #[test]
    fn limits_under_which_nothing_can_run_are_refused_by_their_names() {
        let nothing = ["fuel = 0", "memory = \"0B\"", "wall = \"0s\"", "tables = 0", "handles = 0"];
        for limit in nothing {
            let err = load(&format!("{GOOD}[limits]\n{limit}\n")).unwrap_err().to_string();
            let key = limit.split(' ').next().unwrap();
            assert!(err.contains(&format!("`limits.{key}` is 0")), "{err}");
        }
        // That of what a plugin may do without.
        load(&format!("{GOOD}[limits]\nprocesses = 0\ntransfer = \"0B\"\n")).unwrap();
    }

    #[test]
    fn component_outside_the_plugin_is_refused() {
        for component in ["../a.wasm", "/a.wasm", "a.cwasm"] {
            let text = GOOD.replace("a.wasm", component);
            assert!(matches!(load(&text), Err(ManifestError::Inconsistent { .. })), "{component}");
        }
    }
}
