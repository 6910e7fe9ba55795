//! Calls of `wasi:filesystem` and of its streams as data. [`crate::perform`]
//! carries them out in the guest; the test makes them up and compares answers.

use serde::{Deserialize, Serialize};

/// One call. Descriptors, streams and listings go by names that calls give
/// them; the empty name is the directory everything happens below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Call {
    /// `open-at`; the descriptor becomes `file`.
    OpenAt {
        dir: String,
        links: Links,
        path: String,
        open: Vec<Open>,
        access: Vec<Access>,
        file: String,
    },
    /// Drops a descriptor.
    Drop { file: String },
    /// `create-directory-at`.
    CreateDirectoryAt { dir: String, path: String },
    /// `remove-directory-at`.
    RemoveDirectoryAt { dir: String, path: String },
    /// `unlink-file-at`.
    UnlinkFileAt { dir: String, path: String },
    /// `rename-at`.
    RenameAt { dir: String, path: String, to_dir: String, to: String },
    /// `symlink-at`.
    SymlinkAt { dir: String, target: String, path: String },
    /// `readlink-at`.
    ReadlinkAt { dir: String, path: String },
    /// `link-at`.
    LinkAt { dir: String, path: String, to: String },
    /// `stat`.
    Stat { file: String },
    /// `stat-at`.
    StatAt { dir: String, links: Links, path: String },
    /// `set-size`.
    SetSize { file: String, size: u64 },
    /// `set-times`.
    SetTimes { file: String, accessed: Time, modified: Time },
    /// `set-times-at`.
    SetTimesAt { dir: String, links: Links, path: String, accessed: Time, modified: Time },
    /// The time of access, of which `stat` here says nothing.
    Accessed { file: String },
    /// `read`.
    Read { file: String, len: u64, offset: u64 },
    /// `write`.
    Write { file: String, text: String, offset: u64 },
    /// `read-via-stream`; the stream becomes `stream`.
    ReadViaStream { file: String, offset: u64, stream: String },
    /// `write-via-stream`.
    WriteViaStream { file: String, offset: u64, stream: String },
    /// `append-via-stream`.
    AppendViaStream { file: String, stream: String },
    /// `blocking-read` of a stream.
    StreamRead { stream: String, len: u64 },
    /// `blocking-skip` of a stream.
    StreamSkip { stream: String, len: u64 },
    /// `blocking-write-and-flush` of a stream.
    StreamWrite { stream: String, text: String },
    /// `blocking-write-zeroes-and-flush` of a stream.
    StreamZeroes { stream: String, len: u64 },
    /// Drops a stream.
    StreamDrop { stream: String },
    /// `read-directory`, to its end, in the order of names.
    ReadDirectory { dir: String },
    /// `read-directory`; the listing becomes `listing`.
    Listing { dir: String, listing: String },
    /// The rest of a listing, in the order of names.
    ListingRest { listing: String },
    /// `advise`.
    Advise { file: String, offset: u64, len: u64 },
    /// `sync`.
    Sync { file: String },
    /// `sync-data`.
    SyncData { file: String },
    /// `get-type`.
    GetType { file: String },
    /// `get-flags`.
    GetFlags { file: String },
    /// `is-same-object`.
    IsSameObject { a: String, b: String },
    /// `now` of the monotonic clock.
    Now,
    /// `poll` of the streams and of one timer of so many nanoseconds behind
    /// them, in this order. Tells the indices that are ready.
    Poll { streams: Vec<String>, timer: u64 },
    /// Whether `metadata-hash` of a descriptor is `metadata-hash-at` of a path.
    SameHash { file: String, dir: String, links: Links, path: String },
}

/// Whether a symlink as the last component is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Links {
    /// It is.
    Follow,
    /// It is not.
    Stay,
}

/// One of `open-flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Open {
    /// `create`.
    Create,
    /// `directory`.
    Directory,
    /// `exclusive`.
    Exclusive,
    /// `truncate`.
    Truncate,
}

/// One of `descriptor-flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Access {
    /// `read`.
    Read,
    /// `write`.
    Write,
    /// `mutate-directory`.
    MutateDirectory,
}

/// A `new-timestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Time {
    /// `no-change`.
    Keep,
    /// `now`.
    Now,
    /// `timestamp`, in seconds since 1970.
    At(u64),
}
