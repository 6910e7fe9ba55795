//! Reading and writing files as streams. They are always ready: the bytes are
//! in this process.

use bytes::Bytes;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::OpenNode;
use super::convert::error_code;

/// Most bytes that one read hands to a guest.
pub(super) const MAX_CHUNK: usize = 1 << 20;

/// Reads a file from an offset on.
pub(super) struct FileReader {
    file: OpenNode,
    offset: u64,
}

impl FileReader {
    pub(super) fn new(file: OpenNode, offset: u64) -> Self {
        Self { file, offset }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FileReader {
    async fn ready(&mut self) {}
}

impl InputStream for FileReader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let len = size.min(MAX_CHUNK) as u64;
        let bytes = self.file.worktree().read(self.file.node, self.offset, len).map_err(failed)?;
        if bytes.is_empty() {
            return Err(StreamError::Closed);
        }
        self.offset += bytes.len() as u64;
        Ok(bytes)
    }
}

/// Where the next bytes go.
pub(super) enum WriteAt {
    Offset(u64),
    End,
}

/// Writes a file from an offset on, or at its end.
pub(super) struct FileWriter {
    file: OpenNode,
    at: WriteAt,
}

impl FileWriter {
    pub(super) fn new(file: OpenNode, at: WriteAt) -> Self {
        Self { file, at }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FileWriter {
    async fn ready(&mut self) {}
}

impl OutputStream for FileWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if self.file.is_sink() {
            return Ok(());
        }
        let mut worktree = self.file.worktree();
        match &mut self.at {
            WriteAt::End => worktree.append(self.file.node, &bytes).map_err(failed),
            WriteAt::Offset(offset) => {
                worktree.write(self.file.node, *offset, &bytes).map_err(failed)?;
                *offset += bytes.len() as u64;
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_CHUNK)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn failed(err: catena_tree::worktree::FsError) -> StreamError {
    StreamError::LastOperationFailed(error_code(&err).into())
}
