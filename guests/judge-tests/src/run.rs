//! One run of the tests over one state.

use std::fs;
use std::path::Path;

use catena_sdk::judge::JudgeError;
use catena_sdk::process::{Finished, ProcessError};
use catena_sdk::workspace::{HOME, ROOT, SCRATCH, SnapshotRef, changes, restore, take_snapshot};
use test_results::{Outcome, Report};

use crate::canary::{self, Canary};
use crate::command::Places;
use crate::config::Rules;
use crate::states::not_started;

/// Largest report that is read, in bytes.
const MAX_REPORT: u64 = 4 << 20;

/// Bytes of the end of what was printed that are told to people.
const TAIL: usize = 2000;

/// Name of the snapshot that a run begins with.
const BEGUN: &str = "run";

/// What came of a run.
pub(crate) enum Run {
    /// It left a report.
    Reported(Reported),
    /// It left none that can be read; says why, for people and for agents.
    Unreported { how: Unreported, why: String, output: String },
}

/// How a run ended that left no report.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreported {
    /// By itself.
    Ended,
    /// By a limit, its time among them.
    CutShort,
}

/// A run with its report.
pub(crate) struct Reported {
    /// Without the tests that must fail.
    pub(crate) report: Report,
    /// With them.
    whole: Report,
    pub(crate) status: i32,
    pub(crate) canaries: Vec<Canary>,
    /// Files that only the human answer may say anything about, and that changed
    /// during the run.
    pub(crate) changed: Vec<String>,
    /// Whether the report names the run as it was told to.
    is_named: bool,
}

/// Runs the tests over a state, in a worktree and scratch that hold nothing else.
pub(crate) fn run(
    rules: &Rules,
    files: &[String],
    snapshot: &SnapshotRef,
) -> Result<Run, JudgeError> {
    for dir in [SCRATCH, HOME] {
        clear(Path::new(dir))?;
    }
    restore(snapshot, &[])?;
    let canaries = canary::put(ROOT, files, &rules.canary)?;
    take_snapshot(BEGUN)?;
    let nonce = format!("{:016x}", canary::random()?);
    let dir = format!("{SCRATCH}/{:016x}", canary::random()?);
    fs::create_dir(&dir)?;
    let report = format!("{dir}/report.xml");
    let places = Places { files, report: &report, nonce: &nonce };
    let finished = match rules.command.run(&places, rules.timeout_ms) {
        Ok(finished) => finished,
        Err(ProcessError::TimedOut(partial)) => {
            let why = format!("it did not end within {} seconds", rules.timeout_ms / 1000);
            let output = tail(&partial.stdout, &partial.stderr);
            return Ok(Run::Unreported { how: Unreported::CutShort, why, output });
        }
        Err(ProcessError::LimitReached(which)) => {
            let (why, output) = (format!("it reached a limit: {which}"), String::new());
            return Ok(Run::Unreported { how: Unreported::CutShort, why, output });
        }
        Err(err) => return Err(not_started(&err)),
    };
    let Some(whole) = read(Path::new(&report)) else {
        let why =
            format!("it ended with status {} and left no report that can be read", finished.status);
        let output = tail(&finished.stdout, &finished.stderr);
        return Ok(Run::Unreported { how: Unreported::Ended, why, output });
    };
    reported(rules, whole, &finished, canaries, &nonce).map(Run::Reported)
}

fn reported(
    rules: &Rules,
    whole: Report,
    finished: &Finished,
    canaries: Vec<Canary>,
    nonce: &str,
) -> Result<Reported, JudgeError> {
    let mut report = whole.clone();
    report.tests.retain(|name, _| !canaries.iter().any(|canary| canary.is(name)));
    let changed = changes(&SnapshotRef::Named(BEGUN.to_owned()), &SnapshotRef::Current)?;
    let changed = changed.into_iter().filter(|change| change.kind != "added");
    let changed = changed.map(|change| change.previous_path.unwrap_or(change.path));
    Ok(Reported {
        report,
        status: finished.status,
        canaries,
        changed: changed.filter(|path| rules.protected.is_match(path)).collect(),
        is_named: !rules.command.names("{nonce}") || whole.suites.contains(nonce),
        whole,
    })
}

impl Reported {
    /// The classes of the tests that must fail and did, by file.
    pub(crate) fn watched(&self) -> impl Iterator<Item = (String, String)> {
        let found = |canary: &Canary| Some((canary.file.clone(), canary.class(&self.whole)?));
        self.canaries.iter().filter_map(found)
    }

    /// How the test that must fail in a file was reported in a class.
    pub(crate) fn canary_in(&self, file: &str, class: &str) -> Option<Outcome> {
        let canary = self.canaries.iter().find(|canary| canary.file == file)?;
        canary.outcome(class, &self.whole)
    }

    /// Whether any test is reported as failed, those that must fail included.
    pub(crate) fn has_failures(&self) -> bool {
        self.whole.with(Outcome::Failed).next().is_some()
    }

    /// Why the report is none of this run, if it is not.
    pub(crate) fn is_foreign(&self) -> Option<String> {
        (!self.is_named).then(|| "the report does not name this run".to_owned())
    }
}

fn read(path: &Path) -> Option<Report> {
    if fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?.len() > MAX_REPORT {
        return None;
    }
    let text = fs::read(path).ok()?;
    Report::read(&String::from_utf8_lossy(&text)).ok()
}

fn clear(dir: &Path) -> Result<(), JudgeError> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn tail(stdout: &[u8], stderr: &[u8]) -> String {
    let text = [stdout, stderr].concat();
    let start = text.len().saturating_sub(TAIL);
    String::from_utf8_lossy(text.get(start..).unwrap_or_default()).trim().to_owned()
}
