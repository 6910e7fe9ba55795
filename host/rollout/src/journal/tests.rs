//! Journals of hand-made records.

use catena_model::{ConversationId, ModelError};
use catena_plugin::Digest;
use catena_tree::TreeId;

use super::*;
use crate::record::{ExchangeAnswer, RolloutId, StageOutcome};

fn header() -> Header {
    Header {
        journal: JOURNAL_VERSION,
        catena: "1".to_owned(),
        engine: "e".to_owned(),
        rollout: RolloutId { chain: "a".parse().unwrap(), trial: 1 },
        approved: None,
        plan: Digest::of(b"plan"),
        control: false,
        walls: catena_worker::Walls::default(),
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
        wall_ms: 0,
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

fn log(text: String) -> Record {
    Record::Event(Event::Log { plugin: "p".to_owned(), level: "info".to_owned(), text })
}

#[tokio::test]
async fn what_nobody_waits_for_does_not_gather_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rollouts/a.journal");
    std::fs::create_dir(dir.path().join("rollouts")).unwrap();
    let durable = DurableLog::open(dir.path()).unwrap();
    let journal = Journal::open(&path, &header(), Beyond::Live).unwrap();
    let mut journal = journal.synced_by(durable.clone());
    for number in 0..20 {
        let text = format!("{number}").repeat(1 << 20);
        // What is told twice waits once.
        journal.note(log(text.clone())).unwrap();
        journal.note(log(text)).unwrap();
        let blobs: usize = journal.unsynced_blobs.iter().map(|part| part.bytes.len()).sum();
        assert!(journal.unsynced.len() + blobs <= MOST_UNSYNCED, "{number}: {blobs}");
    }
    assert_eq!(durable.syncs(), 3);
    // The power is lost before anything but the log is on the disk.
    let records = Journal::read(&path).unwrap();
    std::fs::remove_dir_all(dir.path().join("rollouts")).unwrap();
    DurableLog::open(dir.path()).unwrap();
    let back = Journal::read(&path).unwrap();
    assert!(back.len() > 20 && records.starts_with(&back), "{} records", back.len());
}

#[test]
fn weight_counts_texts_as_often_as_they_are_told_and_is_the_same_in_a_replay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.journal");
    let text = "x".repeat(1 << 20);
    let mut journal = Journal::open(&path, &header(), Beyond::Live).unwrap();
    journal.note(log(text.clone())).unwrap();
    let (once, after_one) = (journal.weight(), journal.position());
    journal.note(log(text)).unwrap();
    let twice = journal.weight();
    assert!(twice > 2 << 20 && std::fs::metadata(&path).unwrap().len() < 4096);
    journal.go_back(after_one).unwrap();
    assert_eq!(journal.weight(), once);
    let mut replay = Journal::open(&path, &header(), Beyond::Forbidden).unwrap();
    while replay.take().is_some() {}
    assert_eq!(replay.weight(), twice);
}
