//! What has been paid for survives a loss of power: bytes of journals that were
//! not synced yet stand in one log of the run as well, which is synced.
//!
//! Syncing costs milliseconds and takes no longer for many than for one. So all
//! rollouts that wait for it share the next sync, and nobody is told that it is
//! done before it is. A run that is opened again puts into the journals what
//! they lack, and empties the log.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// Bytes of the log from which the files themselves are synced, and it begins anew.
const LONG: u64 = 64 << 20;

/// Bytes that a file of the run has at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The file, relative to the run.
    pub(crate) file: PathBuf,
    /// Where the bytes begin.
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
}

/// What stands in the log before the bytes of a part.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartHeader {
    file: PathBuf,
    at: u64,
    len: u64,
    crc: u32,
}

/// Somebody waits for these to be kept.
struct Wanted {
    parts: Vec<Part>,
    /// Whether the files themselves are to have them, so that no log is needed.
    in_files: bool,
    done: Done,
}

/// How somebody waits.
enum Done {
    Task(oneshot::Sender<Result<(), std::io::ErrorKind>>),
    Thread(mpsc::SyncSender<Result<(), std::io::ErrorKind>>),
}

/// The log of a run, written by a thread of its own. The thread ends when the
/// last clone is dropped.
#[derive(Debug, Clone)]
pub struct DurableLog {
    wanted: mpsc::Sender<Wanted>,
    syncs: Arc<AtomicU64>,
    run: PathBuf,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} parts", self.parts.len())
    }
}

fn log_path(run: &Path) -> PathBuf {
    run.join("unsynced.log")
}

impl DurableLog {
    /// Puts into the files of the run at `run` what an earlier log has of them,
    /// and begins a new one.
    pub fn open(run: &Path) -> std::io::Result<Self> {
        recover(run)?;
        let file = OpenOptions::new().create(true).append(true).read(true).open(log_path(run))?;
        let (wanted, asked) = mpsc::channel();
        let syncs = Arc::new(AtomicU64::new(0));
        let mut writer =
            Writer { run: run.to_owned(), file, touched: Vec::new(), syncs: syncs.clone() };
        std::thread::Builder::new().name("journal sync".to_owned()).spawn(move || {
            while let Ok(first) = asked.recv() {
                let all: Vec<Wanted> = std::iter::once(first).chain(asked.try_iter()).collect();
                writer.serve(all);
            }
        })?;
        Ok(Self { wanted, syncs, run: run.to_owned() })
    }

    /// Returns when the bytes would survive a loss of power.
    pub(crate) async fn keep(&self, parts: Vec<Part>) -> std::io::Result<()> {
        self.ask(parts, false).await
    }

    /// The same for who can't wait otherwise than with his thread.
    pub(crate) fn keep_blocking(&self, parts: Vec<Part>) -> std::io::Result<()> {
        let (done, waits) = mpsc::sync_channel(1);
        self.send(Wanted { parts, in_files: false, done: Done::Thread(done) })?;
        waits.recv().map_err(|_| gone())?.map_err(Into::into)
    }

    /// Syncs the files themselves and empties the log.
    pub(crate) async fn settle(&self) -> std::io::Result<()> {
        self.ask(Vec::new(), true).await
    }

    async fn ask(&self, parts: Vec<Part>, in_files: bool) -> std::io::Result<()> {
        let (done, waits) = oneshot::channel();
        self.send(Wanted { parts, in_files, done: Done::Task(done) })?;
        waits.await.map_err(|_| gone())?.map_err(Into::into)
    }

    fn send(&self, wanted: Wanted) -> std::io::Result<()> {
        self.wanted.send(wanted).map_err(|_| gone())
    }

    /// How often something was synced.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// The run, to which the files of parts are relative.
    pub(crate) fn run(&self) -> &Path {
        &self.run
    }
}

fn gone() -> std::io::Error {
    std::io::Error::other("the thread that syncs journals has ended")
}

struct Writer {
    run: PathBuf,
    file: File,
    /// Files of which the log has bytes.
    touched: Vec<PathBuf>,
    syncs: Arc<AtomicU64>,
}

impl Writer {
    fn serve(&mut self, all: Vec<Wanted>) {
        let result = self.write(&all).map_err(|err| err.kind());
        for wanted in all {
            // Who does not wait any more has been stopped.
            match wanted.done {
                Done::Task(done) => drop(done.send(result)),
                Done::Thread(done) => drop(done.send(result)),
            }
        }
    }

