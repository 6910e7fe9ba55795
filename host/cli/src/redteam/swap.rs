//! Something else in a cache of compiled components, and whether it was taken for them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::attack::Swap;
use super::components;

/// Entries of a cache that were replaced.
pub(crate) struct Swapped {
    entries: Vec<Entry>,
}

/// The file of an entry, and what was put there.
struct Entry {
    file: PathBuf,
    put: Vec<u8>,
}

impl Swapped {
    /// Replaces all compiled components in a directory.
    pub(crate) fn put(dir: &Path, swap: Swap) -> anyhow::Result<Self> {
        let mut files: Vec<PathBuf> = fs::read_dir(dir)
            .with_context(|| format!("can't list `{}`", dir.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "cwasm"))
            .collect();
        files.sort();
        anyhow::ensure!(files.len() > 1, "the cache has not two components to be exchanged");
        let entries = match swap {
            Swap::Forged => files.into_iter().map(forge).collect(),
            Swap::Exchanged => exchange(&files),
        };
        Ok(Self { entries: entries.context("can't write to the cache")? })
    }

    /// How many entries were replaced.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many of them are still what was put there.
    pub(crate) fn taken(&self) -> usize {
        let is_taken =
            |entry: &&Entry| fs::read(&entry.file).is_ok_and(|content| content == entry.put);
        self.entries.iter().filter(is_taken).count()
    }
}

fn forge(file: PathBuf) -> std::io::Result<Entry> {
    let put = components::precompiled();
    fs::write(&file, &put)?;
    Ok(Entry { file, put })
}

/// Gives each component the file and the seal of the next one, and the last those of the
/// first. The files are moved, so that each is still the one that was sealed.
fn exchange(files: &[PathBuf]) -> std::io::Result<Vec<Entry>> {
    let aside = |file: &Path| file.with_extension("aside");
    for extension in ["cwasm", "seal"] {
        for file in files {
            let file = file.with_extension(extension);
            fs::rename(&file, aside(&file))?;
        }
        for (from, to) in files.iter().zip(files.iter().cycle().skip(1)) {
            fs::rename(aside(from), to.with_extension(extension))?;
        }
    }
    files.iter().map(|file| Ok(Entry { file: file.clone(), put: fs::read(file)? })).collect()
}
