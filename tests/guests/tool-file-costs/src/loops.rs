//! Loops over files, by `std::fs` alone. The guest runs them in its sandbox, and
//! the program that measures runs the same code outside it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What to do over and over.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Work {
    /// For each file: stat, open, read 4 KiB, close.
    Visit { root: PathBuf, files: Vec<String> },
    /// For each file: stat.
    Stat { root: PathBuf, files: Vec<String> },
    /// For each file: open, close.
    Open { root: PathBuf, files: Vec<String> },
    /// List all directories below `root` and stat each entry.
    Walk { root: PathBuf },
    /// Read a whole file in steps.
    Read { file: PathBuf, step: usize },
    /// Write a new file in steps.
    Write { file: PathBuf, size: usize, step: usize },
}

/// Does `work` so many times. Returns what was counted the last time: files,
/// entries, or bytes.
pub(crate) fn run(work: &Work, times: u32) -> io::Result<u64> {
    let paths = match work {
        Work::Visit { root, files } | Work::Stat { root, files } | Work::Open { root, files } => {
            files.iter().map(|file| root.join(file)).collect()
        }
        _ => Vec::new(),
    };
    let mut buffer = vec![0; buffer_size(work)];
    let mut counted = 0;
    for _ in 0..times {
        counted = match work {
            Work::Visit { .. } => visit(&paths, &mut buffer)?,
            Work::Stat { .. } => stat(&paths)?,
            Work::Open { .. } => open(&paths)?,
            Work::Walk { root } => walk(root)?,
            Work::Read { file, .. } => read(file, &mut buffer)?,
            Work::Write { file, size, .. } => write(file, *size, &buffer)?,
        };
    }
    Ok(counted)
}

fn buffer_size(work: &Work) -> usize {
    match work {
        Work::Read { step, .. } | Work::Write { step, .. } => *step,
        _ => 4096,
    }
}

fn visit(paths: &[PathBuf], buffer: &mut [u8]) -> io::Result<u64> {
    let mut count = 0;
    for path in paths {
        let size = fs::metadata(path)?.len();
        let read = File::open(path)?.read(buffer)?;
        if size > 0 && read == 0 {
            return Err(io::Error::other("nothing read"));
        }
        count += 1;
    }
    Ok(count)
}

fn stat(paths: &[PathBuf]) -> io::Result<u64> {
    let mut count = 0;
    for path in paths {
        count += u64::from(fs::metadata(path)?.is_file());
    }
    Ok(count)
}

fn open(paths: &[PathBuf]) -> io::Result<u64> {
    let mut count = 0;
    for path in paths {
        drop(File::open(path)?);
        count += 1;
    }
    Ok(count)
}

fn walk(dir: &Path) -> io::Result<u64> {
    let mut count = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        count += 1;
        if entry.metadata()?.is_dir() {
            count += walk(&entry.path())?;
        }
    }
    Ok(count)
}

fn read(path: &Path, buffer: &mut [u8]) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut count = 0;
    loop {
        match file.read(buffer)? {
            0 => return Ok(count),
            read => count += read as u64,
        }
    }
}

fn write(path: &Path, size: usize, buffer: &[u8]) -> io::Result<u64> {
    let mut file = File::create(path)?;
    let mut count = 0;
    while count < size {
        file.write_all(buffer)?;
        count += buffer.len();
    }
    Ok(count as u64)
}
