//! Where the files of the shell lie for `std::fs`, so that commands can read
//! parts of them.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

/// Directories by the paths under which the shell sees them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    mounts: Vec<(PathBuf, PathBuf)>,
}

impl Places {
    /// Adds a mount.
    pub(crate) fn add(&mut self, path: &Path, directory: &Path) {
        self.mounts.push((path.to_owned(), directory.to_owned()));
    }

    /// Where a path of the shell lies, if it is in a mount.
    pub(crate) fn locate(&self, cwd: &Path, path: &str) -> Option<PathBuf> {
        let place = plain(&cwd.join(path))?;
        self.mounts.iter().find_map(|(mount, directory)| {
            let inside = place.strip_prefix(mount).ok()?;
            Some(if inside.as_os_str().is_empty() {
                directory.clone()
            } else {
                directory.join(inside)
            })
        })
    }

    /// Opens a regular file. None where the shell's own file system has to be
    /// asked: for what is in no mount, and for links that lead out of theirs.
    pub(crate) fn open(&self, cwd: &Path, path: &str) -> Option<(File, u64)> {
        let file = File::open(self.locate(cwd, path)?).ok()?;
        let found = file.metadata().ok()?;
        found.is_file().then_some((file, found.len()))
    }
}

/// A path without `.` and `..`; none where a link might stand before a `..`.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) => return None,
            other => plain.push(other),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_into_their_mounts() {
        let mut places = Places::default();
        places.add(Path::new("/workspace"), Path::new("/real/tree"));
        places.add(Path::new("/tmp"), Path::new("/real/scratch"));
        let cwd = Path::new("/workspace/src");
        for (path, expected) in [
            ("a.py", Some("/real/tree/src/a.py")),
            ("../b", Some("/real/tree/b")),
            ("/tmp/./c", Some("/real/scratch/c")),
            ("/workspace", Some("/real/tree")),
            ("/etc/passwd", None),
            ("/workspaces/x", None),
        ] {
            assert_eq!(places.locate(cwd, path), expected.map(PathBuf::from), "{path}");
        }
    }
}
