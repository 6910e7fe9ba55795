//! Data on stdout: tables for people, JSON for programs.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;

use catena_model::Usage;
use catena_rollout::run::Planned;
use catena_rollout::{RolloutSummary, StageSummary};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

/// How a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs: one JSON value.
    Json,
}

/// Prints a line on stdout.
pub(crate) fn say_line(line: std::fmt::Arguments<'_>) {
    write_line(&escaped(&line.to_string()));
}

/// Writes a line as it is. A reader that has gone away, such as `head`, ends the program as
/// it ends others.
fn write_line(line: &str) {
    if writeln!(std::io::stdout().lock(), "{line}").is_err() {
        std::process::exit(BROKEN_PIPE);
    }
}

/// The text with what can't be seen in it, but for line ends and tabs, in an escaped form:
/// what agents and plugins wrote must not steer the operator's terminal, nor look like
/// something else.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    escaped_as(text, |c, shown| shown.extend(c.escape_unicode()))
}

/// The same of a JSON text, in JSON's form of it: such characters are in its strings alone.
fn escaped_json(text: &str) -> Cow<'_, str> {
    escaped_as(text, |c, shown| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    })
}

fn escaped_as(text: &str, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unseen(c) { escape(c, &mut shown) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// Whether a character can't be seen or changes how others stand, and is no line end or tab:
/// control characters, and those that Unicode has for directions, joints, tags and variants
/// or lets a terminal leave out.
pub(crate) fn is_unseen(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}'
            | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Exit code of a program whose reader has gone: 128 and the number of SIGPIPE.
const BROKEN_PIPE: i32 = 141;

/// Prints a line on stdout.
macro_rules! say {
    ($($argument:tt)*) => { $crate::output::say_line(format_args!($($argument)*)) };
}
pub(crate) use say;

/// Prints a JSON value on one line.
pub(crate) fn say_json(value: &serde_json::Value) {
    write_line(&escaped_json(&value.to_string()));
}

/// Prints a value as JSON.
pub(crate) fn print_json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    write_line(&escaped_json(&serde_json::to_string_pretty(value)?));
    Ok(())
}

/// A table with a title row.
pub(crate) fn table(titles: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(titles.iter().map(|title| Cell::new(*title)));
    table
}

pub(crate) fn number(value: impl std::fmt::Display) -> Cell {
    Cell::new(value).set_alignment(CellAlignment::Right)
}

/// The stages of a rollout, as a table.
pub(crate) fn stage_table(summary: &RolloutSummary) -> Table {
    let titles =
        ["stage", "carry", "rounds", "scores", "outcome", "files", "turns", "tokens", "tool calls"];
    let mut table = table(&titles);
    for stage in &summary.stages {
        table.add_row(stage_row(stage));
    }
    table
}

fn stage_row(stage: &StageSummary) -> Vec<Cell> {
    let scores: Vec<String> = stage
        .rounds
        .iter()
        .map(|round| match &round.verdict {
            Some(verdict) => format!("{:.2}", verdict.score),
            None => "-".to_owned(),
        })
        .collect();
    let last = stage.rounds.iter().rev().find_map(|round| round.submission.as_ref());
    let carry = match stage.carry.conflicts().len() {
        0 => stage.carry.word().to_owned(),
        1 => "conflict in 1 file".to_owned(),
        count => format!("conflict in {count} files"),
    };
    vec![
        Cell::new(format!("{} {}", stage.stage, stage.id)),
        Cell::new(carry),
        number(stage.rounds.len()),
        Cell::new(scores.join(" → ")),
        Cell::new(stage.outcome.as_ref().map_or("at work", |outcome| outcome.word())),
        number(last.map_or(0, |submission| submission.files)),
        number(stage.turns),
        number(grouped(tokens(&stage.usage))),
        number(stage.tool_calls),
    ]
}

/// What a rollout's plugins used of their limits, as a table.
pub(crate) fn limit_table(summary: &RolloutSummary, planned: &Planned) -> Table {
    let titles =
        ["plugin", "calls", "peak memory", "most fuel per call", "wall time", "output", "refused"];
    let mut table = table(&titles);
    for (name, used) in &summary.used {
        let limits = planned.plugins.get(name).map(|plugin| &plugin.limits);
        let memory = match limits {
            Some(limits) => format!("{} of {}", bytes(used.peak_memory), limits.memory),
            None => bytes(used.peak_memory),
        };
        let fuel = match limits {
            Some(limits) => format!("{} of {}", scaled(used.peak_fuel), scaled(limits.fuel)),
            None => scaled(used.peak_fuel),
        };
        table.add_row(vec![
            Cell::new(name),
            number(used.calls),
            number(memory),
            number(fuel),
            number(seconds(used.wall_us)),
            number(bytes(used.output)),
            number(used.refused.total()),
        ]);
    }
    table
}

/// One line that sums a rollout up.
pub(crate) fn headline(summary: &RolloutSummary) -> String {
    let end = match &summary.end {
        Some(end) => end.word(),
        None => "not finished",
    };
    let mut line = format!("rollout {}: {end}", summary.rollout);
    if let Some(catena_rollout::RolloutEnd::Accepted { score }) = &summary.end {
        let _ = write!(line, ", mean score {score:.2}");
    }
    if let Some(reason) = summary.end.as_ref().and_then(catena_rollout::RolloutEnd::reason) {
        let _ = write!(line, " ({reason})");
    }
    if summary.control {
        line.push_str(" [control: was shown the answer]");
    }
    line
}

/// Tokens in and out.
pub(crate) fn tokens(usage: &Usage) -> u64 {
    usage.input_tokens + usage.output_tokens
}

/// A number with its thousands apart.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Dollars.
pub(crate) fn dollars(microusd: u64) -> String {
    format!("${}.{:04}", microusd / 1_000_000, microusd % 1_000_000 / 100)
}

/// A number of bytes in the unit that suits it.
pub(crate) fn bytes(value: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, size)| value >= *size) {
        Some((unit, size)) => format!("{}.{}{unit}", value / size, value % size * 10 / size),
        None => format!("{value}B"),
    }
}

/// A count in thousands, millions or billions.
fn scaled(value: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000)];
    match UNITS.iter().find(|(_, size)| value >= *size) {
        Some((unit, size)) => format!("{}.{}{unit}", value / size, value % size * 10 / size),
        None => value.to_string(),
    }
}

fn seconds(microseconds: u64) -> String {
    format!("{}.{:02}s", microseconds / 1_000_000, microseconds % 1_000_000 / 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown_escaped_and_all_else_as_it_is() {
        let plain = "naïve Grüße, 日本語, שלום\n\tand 😀";
        assert!(matches!(escaped(plain), Cow::Borrowed(shown) if shown == plain));
        let lies = "\u{1b}[2J\u{9b}2J \u{202e}txt.exe\u{2069} \u{200b}\u{feff}\u{ad}\u{e0041}";
        let expected = "\\u{1b}[2J\\u{9b}2J \\u{202e}txt.exe\\u{2069} \
                        \\u{200b}\\u{feff}\\u{ad}\\u{e0041}";
        assert_eq!(escaped(lies), expected);
    }

    #[test]
    fn json_with_what_cannot_be_seen_is_the_same_json() {
        let value = serde_json::json!({"\u{202e}": "\u{7f} \u{9b} \u{200b} \u{e0041} \n \u{1b}"});
        let text = value.to_string();
        let shown = escaped_json(&text);
        assert!(shown.is_ascii(), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
