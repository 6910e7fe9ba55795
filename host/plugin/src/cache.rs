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
        // One process compiles, others wait for it. A file is never replaced by its like: a
        // worker may be behind walls that let it open that very file.
        let _alone = self.alone(&name)?;
        if let Some(face) = self.sealed(&name, &file) {
            return Ok(CachedComponent { file, face });
        }
        let Compiled { code, face } = compiler.compile(&plugin.component).map_err(to_error)?;
        let digest = Digest::of(&code);
        let is_there = fs::read(&file).is_ok_and(|there| there == code);
        let written = if is_there {
            fs::metadata(&file).map_err(|source| io_error(&file, source))?
        } else {
            replace_file(&file, &code)?
        };
        self.seal(&Seal { name, digest, identity: Identity::of(&written), face: face.clone() })?;
        Ok(CachedComponent { file, face })
    }

    /// Keeps other processes from compiling the same until it is dropped.
    fn alone(&self, name: &str) -> Result<fs::File, CacheError> {
        let path = self.dir.join(format!("{name}.lock"));
        let to_error = |source| io_error(&path, source);
        let file = fs::File::create(&path).map_err(to_error)?;
        file.lock().map_err(to_error)?;
        Ok(file)
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
        reason = "the host hands over only files of its own cache whose seal it has verified"
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
    // Another process may have been faster, and is right then. One that is no key is replaced.
    let is_key = |there: fs::Metadata| there.len() == key.len() as u64;
    if fs::metadata(path).is_ok_and(|there| !is_key(there)) {
        replace_file(path, &key)?;
    }
    let made = written_beside(path, &key).and_then(|file| match file.persist_noclobber(path) {
        Err(err) if err.error.kind() != std::io::ErrorKind::AlreadyExists => Err(err.error),
        _ => fs::read(path),
    });
    let settled = made.map_err(|source| io_error(path, source))?;
    Ok(<[u8; 64]>::try_from(settled).unwrap_or(key))
}

/// Writes a file that others see whole or not at all, readable by its owner. Says which
/// file it is.
fn replace_file(path: &Path, content: &[u8]) -> Result<fs::Metadata, CacheError> {
    let replaced = written_beside(path, content).and_then(|file| file.persist(path)?.metadata());
    replaced.map_err(|source| io_error(path, source))
}

/// Writes what is to become the file of this name. A seal must not outlive what it is of,
/// so the disk has it.
fn written_beside(path: &Path, content: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(content)?;
    file.as_file().sync_data()?;
    Ok(file)
}

fn io_error(path: &Path, source: std::io::Error) -> CacheError {
    CacheError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::engine::Enforced;
    use crate::manifest::PluginManifest;
    use crate::{CompileError, CompileHere};

    /// Compiles, and counts how often.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Compiler for Counting {
        fn compile(&self, component: &[u8]) -> Result<Compiled, CompileError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            CompileHere(Enforced::ALL).compile(component)
        }
    }

    /// An empty component, and another one that is told from it by its digest.
    fn plugin(custom: &[u8]) -> ResolvedPlugin {
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        component.extend([0, u8::try_from(custom.len()).unwrap() + 1, 0]);
        component.extend(custom);
        let manifest = "manifest = 1\n[plugin]\nname = \"scaffold-none\"\nversion = \"0.1.0\"\n\
                        kind = \"scaffold\"\ncomponent = \"none.wasm\"\ndescription = \"None.\"\n\
                        license = \"Apache-2.0\"\n";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plugin.toml");
        fs::write(&path, manifest).unwrap();
        ResolvedPlugin {
            manifest: PluginManifest::load(&path).unwrap(),
            dir: dir.path().to_owned(),
            component_digest: Digest::of(&component),
            manifest_digest: Digest::of(manifest.as_bytes()),
            component,
        }
    }

    fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|it| it == ending)).collect();
        files.sort();
        files
    }

    #[test]
    fn component_is_compiled_once_by_any_number_of_threads() {
        let dir = tempfile::tempdir().unwrap();
        let (engine, compiler) = (Engine::new().unwrap(), Counting::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let cache = ComponentCache::open(dir.path()).unwrap();
                    cache.compiled(&engine, &plugin(b"a"), &compiler).unwrap();
                });
            }
        });
        assert_eq!(compiler.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn copied_cache_is_used_and_one_that_was_changed_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (engine, compiler) = (Engine::new().unwrap(), Counting::default());
        let times = || compiler.0.load(Ordering::Relaxed);
        let cache = ComponentCache::open(dir.path()).unwrap();
        let [a, b] = [plugin(b"a"), plugin(b"b")];
        for plugin in [&a, &b, &a, &b] {
            cache.compiled(&engine, plugin, &compiler).unwrap();
        }
        assert_eq!(times(), 2);

        // The same bytes as another file are the same code.
        for file in files(dir.path(), "cwasm") {
            let bytes = fs::read(&file).unwrap();
            fs::remove_file(&file).unwrap();
            fs::write(&file, bytes).unwrap();
        }
        cache.compiled(&engine, &a, &compiler).unwrap();
        assert_eq!(times(), 2);

        // Another's code and seal are not its own.
        let [first, second] = [files(dir.path(), "seal"), files(dir.path(), "cwasm")];
        for pair in [&first, &second] {
            fs::rename(&pair[0], dir.path().join("kept")).unwrap();
            fs::rename(&pair[1], &pair[0]).unwrap();
            fs::rename(dir.path().join("kept"), &pair[1]).unwrap();
        }
        cache.compiled(&engine, &a, &compiler).unwrap();
        cache.compiled(&engine, &b, &compiler).unwrap();
        assert_eq!(times(), 4);

        // A byte that was changed in place, a seal that was, and a link to elsewhere.
        for (round, ending) in ["cwasm", "seal"].into_iter().enumerate() {
            for file in files(dir.path(), ending) {
                let mut bytes = fs::read(&file).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                fs::write(&file, bytes).unwrap();
            }
            cache.compiled(&engine, &a, &compiler).unwrap();
            cache.compiled(&engine, &b, &compiler).unwrap();
            assert_eq!(times(), 6 + 2 * round);
        }
        let file = &files(dir.path(), "cwasm")[0];
        fs::remove_file(file).unwrap();
        fs::write(dir.path().join("elsewhere"), b"code").unwrap();
        symlink(dir.path().join("elsewhere"), file).unwrap();
        cache.compiled(&engine, &a, &compiler).unwrap();
        cache.compiled(&engine, &b, &compiler).unwrap();
        assert_eq!(times(), 9);
    }
}