    fn write(&mut self, all: &[Wanted]) -> std::io::Result<()> {
        let mut text = Vec::new();
        for part in all.iter().flat_map(|wanted| &wanted.parts) {
            let header = PartHeader {
                file: part.file.clone(),
                at: part.at,
                len: part.bytes.len() as u64,
                crc: crc32fast::hash(&part.bytes),
            };
            serde_json::to_writer(&mut text, &header)?;
            text.push(b'\n');
            text.extend_from_slice(&part.bytes);
            if !self.touched.contains(&part.file) {
                self.touched.push(part.file.clone());
            }
        }
        self.file.write_all(&text)?;
        self.file.sync_data()?;
        self.syncs.fetch_add(1, Ordering::Relaxed);
        if self.file.stream_position()? > LONG || all.iter().any(|wanted| wanted.in_files) {
            self.begin_anew()?;
        }
        Ok(())
    }

    fn begin_anew(&mut self) -> std::io::Result<()> {
        for file in std::mem::take(&mut self.touched) {
            File::open(self.run.join(file))?.sync_data()?;
        }
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        Ok(())
    }
}

/// Puts into the files what the log has of them. Bytes that are there already
/// are written again, which changes nothing.
fn recover(run: &Path) -> std::io::Result<()> {
    let path = log_path(run);
    let mut log = Vec::new();
    match File::open(&path) {
        Ok(mut file) => file.read_to_end(&mut log)?,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(err),
    };
    let mut rest = log.as_slice();
    // The first part that is not whole was never waited for.
    while let Some((part, after)) = next_part(rest) {
        rest = after;
        let at = run.join(&part.file);
        std::fs::create_dir_all(at.parent().unwrap_or(run))?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&at)?;
        file.write_all_at(&part.bytes, part.at)?;
        file.sync_data()?;
    }
    OpenOptions::new().write(true).open(&path)?.set_len(0)
}

fn next_part(log: &[u8]) -> Option<(Part, &[u8])> {
    let end = log.iter().position(|byte| *byte == b'\n')?;
    let (header, rest) = log.split_at_checked(end)?;
    let header: PartHeader = serde_json::from_slice(header).ok()?;
    let (bytes, rest) = rest.get(1..)?.split_at_checked(usize::try_from(header.len).ok()?)?;
    let is_inside = header.file.components().all(|part| matches!(part, Component::Normal(_)));
    let is_whole = crc32fast::hash(bytes) == header.crc && is_inside;
    is_whole.then(|| (Part { file: header.file, at: header.at, bytes: bytes.to_vec() }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(file: &str, at: u64, bytes: &str) -> Part {
        Part { file: file.into(), at, bytes: bytes.into() }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn those_who_wait_together_share_a_sync() {
        let dir = tempfile::tempdir().unwrap();
        let log = DurableLog::open(dir.path()).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..200 {
            let log = log.clone();
            tasks.spawn(async move { log.keep(vec![part("a", number, "x")]).await });
        }
        for result in tasks.join_all().await {
            result.unwrap();
        }
        assert!((1..200).contains(&log.syncs()), "{}", log.syncs());
    }

    #[tokio::test]
    async fn what_files_lost_is_put_back_up_to_the_first_part_that_is_not_whole() {
        let dir = tempfile::tempdir().unwrap();
        let log = DurableLog::open(dir.path()).unwrap();
        std::fs::write(dir.path().join("a"), "one\ntwo\n").unwrap();
        log.keep(vec![part("a", 0, "one\n"), part("b/c", 0, "blob")]).await.unwrap();
        log.keep(vec![part("a", 4, "two\n")]).await.unwrap();
        log.keep(vec![part("a", 8, "three\n")]).await.unwrap();
        // The power is lost: files have less than they had, or zeros.
        let kept = std::fs::read(log_path(dir.path())).unwrap();
        std::mem::forget(log);
        std::fs::write(log_path(dir.path()), &kept[..kept.len() - 1]).unwrap();
        std::fs::write(dir.path().join("a"), "one\n\0\0").unwrap();
        let _log = DurableLog::open(dir.path()).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("a")).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(dir.path().join("b/c")).unwrap(), "blob");
        assert_eq!(std::fs::metadata(log_path(dir.path())).unwrap().len(), 0);
    }

    #[test]
    fn log_that_names_a_file_elsewhere_is_not_followed() {
        for file in ["../a", "/a", "a/../../b"] {
            let header =
                format!(r#"{{"file":"{file}","at":0,"len":1,"crc":{}}}"#, crc32fast::hash(b"x"));
            assert!(next_part(format!("{header}\nx").as_bytes()).is_none(), "{file}");
        }
    }
}
