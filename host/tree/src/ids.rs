//! Ids of git objects. One type per kind, so that a tree is never taken for a blob.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is not an object id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an object id: 40 hexadecimal digits are needed")]
pub struct IdError(String);

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident, $kind:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 20]);

        impl $name {
            /// Computes the id that git gives `content`.
            pub fn of(content: &[u8]) -> Self {
                let hashed = gix::objs::compute_hash(gix::hash::Kind::Sha1, $kind, content);
                // Hashing fails only on a SHA-1 collision attack; such content
                // gets the null id, which no object source serves.
                hashed.map_or(Self([0; 20]), |id| Self::from(id))
            }

            /// The 20 bytes of the id.
            pub fn as_bytes(&self) -> &[u8; 20] {
                &self.0
            }
        }

        impl From<[u8; 20]> for $name {
            fn from(bytes: [u8; 20]) -> Self {
                Self(bytes)
            }
        }

        impl From<gix::ObjectId> for $name {
            fn from(id: gix::ObjectId) -> Self {
                let mut bytes = [0; 20];
                bytes.copy_from_slice(id.as_slice());
                Self(bytes)
            }
        }

        impl From<$name> for gix::ObjectId {
            fn from(id: $name) -> Self {
                gix::ObjectId::from(id.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                gix::ObjectId::from_hex(text.as_bytes())
                    .map(Self::from)
                    .map_err(|_| IdError(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                gix::ObjectId::from(*self).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        /// Hexadecimal in texts such as JSON, 20 bytes in binary formats.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                    text.parse().map_err(de::Error::custom)
                } else {
                    <[u8; 20]>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

object_id!(
    /// Id of a git tree: a state of the codebase, or of one directory of it.
    TreeId,
    gix::objs::Kind::Tree
);
object_id!(
    /// Id of a git blob: the content of a file, or the target of a symlink.
    BlobId,
    gix::objs::Kind::Blob
);
object_id!(
    /// Id of a git commit.
    CommitId,
    gix::objs::Kind::Commit
);

impl TreeId {
    /// The tree without entries, which every repository has.
    pub const EMPTY: Self = Self([
        0x4b, 0x82, 0x5d, 0xc6, 0x42, 0xcb, 0x6e, 0xb9, 0xa0, 0x60, 0xe5, 0x4b, 0xf8, 0xd6, 0x92,
        0x88, 0xfb, 0xee, 0x49, 0x04,
    ]);
}
