//! Carries out calls of `wasi:filesystem` as they are, with no libc between.

use std::collections::BTreeMap;

use wasip2::clocks::monotonic_clock;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntryStream,
    ErrorCode, NewTimestamp, OpenFlags, PathFlags, filesystem_error_code,
};
use wasip2::io::poll::poll;
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use crate::calls::{Access, Call, Links, Open, Time};
use crate::operations::Outcome;

/// Times before this are told as they are; a later one is a time at which
/// something happened.
const LATER: u64 = 1_200_000_000;

/// Carries out all calls in order, whether or not some fail. What they name is
/// below the preopened directory `root`.
pub(crate) fn perform_all(root: &str, calls: &[Call]) -> Vec<Outcome> {
    let mut held = Held::default();
    for (descriptor, path) in get_directories() {
        if path == root {
            held.files.insert("", descriptor);
        }
    }
    let outcome = |call| match held.perform(call) {
        Ok(found) => Outcome::Done(found),
        Err(failure) => Outcome::Failed(failure.0),
    };
    calls.iter().map(outcome).collect()
}

/// What a call failed with, by the name that the interface gives it.
struct Failure(String);

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self(code.name().to_owned())
    }
}

impl From<StreamError> for Failure {
    fn from(err: StreamError) -> Self {
        match err {
            StreamError::Closed => Self("closed".to_owned()),
            StreamError::LastOperationFailed(err) => match filesystem_error_code(&err) {
                Some(code) => code.into(),
                None => Self(format!("error without a code: {}", err.to_debug_string())),
            },
        }
    }
}

type Answer = Result<String, Failure>;

/// All that calls gave names. Streams and listings go before their files.
#[derive(Default)]
struct Held<'a> {
    readers: BTreeMap<&'a str, InputStream>,
    writers: BTreeMap<&'a str, OutputStream>,
    listings: BTreeMap<&'a str, DirectoryEntryStream>,
    files: BTreeMap<&'a str, Descriptor>,
}

impl<'a> Held<'a> {
    fn file(&self, name: &str) -> Result<&Descriptor, Failure> {
        self.files.get(name).ok_or_else(not_held)
    }

    fn reader(&self, name: &str) -> Result<&InputStream, Failure> {
        self.readers.get(name).ok_or_else(not_held)
    }

    fn writer(&self, name: &str) -> Result<&OutputStream, Failure> {
        self.writers.get(name).ok_or_else(not_held)
    }

    fn perform(&mut self, call: &'a Call) -> Answer {
        match call {
            Call::OpenAt { dir, links, path, open, access, file } => {
                let (open, access) = (open_flags(open), access_flags(access));
                let opened = self.file(dir)?.open_at(path_flags(*links), path, open, access)?;
                self.files.insert(file, opened);
                done(())
            }
            Call::Drop { file } => {
                self.files.remove(file.as_str()).ok_or_else(not_held).and_then(|_| done(()))
            }
            Call::Listing { dir, listing } => {
                let opened = self.file(dir)?.read_directory()?;
                self.listings.insert(listing, opened);
                done(())
            }
            Call::ListingRest { listing } => {
                list(self.listings.get(listing.as_str()).ok_or_else(not_held)?)
            }
            Call::Now => Ok(monotonic_clock::now().to_string()),
            Call::Poll { streams, timer } => self.poll(streams, *timer),
            Call::ReadViaStream { .. }
            | Call::WriteViaStream { .. }
            | Call::AppendViaStream { .. }
            | Call::StreamRead { .. }
            | Call::StreamSkip { .. }
            | Call::StreamWrite { .. }
            | Call::StreamZeroes { .. }
            | Call::StreamDrop { .. } => self.perform_on_stream(call),
            Call::CreateDirectoryAt { .. }
            | Call::RemoveDirectoryAt { .. }
            | Call::UnlinkFileAt { .. }
            | Call::RenameAt { .. }
            | Call::SymlinkAt { .. }
            | Call::ReadlinkAt { .. }
            | Call::LinkAt { .. }
            | Call::StatAt { .. }
            | Call::SetTimesAt { .. } => self.perform_by_path(call),
            on_file => self.perform_on_file(on_file),
        }
    }

