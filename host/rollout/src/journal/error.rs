//! Why a journal is of no use, with its path.

use std::path::{Path, PathBuf};

/// Why a journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file can't be read or written.
    #[error("journal `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line other than the last is damaged.
    #[error("journal `{path}`, line {line}: {reason}; the file was altered or the disk is failing")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The journal is not of this rollout under this plan.
    #[error("journal `{path}` is of {found}, not of {expected}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is of.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// The replay came to another record than the journal has.
    #[error(
        "replaying `{path}` strays at record {index}: the journal has {journaled}, the replay \
         {replayed}; the program, a plugin or the repository has changed{since}"
    )]
    Strayed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        index: usize,
        /// The record in the journal.
        journaled: String,
        /// The record of the replay.
        replayed: String,
        /// In which program or engine the journal was begun, where that was another.
        since: String,
    },
    /// A verification came to an exchange the journal does not have.
    #[error("journal `{path}` ends before the rollout does, so the replay would need a live model")]
    Incomplete {
        /// The file.
        path: PathBuf,
    },
}

impl JournalError {
    /// The journal.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::Damaged { path, .. }
            | Self::Foreign { path, .. }
            | Self::Strayed { path, .. }
            | Self::Incomplete { path } => path,
        }
    }
}
