//! Where rollouts come from: the journals of runs, files in the canonical form, and
//! trajectory files of other programs. One rollout is in memory at a time, and one
//! that can't be read keeps no other from being read.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use catena_chain::ChainId;
use catena_rollout::run::{Planned, journals, planned};
use catena_rollout::{Journal, RolloutId, RolloutSummary, RunError};

use crate::canonical::{Rollout, of_run};
use crate::import::{Form, import};
use crate::judgements::Judgements;

/// Why a source can't be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is a directory, and no run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It can't be opened or read.
    #[error("can't read `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A rollout that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Which, as far as its file's name tells.
    pub rollout: Option<RolloutId>,
    /// The file, and the line of one in the canonical form.
    pub place: String,
    /// Why, with all causes.
    pub reason: String,
}

/// The rollouts of one source, in order.
pub struct Rollouts {
    kind: Kind,
    /// Verdicts in the place of those they have.
    judgements: Option<Judgements>,
}

enum Kind {
    Run {
        planned: Box<Planned>,
        journals: std::vec::IntoIter<PathBuf>,
    },
    Lines {
        path: PathBuf,
        lines: Box<dyn BufRead>,
        line: usize,
    },
    /// What another program wrote, until it was given out.
    Import(Option<Result<Box<Rollout>, Unreadable>>),
}

impl Rollouts {
    /// Opens the run at `path`, the file in the canonical form, which may be
    /// compressed, or another program's file, which ends in `.json`.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let kind = if path.is_dir() {
            run(path)?
        } else if let Some(form) = form_of(path) {
            Kind::Import(Some(imported(path, form)))
        } else {
            lines(path)?
        };
        Ok(Self { kind, judgements: None })
    }

    /// The same with the verdicts under this name in the place of their own.
    pub fn open_judged(path: &Path, name: Option<&str>) -> Result<Self, SourceError> {
        let judgements = name.map(|name| Judgements::open(path, name)).transpose()?;
        Ok(Self { judgements, ..Self::open(path)? })
    }

    /// What a run was begun with; none for a file.
    pub fn planned(&self) -> Option<&Planned> {
        match &self.kind {
            Kind::Run { planned, .. } => Some(planned),
            Kind::Lines { .. } | Kind::Import(_) => None,
        }
    }
}

impl Iterator for Rollouts {
    type Item = Result<Rollout, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        let rollout = match &mut self.kind {
            Kind::Run { planned, journals } => next_journal(planned, journals),
            Kind::Lines { path, lines, line } => next_line(path, lines.as_mut(), line),
            Kind::Import(rollout) => Some(rollout.take()?.map(|rollout| *rollout)),
        }?;
        let Some(judgements) = &self.judgements else { return Some(rollout) };
        let judged = |rollout: Rollout| {
            let id = rollout.rollout.clone();
            judgements.over(rollout).map_err(|err| Unreadable {
                rollout: Some(id),
                place: judgements.dir().display().to_string(),
                reason: with_causes(&err),
            })
        };
        Some(rollout.and_then(judged))
    }
}

fn run(dir: &Path) -> Result<Kind, SourceError> {
    let planned = Box::new(planned(dir)?);
    let mut journals = journals(dir)?;
    journals.sort_by_cached_key(|path| id_of(path));
    Ok(Kind::Run { planned, journals: journals.into_iter() })
}

fn next_journal(
    planned: &Planned,
    journals: &mut std::vec::IntoIter<PathBuf>,
) -> Option<Result<Rollout, Unreadable>> {
    loop {
        let path = journals.next()?;
        let records = match Journal::read(&path) {
            Ok(records) => records,
            Err(err) => {
                return Some(Err(Unreadable {
                    rollout: id_of(&path),
                    place: path.display().to_string(),
                    reason: with_causes(&err),
                }));
            }
        };
        // One without a header was begun in the instant before its process ended.
        if let Some(summary) = RolloutSummary::of(&records) {
            drop(records);
            return Some(Ok(of_run::rollout(&summary, planned).with_known_roles()));
        }
    }
}

/// The rollout that a journal's name tells.
fn id_of(path: &Path) -> Option<RolloutId> {
    let (chain, trial) = path.file_stem()?.to_str()?.rsplit_once('.')?;
    Some(RolloutId { chain: ChainId::new(chain).ok()?, trial: trial.parse().ok()? })
}

fn lines(path: &Path) -> Result<Kind, SourceError> {
    let io_error = |source| SourceError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io_error)?;
    let lines: Box<dyn BufRead> = match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(file))),
        Some("zst") => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(file);
            let decoder = decoder.map_err(|err| io_error(std::io::Error::other(err)))?;
            Box::new(BufReader::new(AsRead(decoder)))
        }
        _ => Box::new(BufReader::new(file)),
    };
    Ok(Kind::Lines { path: path.to_owned(), lines, line: 0 })
}

/// The form of another program's file, where it is one.
fn form_of(path: &Path) -> Option<Form> {
    if path.extension()? != "json" {
        return None;
    }
    Form::of(&serde_json::from_reader(BufReader::new(File::open(path).ok()?)).ok()?)
}

fn imported(path: &Path, form: Form) -> Result<Box<Rollout>, Unreadable> {
    import(path, Some(form)).map(Box::new).map_err(|err| Unreadable {
        rollout: None,
        place: path.display().to_string(),
        reason: with_causes(&err),
    })
}

/// A reader of the standard library's kind, whatever the inner one's is.
struct AsRead<R>(R);

impl<R: Read> Read for AsRead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

fn next_line(
    path: &Path,
    lines: &mut dyn BufRead,
    number: &mut usize,
) -> Option<Result<Rollout, Unreadable>> {
    let mut text = Vec::new();
    loop {
        text.clear();
        *number += 1;
        let unreadable = |reason: String| Unreadable {
            rollout: None,
            place: format!("{}, line {number}", path.display()),
            reason,
        };
        match lines.read_until(b'\n', &mut text) {
            Ok(0) => return None,
            Ok(_) if text.trim_ascii().is_empty() => {}
            Ok(_) => {
                let rollout = Rollout::from_line(&text);
                return Some(rollout.map_err(|err| unreadable(with_causes(&err))));
            }
            Err(err) => return Some(Err(unreadable(err.to_string()))),
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(err) = cause {
        text.push_str(": ");
        text.push_str(&err.to_string());
        cause = err.source();
    }
    text
}
