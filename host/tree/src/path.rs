//! Paths inside a repository.

use std::borrow::Borrow;
use std::fmt;

use bstr::{BStr, BString, ByteSlice};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest path in bytes that is accepted; Linux's `PATH_MAX` less its NUL.
pub const MAX_PATH: usize = 4095;

/// Longest name of one component in bytes; Linux's `NAME_MAX`.
pub const MAX_NAME: usize = 255;

/// Why bytes are not a path inside a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Absolute, or with an empty component, `.` or `..`.
    #[error("`{0}` is not a relative path without empty, `.` and `..` components")]
    NotNormal(BString),
    /// A component is `.git` in any case.
    #[error("`{0}` would lie in a git directory, which no worktree has")]
    GitDirectory(BString),
    /// A NUL byte.
    #[error("`{0}` contains a NUL byte")]
    Nul(BString),
    /// Longer than [`MAX_PATH`] or a component longer than [`MAX_NAME`].
    #[error("path of {0} bytes or one of its names is too long")]
    TooLong(usize),
}

/// A path inside a repository: relative, `/`-separated, bytes as git keeps them.
/// The root is the empty path. It never names `.`, `..` or `.git`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RepoPath(BString);

impl RepoPath {
    /// The root of the repository.
    pub fn root() -> Self {
        Self::default()
    }

    /// Checks `path` and takes it over.
    pub fn new(path: impl Into<BString>) -> Result<Self, PathError> {
        let path = path.into();
        if path.is_empty() {
            return Ok(Self(path));
        }
        if path.len() > MAX_PATH {
            return Err(PathError::TooLong(path.len()));
        }
        for name in path.split_str("/") {
            check_name(name.as_bstr()).map_err(|reason| reason.at(&path))?;
        }
        Ok(Self(path))
    }

    /// The path of `name` in this directory.
    pub fn join(&self, name: &BStr) -> Result<Self, PathError> {
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Self::new(path)
    }

    /// The bytes of the path.
    pub fn as_bstr(&self) -> &BStr {
        self.0.as_bstr()
    }

    /// The path as text, unless it is not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        self.0.to_str().ok()
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The names along the path; none for the root.
    pub fn components(&self) -> impl Iterator<Item = &BStr> {
        self.0.split_str("/").map(ByteSlice::as_bstr).filter(|name| !name.is_empty())
    }

    /// The directory this path is in, `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.rfind_byte(b'/').unwrap_or(0);
        self.0.get(..end).map(|parent| Self(parent.into()))
    }

    /// The last component, `None` for the root.
    pub fn file_name(&self) -> Option<&BStr> {
        self.components().last()
    }

    /// Whether this path is `ancestor` or lies below it.
    pub fn is_at_or_below(&self, ancestor: &Self) -> bool {
        ancestor.is_root()
            || self
                .0
                .strip_prefix(ancestor.0.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

/// What is wrong with one component.
enum NameFault {
    NotNormal,
    GitDirectory,
    Nul,
    TooLong,
}

impl NameFault {
    fn at(self, path: &BString) -> PathError {
        match self {
            Self::NotNormal => PathError::NotNormal(path.clone()),
            Self::GitDirectory => PathError::GitDirectory(path.clone()),
            Self::Nul => PathError::Nul(path.clone()),
            Self::TooLong => PathError::TooLong(path.len()),
        }
    }
}

fn check_name(name: &BStr) -> Result<(), NameFault> {
    if name.is_empty() || name == "." || name == ".." || name.contains(&b'/') {
        return Err(NameFault::NotNormal);
    }
    if name.eq_ignore_ascii_case(b".git") {
        return Err(NameFault::GitDirectory);
    }
    if name.contains(&0) {
        return Err(NameFault::Nul);
    }
    if name.len() > MAX_NAME {
        return Err(NameFault::TooLong);
    }
    Ok(())
}

/// Checks that `name` can be one entry of a directory.
pub fn check_entry_name(name: &BStr) -> Result<(), PathError> {
    check_name(name).map_err(|reason| reason.at(&name.to_owned()))
}

/// Paths compare as their bytes do.
impl Borrow<BStr> for RepoPath {
    fn borrow(&self) -> &BStr {
        self.as_bstr()
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() { f.write_str(".") } else { fmt::Display::fmt(&self.0, f) }
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::str::FromStr for RepoPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

/// Text where the path is UTF-8, otherwise a list of its bytes.
impl Serialize for RepoPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_str() {
            Some(text) if serializer.is_human_readable() => serializer.serialize_str(text),
            _ => self.0.as_slice().serialize(serializer),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrBytes {
    Text(String),
    Bytes(Vec<u8>),
}

impl<'de> Deserialize<'de> for RepoPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = if deserializer.is_human_readable() {
            match TextOrBytes::deserialize(deserializer)? {
                TextOrBytes::Text(text) => text.into_bytes(),
                TextOrBytes::Bytes(bytes) => bytes,
            }
        } else {
            Vec::<u8>::deserialize(deserializer)?
        };
        Self::new(bytes).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_paths_are_refused() {
        for path in ["/a", "a//b", "a/", "a/./b", "../a", ".git/config", "a/.GIT/x", "a\0b"] {
            assert!(RepoPath::new(path).is_err(), "{path:?}");
        }
        assert!(RepoPath::new("x".repeat(256)).is_err());
        assert!(RepoPath::new(".gitignore").is_ok());
    }

    #[test]
    fn path_below_is_a_matter_of_components() {
        let dir = RepoPath::new("src/a").unwrap();
        assert!(RepoPath::new("src/a/b").unwrap().is_at_or_below(&dir));
        assert!(!RepoPath::new("src/ab").unwrap().is_at_or_below(&dir));
        assert_eq!(RepoPath::new("src/a/b").unwrap().parent(), Some(dir));
        assert_eq!(RepoPath::new("src").unwrap().parent(), Some(RepoPath::root()));
    }
}
