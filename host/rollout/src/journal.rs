//! A journal on disk: one line per record, `<crc32> <json>`, appended and never
//! changed.
//!
//! A record is handed to the operating system before anybody acts on it, so it
//! survives the end of this process at any instant. A last line without its end
//! was never acted on and is dropped; any other damage is an error that names
//! the line.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use catena_model::{ModelError, Usage};

use crate::record::{ExchangeAnswer, Header, JOURNAL_VERSION, Record, RolloutEnd};

/// Why a journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file can't be read or written.
    #[error("journal `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line other than the last is damaged.
    #[error("journal `{path}`, line {line}: {reason}; the file was altered or the disk is failing")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The journal is not of this rollout under this plan.
    #[error("journal `{path}` is of {found}, not of {expected}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is of.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// The replay came to another record than the journal has.
    #[error(
        "replaying `{path}` strays at record {index}: the journal has {journaled}, the replay \
         {replayed}; the program, a plugin or the repository has changed"
    )]
    Strayed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        index: usize,
        /// The record in the journal.
        journaled: String,
        /// The record of the replay.
        replayed: String,
    },
    /// A verification came to an exchange the journal does not have.
    #[error("journal `{path}` ends before the rollout does, so the replay would need a live model")]
    Incomplete {
        /// The file.
        path: PathBuf,
    },
}

/// Whether a replay may go on past the journal's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// It goes on live and appends.
    Live,
    /// It is an error: nothing may be written.
    Forbidden,
}

/// An open journal. Records are first replayed, then written.
pub struct Journal {
    path: PathBuf,
    file: File,
    replay: VecDeque<Record>,
    replayed: usize,
    beyond: Beyond,
    in_vain: Usage,
}

/// The records of a journal and where the intact part ends.
struct Intact {
    records: Vec<Record>,
    bytes: u64,
}

impl Journal {
    /// Opens the journal at `path` for the rollout that `header` names. A file
    /// that exists is replayed; one that does not is begun.
    pub fn open(path: &Path, header: &Header, beyond: Beyond) -> Result<Self, JournalError> {
        let io_error = |source| JournalError::Io { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .append(beyond == Beyond::Live)
            .create(beyond == Beyond::Live)
            .open(path)
            .map_err(io_error)?;
        let intact = read_intact(path, &mut file)?;
        if beyond == Beyond::Live {
            file.set_len(intact.bytes).map_err(io_error)?;
        }
        let spent = Record::spent_by(&intact.records);
        let replay = without_interruptions(intact.records).into();
        let in_vain = Usage::default();
        let mut journal =
            Self { path: path.to_owned(), file, replay, replayed: 0, beyond, in_vain };
        if beyond == Beyond::Live {
            journal.forget_infrastructure_failures()?;
        }
        let replayed = Record::spent_by(journal.replay.make_contiguous());
        journal.in_vain = spent.without(replayed);
        journal.check_header(header)?;
        journal.note(Record::Header(header.clone()))?;
        Ok(journal)
    }

    /// Reads all intact records of a journal.
    pub fn read(path: &Path) -> Result<Vec<Record>, JournalError> {
        let mut file = File::open(path)
            .map_err(|source| JournalError::Io { path: path.to_owned(), source })?;
        let records = read_intact(path, &mut file)?.records;
        Ok(without_interruptions(records))
    }

    /// What its exchanges took, those included that a resumed rollout does not
    /// replay. Damage is for the rollout itself to report.
    pub fn spent(path: &Path) -> std::io::Result<Usage> {
        let text = std::fs::read(path)?;
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let records: Vec<Record> = lines.filter_map(|line| parse_line(line).ok()).collect();
        Ok(Record::spent_by(&records))
    }

    /// The infrastructure failure by which the rollout ended, if it did.
    pub fn interrupted(path: &Path) -> Result<Option<RolloutEnd>, JournalError> {
        Ok(match Self::read(path)?.pop() {
            Some(Record::Ended(end @ RolloutEnd::Infrastructure { .. })) => Some(end),
            _ => None,
        })
    }

    /// How the rollout ended, if it came to an end that stands. One that ended
    /// by an infrastructure failure can be gone on with.
    pub fn finished(path: &Path) -> Result<Option<RolloutEnd>, JournalError> {
        Ok(match Self::read(path)?.pop() {
            Some(Record::Ended(RolloutEnd::Infrastructure { .. })) => None,
            Some(Record::Ended(end)) => Some(end),
            _ => None,
        })
    }

    /// What was paid for exchanges that are not replayed, because they failed and
    /// are made again.
    pub fn in_vain(&self) -> Usage {
        self.in_vain
    }

    /// Takes the next record of the journal, if there is one.
    pub fn take(&mut self) -> Option<Record> {
        let record = self.replay.pop_front();
        self.replayed += usize::from(record.is_some());
        record
    }

    /// Puts down what has happened: compares it with the journal while that
    /// lasts, then appends it. Returns the record that counts, whose wall-clock
    /// times are the journal's.
    pub fn note(&mut self, record: Record) -> Result<Record, JournalError> {
        let Some(journaled) = self.take() else {
            self.append(&record)?;
            return Ok(record);
        };
        if journaled.without_times() == record.without_times() {
            return Ok(journaled);
        }
        Err(self.strayed(&journaled, &record))
    }

    /// The error of a replay that came to `replayed` where the journal, whose
    /// record was just taken, has `journaled`.
    pub fn strayed(&self, journaled: &Record, replayed: &Record) -> JournalError {
        JournalError::Strayed {
            path: self.path.clone(),
            index: self.replayed,
            journaled: shorten(journaled),
            replayed: shorten(replayed),
        }
    }

    fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        if self.beyond == Beyond::Forbidden {
            return Err(JournalError::Incomplete { path: self.path.clone() });
        }
        let io_error = |source| JournalError::Io { path: self.path.clone(), source };
        let json = serde_json::to_string(record).map_err(|err| io_error(err.into()))?;
        let line = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
        self.file.write_all(line.as_bytes()).map_err(io_error)
    }

