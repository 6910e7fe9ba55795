//! The programs that a user added.
//!
//! ```text
//! STORE/
//!   objects.git/    files of programs, as git trees
//!   NAME/
//!     plugin.toml   the manifest
//!     program.wasm  the component
//!     added.toml    where it came from, and the digests of both
//! ```
//!
//! What is loaded has the digest it had when it was added, or is not loaded.

use std::fs;
use std::path::{Path, PathBuf};

use catena_tree::database::DatabaseError;
use catena_tree::objects::ObjectSink as _;
use catena_tree::{EntryKind, ObjectDatabase, ObjectError, TreeEntry, TreeId};
use serde::{Deserialize, Serialize};

use crate::manifest::{ManifestError, PluginManifest};
use crate::resolved::{Digest, MANIFEST_FILE, ResolveError, ResolvedPlugin};

const RECORD_FILE: &str = "added.toml";
const OBJECTS: &str = "objects.git";

/// The component of every program in the store.
pub const COMPONENT_FILE: &str = "program.wasm";

/// Why a program can't be stored or had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// None of this name was added.
    #[error("no program `{0}` has been added")]
    Unknown(String),
    /// It is no longer what was added.
    #[error("program `{name}` was changed after it was added: `{file}` has another digest")]
    Changed {
        /// The program.
        name: String,
        /// What was changed.
        file: PathBuf,
    },
    /// Its manifest or component can't be read.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A file can't be read or written.
    #[error("`{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of a program is neither a file nor a directory.
    #[error("`{0}` is neither a file nor a directory")]
    Special(PathBuf),
    /// The files of programs can't be kept.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// An object can't be written.
    #[error(transparent)]
    Objects(#[from] ObjectError),
}

/// A program to add.
#[derive(Debug)]
pub struct NewProgram {
    /// Its manifest; the component's name in it is the store's to say.
    pub manifest: PluginManifest,
    /// Its component.
    pub component: Vec<u8>,
    /// Where it came from, for people.
    pub source: String,
}

/// `added.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramRecord {
    /// Digest of the component.
    pub component: Digest,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Where it came from, for people.
    pub source: String,
}

/// A program in the store, without its component.
#[derive(Debug, Clone)]
pub struct StoredProgram {
    /// Its manifest.
    pub manifest: PluginManifest,
    /// What was noted when it was added.
    pub record: ProgramRecord,
}

/// A user's programs. Nothing is made on disk before one is added.
#[derive(Debug, Clone)]
pub struct ProgramStore {
    dir: PathBuf,
}

impl ProgramStore {
    /// The store in `dir`, which need not be there.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Where they lie.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where its programs' files are, a bare git repository, if there are any.
    pub fn objects(&self) -> Option<PathBuf> {
        let path = self.dir.join(OBJECTS);
        path.is_dir().then_some(path)
    }

    /// All programs, by name.
    pub fn list(&self) -> Result<Vec<StoredProgram>, StoreError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(StoreError::Io { path: self.dir.clone(), source }),
        };
        let mut programs = Vec::new();
        for entry in entries {
            let path = entry.map_err(|err| io_error(&self.dir, err))?.path();
            if path.join(RECORD_FILE).is_file() {
                programs.push(StoredProgram::read(&path)?);
            }
        }
        programs.sort_by(|a, b| a.manifest.plugin.name.cmp(&b.manifest.plugin.name));
        Ok(programs)
    }

    /// A program without its component.
    pub fn stored(&self, name: &str) -> Result<StoredProgram, StoreError> {
        StoredProgram::read(&self.place_of(name)?)
    }

    /// A program as it was added.
    pub fn load(&self, name: &str) -> Result<ResolvedPlugin, StoreError> {
        let dir = self.place_of(name)?;
        let record = StoredProgram::read(&dir)?.record;
        let plugin = ResolvedPlugin::load(&dir)?;
        let changed =
            |file: &str| StoreError::Changed { name: name.to_owned(), file: dir.join(file) };
        if plugin.component_digest != record.component {
            return Err(changed(COMPONENT_FILE));
        }
        if plugin.manifest_digest != record.manifest {
            return Err(changed(MANIFEST_FILE));
        }
        Ok(plugin)
    }

    /// Adds a program, in the place of one of the same name.
    pub fn add(&self, mut program: NewProgram) -> Result<StoredProgram, StoreError> {
        program.manifest.plugin.component = COMPONENT_FILE.into();
        let dir = self.dir.join(program.manifest.plugin.name.as_str());
        let manifest = encode(&dir, &program.manifest)?;
        let record = ProgramRecord {
            component: Digest::of(&program.component),
            manifest: Digest::of(manifest.as_bytes()),
            source: program.source,
        };
        // The record comes last and goes first: without one there is no program.
        fs::create_dir_all(&dir).map_err(|err| io_error(&dir, err))?;
        let record_path = dir.join(RECORD_FILE);
        remove_if_there(&record_path)?;
        write(&dir.join(COMPONENT_FILE), &program.component)?;
        write(&dir.join(MANIFEST_FILE), manifest.as_bytes())?;
        write(&record_path, encode(&dir, &record)?.as_bytes())?;
        Ok(StoredProgram { manifest: program.manifest, record })
    }

    /// Forgets a program. Its files stay among the objects, which others may share.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let dir = self.place_of(name)?;
        remove_if_there(&dir.join(RECORD_FILE))?;
        fs::remove_dir_all(&dir).map_err(|err| io_error(&dir, err))
    }

    /// Keeps a directory's files for programs to have.
    pub fn keep_files(&self, dir: &Path) -> Result<TreeId, StoreError> {
        let objects = self.dir.join(OBJECTS);
        let database = ObjectDatabase::create(&objects, &[])?;
        keep_directory(&database, dir)
    }

    /// The database of its programs' files, made where it is missing.
    pub fn database(&self) -> Result<ObjectDatabase, StoreError> {
        Ok(ObjectDatabase::create(&self.dir.join(OBJECTS), &[])?)
    }

    fn place_of(&self, name: &str) -> Result<PathBuf, StoreError> {
        let unknown = || StoreError::Unknown(name.to_owned());
        let is_name = crate::manifest::PluginName::try_from(name.to_owned()).is_ok();
        let dir = self.dir.join(name);
        if is_name && dir.join(RECORD_FILE).is_file() { Ok(dir) } else { Err(unknown()) }
    }
}

