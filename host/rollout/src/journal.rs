//! A journal on disk: one line per record, appended and never changed.
//!
//! A record is handed to the operating system before anybody acts on it, so it
//! survives the end of this process at any instant; [`Journal::sync`] makes it
//! survive a loss of power. A last line without its end was never acted on and
//! is dropped; any other damage is an error that names the line.
//!
//! `line` is how a record stands in the file, `history` which records count.

mod error;
mod history;
mod line;
mod tail;

use std::collections::{HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use catena_model::Usage;
use catena_plugin::{Digest, Event};

use crate::durable::{DurableLog, Part};
use crate::record::{Continued, Header, JOURNAL_VERSION, Record, RolloutEnd};
use line::Blobs;

pub use error::JournalError;
pub use tail::JournalTail;

/// Bytes that may wait in memory to be synced; those that are over it are synced at once.
const MOST_UNSYNCED: usize = 8 << 20;

/// Whether a replay may go on past the journal's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// It goes on live and appends.
    Live,
    /// It is an error: nothing may be written.
    Forbidden,
}

/// How many records had been replayed or written at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position(usize);

/// An open journal. Records are first replayed, then written.
pub struct Journal {
    path: PathBuf,
    file: File,
    blobs: Blobs,
    replay: VecDeque<Record>,
    position: Position,
    beyond: Beyond,
    in_vain: Usage,
    log: Option<DurableLog>,
    /// Bytes of the file, and what of them and of the blobs is not synced yet.
    len: u64,
    unsynced: Vec<u8>,
    unsynced_blobs: Vec<Part>,
    /// Long texts that were synced or wait for it.
    handed_over: HashSet<Digest>,
    /// Bytes of all records up to here, with all their texts.
    weight: u64,
    /// Which program began it, where that was another.
    since: String,
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
        let blobs = Blobs::beside(path);
        let intact = read_intact(path, &mut file, &blobs)?;
        if beyond == Beyond::Live {
            file.set_len(intact.bytes).map_err(io_error)?;
        }
        let spent = Record::spent_by(&intact.records);
        let records = history::counting(intact.records);
        let mut journal = Self {
            path: path.to_owned(),
            file,
            blobs,
            replay: records.into(),
            position: Position::default(),
            beyond,
            in_vain: Usage::default(),
            log: None,
            len: intact.bytes,
            unsynced: Vec::new(),
            unsynced_blobs: Vec::new(),
            handed_over: HashSet::new(),
            weight: 0,
            since: String::new(),
        };
        journal.check_header(header)?;
        if beyond == Beyond::Live && !journal.replay.is_empty() {
            journal.go_on(header)?;
        }
        let replayed = Record::spent_by(journal.replay.make_contiguous());
        journal.in_vain = spent.without(replayed);
        journal.note(Record::Header(header.clone()))?;
        Ok(journal)
    }

    /// Has what is synced go through the log of the run from now on.
    #[must_use]
    pub fn synced_by(mut self, log: DurableLog) -> Self {
        self.log = Some(log);
        self
    }

    /// Reads the records of a journal that count.
    pub fn read(path: &Path) -> Result<Vec<Record>, JournalError> {
        let mut file = File::open(path)
            .map_err(|source| JournalError::Io { path: path.to_owned(), source })?;
        let records = read_intact(path, &mut file, &Blobs::beside(path))?.records;
        Ok(history::counting(records))
    }

    /// Writes a new journal with these records.
    pub fn write(path: &Path, records: &[Record]) -> Result<(), JournalError> {
        let io_error = |source| JournalError::Io { path: path.to_owned(), source };
        let blobs = Blobs::beside(path);
        let mut text = String::new();
        for record in records {
            let line = line::encode(record).map_err(|err| io_error(err.into()))?;
            for (digest, long) in &line.blobs {
                blobs.write(*digest, long).map_err(io_error)?;
            }
            text.push_str(&line.text);
        }
        std::fs::write(path, text).map_err(io_error)
    }

    /// What its exchanges took, those included that a resumed rollout does not
    /// replay. Damage is for the rollout itself to report.
    pub fn spent(path: &Path) -> std::io::Result<Usage> {
        let text = std::fs::read(path)?;
        let blobs = Blobs::beside(path);
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let mut spent = Usage::default();
        for record in lines.filter_map(|text| line::decode(text, &blobs).ok()) {
            spent += record.spent();
        }
        Ok(spent)
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
        let record = self.replay.pop_front()?;
        self.position.0 += 1;
        self.weight += line::weight(&record);
        Some(record)
    }

    /// Bytes of all records that were replayed or written, with all their texts: what
    /// reading them takes of memory, however often a text is repeated.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    /// The records that are still to be replayed.
    pub(crate) fn ahead(&self) -> impl Iterator<Item = &Record> {
        self.replay.iter()
    }

    /// What came of the tool call that begins here, if that is known.
    pub(crate) fn tool_call_ahead(&self) -> Option<&Event> {
        let mut records = self.replay.iter().skip_while(|record| history::is_of_call(record));
        match records.next() {
            Some(Record::Event(event @ Event::ToolCall { .. })) => Some(event),
            _ => None,
        }
    }

    /// How far it is.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Whether what comes next has not happened before.
    pub(crate) fn is_at_end(&self) -> bool {
        self.replay.is_empty()
    }

    /// Fails where nothing new may happen.
    pub(crate) fn check_live(&self) -> Result<(), JournalError> {
        match self.beyond {
            Beyond::Live => Ok(()),
            Beyond::Forbidden => Err(JournalError::Incomplete { path: self.path.clone() }),
        }
    }

    /// Replays again what came after `to`.
    pub(crate) fn go_back(&mut self, to: Position) -> Result<(), JournalError> {
        let mut records = Self::read(&self.path)?;
        self.replay = records.split_off(to.0.min(records.len())).into();
        self.weight = records.iter().map(line::weight).sum();
        self.position = to;
        Ok(())
    }

    /// Puts down what has happened: compares it with the journal while that
    /// lasts, then appends it. Returns the record that counts, whose wall-clock
    /// times are the journal's.
    pub fn note(&mut self, record: Record) -> Result<Record, JournalError> {
        let Some(journaled) = self.take() else {
            self.append(&record)?;
            self.position.0 += 1;
            return Ok(record);
        };
        if record.agrees_with(&journaled) {
            return Ok(journaled);
        }
        Err(self.strayed(&journaled, &record))
    }

    /// The error of a replay that came to `replayed` where the journal, whose
    /// record was just taken, has `journaled`.
    pub fn strayed(&self, journaled: &Record, replayed: &Record) -> JournalError {
        JournalError::Strayed {
            path: self.path.clone(),
            index: self.position.0,
            journaled: shorten(journaled),
            replayed: shorten(replayed),
            since: self.since.clone(),
        }
    }

    fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        if self.beyond == Beyond::Forbidden {
            return Err(JournalError::Incomplete { path: self.path.clone() });
        }
        let line = line::encode(record).map_err(|err| self.io_error(err.into()))?;
        for (digest, text) in line.blobs {
            self.blobs.write(digest, &text).map_err(|err| self.io_error(err))?;
            if let Some(log) = &self.log
                && let Ok(file) = self.blobs.path(digest).strip_prefix(log.run())
                && self.handed_over.insert(digest)
            {
                let file = file.to_owned();
                self.unsynced_blobs.push(Part { file, at: 0, bytes: text.into_bytes() });
            }
        }
        self.file.write_all(line.text.as_bytes()).map_err(|err| self.io_error(err))?;
        self.len += line.text.len() as u64;
        self.weight += line.weight;
        self.unsynced.extend_from_slice(line.text.as_bytes());
        let blobs: usize = self.unsynced_blobs.iter().map(|part| part.bytes.len()).sum();
        if self.unsynced.len() + blobs > MOST_UNSYNCED { self.sync_now() } else { Ok(()) }
    }

    /// Checks that nothing is left to replay once the rollout has ended.
    pub fn finish(&self) -> Result<(), JournalError> {
        match self.replay.front() {
            None => Ok(()),
            Some(left) => Err(self.strayed(left, &Record::Resumed)),
        }
    }

    /// Makes everything appended so far survive a loss of power. Those of one run
    /// who wait for it at the same time share the cost.
    pub async fn sync(&mut self) -> Result<(), JournalError> {
        let Some(parts) = self.take_unsynced() else { return Ok(()) };
        match &self.log {
            Some(log) => log.keep(parts).await,
            None => self.file.sync_data(),
        }
        .map_err(|err| self.io_error(err))
    }

    /// The same for what is too much to be kept in memory until somebody can wait.
    fn sync_now(&mut self) -> Result<(), JournalError> {
        let Some(parts) = self.take_unsynced() else { return Ok(()) };
        match &self.log {
            Some(log) => log.keep_blocking(parts),
            None => self.file.sync_data(),
        }
        .map_err(|err| self.io_error(err))
    }

    /// What is not synced yet, if there is anything.
    fn take_unsynced(&mut self) -> Option<Vec<Part>> {
        let bytes = std::mem::take(&mut self.unsynced);
        if bytes.is_empty() {
            return None;
        }
        let mut parts = std::mem::take(&mut self.unsynced_blobs);
        let run = self.log.as_ref().map_or(Path::new(""), DurableLog::run);
        let file = self.path.strip_prefix(run).unwrap_or(&self.path).to_owned();
        parts.push(Part { file, at: self.len - bytes.len() as u64, bytes });
        Some(parts)
    }

    fn io_error(&self, source: std::io::Error) -> JournalError {
        JournalError::Io { path: self.path.clone(), source }
    }

    /// Notes who goes on, and takes back what can't be relied on.
    fn go_on(&mut self, header: &Header) -> Result<(), JournalError> {
        let reliable = history::reliable(self.replay.make_contiguous());
        if reliable < self.replay.len() {
            self.append(&Record::Rewound { to: reliable as u64 })?;
            self.replay.truncate(reliable);
        }
        self.append(&Record::Continued(Continued {
            journal: JOURNAL_VERSION,
            catena: header.catena.clone(),
            engine: header.engine.clone(),
            walls: header.walls.clone(),
        }))
    }

    fn check_header(&mut self, expected: &Header) -> Result<(), JournalError> {
        let foreign = |found: String| {
            Err(JournalError::Foreign {
                path: self.path.clone(),
                found,
                expected: format!("rollout `{}` under plan {}", expected.rollout, expected.plan),
            })
        };
        match self.replay.front() {
            Some(Record::Header(found)) if !(1..=JOURNAL_VERSION).contains(&found.journal) => {
                foreign(format!("journal version {}", found.journal))
            }
            Some(Record::Header(found)) if found.rollout != expected.rollout => {
                foreign(format!("rollout `{}`", found.rollout))
            }
            Some(Record::Header(found)) if found.plan != expected.plan => foreign(format!(
                "plan {}: the run file, chains or plugins have changed",
                found.plan
            )),
            Some(Record::Header(found)) => {
                self.since = since(found, expected);
                Ok(())
            }
            None => Ok(()),
            Some(_) => foreign("nothing known: it has no header".to_owned()),
        }
    }
}

