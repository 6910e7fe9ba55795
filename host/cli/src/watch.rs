//! Progress on stderr: bars on a terminal, nothing elsewhere.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};

use catena_model::Waiting;
use catena_rollout::{Progress, ProgressEvent, RolloutId};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::output::Format;

/// A line per rollout at work, and one for the whole run.
pub(crate) struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    rollouts: Mutex<HashMap<RolloutId, Line>>,
}

struct Line {
    bar: ProgressBar,
    stage: u32,
    round: u32,
    turns: u64,
    tool_calls: u64,
    /// What the model is waited for, with a comma before it, or nothing.
    waiting: String,
}

/// What an exchange waits for, for the end of a line.
fn waits(waiting: &Waiting) -> String {
    match waiting {
        Waiting::ForBudget => ", waits for the run's budget".to_owned(),
        Waiting::ForPlace => ", waits for a place at the model".to_owned(),
        Waiting::ForReply => String::new(),
        Waiting::ForRetry { wait, reason } => {
            format!(", asks again in {}s: {reason}", wait.as_secs())
        }
    }
}

/// Somebody who watches, where there is a terminal to watch on.
pub(crate) fn watcher(format: Format) -> Arc<dyn Progress> {
    if format == Format::Text && std::io::stderr().is_terminal() {
        Arc::new(Bars::new())
    } else {
        Arc::new(catena_rollout::progress::Unwatched)
    }
}

/// A bar for one task, hidden where there is no terminal.
pub(crate) fn bar(format: Format, message: &'static str) -> ProgressBar {
    if format == Format::Json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0).with_style(style("{msg} {wide_bar} {pos}/{len} {eta}"));
    bar.with_message(message)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let total = ProgressBar::no_length().with_style(style("{msg} {elapsed}"));
        let total = all.add(total.with_message("rollouts finished: 0"));
        Self { all, total, rollouts: Mutex::default() }
    }

    fn begin(&self, rollout: &RolloutId, stages: u32) -> Line {
        let bar = ProgressBar::new(u64::from(stages))
            .with_style(style("{prefix} {bar:20} {pos}/{len} {msg}"))
            .with_prefix(rollout.to_string());
        Line {
            bar: self.all.add(bar),
            stage: 0,
            round: 0,
            turns: 0,
            tool_calls: 0,
            waiting: String::new(),
        }
    }
}

impl Progress for Bars {
    fn tell(&self, rollout: &RolloutId, event: ProgressEvent) {
        let mut rollouts = self.rollouts.lock().unwrap_or_else(PoisonError::into_inner);
        if let ProgressEvent::RolloutStarted { stages } = event {
            rollouts.insert(rollout.clone(), self.begin(rollout, stages));
            return;
        }
        let Some(line) = rollouts.get_mut(rollout) else { return };
        match event {
            ProgressEvent::RolloutStarted { .. } => {}
            ProgressEvent::RoundStarted { stage, round } => {
                (line.stage, line.round) = (stage, round);
            }
            ProgressEvent::Waits(waiting) => {
                line.waiting = waits(&waiting);
            }
            ProgressEvent::Turn { .. } => {
                line.turns += 1;
                line.waiting.clear();
            }
            ProgressEvent::ToolCall { .. } => line.tool_calls += 1,
            ProgressEvent::StageEnded { stage, .. } => line.bar.set_position(u64::from(stage)),
            ProgressEvent::RolloutEnded { .. } => {
                line.bar.finish_and_clear();
                self.total.inc(1);
                self.total.set_message(format!("rollouts finished: {}", self.total.position()));
                return;
            }
        }
        line.bar.set_message(format!(
            "stage {} round {}, {} turns, {} tool calls{}",
            line.stage, line.round, line.turns, line.tool_calls, line.waiting
        ));
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.total.finish_and_clear();
    }
}