    /// Checks that nothing is left to replay once the rollout has ended.
    pub fn finish(&self) -> Result<(), JournalError> {
        match self.replay.front() {
            None => Ok(()),
            Some(left) => Err(self.strayed(left, &Record::Resumed)),
        }
    }

    /// Makes everything appended so far survive a loss of power.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.file.sync_data().map_err(|source| JournalError::Io { path: self.path.clone(), source })
    }

    /// A rollout that ended by no fault of its own is gone on with: its end is
    /// taken back by a further record.
    fn forget_infrastructure_failures(&mut self) -> Result<(), JournalError> {
        if was_interrupted(self.replay.make_contiguous()) {
            self.append(&Record::Resumed)?;
            let mut records: Vec<Record> = std::mem::take(&mut self.replay).into();
            records.push(Record::Resumed);
            self.replay = without_interruptions(records).into();
        }
        Ok(())
    }

    fn check_header(&self, expected: &Header) -> Result<(), JournalError> {
        let foreign = |found: String| {
            Err(JournalError::Foreign {
                path: self.path.clone(),
                found,
                expected: format!("rollout `{}` under plan {}", expected.rollout, expected.plan),
            })
        };
        match self.replay.front() {
            Some(Record::Header(found)) if found.journal != JOURNAL_VERSION => {
                foreign(format!("journal version {}", found.journal))
            }
            Some(Record::Header(found)) if found.rollout != expected.rollout => {
                foreign(format!("rollout `{}`", found.rollout))
            }
            Some(Record::Header(found)) if found.plan != expected.plan => foreign(format!(
                "plan {}: the run file, chains or plugins have changed",
                found.plan
            )),
            None | Some(Record::Header(_)) => Ok(()),
            Some(_) => foreign("nothing known: it has no header".to_owned()),
        }
    }
}

/// Whether an infrastructure failure is among the records, wherever the process
/// that met it came to its own end.
fn was_interrupted(records: &[Record]) -> bool {
    records.last().is_some_and(is_infrastructure_end) || records.iter().any(is_unavailable)
}

fn is_infrastructure_end(record: &Record) -> bool {
    matches!(
        record,
        Record::Ended(RolloutEnd::Infrastructure { .. })
            | Record::StageEnded { outcome: RolloutEnd::Infrastructure { .. }, .. }
    )
}

fn is_unavailable(record: &Record) -> bool {
    matches!(
        record,
        Record::Exchange { answer: ExchangeAnswer::Error(ModelError::Unavailable(_)), .. }
    )
}

/// Drops every end by infrastructure that was gone on from, with what had been
/// put down on the way to it.
fn without_interruptions(records: Vec<Record>) -> Vec<Record> {
    let mut kept: Vec<Record> = Vec::with_capacity(records.len());
    for record in records {
        if record != Record::Resumed {
            kept.push(record);
            continue;
        }
        while kept.last().is_some_and(is_infrastructure_end) {
            kept.pop();
        }
        // What followed from a model out of reach must not be replayed.
        if let Some(index) = kept.iter().position(is_unavailable) {
            kept.truncate(index);
        }
    }
    kept
}

