//! Operations and calls in few words.

use crate::calls::{Access, Call, Links, Open};
use crate::operations::{From, How, Operation};

/// Opens `path` below the topmost directory, following symlinks.
pub(crate) fn open_at(path: &str, open: &[Open], access: &[Access], file: &str) -> Call {
    Call::OpenAt {
        dir: String::new(),
        links: Links::Follow,
        path: path.to_owned(),
        open: open.to_vec(),
        access: access.to_vec(),
        file: file.to_owned(),
    }
}

pub(crate) fn unlink_at(path: &str) -> Call {
    Call::UnlinkFileAt { dir: String::new(), path: path.to_owned() }
}

pub(crate) fn rename_at(path: &str, to: &str) -> Call {
    let (dir, to_dir) = (String::new(), String::new());
    Call::RenameAt { dir, path: path.to_owned(), to_dir, to: to.to_owned() }
}

pub(crate) fn stat_at(path: &str) -> Call {
    Call::StatAt { dir: String::new(), links: Links::Follow, path: path.to_owned() }
}

pub(crate) fn read_at(file: &str, len: u64, offset: u64) -> Call {
    Call::Read { file: file.to_owned(), len, offset }
}

pub(crate) fn write_at(file: &str, text: &str, offset: u64) -> Call {
    Call::Write { file: file.to_owned(), text: text.to_owned(), offset }
}

pub(crate) fn stream_read(stream: &str, len: u64) -> Call {
    Call::StreamRead { stream: stream.to_owned(), len }
}

pub(crate) fn stream_write(stream: &str, text: &str) -> Call {
    Call::StreamWrite { stream: stream.to_owned(), text: text.to_owned() }
}

pub(crate) fn open(file: &str, path: &str, how: &[How]) -> Operation {
    Operation::Open { file: file.to_owned(), path: path.to_owned(), how: how.to_vec() }
}

pub(crate) fn close(file: &str) -> Operation {
    Operation::Close { file: file.to_owned() }
}

pub(crate) fn read(file: &str, len: usize) -> Operation {
    Operation::Read { file: file.to_owned(), len }
}

pub(crate) fn write(file: &str, text: &str) -> Operation {
    Operation::Write { file: file.to_owned(), text: text.to_owned() }
}

pub(crate) fn seek(file: &str, from: From, offset: i64) -> Operation {
    Operation::Seek { file: file.to_owned(), from, offset }
}

pub(crate) fn set_len(file: &str, len: u64) -> Operation {
    Operation::SetLen { file: file.to_owned(), len }
}

pub(crate) fn set_modified(file: &str, seconds: u64) -> Operation {
    Operation::SetModified { file: file.to_owned(), seconds }
}

pub(crate) fn describe(file: &str) -> Operation {
    Operation::Describe { file: file.to_owned() }
}

pub(crate) fn metadata(path: &str) -> Operation {
    Operation::Metadata { path: path.to_owned() }
}

pub(crate) fn link_metadata(path: &str) -> Operation {
    Operation::LinkMetadata { path: path.to_owned() }
}

pub(crate) fn modified(path: &str) -> Operation {
    Operation::Modified { path: path.to_owned() }
}

pub(crate) fn read_file(path: &str) -> Operation {
    Operation::ReadFile { path: path.to_owned() }
}

pub(crate) fn write_file(path: &str, text: &str) -> Operation {
    Operation::WriteFile { path: path.to_owned(), text: text.to_owned() }
}

pub(crate) fn copy(from: &str, to: &str) -> Operation {
    Operation::Copy { from: from.to_owned(), to: to.to_owned() }
}

pub(crate) fn create_dir(path: &str) -> Operation {
    Operation::CreateDir { path: path.to_owned() }
}

pub(crate) fn create_dir_all(path: &str) -> Operation {
    Operation::CreateDirAll { path: path.to_owned() }
}

pub(crate) fn read_dir(path: &str) -> Operation {
    Operation::ReadDir { path: path.to_owned() }
}

pub(crate) fn remove_dir(path: &str) -> Operation {
    Operation::RemoveDir { path: path.to_owned() }
}

pub(crate) fn remove_dir_all(path: &str) -> Operation {
    Operation::RemoveDirAll { path: path.to_owned() }
}

pub(crate) fn remove_file(path: &str) -> Operation {
    Operation::RemoveFile { path: path.to_owned() }
}

pub(crate) fn rename(from: &str, to: &str) -> Operation {
    Operation::Rename { from: from.to_owned(), to: to.to_owned() }
}

pub(crate) fn symlink(target: &str, path: &str) -> Operation {
    Operation::Symlink { target: target.to_owned(), path: path.to_owned() }
}

pub(crate) fn read_link(path: &str) -> Operation {
    Operation::ReadLink { path: path.to_owned() }
}
