//! What was counted, measured and found to differ.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Failure;

/// How one comparison ended.
pub(crate) enum Outcome {
    Agrees,
    /// With what differs.
    Differs(String),
    /// It could not be made, for this reason.
    LeftOut(&'static str),
}

#[derive(Default)]
struct Row {
    agree: usize,
    differ: usize,
    left_out: BTreeMap<&'static str, usize>,
}

#[derive(Default)]
pub(crate) struct Tally {
    rows: BTreeMap<String, Row>,
    times: BTreeMap<&'static str, Vec<Duration>>,
    faults: Vec<String>,
}

impl Tally {
    /// Counts a comparison of the kind `what`. A failure that is not a missing
    /// object is a difference.
    pub(crate) fn judge(&mut self, what: &str, name: &str, outcome: Result<Outcome, Failure>) {
        let row = self.rows.entry(what.to_owned()).or_default();
        match outcome.unwrap_or_else(|err| Outcome::Differs(err.to_string())) {
            Outcome::Agrees => row.agree += 1,
            Outcome::LeftOut(reason) => *row.left_out.entry(reason).or_default() += 1,
            Outcome::Differs(how) => {
                row.differ += 1;
                self.faults.push(format!("{what}: {name}: {how}"));
            }
        }
    }

    pub(crate) fn time(&mut self, what: &'static str, time: Duration) {
        self.times.entry(what).or_default().push(time);
    }

    /// Prints everything; whether nothing differs.
    pub(crate) fn report(&mut self) -> bool {
        for fault in &self.faults {
            println!("differs: {fault}");
        }
        let widest = self.rows.keys().map(String::len).max().unwrap_or_default();
        println!("\n{:widest$}  cases  agree  differ  left out", "");
        for (what, row) in &self.rows {
            let left_out: usize = row.left_out.values().sum();
            let cases = row.agree + row.differ + left_out;
            let reasons: Vec<_> =
                row.left_out.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            println!(
                "{what:widest$}  {cases:5}  {:5}  {:6}  {left_out:8}  {}",
                row.agree,
                row.differ,
                reasons.join(", ")
            );
        }
        println!();
        for (what, times) in &mut self.times {
            times.sort_unstable();
            let middle = times.get(times.len() / 2).copied().unwrap_or_default();
            let last = times.last().copied().unwrap_or_default();
            println!("{what}: median {middle:.1?}, at most {last:.1?}, {} times", times.len());
        }
        self.faults.is_empty()
    }
}
