//! A plugin that was found on disk: its manifest, its component and the
//! digests of both.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::manifest::{self, ManifestError, PluginManifest};

/// Name of the manifest in a plugin's directory.
pub const MANIFEST_FILE: &str = "plugin.toml";

/// A SHA-256 digest, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Digests `content`.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let malformed = || format!("`{text}` is not a SHA-256 digest: 64 hexadecimal digits");
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(malformed());
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            let pair = text.get(2 * index..2 * index + 2).ok_or_else(malformed)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| malformed())?;
        }
        Ok(Self(bytes))
    }
}

/// Why a plugin could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// There is no plugin at this place.
    #[error("no plugin at `{0}`: a directory with a `plugin.toml`, or that file, is needed")]
    NotFound(PathBuf),
    /// Its manifest can't be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Its component can't be read.
    #[error("can't read the component `{path}` that `{manifest}` names")]
    Component {
        /// The component.
        path: PathBuf,
        /// The manifest.
        manifest: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A plugin with its component in memory.
#[derive(Debug, Clone)]
pub struct ResolvedPlugin {
    /// What its author says.
    pub manifest: PluginManifest,
    /// Where it was found.
    pub dir: PathBuf,
    /// The component's bytes.
    pub component: Vec<u8>,
    /// Digest of the component.
    pub component_digest: Digest,
    /// Digest of the manifest file.
    pub manifest_digest: Digest,
}

impl ResolvedPlugin {
    /// Finds the plugin at `path`, which is its directory or its manifest.
    pub fn load(path: &Path) -> Result<Self, ResolveError> {
        let manifest_path = if path.is_dir() { path.join(MANIFEST_FILE) } else { path.to_owned() };
        let is_manifest = manifest_path.file_name().is_some_and(|name| name == MANIFEST_FILE);
        if !is_manifest || !manifest_path.is_file() {
            return Err(ResolveError::NotFound(path.to_owned()));
        }
        let manifest_text = manifest::read(&manifest_path)?;
        let manifest = PluginManifest::parse(&manifest_text, &manifest_path)?;
        let dir = manifest_path.parent().unwrap_or(Path::new(".")).to_owned();
        let component_path = dir.join(&manifest.plugin.component);
        let component = std::fs::read(&component_path).map_err(|source| {
            ResolveError::Component { path: component_path, manifest: manifest_path, source }
        })?;
        Ok(Self {
            component_digest: Digest::of(&component),
            manifest_digest: Digest::of(manifest_text.as_bytes()),
            manifest,
            dir,
            component,
        })
    }

    /// The name its manifest gives it.
    pub fn name(&self) -> &str {
        self.manifest.plugin.name.as_str()
    }
}
