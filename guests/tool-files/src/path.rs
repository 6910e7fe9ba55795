//! Paths as a model writes them, and as the worktree knows them.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use catena_sdk::tools::ToolError;
use catena_sdk::workspace::ROOT;
use serde::Deserialize;

/// A path inside the worktree: relative, `/`-separated, without `.` or `..`.
/// The empty one is the root. It is shown as the absolute path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct WorktreePath(String);

/// A path that leads out of the worktree.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is outside of `{ROOT}`; give a path below it")]
pub(crate) struct OutsideError(String);

impl WorktreePath {
    /// The root of the worktree.
    pub(crate) fn root() -> Self {
        Self(String::new())
    }

    /// As the `workspace` import takes it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Where `std::fs` finds it.
    pub(crate) fn locate(&self) -> PathBuf {
        self.locate_below(Path::new(ROOT))
    }

    /// Where `std::fs` finds it when the worktree lies at `root`.
    pub(crate) fn locate_below(&self, root: &Path) -> PathBuf {
        if self.0.is_empty() { root.to_owned() } else { root.join(&self.0) }
    }

    /// The directory it is in, and its name there.
    pub(crate) fn split(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }
}

impl TryFrom<String> for WorktreePath {
    type Error = OutsideError;

    fn try_from(written: String) -> Result<Self, OutsideError> {
        let absolute = Path::new(ROOT).join(&written);
        let mut place: Vec<&str> = Vec::new();
        for component in absolute.components() {
            match component {
                Component::Normal(name) => place.push(name.to_str().unwrap_or_default()),
                Component::ParentDir => {
                    place.pop();
                }
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        let joined = place.join("/");
        let root = ROOT.trim_start_matches('/');
        let inside = match joined.strip_prefix(root) {
            Some("") => Some(""),
            Some(rest) => rest.strip_prefix('/'),
            None => None,
        };
        match inside {
            Some(path) => Ok(Self(path.to_owned())),
            None => Err(OutsideError(written)),
        }
    }
}

impl fmt::Display for WorktreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ROOT)?;
        if self.0.is_empty() { Ok(()) } else { write!(f, "/{}", self.0) }
    }
}

/// A glob as a model writes it, made relative to the worktree.
pub(crate) fn relative_glob(glob: &str) -> Result<String, ToolError> {
    let inside = match glob.strip_prefix(ROOT) {
        Some(rest) => rest.strip_prefix('/'),
        None if glob.starts_with('/') => None,
        None => Some(glob.strip_prefix("./").unwrap_or(glob)),
    };
    inside
        .filter(|inside| inside.split('/').all(|name| name != ".."))
        .map(str::to_owned)
        .ok_or_else(|| ToolError::InvalidArguments(OutsideError(glob.to_owned()).to_string()))
}

/// A glob that matches exactly one path.
pub(crate) fn literal_glob(path: &str) -> String {
    let mut glob = String::with_capacity(path.len());
    for character in path.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '!' | '\\') {
            glob.push('\\');
        }
        glob.push(character);
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(written: &str) -> Result<WorktreePath, OutsideError> {
        WorktreePath::try_from(written.to_owned())
    }

    #[test]
    fn absolute_and_relative_paths_mean_the_same_file() {
        for written in
            ["src/a.py", "/workspace/src/a.py", "./src//b/../a.py", "/workspace/src/./a.py"]
        {
            assert_eq!(parsed(written).unwrap().as_str(), "src/a.py", "{written}");
        }
        for written in ["", ".", "/workspace", "/workspace/", "src/.."] {
            assert_eq!(parsed(written), Ok(WorktreePath::root()), "{written}");
        }
    }

    #[test]
    fn paths_outside_are_refused_by_name() {
        for written in
            ["/etc/passwd", "../etc", "/workspace/../etc", "/workspaces/a", "/tmp/x", "/"]
        {
            let err = parsed(written).unwrap_err();
            assert!(err.to_string().starts_with(&format!("`{written}` is outside")), "{err}");
        }
    }

    #[test]
    fn globs_are_taken_relative_to_the_worktree() {
        assert_eq!(relative_glob("/workspace/src/**/*.py"), Ok("src/**/*.py".to_owned()));
        assert_eq!(relative_glob("./*.py"), Ok("*.py".to_owned()));
        for outside in ["/etc/*", "../*", "src/../../*", "/workspace"] {
            assert!(relative_glob(outside).is_err(), "{outside}");
        }
    }

    #[test]
    fn literal_glob_matches_nothing_else() {
        for path in ["a/b.py", "we[i]rd*.{x}?", "!not"] {
            assert!(fast_glob::glob_match(literal_glob(path), path), "{path}");
        }
        assert!(!fast_glob::glob_match(literal_glob("a*"), "ab"));
    }
}
