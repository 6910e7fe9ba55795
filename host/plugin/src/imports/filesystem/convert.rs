//! Types and errors of worktrees as those of `wasi:filesystem`, and back.

use catena_tree::worktree::{
    Create, FsError as TreeError, Links, LogicalTime, Metadata, NodeKind, OnOpen, OpenOptions,
    Openable, SetTime,
};
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode as Code;
use wasmtime_wasi::p2::bindings::sync::filesystem::types as wasi;

/// Bits of a node's number that tell the worktree it is in. Many guests look at
/// the lower half of a hash alone.
const DEVICE_SHIFT: u32 = 56;

pub(super) fn links(flags: wasi::PathFlags) -> Links {
    if flags.contains(wasi::PathFlags::SYMLINK_FOLLOW) { Links::Follow } else { Links::NoFollow }
}

pub(super) fn open_options(path_flags: wasi::PathFlags, flags: wasi::OpenFlags) -> OpenOptions {
    let has = |flag| flags.contains(flag);
    let create = match (has(wasi::OpenFlags::CREATE), has(wasi::OpenFlags::EXCLUSIVE)) {
        (false, _) => Create::Never,
        (true, false) => Create::IfMissing,
        (true, true) => Create::Exclusive,
    };
    let only_directory = has(wasi::OpenFlags::DIRECTORY);
    let truncate = has(wasi::OpenFlags::TRUNCATE);
    OpenOptions {
        links: links(path_flags),
        create,
        openable: if only_directory { Openable::Directory } else { Openable::Any },
        on_open: if truncate { OnOpen::Truncate } else { OnOpen::Keep },
    }
}

pub(super) fn descriptor_type(kind: NodeKind) -> wasi::DescriptorType {
    match kind {
        NodeKind::File => wasi::DescriptorType::RegularFile,
        NodeKind::Directory => wasi::DescriptorType::Directory,
        NodeKind::Symlink => wasi::DescriptorType::SymbolicLink,
    }
}

pub(super) fn stat(metadata: &Metadata) -> wasi::DescriptorStat {
    wasi::DescriptorStat {
        type_: descriptor_type(metadata.kind),
        link_count: metadata.links,
        size: metadata.size,
        data_access_timestamp: datetime(metadata.accessed),
        data_modification_timestamp: datetime(metadata.modified),
        status_change_timestamp: datetime(metadata.changed),
    }
}

fn datetime(time: LogicalTime) -> Option<wasi::Datetime> {
    let seconds = u64::try_from(time.seconds).ok()?;
    Some(wasi::Datetime { seconds, nanoseconds: time.nanoseconds })
}

pub(super) fn set_time(time: wasi::NewTimestamp) -> SetTime {
    match time {
        wasi::NewTimestamp::NoChange => SetTime::Keep,
        wasi::NewTimestamp::Now => SetTime::Now,
        wasi::NewTimestamp::Timestamp(at) => SetTime::At(LogicalTime {
            seconds: i64::try_from(at.seconds).unwrap_or(i64::MAX),
            nanoseconds: at.nanoseconds,
        }),
    }
}

/// A number that no other node of any mounted worktree has.
pub(super) fn identity(metadata: &Metadata, device: u64) -> wasi::MetadataHashValue {
    let (_, serial) = metadata.identity;
    wasi::MetadataHashValue { lower: serial | device << DEVICE_SHIFT, upper: device }
}

/// The error code of the same meaning.
pub(super) fn error_code(err: &TreeError) -> Code {
    match err {
        TreeError::Access => Code::Access,
        TreeError::NotPermitted => Code::NotPermitted,
        TreeError::BadDescriptor => Code::BadDescriptor,
        TreeError::NoEntry => Code::NoEntry,
        TreeError::Exists => Code::Exist,
        TreeError::NotDirectory => Code::NotDirectory,
        TreeError::IsDirectory => Code::IsDirectory,
        TreeError::NotEmpty => Code::NotEmpty,
        TreeError::Invalid => Code::Invalid,
        TreeError::NameTooLong => Code::NameTooLong,
        TreeError::TooManyLinks => Code::Loop,
        TreeError::Quota => Code::Quota,
        TreeError::NoSpace => Code::InsufficientSpace,
        TreeError::FileTooLarge => Code::FileTooLarge,
        TreeError::ReadOnly => Code::ReadOnly,
        TreeError::Busy => Code::Busy,
        TreeError::CrossDevice => Code::CrossDevice,
        TreeError::Unsupported => Code::Unsupported,
        TreeError::MissingObject { .. } | TreeError::Io { .. } => Code::Io,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn code(err: TreeError) -> FsError {
    error_code(&err).into()
}