impl StoredProgram {
    fn read(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(RECORD_FILE);
        let text = fs::read_to_string(&path).map_err(|err| io_error(&path, err))?;
        let record = toml::from_str(&text)
            .map_err(|err| io_error(&path, std::io::Error::other(err.to_string())))?;
        let manifest =
            PluginManifest::load(&dir.join(MANIFEST_FILE)).map_err(ResolveError::from)?;
        Ok(Self { manifest, record })
    }

    /// Names under which it is started.
    pub fn commands(&self) -> Vec<&str> {
        self.manifest.program.commands_of(self.manifest.plugin.name.as_str())
    }
}

impl From<ManifestError> for StoreError {
    fn from(err: ManifestError) -> Self {
        Self::Resolve(err.into())
    }
}

/// Writes the files below a directory into a database. Symlinks and other special
/// files are refused, executable files stay so, and `.git` is passed over.
pub fn keep_directory(database: &ObjectDatabase, dir: &Path) -> Result<TreeId, StoreError> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(|err| io_error(dir, err))? {
        let entry = entry.map_err(|err| io_error(dir, err))?;
        let path = entry.path();
        if entry.file_name() == ".git" {
            continue;
        }
        let found = entry.metadata().map_err(|err| io_error(&path, err))?;
        let kind = if found.is_dir() {
            EntryKind::Directory(keep_directory(database, &path)?)
        } else if found.is_file() {
            let content = fs::read(&path).map_err(|err| io_error(&path, err))?;
            let id = (&mut &*database).write_blob(content.into())?;
            let mode = std::os::unix::fs::PermissionsExt::mode(&found.permissions());
            EntryKind::File { id, executable: mode & 0o111 != 0 }
        } else {
            return Err(StoreError::Special(path));
        };
        if kind == EntryKind::Directory(TreeId::EMPTY) {
            continue;
        }
        let name = std::os::unix::ffi::OsStringExt::into_vec(entry.file_name());
        entries.push(TreeEntry { name: name.into(), kind, size: None });
    }
    if entries.is_empty() {
        return Ok(TreeId::EMPTY);
    }
    Ok((&mut &*database).write_tree(entries)?)
}

fn encode(dir: &Path, value: &impl Serialize) -> Result<String, StoreError> {
    toml::to_string(value).map_err(|err| io_error(dir, std::io::Error::other(err.to_string())))
}

fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != std::io::ErrorKind::NotFound => Err(io_error(path, err)),
        _ => Ok(()),
    }
}

/// Writes a file that others see whole or not at all.
fn write(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let write = || -> std::io::Result<()> {
        use std::io::Write as _;
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(content)?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| io_error(path, source))
}

fn io_error(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use catena_tree::Objects as _;

    use super::*;

    fn manifest(name: &str) -> PluginManifest {
        let text = format!(
            "manifest = 1\n[plugin]\nname = \"{name}\"\nversion = \"1\"\nkind = \"program\"\n\
             component = \"x.wasm\"\n[program]\ncommands = [\"a\", \"b\"]\n"
        );
        toml::from_str(&text).unwrap()
    }

    fn program(name: &str) -> NewProgram {
        let component = b"not looked at".to_vec();
        NewProgram { manifest: manifest(name), component, source: "a test".to_owned() }
    }

    #[test]
    fn program_is_had_as_it_was_added_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = ProgramStore::at(&dir.path().join("programs"));
        assert!(store.list().unwrap().is_empty());
        let added = store.add(program("jq")).unwrap();
        assert_eq!(added.commands(), ["a", "b"]);
        assert_eq!(store.list().unwrap().len(), 1);
        assert_eq!(store.load("jq").unwrap().component, b"not looked at");
        store.remove("jq").unwrap();
        assert!(matches!(store.load("jq"), Err(StoreError::Unknown(_))));
    }

    #[test]
    fn program_that_was_changed_behind_the_store_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = ProgramStore::at(dir.path());
        store.add(program("jq")).unwrap();
        fs::write(dir.path().join("jq").join(COMPONENT_FILE), "another").unwrap();
        assert!(matches!(store.load("jq"), Err(StoreError::Changed { .. })));
    }

    #[test]
    fn name_that_is_no_name_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let store = ProgramStore::at(&dir.path().join("programs"));
        store.add(program("jq")).unwrap();
        for name in ["../programs/jq", "", ".", "objects.git"] {
            assert!(matches!(store.load(name), Err(StoreError::Unknown(_))), "{name}");
        }
    }

    #[test]
    fn files_are_kept_as_git_keeps_them() {
        let (dir, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(files.path().join("b/empty")).unwrap();
        fs::write(files.path().join("b/c"), "c\n").unwrap();
        fs::write(files.path().join("a"), "a\n").unwrap();
        let store = ProgramStore::at(dir.path());
        let tree = store.keep_files(files.path()).unwrap();
        assert_eq!(tree, store.keep_files(files.path()).unwrap());
        assert_eq!(store.database().unwrap().tree(tree).unwrap().len(), 2);
    }
}
