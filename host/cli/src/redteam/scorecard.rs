//! What came of attacks, for people and for programs.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::attack::End;
use crate::output::{bytes, say, table};

/// Characters of a detail that a table has room for.
const DETAIL: usize = 60;

/// What came of one attack.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// The attack.
    pub(crate) name: &'static str,
    /// Who made it.
    pub(crate) by: &'static str,
    /// What it tried.
    pub(crate) tries: &'static str,
    /// What may come of it.
    pub(crate) expected: &'static [End],
    /// Words of which one has to be in `detail` where it was refused or trapped, if any.
    #[serde(skip)]
    pub(crate) because: &'static [&'static str],
    /// What came of it.
    pub(crate) end: End,
    /// More of that.
    pub(crate) detail: String,
    /// How long the attacker ran.
    #[serde(rename = "stopped_after_ms", serialize_with = "milliseconds")]
    pub(crate) stopped_after: Duration,
    /// Bytes that its process had at most beyond what its limits and an honest worker have.
    pub(crate) memory_over: u64,
    /// Bytes that the host had at most beyond what it has without an attack.
    pub(crate) host_memory: u64,
    /// What is wrong with the honest rollout beside it; nothing, if all is well.
    pub(crate) neighbour: Option<String>,
    /// What it reached or took that it must not, beside its end.
    pub(crate) harm: Vec<String>,
    /// Whether all is as it should be.
    pub(crate) contained: bool,
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Prints the card.
pub(crate) fn print(rows: &[Row]) {
    let titles = ["attack", "by", "came to", "after", "memory over", "neighbour", "", "in words"];
    let mut card = table(&titles);
    for row in rows {
        card.add_row([
            row.name,
            row.by,
            row.end.word(),
            &format!("{:.2}s", row.stopped_after.as_secs_f64()),
            &bytes(row.memory_over),
            if row.neighbour.is_none() { "unharmed" } else { "HARMED" },
            if row.contained { "ok" } else { "FAILED" },
            &shortened(&row.detail),
        ]);
    }
    say!("{card}");
    for row in rows.iter().filter(|row| !row.contained) {
        let expected: Vec<&str> = row.expected.iter().map(|end| end.word()).collect();
        say!("FAILED {}: it {}", row.name, row.tries);
        say!("  came to {} ({}), expected {}", row.end, row.detail, expected.join(" or "));
        if !row.because.is_empty() {
            say!(
                "  where it is refused, trapped or unpaid, the reason is `{}`",
                row.because.join("` or `")
            );
        }
        for harm in &row.harm {
            say!("  {harm}");
        }
        if let Some(harm) = &row.neighbour {
            say!("  the rollout beside it: {harm}");
        }
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(DETAIL).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
