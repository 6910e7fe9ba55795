//! Commands outside the sandbox, as both ends of the pipe see them: what a
//! session offers its plugins, what it asks the host to run, and what came of it.
//!
//! Nothing here runs anything: the host does, in `catena-native`, from the two
//! trees that a start names, and its answer names the two that are left.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use catena_tree::{RepoPath, TreeId};
use serde::{Deserialize, Serialize};

use crate::capability::WorkspaceAccess;

/// Commands that plugins may be granted under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeOffer {
    /// The name in grants. It is a command too, which runs its arguments.
    pub name: String,
    /// Names of commands.
    pub commands: Vec<String>,
}

/// A directory as it stands: its tree, and what no tree holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its files.
    pub tree: TreeId,
    /// Its empty directories.
    pub empty: Vec<RepoPath>,
}

/// A command for the host to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeStart {
    /// The plugin that starts it.
    pub plugin: String,
    /// The name under which it is granted.
    pub program: String,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Variables that the caller sets.
    pub environment: Vec<(String, String)>,
    /// Absolute path, as the sandbox sees it.
    pub directory: String,
    /// Standard input.
    pub stdin: NativeBytes,
    /// What the caller may do with the worktree.
    pub access: WorkspaceAccess,
    /// `/workspace`.
    pub worktree: Standing,
    /// `tmp` for `/tmp` and `home` for `/home/agent`.
    pub scratch: Standing,
    /// How long it may take. Not part of what is compared in a replay.
    pub wall: Duration,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeEnd {
    /// How it ended.
    pub outcome: NativeOutcome,
    /// What it wrote, without the middle where that was too much.
    pub stdout: NativeBytes,
    /// The same.
    pub stderr: NativeBytes,
    /// Bytes that were cut out of both.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted_bytes: u64,
    /// What it left in `/workspace`.
    pub worktree: Standing,
    /// What it left elsewhere.
    pub scratch: Standing,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NativeOutcome {
    /// By itself or by a signal, with this exit status.
    Ended(i32),
    /// Its time was up, and it was killed.
    TimedOut,
    /// It was killed for taking more than the operator allows; says of what.
    LimitReached(String),
    /// It could not be started; says why.
    NotStarted(String),
}

/// Bytes that are mostly text, and stand in a journal as such where they are; else in
/// base64, as one string.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct NativeBytes(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Bytes { base64: String },
}

impl From<NativeBytes> for Form {
    fn from(bytes: NativeBytes) -> Self {
        match String::from_utf8(bytes.0) {
            Ok(text) => Self::Text(text),
            Err(err) => Self::Bytes { base64: BASE64_STANDARD.encode(err.as_bytes()) },
        }
    }
}

impl TryFrom<Form> for NativeBytes {
    type Error = base64::DecodeError;

    fn try_from(form: Form) -> Result<Self, base64::DecodeError> {
        match form {
            Form::Text(text) => Ok(Self(text.into_bytes())),
            Form::Bytes { base64 } => BASE64_STANDARD.decode(base64).map(Self),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_texts_in_a_journal_where_they_can_be() {
        for (bytes, expected) in [(&b"a\n"[..], r#""a\n""#), (&[0xff, 1], r#"{"base64":"/wE="}"#)] {
            let bytes = NativeBytes(bytes.to_vec());
            let json = serde_json::to_string(&bytes).unwrap();
            assert_eq!(json, expected);
            assert_eq!(serde_json::from_str::<NativeBytes>(&json).unwrap(), bytes);
        }
    }
}