fn read_intact(path: &Path, file: &mut File) -> Result<Intact, JournalError> {
    let io_error = |source| JournalError::Io { path: path.to_owned(), source };
    let mut text = Vec::new();
    file.rewind().map_err(io_error)?;
    file.read_to_end(&mut text).map_err(io_error)?;
    let mut intact = Intact { records: Vec::new(), bytes: 0 };
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    for (index, line) in lines.iter().enumerate() {
        match parse_line(line) {
            Ok(record) => {
                intact.records.push(record);
                intact.bytes += line.len() as u64;
            }
            Err(_) if index + 1 == lines.len() && !line.ends_with(b"\n") => break,
            Err(reason) => {
                return Err(JournalError::Damaged {
                    path: path.to_owned(),
                    line: index + 1,
                    reason,
                });
            }
        }
    }
    Ok(intact)
}

fn parse_line(line: &[u8]) -> Result<Record, String> {
    let line = line.strip_suffix(b"\n").ok_or("the line does not end")?;
    let text = std::str::from_utf8(line).map_err(|err| err.to_string())?;
    let (sum, json) = text.split_once(' ').ok_or("there is no checksum")?;
    let sum = u32::from_str_radix(sum, 16).map_err(|_| "there is no checksum")?;
    if sum != crc32fast::hash(json.as_bytes()) {
        return Err("the checksum does not match".to_owned());
    }
    serde_json::from_str(json).map_err(|err| err.to_string())
}

/// A record as error messages quote it.
fn shorten(record: &Record) -> String {
    let json = serde_json::to_string(record).unwrap_or_default();
    let end = json.floor_char_boundary(300);
    let mark = if end < json.len() { "…" } else { "" };
    format!("`{}{mark}`", json.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use catena_model::ConversationId;
    use catena_plugin::Digest;
    use catena_tree::TreeId;

    use super::*;
    use crate::record::{RolloutId, StageOutcome};

    fn header() -> Header {
        Header {
            journal: JOURNAL_VERSION,
            catena: "1".to_owned(),
            rollout: RolloutId { chain: "a".parse().unwrap(), trial: 1 },
            plan: Digest::of(b"plan"),
            control: false,
        }
    }

    fn exchange(answer: ExchangeAnswer) -> Record {
        Record::Exchange {
            conversation: ConversationId(0),
            request: Digest::of(b"request"),
            edits: Vec::new(),
            tools: Digest::of(b"tools"),
            failed: Vec::new(),
            answer,
        }
    }

    fn unavailable() -> Record {
        exchange(ExchangeAnswer::Error(ModelError::Unavailable("down".to_owned())))
    }

    fn infrastructure() -> StageOutcome {
        StageOutcome::Infrastructure { reason: "down".to_owned() }
    }

    fn stage_ended() -> Record {
        Record::StageEnded { stage: 1, outcome: infrastructure(), tree: TreeId::EMPTY }
    }

    fn round(round: u32) -> Record {
        Record::RoundStarted { stage: 1, round }
    }

    fn written(path: &Path, records: &[Record]) {
        let mut journal = Journal::open(path, &header(), Beyond::Live).unwrap();
        for record in records {
            journal.note(record.clone()).unwrap();
        }
    }

    #[test]
    fn a_line_without_its_end_is_dropped_and_other_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.journal");
        written(&path, &[round(1), round(2)]);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        assert_eq!(Journal::read(&path).unwrap().len(), 2);
        let mut flipped = whole.clone();
        flipped[whole.len() - 3] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        let err = Journal::read(&path).unwrap_err();
        assert!(matches!(err, JournalError::Damaged { line: 3, .. }), "{err}");
    }

    #[test]
    fn an_infrastructure_failure_is_gone_on_from_wherever_the_process_ended() {
        let tails: [&[Record]; 4] = [
            &[unavailable()],
            &[unavailable(), stage_ended()],
            &[stage_ended()],
            &[stage_ended(), Record::Ended(infrastructure())],
        ];
        for tail in tails {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.journal");
            written(&path, &[&[round(1)], tail].concat());
            let mut journal = Journal::open(&path, &header(), Beyond::Live).unwrap();
            assert_eq!(journal.take(), Some(round(1)), "{tail:?}");
            assert_eq!(journal.take(), None, "{tail:?}");
            journal.note(round(2)).unwrap();
            drop(journal);
            let mut replay = Journal::open(&path, &header(), Beyond::Forbidden).unwrap();
            assert_eq!(replay.take(), Some(round(1)));
            assert_eq!(replay.take(), Some(round(2)));
            replay.finish().unwrap();
        }
    }

    #[test]
    fn another_record_than_the_journal_has_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.journal");
        written(&path, &[round(1)]);
        let mut journal = Journal::open(&path, &header(), Beyond::Live).unwrap();
        assert!(matches!(journal.note(round(2)), Err(JournalError::Strayed { .. })));
        let other = Header { plan: Digest::of(b"other"), ..header() };
        let err = Journal::open(&path, &other, Beyond::Live).err().unwrap();
        assert!(matches!(err, JournalError::Foreign { .. }), "{err}");
    }
}
