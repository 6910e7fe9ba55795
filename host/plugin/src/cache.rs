//! Compiled components on disk, by digest.
//!
//! Loading compiled code is as good as running native code, so the cache only
//! ever loads what it wrote itself. Beside each file lies a *seal*: the digest of the
//! code, which file it is (its inode and when it was last changed), and what the
//! component imports and exports, signed with a key that is readable by the cache's owner
//! alone. A file that is still the one that was sealed is not read again to be sure of it;
//! one that was copied is read once. A plugin's own precompiled file is never looked at.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use wasmtime::component::Component;

use crate::compile::{CompileError, Compiled, Compiler, Face};
use crate::engine::Engine;
use crate::resolved::{Digest, ResolvedPlugin};

const KEY_FILE: &str = "seal.key";

/// Bytes of a signature.
const SIGNATURE: usize = 32;

/// Why a component could not be compiled or loaded.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The component can't be compiled.
    #[error("plugin `{plugin}`: `{file}` can't be compiled")]
    Compile {
        /// Which plugin.
        plugin: String,
        /// Its component file.
        file: PathBuf,
        /// Why.
        source: CompileError,
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

/// A compiled component of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedComponent {
    /// Its file, for [`load_compiled`].
    pub file: PathBuf,
    /// What it imports and exports.
    pub face: Face,
}

/// What is known of a file of compiled code.
#[derive(Debug, Serialize, Deserialize)]
struct Seal {
    /// The entry that it is, as a name of no other component or engine.
    name: String,
    /// Of the code.
    digest: Digest,
    /// The file that has it.
    identity: Identity,
    face: Face,
}

/// Tells a file from one that took its place, and from what it was before it was
/// changed. Nobody but root can set when an inode was changed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Identity {
    fn of(file: &fs::Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

impl ComponentCache {
    /// Opens the cache in `dir`, which is created where it is missing.
    pub fn open(dir: &Path) -> Result<Self, CacheError> {
        fs::create_dir_all(dir).map_err(|source| io_error(dir, source))?;
        let key = read_or_make_key(&dir.join(KEY_FILE))?;
        Ok(Self { dir: dir.to_owned(), key })
    }

    /// Makes sure that the compiled form of `plugin` is in the cache, by `compiler` where
    /// it is not.
    pub fn compiled(
        &self,
        engine: &Engine,
        plugin: &ResolvedPlugin,
        compiler: &dyn Compiler,
    ) -> Result<CachedComponent, CacheError> {
        let name = format!("{}-{:016x}", plugin.component_digest, engine.compatibility());
        let file = self.dir.join(format!("{name}.cwasm"));
        if let Some(face) = self.sealed(&name, &file) {
            return Ok(CachedComponent { file, face });
        }
        let to_error = |source| CacheError::Compile {
            plugin: plugin.name().to_owned(),
            file: plugin.dir.join(&plugin.manifest.plugin.component),
            source,
        };
        let Compiled { code, face } = compiler.compile(&plugin.component).map_err(to_error)?;
        // Another process may have been faster, and a worker of its is behind walls that
        // let it open that very file.
        if let Some(face) = self.sealed(&name, &file) {
            return Ok(CachedComponent { file, face });
        }
        let written = replace_file(&file, &code)?;
        let digest = Digest::of(&code);
        self.seal(&Seal { name, digest, identity: Identity::of(&written), face: face.clone() })?;
        Ok(CachedComponent { file, face })
    }

    /// What the seal of a file says, where there is one and the file is what was sealed.
    fn sealed(&self, name: &str, file: &Path) -> Option<Face> {
        let text = fs::read(self.seal_path(name)).ok()?;
        let (signature, signed) = text.split_at_checked(SIGNATURE)?;
        self.mac(signed).verify_slice(signature).ok()?;
        let seal: Seal =
            serde_json::from_slice(signed).ok().filter(|seal: &Seal| seal.name == name)?;
        // Earlier programs did not look at worlds.
        seal.face.world?;
        let found = Identity::of(&fs::metadata(file).ok()?);
        if seal.identity == found {
            return Some(seal.face);
        }
        if Digest::of(&fs::read(file).ok()?) != seal.digest {
            return None;
        }
        // A cache may be copied. What can't be sealed anew is read again the next time.
        let face = seal.face.clone();
        let _ = self.seal(&Seal { identity: found, ..seal });
        Some(face)
    }

    fn seal(&self, seal: &Seal) -> Result<(), CacheError> {
        let path = self.seal_path(&seal.name);
        let signed =
            serde_json::to_vec(seal).map_err(|err| io_error(&path, std::io::Error::other(err)))?;
        let mut text = self.mac(&signed).finalize().into_bytes().to_vec();
        text.extend(signed);
        replace_file(&path, &text).map(drop)
    }

    fn seal_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.seal"))
    }

    fn mac(&self, signed: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(signed);
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

/// Writes a file that others see whole or not at all, readable by its owner. Says which
/// file it is.
fn replace_file(path: &Path, content: &[u8]) -> Result<fs::Metadata, CacheError> {
    let write = || -> std::io::Result<fs::Metadata> {
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(content)?;
        // A seal must not outlive what it is of.
        file.as_file().sync_data()?;
        file.persist(path)?.metadata()
    };
    write().map_err(|source| io_error(path, source))
}

fn io_error(path: &Path, source: std::io::Error) -> CacheError {
    CacheError::Io { path: path.to_owned(), source }
}
