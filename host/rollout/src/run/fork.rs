//! A new run that goes on from the middle of another one.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use super::error::RunError;
use super::layout;
use crate::journal::Journal;
use crate::record::{Record, RolloutId};

/// A point of a rollout: the beginning of a stage, or of a round of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForkPoint {
    /// Counted from 1.
    pub stage: u32,
    /// Counted from 1; none for the stage as a whole.
    pub round: Option<u32>,
}

impl FromStr for ForkPoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| match text.parse() {
            Ok(0) | Err(_) => Err("it must be `STAGE` or `STAGE:ROUND`, both counted from 1"),
            Ok(number) => Ok(number),
        };
        match text.split_once(':') {
            None => Ok(Self { stage: number(text)?, round: None }),
            Some((stage, round)) => Ok(Self { stage: number(stage)?, round: Some(number(round)?) }),
        }
    }
}

impl std::fmt::Display for ForkPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stage {}", self.stage)?;
        self.round.map_or(Ok(()), |round| write!(f, ", round {round}"))
    }
}

impl ForkPoint {
    /// Whether a record is the first one that a fork from here lacks.
    fn begins(&self, record: &Record) -> bool {
        match (record, self.round) {
            (Record::StageStarted { stage, .. }, None) => *stage == self.stage,
            (Record::RoundStarted { stage, round }, Some(wanted)) => {
                *stage == self.stage && *round == wanted
            }
            _ => false,
        }
    }
}

/// Makes the new run `to` of what the run `from` had when its rollouts came to
/// `point`, and returns those that did. The others are as they are there; with
/// `only`, that holds for all but this one. Nothing is asked of a model.
pub fn fork(
    from: &Path,
    to: &Path,
    point: ForkPoint,
    only: Option<&str>,
) -> Result<Vec<RolloutId>, RunError> {
    let plan = layout::read_plan(from)?;
    layout::check_free(to)?;
    let mut forked = Vec::new();
    let mut journals = Vec::new();
    for path in layout::journals(from)? {
        let mut records = Journal::read(&path)?;
        let Some(Record::Header(header)) = records.first() else { continue };
        let rollout = header.rollout.clone();
        let is_wanted = only.is_none_or(|only| only == rollout.to_string());
        let cut = records.iter().position(|record| point.begins(record));
        if let Some(cut) = cut.filter(|_| is_wanted) {
            records.truncate(cut);
            forked.push(rollout.clone());
        }
        journals.push((rollout, records));
    }
    if forked.is_empty() {
        let what =
            only.map_or_else(|| "no rollout".to_owned(), |only| format!("no rollout `{only}`"));
        return Err(RunError::NotReached { what, point: point.to_string() });
    }
    let objects = layout::objects_path(to);
    link_all(&layout::objects_path(from), &objects).map_err(|err| RunError::io(&objects, err))?;
    let rollouts = layout::rollouts_dir(to);
    fs::create_dir_all(&rollouts).map_err(|err| RunError::io(&rollouts, err))?;
    for (rollout, records) in journals {
        Journal::write(&layout::journal_path(to, &rollout), &records)?;
    }
    let chains = layout::chains_path(from);
    let chains = fs::read(&chains).map_err(|err| RunError::io(&chains, err))?;
    layout::write_plan(to, &plan, &chains)?;
    forked.sort();
    Ok(forked)
}

/// Makes a directory whose files are those of another one. Objects never change,
/// so that they can be the same files where the file system allows it.
fn link_all(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            link_all(&from, &to)?;
        } else if !is_object(&from) || fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// Whether a file of an object database is one that nobody writes to.
fn is_object(path: &Path) -> bool {
    let dir = path.parent().and_then(Path::file_name).unwrap_or_default();
    dir.len() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_stages_or_rounds_counted_from_1() {
        assert_eq!("2".parse(), Ok(ForkPoint { stage: 2, round: None }));
        assert_eq!("2:3".parse(), Ok(ForkPoint { stage: 2, round: Some(3) }));
        for wrong in ["", "0", "2:0", "2:", ":1", "a", "2:1:1"] {
            assert!(wrong.parse::<ForkPoint>().is_err(), "{wrong}");
        }
    }
}
