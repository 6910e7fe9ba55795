//! Files that are there whole or not at all, compressed as their names say:
//! `.gz` by gzip, `.zst` by Zstandard.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, FrameCompressor};

use crate::profile::Profile;

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file can't be written.
    #[error("can't write `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The form can't do what is asked of it.
    #[error("`{}` can't {condition}", profile.name())]
    Unfit {
        /// The form.
        profile: Profile,
        /// What it was asked to do.
        condition: &'static str,
    },
    /// A source can't be read.
    #[error(transparent)]
    Source(#[from] crate::source::SourceError),
}

impl ExportError {
    /// A failure at a path.
    pub fn io(path: &Path) -> impl Fn(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }
}

/// A file under a name of its own until it is whole. One that is dropped before
/// leaves nothing under the name that it was to have.
pub struct OutFile {
    path: PathBuf,
    part: Unfinished,
    sink: Sink,
    /// Bytes before compression.
    written: u64,
}

/// A file that is removed unless it was given another name before.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is not there any more where all went well.
        let _ = fs::remove_file(&self.0);
    }
}

enum Sink {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    /// One frame, as readers stop after the first: it is made by a thread that
    /// reads what is written here.
    Zstandard {
        pipe: BufWriter<std::io::PipeWriter>,
        thread: JoinHandle<std::io::Result<BufWriter<File>>>,
    },
}

impl OutFile {
    /// Begins the file that will be at `path`.
    pub fn create(path: &Path) -> Result<Self, ExportError> {
        let part = Unfinished(with_ending(path, ".part"));
        let sink = Sink::create(&part.0, path).map_err(ExportError::io(path))?;
        Ok(Self { path: path.to_owned(), part, sink, written: 0 })
    }

    /// Gives the file its name. Returns its bytes before and after compression.
    pub fn finish(self) -> Result<(u64, u64), ExportError> {
        let io_error = ExportError::io(&self.path);
        let all = || -> std::io::Result<u64> {
            let file = self.sink.finish()?;
            file.sync_all()?;
            let size = file.metadata()?.len();
            fs::rename(&self.part.0, &self.path)?;
            Ok(size)
        };
        let size = all().map_err(io_error)?;
        Ok((self.written, size))
    }
}

impl Write for OutFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let sink: &mut dyn Write = match &mut self.sink {
            Sink::Plain(file) => file,
            Sink::Gzip(file) => file,
            Sink::Zstandard { pipe, .. } => pipe,
        };
        let written = sink.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn create(part: &Path, named: &Path) -> std::io::Result<Self> {
        let file = BufWriter::new(File::create(part)?);
        Ok(match named.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => Self::Gzip(GzEncoder::new(file, flate2::Compression::default())),
            Some("zst") => {
                let (reader, writer) = std::io::pipe()?;
                let thread = std::thread::spawn(move || compress(reader, file));
                Self::Zstandard { pipe: BufWriter::with_capacity(1 << 16, writer), thread }
            }
            _ => Self::Plain(file),
        })
    }

    fn finish(self) -> std::io::Result<File> {
        let whole =
            |file: BufWriter<File>| file.into_inner().map_err(std::io::IntoInnerError::into_error);
        match self {
            Self::Plain(file) => whole(file),
            Self::Gzip(file) => whole(file.finish()?),
            Self::Zstandard { pipe, thread } => {
                drop(pipe.into_inner().map_err(std::io::IntoInnerError::into_error)?);
                let ended = thread.join();
                whole(ended.map_err(|_| std::io::Error::other("the compressor failed"))??)
            }
        }
    }
}

fn compress(
    source: std::io::PipeReader,
    file: BufWriter<File>,
) -> std::io::Result<BufWriter<File>> {
    let mut compressor = FrameCompressor::new(CompressionLevel::Fastest);
    compressor.set_source(source);
    compressor.set_drain(Latch { file, failed: None });
    compressor.compress();
    match compressor.take_drain() {
        Some(Latch { file, failed: None }) => Ok(file),
        Some(Latch { failed: Some(err), .. }) => Err(err),
        None => Err(std::io::Error::other("the compressor lost its file")),
    }
}

/// A file whose first failure is kept, as the compressor can't be told of one.
struct Latch {
    file: BufWriter<File>,
    failed: Option<std::io::Error>,
}

impl Write for Latch {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.failed.is_none() {
            self.failed = self.file.write_all(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The path with this at its end.
pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Writes a file that is there whole or not at all.
pub(crate) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut OutFile) -> std::io::Result<()>,
) -> Result<(), ExportError> {
    let mut file = OutFile::create(path)?;
    write(&mut file).map_err(ExportError::io(path))?;
    file.finish().map(|_| ())
}
