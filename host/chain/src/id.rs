//! Names that cannot hold a wrong value.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Longest chain or stage id, so that both fit into one file name.
pub const MAX_ID: usize = 100;

const ID_PATTERN: &str = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$";
const REPOSITORY_PATTERN: &str = "^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$";
const DIGEST_PATTERN: &str = "^[0-9a-f]{64}$";

/// Why a text is not a name of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a chain or stage id.
    #[error(
        "`{0}` is not an id: 1 to {MAX_ID} letters, digits, `.`, `_` or `-`, not starting with `.`"
    )]
    Id(String),
    /// Not a repository name.
    #[error("`{0}` is not a repository name of the form `owner/name`")]
    Repository(String),
    /// Not a SHA-256 digest.
    #[error("`{0}` is not a SHA-256 digest: 64 lower-case hexadecimal digits are needed")]
    Digest(String),
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident, $error:ident, $pattern:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and takes it over.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                if $check(&text) { Ok(Self(text)) } else { Err(NameError::$error(text)) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

name!(
    /// Names a chain; unique in its file. Usable as a file name.
    ChainId,
    is_id,
    Id,
    ID_PATTERN
);
name!(
    /// Names a stage; unique in its chain. Usable as a file name.
    StageId,
    is_id,
    Id,
    ID_PATTERN
);
name!(
    /// A repository as `owner/name`.
    RepositoryName,
    is_repository,
    Repository,
    REPOSITORY_PATTERN
);
name!(
    /// The SHA-256 digest of a patch, in hexadecimal.
    PatchDigest,
    is_digest,
    Digest,
    DIGEST_PATTERN
);

impl RepositoryName {
    /// The part after the slash.
    pub fn short(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }
}

impl PatchDigest {
    /// The digest of `patch`.
    pub fn of(patch: &[u8]) -> Self {
        let mut text = String::with_capacity(64);
        for byte in Sha256::digest(patch) {
            for nibble in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(nibble), 16));
            }
        }
        Self(text)
    }
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(is_name_byte)
}

fn is_repository(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(is_name_byte);
    text.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_usable_as_file_names() {
        for text in ["", ".", "..", ".hidden", "a/b", "a b", "ä", &"x".repeat(101)] {
            assert!(ChainId::new(text).is_err(), "{text:?}");
        }
        assert_eq!(StageId::new("pr-12_a.b").unwrap().as_str(), "pr-12_a.b");
    }

    #[test]
    fn repository_names_have_owner_and_name() {
        assert!(RepositoryName::new("scipy").is_err());
        assert!(RepositoryName::new("a/b/c").is_err());
        assert_eq!(RepositoryName::new("scipy/scipy-x").unwrap().short(), "scipy-x");
    }

    #[test]
    fn digest_is_that_of_sha256sum() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(PatchDigest::of(b"").as_str(), empty);
        assert!(PatchDigest::new(empty.to_uppercase()).is_err());
    }
}
