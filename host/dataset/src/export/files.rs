//! The files of an export: one, or one for each part of a split.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::canonical::Rollout;
use crate::manifest::FileEntry;
use crate::output::{ExportError, OutFile, write_whole};
use crate::profile::verl::VerlFile;
use crate::profile::{Profile, mini_swe_agent};
use crate::sample::Sample;
use crate::select::{Reason, Split};

pub(super) struct Files {
    dir: Option<PathBuf>,
    /// Names of trajectories so far.
    taken: HashSet<String>,
    parts: Vec<Part>,
    written: Vec<FileEntry>,
}

struct Part {
    name: Option<String>,
    path: PathBuf,
    rows: u64,
    file: Form,
}

enum Form {
    Lines(OutFile),
    Verl(Box<VerlFile>),
}

impl Files {
    pub(super) fn create(
        output: &Path,
        profile: Profile,
        split: Option<&Split>,
    ) -> Result<Self, ExportError> {
        if profile == Profile::MiniSweAgent {
            std::fs::create_dir_all(output).map_err(ExportError::io(output))?;
            let dir = Some(output.to_owned());
            let taken = HashSet::new();
            return Ok(Self { dir, taken, parts: Vec::new(), written: Vec::new() });
        }
        let names: Vec<Option<&str>> = match split {
            Some(split) => split.parts().into_iter().map(Some).collect(),
            None => vec![None],
        };
        let part = |name: Option<&str>| {
            let path = name.map_or_else(|| output.to_owned(), |name| of_part(output, name));
            let file = match profile {
                Profile::Verl => Form::Verl(Box::new(VerlFile::create(&path)?)),
                _ => Form::Lines(OutFile::create(&path)?),
            };
            Ok(Part { name: name.map(str::to_owned), path, rows: 0, file })
        };
        let parts = names.into_iter().map(part).collect::<Result<_, ExportError>>()?;
        Ok(Self { dir: None, taken: HashSet::new(), parts, written: Vec::new() })
    }

    fn part(&mut self, name: Option<&str>) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.name.as_deref() == name)
    }

    /// Adds a line.
    pub(super) fn line(&mut self, part: Option<&str>, line: &[u8]) -> Result<(), ExportError> {
        let Some(part) = self.part(part) else { return Ok(()) };
        part.rows += 1;
        let Form::Lines(file) = &mut part.file else { return Ok(()) };
        let written = file.write_all(line).and_then(|()| file.write_all(b"\n"));
        written.map_err(ExportError::io(&part.path))
    }

    /// Adds a row for verl.
    pub(super) fn verl(
        &mut self,
        part: Option<&str>,
        sample: &Sample<'_>,
        end: usize,
    ) -> Result<(), ExportError> {
        let Some(part) = self.part(part) else { return Ok(()) };
        part.rows += 1;
        let Form::Verl(file) = &mut part.file else { return Ok(()) };
        file.push(sample, end)
    }

    /// Writes the trajectory files of a rollout and returns their names.
    pub(super) fn trajectories(
        &mut self,
        rollout: &Rollout,
    ) -> Result<Result<Vec<String>, Reason>, ExportError> {
        let Some(dir) = &self.dir else { return Ok(Ok(Vec::new())) };
        let trajectories = match mini_swe_agent::trajectories(rollout) {
            Ok(trajectories) => trajectories,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut files = Vec::new();
        for (name, mut trajectory) in trajectories {
            let name = free_name(&mut self.taken, &name);
            if let Some(id) = trajectory.get_mut("instance_id") {
                *id = name.as_str().into();
            }
            let own = dir.join(&name);
            std::fs::create_dir_all(&own).map_err(ExportError::io(&own))?;
            let path = own.join(format!("{name}.traj.json"));
            let text = serde_json::to_vec_pretty(&trajectory).map_err(std::io::Error::other);
            let text = text.map_err(ExportError::io(&path))?;
            write_whole(&path, |file| {
                file.write_all(&text)?;
                file.write_all(b"\n")
            })?;
            let bytes = text.len() as u64 + 1;
            let file = format!("{name}/{name}.traj.json");
            files.push(file.clone());
            self.written.push(FileEntry { file, part: None, rows: 1, bytes, size: bytes });
        }
        Ok(Ok(files))
    }

    /// Gives all files their names.
    pub(super) fn finish(self) -> Result<Vec<FileEntry>, ExportError> {
        let mut entries = self.written;
        for part in self.parts {
            let (bytes, size) = match part.file {
                Form::Lines(file) => file.finish()?,
                Form::Verl(file) => file.finish()?,
            };
            let file = part.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            entries.push(FileEntry { file, part: part.name, rows: part.rows, bytes, size });
        }
        Ok(entries)
    }
}

/// The name, or with a number behind it where another run has a rollout of it too.
fn free_name(taken: &mut HashSet<String>, name: &str) -> String {
    let mut free = name.to_owned();
    let mut number = 1_u32;
    while !taken.insert(free.clone()) {
        number += 1;
        free = format!("{name}-{number}");
    }
    free
}

/// `data.jsonl.zst` of the part `val` is `data.val.jsonl.zst`.
fn of_part(output: &Path, part: &str) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (stem, endings) = name.split_once('.').unwrap_or((&name, ""));
    let dot = if endings.is_empty() { "" } else { "." };
    output.with_file_name(format!("{stem}.{part}{dot}{endings}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_the_endings_of_the_file() {
        let of = |path| of_part(Path::new(path), "val").display().to_string();
        assert_eq!(of("out/data.jsonl.zst"), "out/data.val.jsonl.zst");
        assert_eq!(of("data"), "data.val");
    }
}
