//! The file that a worker puts on disk what guests write beyond its memory.
//!
//! The host opens it and sends it ahead of all messages, so that the worker needs
//! no file system. It has no name: it is gone with the last process that has it.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// A descriptor does not travel without a byte.
const CARRIER: &[u8] = b"f";

/// Sends a file without a name.
pub(crate) fn give_file(pipe: &UnixStream, file: &File) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [file.as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    sendmsg(pipe, &[IoSlice::new(CARRIER)], &mut control, SendFlags::empty())?;
    Ok(())
}

/// Receives what [`give_file`] sent.
pub(crate) fn take_file(pipe: &UnixStream) -> io::Result<File> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut carrier = [0; CARRIER.len()];
    let flags = RecvFlags::CMSG_CLOEXEC;
    recvmsg(pipe, &mut [IoSliceMut::new(&mut carrier)], &mut control, flags)?;
    let files = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    files.flatten().next().map(File::from).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn file_arrives_open_and_without_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let (host, worker) = UnixStream::pair().unwrap();
        give_file(&host, &tempfile::tempfile_in(dir.path()).unwrap()).unwrap();
        let file = take_file(&worker).unwrap();
        file.write_all_at(b"content", 5).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 12);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
