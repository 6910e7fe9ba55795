//! Compiled components on disk, by digest.
//!
//! Loading compiled code is as good as running native code, so the cache only
//! ever loads what it wrote itself: each file is sealed with a key that lies
//! beside it, readable by its owner alone. A plugin's own precompiled file is
//! never looked at.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wasmtime::component::Component;

use crate::engine::Engine;
use crate::resolved::ResolvedPlugin;

const KEY_FILE: &str = "seal.key";

/// Why a component could not be compiled or loaded.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The bytes are not a component this engine takes.
    #[error("plugin `{plugin}`: `{file}` is not a valid WebAssembly component")]
    Compile {
        /// Which plugin.
        plugin: String,
        /// Its component file.
        file: PathBuf,
        /// What wasmtime says.
        source: wasmtime::Error,
    },
    /// The cache can't be read or written.
    #[error("component cache `{path}`")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Compiled code that was sealed here can't be loaded.
    #[error("compiled component `{path}` can't be loaded; delete it and try again")]
    Load {
        /// The file.
        path: PathBuf,
        /// What wasmtime says.
        source: wasmtime::Error,
    },
}

/// A directory of compiled components.
#[derive(Debug, Clone)]
pub struct ComponentCache {
    dir: PathBuf,
    key: [u8; 64],
}

impl ComponentCache {
    /// Opens the cache in `dir`, which is created where it is missing.
    pub fn open(dir: &Path) -> Result<Self, CacheError> {
        fs::create_dir_all(dir).map_err(|source| io_error(dir, source))?;
        let key = read_or_make_key(&dir.join(KEY_FILE))?;
        Ok(Self { dir: dir.to_owned(), key })
    }

    /// Makes sure that the compiled form of `plugin` is in the cache and
    /// returns its file.
    pub fn compiled(
        &self,
        engine: &Engine,
        plugin: &ResolvedPlugin,
    ) -> Result<PathBuf, CacheError> {
        let name = format!("{}-{:016x}", plugin.component_digest, engine.compatibility());
        let code_path = self.dir.join(format!("{name}.cwasm"));
        let seal_path = self.dir.join(format!("{name}.seal"));
        if self.is_sealed(&code_path, &seal_path) {
            return Ok(code_path);
        }
        let compile_error = |source| CacheError::Compile {
            plugin: plugin.name().to_owned(),
            file: plugin.dir.join(&plugin.manifest.plugin.component),
            source,
        };
        let component = engine.compile(&plugin.component).map_err(compile_error)?;
        let code = component.serialize().map_err(compile_error)?;
        replace_file(&code_path, &code)?;
        replace_file(&seal_path, &self.seal(&code))?;
        Ok(code_path)
    }

    fn is_sealed(&self, code_path: &Path, seal_path: &Path) -> bool {
        match (fs::read(code_path), fs::read(seal_path)) {
            (Ok(code), Ok(seal)) => self.mac(&code).verify_slice(&seal).is_ok(),
            _ => false,
        }
    }

    fn seal(&self, code: &[u8]) -> Vec<u8> {
        self.mac(code).finalize().into_bytes().to_vec()
    }

    fn mac(&self, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(code);
        mac
    }
}

/// Loads a file that [`ComponentCache::compiled`] returned to the host, in the
/// host itself or in one of its workers.
pub fn load_compiled(engine: &Engine, path: &Path) -> Result<Component, CacheError> {
    #[expect(
        unsafe_code,
        reason = "the host hands over only files of its own cache whose seal it has just verified"
    )]
    // SAFETY: the file was written by `Component::serialize` of this program and
    // sealed; see the module's documentation.
    let component = unsafe { Component::deserialize_file(engine.wasmtime(), path) };
    component.map_err(|source| CacheError::Load { path: path.to_owned(), source })
}

fn read_or_make_key(path: &Path) -> Result<[u8; 64], CacheError> {
    if let Ok(bytes) = fs::read(path)
        && let Ok(key) = <[u8; 64]>::try_from(bytes)
    {
        return Ok(key);
    }
    let mut key = [0; 64];
    getrandom::fill(&mut key)
        .map_err(|err| io_error(path, std::io::Error::other(err.to_string())))?;
    replace_file(path, &key)?;
    // Another process may have been faster; whoever wrote last is right.
    let settled = fs::read(path).map_err(|source| io_error(path, source))?;
    Ok(<[u8; 64]>::try_from(settled).unwrap_or(key))
}

/// Writes a file that others see whole or not at all, readable by its owner.
fn replace_file(path: &Path, content: &[u8]) -> Result<(), CacheError> {
    let write = || -> std::io::Result<()> {
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(content)?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| io_error(path, source))
}

fn io_error(path: &Path, source: std::io::Error) -> CacheError {
    CacheError::Io { path: path.to_owned(), source }
}