    fn poll(&self, streams: &[String], timer: u64) -> Answer {
        let subscribe = |name: &String| match (self.reader(name), self.writer(name)) {
            (Ok(reader), _) => Ok(reader.subscribe()),
            (_, Ok(writer)) => Ok(writer.subscribe()),
            (Err(missing), _) => Err(missing),
        };
        let mut pollables = streams.iter().map(subscribe).collect::<Result<Vec<_>, _>>()?;
        pollables.push(monotonic_clock::subscribe_duration(timer));
        let ready = poll(&pollables.iter().collect::<Vec<_>>());
        Ok(format!("{ready:?}"))
    }

    fn perform_on_stream(&mut self, call: &'a Call) -> Answer {
        match call {
            Call::ReadViaStream { file, offset, stream } => {
                let opened = self.file(file)?.read_via_stream(*offset)?;
                self.readers.insert(stream, opened);
                done(())
            }
            Call::WriteViaStream { file, offset, stream } => {
                let opened = self.file(file)?.write_via_stream(*offset)?;
                self.writers.insert(stream, opened);
                done(())
            }
            Call::AppendViaStream { file, stream } => {
                let opened = self.file(file)?.append_via_stream()?;
                self.writers.insert(stream, opened);
                done(())
            }
            Call::StreamRead { stream, len } => {
                Ok(text(&self.reader(stream)?.blocking_read(*len)?))
            }
            Call::StreamSkip { stream, len } => {
                Ok(self.reader(stream)?.blocking_skip(*len)?.to_string())
            }
            Call::StreamWrite { stream, text } => {
                done(self.writer(stream)?.blocking_write_and_flush(text.as_bytes())?)
            }
            Call::StreamZeroes { stream, len } => {
                done(self.writer(stream)?.blocking_write_zeroes_and_flush(*len)?)
            }
            Call::StreamDrop { stream } => {
                let reader = self.readers.remove(stream.as_str()).is_some();
                let writer = self.writers.remove(stream.as_str()).is_some();
                if reader || writer { done(()) } else { Err(not_held()) }
            }
            other => Err(Failure(format!("{other:?} is about no stream"))),
        }
    }

    fn perform_by_path(&self, call: &Call) -> Answer {
        match call {
            Call::CreateDirectoryAt { dir, path } => {
                done(self.file(dir)?.create_directory_at(path)?)
            }
            Call::RemoveDirectoryAt { dir, path } => {
                done(self.file(dir)?.remove_directory_at(path)?)
            }
            Call::UnlinkFileAt { dir, path } => done(self.file(dir)?.unlink_file_at(path)?),
            Call::RenameAt { dir, path, to_dir, to } => {
                done(self.file(dir)?.rename_at(path, self.file(to_dir)?, to)?)
            }
            Call::SymlinkAt { dir, target, path } => {
                done(self.file(dir)?.symlink_at(target, path)?)
            }
            Call::ReadlinkAt { dir, path } => Ok(self.file(dir)?.readlink_at(path)?),
            Call::LinkAt { dir, path, to } => {
                let dir = self.file(dir)?;
                done(dir.link_at(PathFlags::empty(), path, dir, to)?)
            }
            Call::StatAt { dir, links, path } => {
                Ok(describe(&self.file(dir)?.stat_at(path_flags(*links), path)?))
            }
            Call::SetTimesAt { dir, links, path, accessed, modified } => {
                let (accessed, modified) = (timestamp(*accessed), timestamp(*modified));
                let links = path_flags(*links);
                done(self.file(dir)?.set_times_at(links, path, accessed, modified)?)
            }
            other => Err(Failure(format!("{other:?} is about no path"))),
        }
    }

