//! `catena show --follow`: what happens in a run, as its journals grow.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use catena_model::Reply;
use catena_plugin::{Event, Judged, NativeOutcome};
use catena_rollout::Record;
use catena_rollout::journal::JournalTail;
use catena_rollout::record::{ExchangeAnswer, Settled};
use catena_rollout::run::{RunError, is_worked_on, journals, planned};
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Format, grouped, say, say_json, tokens};

/// How often journals are looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Characters of what a model says.
const SAID: usize = 100;

pub(crate) fn run(dir: &Path, only: Option<&str>, format: Format) -> Result<ExitCode, Failure> {
    planned(dir)?;
    let mut tails = BTreeMap::new();
    loop {
        // Asked first, so that what the last worker wrote is seen.
        let goes_on = is_worked_on(dir);
        for path in journals(dir)? {
            let rollout = name_of(&path);
            if only.is_some_and(|only| only != rollout) {
                continue;
            }
            let tail = tails.entry(path.clone()).or_insert_with(|| JournalTail::of(&path));
            for record in tail.more().map_err(RunError::from)? {
                show(&rollout, &record, format);
            }
        }
        if !goes_on {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(PAUSE);
    }
}

fn name_of(journal: &PathBuf) -> String {
    Path::new(journal).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn show(rollout: &str, record: &Record, format: Format) {
    if format == Format::Json {
        say_json(&json!({"rollout": rollout, "record": record}));
    } else if let Some(text) = describe(record) {
        say!("{rollout}: {text}");
    }
}

/// What several judges came to, and what was cut from their feedback.
fn describe_settled(settled: &Settled) -> Option<String> {
    let together = settled.combine.map(|rule| match settled.score {
        Some(score) => format!("judged {score:.2} by `{}`", rule.word()),
        None => format!("no verdict by `{}`", rule.word()),
    });
    let cut = settled.told.as_ref().filter(|told| !told.cut.is_empty()).map(|told| {
        let count = told.cut.len();
        format!(
            "{count} {} cut from the feedback",
            if count == 1 { "thing was" } else { "things were" }
        )
    });
    let parts: Vec<String> = together.into_iter().chain(cut).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// A record in a line, if it is worth one.
fn describe(record: &Record) -> Option<String> {
    Some(match record {
        Record::StageStarted { stage, id, carry, .. } => {
            format!("stage {stage} `{id}`, carry {}", carry.word())
        }
        Record::RoundStarted { stage, round } => format!("stage {stage} round {round}"),
        Record::Exchange { answer: ExchangeAnswer::Reply(reply), wall_ms, .. } => {
            said(reply, *wall_ms)
        }
        Record::Exchange { answer: ExchangeAnswer::Error(err), .. } => format!("no reply: {err}"),
        Record::ModelFailed(attempt) => format!(
            "an attempt at the model failed, the next in {}s: {}",
            attempt.wait_ms / 1_000,
            attempt.reason
        ),
        Record::Event(Event::ToolCall { tool, outcome, exit_status, output_bytes, .. }) => {
            let status = exit_status.map(|status| format!(", status {status}")).unwrap_or_default();
            format!("  {tool} {outcome}{status}, {} bytes", grouped(*output_bytes))
        }
        Record::Native { program, command, end, wall_ms, .. } => {
            native(program, command, &end.outcome, *wall_ms)
        }
        Record::Http { plugin, method, address, end, wall_ms, .. } => {
            let came = match end.as_ref() {
                Ok(answer) => answer.status.to_string(),
                Err(failure) => failure.to_string(),
            };
            format!("  `{plugin}` {method} {address}: {came}, {wall_ms} ms")
        }
        Record::Event(Event::Refused { plugin, right }) => {
            format!("  `{plugin}` was refused `{right}`")
        }
        Record::Submitted(submission) => format!("submitted {} files", submission.files),
        Record::Judged { judge, judged: Judged::Verdict(verdict), .. } => {
            format!("`{judge}` judged {:.2}", verdict.score)
        }
        Record::Judged { judge, .. } => format!("`{judge}` came to no verdict"),
        Record::Settled(settled) => describe_settled(settled)?,
        Record::StageEnded { stage, outcome, .. } => format!("stage {stage} {}", outcome.word()),
        Record::Ended(end) => match end.reason() {
            Some(reason) => format!("ended as {} ({reason})", end.word()),
            None => format!("ended as {}", end.word()),
        },
        Record::Rewound { .. } | Record::Resumed => "goes back to what stands".to_owned(),
        Record::Continued(_) => "is gone on with".to_owned(),
        Record::Header(_)
        | Record::Tools { .. }
        | Record::ObjectFailed { .. }
        | Record::Event(Event::Log { .. } | Event::Program { .. })
        | Record::AttemptEnded { .. } => return None,
    })
}

fn native(program: &str, command: &[String], outcome: &NativeOutcome, wall_ms: u64) -> String {
    let words: String = command.join(" ").chars().take(SAID).collect();
    let outcome = match outcome {
        NativeOutcome::Ended(status) => format!("status {status}"),
        NativeOutcome::TimedOut => "timed out".to_owned(),
        NativeOutcome::LimitReached(which) => format!("took too much: {which}"),
        NativeOutcome::NotStarted(why) => format!("not started: {why}"),
    };
    format!("    {program}: {words} ({outcome}, {wall_ms} ms)")
}

fn said(reply: &Reply, wall_ms: u64) -> String {
    let first = reply.message.content.lines().next().unwrap_or_default();
    let words: String = first.chars().take(SAID).collect();
    let calls: Vec<&str> = reply.message.tool_calls.iter().map(|call| call.name.as_str()).collect();
    let calls = if calls.is_empty() { String::new() } else { format!(" → {}", calls.join(", ")) };
    format!(
        "{words}{calls} ({} tokens, {}.{}s)",
        grouped(tokens(&reply.usage)),
        wall_ms / 1_000,
        wall_ms % 1_000 / 100
    )
}
