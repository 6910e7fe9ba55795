//! Which records of a journal count: what was begun and not finished when a
//! process ended is made again, and what was put down of it counts no more.

use catena_model::ModelError;
use catena_plugin::Event;

use crate::record::{ExchangeAnswer, Record, RolloutEnd};

/// The records that count, in order.
pub(super) fn counting(records: Vec<Record>) -> Vec<Record> {
    let mut kept: Vec<Record> = Vec::with_capacity(records.len());
    for record in records {
        match record {
            Record::Rewound { to } => kept.truncate(usize::try_from(to).unwrap_or(usize::MAX)),
            Record::Resumed => kept.truncate(before_interruption(&kept)),
            Record::Continued(_) => {}
            record => kept.push(record),
        }
    }
    kept
}

/// How many of these records a rollout that is gone on with can rely on.
pub(super) fn reliable(records: &[Record]) -> usize {
    let kept = if was_interrupted(records) { before_interruption(records) } else { records.len() };
    // The call that these are of has not ended, and may come to less.
    let unfinished = records.iter().take(kept).rev().take_while(|record| is_in_call(record));
    kept - unfinished.count()
}

fn before_interruption(records: &[Record]) -> usize {
    let ends = records.iter().rev().take_while(|record| is_infrastructure_end(record)).count();
    // What followed from a model out of reach must not be replayed.
    let lost = records.iter().position(is_unavailable);
    lost.unwrap_or(usize::MAX).min(records.len() - ends)
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

/// Whether it came from outside while a tool call was made.
pub(super) fn is_of_call(record: &Record) -> bool {
    is_in_call(record) || matches!(record, Record::Native { .. } | Record::Http { .. })
}

/// Whether a call into a plugin put it down before its end, and does so again.
pub(super) fn is_in_call(record: &Record) -> bool {
    matches!(
        record,
        Record::Event(Event::Log { .. } | Event::Refused { .. } | Event::Program { .. })
            | Record::ObjectFailed { .. }
    )
}