/// Which program began a journal, where that was another one.
fn since(found: &Header, now: &Header) -> String {
    if found.catena != now.catena {
        return format!(" since it was begun by catena {}", found.catena);
    }
    if found.engine != now.engine && !found.engine.is_empty() {
        return format!(" since it was begun on {}, which is {} now", found.engine, now.engine);
    }
    String::new()
}

fn read_intact(path: &Path, file: &mut File, blobs: &Blobs) -> Result<Intact, JournalError> {
    let io_error = |source| JournalError::Io { path: path.to_owned(), source };
    let mut text = Vec::new();
    file.rewind().map_err(io_error)?;
    file.read_to_end(&mut text).map_err(io_error)?;
    let mut intact = Intact { records: Vec::new(), bytes: 0 };
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    for (index, bytes) in lines.iter().enumerate() {
        match line::decode(bytes, blobs) {
            Ok(record) => {
                intact.records.push(record);
                intact.bytes += bytes.len() as u64;
            }
            Err(_) if index + 1 == lines.len() && !bytes.ends_with(b"\n") => break,
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

/// A record as error messages quote it.
fn shorten(record: &Record) -> String {
    let json = serde_json::to_string(record).unwrap_or_default();
    let end = json.floor_char_boundary(300);
    let mark = if end < json.len() { "…" } else { "" };
    format!("`{}{mark}`", json.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests;