    fn perform_on_file(&self, call: &Call) -> Answer {
        match call {
            Call::Stat { file } => Ok(describe(&self.file(file)?.stat()?)),
            Call::SetSize { file, size } => done(self.file(file)?.set_size(*size)?),
            Call::SetTimes { file, accessed, modified } => {
                done(self.file(file)?.set_times(timestamp(*accessed), timestamp(*modified))?)
            }
            Call::Accessed { file } => {
                let time = self.file(file)?.stat()?.data_access_timestamp;
                Ok(in_seconds(time.map(|time| time.seconds)))
            }
            Call::Read { file, len, offset } => {
                let (bytes, _) = self.file(file)?.read(*len, *offset)?;
                Ok(text(&bytes))
            }
            Call::Write { file, text, offset } => {
                Ok(self.file(file)?.write(text.as_bytes(), *offset)?.to_string())
            }
            Call::ReadDirectory { dir } => list(&self.file(dir)?.read_directory()?),
            Call::Advise { file, offset, len } => {
                done(self.file(file)?.advise(*offset, *len, Advice::Sequential)?)
            }
            Call::Sync { file } => done(self.file(file)?.sync()?),
            Call::SyncData { file } => done(self.file(file)?.sync_data()?),
            Call::GetType { file } => Ok(kind(self.file(file)?.get_type()?).to_owned()),
            Call::GetFlags { file } => Ok(told(self.file(file)?.get_flags()?)),
            Call::IsSameObject { a, b } => {
                Ok(self.file(a)?.is_same_object(self.file(b)?).to_string())
            }
            Call::SameHash { file, dir, links, path } => {
                let a = self.file(file)?.metadata_hash()?;
                let b = self.file(dir)?.metadata_hash_at(path_flags(*links), path)?;
                Ok((a.lower == b.lower && a.upper == b.upper).to_string())
            }
            other => Err(Failure(format!("{other:?} is about no descriptor"))),
        }
    }
}

fn not_held() -> Failure {
    Failure("not held".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "it stands at the end of calls that can fail")]
fn done((): ()) -> Answer {
    Ok(String::new())
}

/// Entries that come one by one, in the order of their names.
fn list(listing: &DirectoryEntryStream) -> Answer {
    let mut lines = Vec::new();
    while let Some(entry) = listing.read_directory_entry()? {
        lines.push(format!("{} {}\n", entry.name, kind(entry.type_)));
    }
    lines.sort();
    Ok(lines.concat())
}

/// Size and number of links of a directory are each system's own matter.
fn describe(stat: &DescriptorStat) -> String {
    let modified = in_seconds(stat.data_modification_timestamp.map(|time| time.seconds));
    match stat.type_ {
        DescriptorType::Directory => format!("directory, modified {modified}"),
        other => {
            let (kind, links, size) = (kind(other), stat.link_count, stat.size);
            format!("{kind} of {size} with {links} links, modified {modified}")
        }
    }
}

fn in_seconds(time: Option<u64>) -> String {
    match time {
        Some(seconds) if seconds < LATER => seconds.to_string(),
        Some(_) => "later".to_owned(),
        None => "never".to_owned(),
    }
}

fn kind(kind: DescriptorType) -> &'static str {
    match kind {
        DescriptorType::Directory => "directory",
        DescriptorType::RegularFile => "file",
        DescriptorType::SymbolicLink => "symlink",
        _ => "other",
    }
}

/// Flags of synchronous writes are not looked at: nothing here asks for them.
fn told(flags: DescriptorFlags) -> String {
    let names = [
        (DescriptorFlags::READ, "read"),
        (DescriptorFlags::WRITE, "write"),
        (DescriptorFlags::MUTATE_DIRECTORY, "mutate-directory"),
    ];
    let held = names.iter().filter(|(flag, _)| flags.contains(*flag));
    held.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

fn path_flags(links: Links) -> PathFlags {
    match links {
        Links::Follow => PathFlags::SYMLINK_FOLLOW,
        Links::Stay => PathFlags::empty(),
    }
}

fn open_flags(flags: &[Open]) -> OpenFlags {
    let flag = |flag: &Open| match flag {
        Open::Create => OpenFlags::CREATE,
        Open::Directory => OpenFlags::DIRECTORY,
        Open::Exclusive => OpenFlags::EXCLUSIVE,
        Open::Truncate => OpenFlags::TRUNCATE,
    };
    flags.iter().map(flag).fold(OpenFlags::empty(), |all, flag| all | flag)
}

fn access_flags(flags: &[Access]) -> DescriptorFlags {
    let flag = |flag: &Access| match flag {
        Access::Read => DescriptorFlags::READ,
        Access::Write => DescriptorFlags::WRITE,
        Access::MutateDirectory => DescriptorFlags::MUTATE_DIRECTORY,
    };
    flags.iter().map(flag).fold(DescriptorFlags::empty(), |all, flag| all | flag)
}

fn timestamp(time: Time) -> NewTimestamp {
    match time {
        Time::Keep => NewTimestamp::NoChange,
        Time::Now => NewTimestamp::Now,
        Time::At(seconds) => NewTimestamp::Timestamp(wasip2::clocks::wall_clock::Datetime {
            seconds,
            nanoseconds: 0,
        }),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
