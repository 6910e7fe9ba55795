//! A journal that another process writes, read as it grows.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::JournalError;
use super::line::{self, Blobs};
use crate::record::Record;

/// The end of a journal. It also shows records that later ones take back.
#[derive(Debug)]
pub struct JournalTail {
    path: PathBuf,
    blobs: Blobs,
    read: u64,
    lines: usize,
}

impl JournalTail {
    /// The journal at `path`, from its beginning.
    pub fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), blobs: Blobs::beside(path), read: 0, lines: 0 }
    }

    /// The records that came since the last time.
    pub fn more(&mut self) -> Result<Vec<Record>, JournalError> {
        let io_error = |source| JournalError::Io { path: self.path.clone(), source };
        let mut file = File::open(&self.path).map_err(io_error)?;
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(self.read)).map_err(io_error)?;
        file.read_to_end(&mut text).map_err(io_error)?;
        let mut records = Vec::new();
        // What has no end yet is being written.
        for bytes in
            text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
        {
            let record = line::decode(bytes, &self.blobs).map_err(|reason| {
                JournalError::Damaged { path: self.path.clone(), line: self.lines + 1, reason }
            })?;
            self.read += bytes.len() as u64;
            self.lines += 1;
            records.push(record);
        }
        Ok(records)
    }
}
