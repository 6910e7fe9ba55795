//! Progress on stderr: a table of the rollouts at work on a terminal, a line for
//! what ends elsewhere, and nothing beside JSON.

mod eta;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use catena_model::{Usage, Waiting};
use catena_rollout::{Progress, ProgressEvent, RolloutId};
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};

use crate::output::{Format, dollars, escaped, grouped, tokens};

/// A line per rollout at work, and one for the whole run.
struct Table {
    all: MultiProgress,
    total: ProgressBar,
    begin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rollouts: HashMap<RolloutId, Line>,
    spent: Usage,
    ended: u64,
    /// Stages of all rollouts that were begun, and how many of them have ended.
    pace: eta::Pace,
}

struct Line {
    bar: ProgressBar,
    stage: u32,
    stages: u32,
    round: u32,
    turns: u64,
    tool_calls: u64,
    spent: Usage,
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

/// Somebody who watches a run of `rollouts` rollouts, where anybody does.
pub(crate) fn watcher(format: Format) -> Arc<dyn Progress> {
    match format {
        Format::Text if std::io::stderr().is_terminal() => Arc::new(Table::new()),
        Format::Text => Arc::new(Plain::default()),
        Format::Json => Arc::new(catena_rollout::progress::Unwatched),
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

impl Table {
    fn new() -> Self {
        let all = MultiProgress::new();
        let total = ProgressBar::no_length().with_style(style("{msg}"));
        let total = all.add(total);
        let table = Self { all, total, begin: Instant::now(), state: Mutex::default() };
        table.show_total(&table.lock());
        table
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, rollout: &RolloutId, stages: u32) -> Line {
        let bar = ProgressBar::new(u64::from(stages))
            .with_style(style("{prefix} {bar:12} {pos}/{len} {msg}"))
            .with_prefix(rollout.to_string());
        Line {
            bar: self.all.insert_before(&self.total, bar),
            stage: 0,
            stages,
            round: 0,
            turns: 0,
            tool_calls: 0,
            spent: Usage::default(),
            waiting: String::new(),
        }
    }

    fn show_total(&self, state: &State) {
        let elapsed = self.begin.elapsed();
        let mut text = format!(
            "{} at work, {} ended, {} tokens, {}, {}",
            state.rollouts.len(),
            state.ended,
            grouped(tokens(&state.spent)),
            dollars(state.spent.cost_microusd),
            HumanDuration(elapsed),
        );
        if let Some(left) = state.pace.left(elapsed) {
            let _ = write!(text, ", about {} more for these", HumanDuration(left));
        }
        self.total.set_message(text);
    }
}

impl Progress for Table {
    fn tell(&self, rollout: &RolloutId, event: ProgressEvent) {
        let mut state = self.lock();
        match event {
            ProgressEvent::RolloutStarted { stages } => {
                // One that is gone on with begins again.
                if let Some(line) = state.rollouts.remove(rollout) {
                    line.bar.finish_and_clear();
                    state.pace.forget(line.stages, line.stage);
                }
                let line = self.begin(rollout, stages);
                state.rollouts.insert(rollout.clone(), line);
                state.pace.begin(stages);
            }
            ProgressEvent::RolloutEnded { .. } => {
                if let Some(line) = state.rollouts.remove(rollout) {
                    line.bar.finish_and_clear();
                    state.pace.end(line.stages, line.stage);
                }
                state.ended += 1;
            }
            event => {
                if let ProgressEvent::Turn { usage } = &event {
                    state.spent += *usage;
                }
                if let ProgressEvent::StageEnded { .. } = &event {
                    state.pace.stage_ended();
                }
                if let Some(line) = state.rollouts.get_mut(rollout) {
                    line.take(event);
                }
            }
        }
        self.show_total(&state);
    }
}

impl Line {
    fn take(&mut self, event: ProgressEvent) {
        match event {
            ProgressEvent::RoundStarted { round, .. } => self.round = round,
            ProgressEvent::Waits(waiting) => self.waiting = waits(&waiting),
            ProgressEvent::Parked => {
                ", waits without a worker".clone_into(&mut self.waiting);
            }
            ProgressEvent::Retried { reason } => {
                self.waiting = format!(", goes on after: {}", escaped(&reason));
            }
            ProgressEvent::Turn { usage } => {
                self.turns += 1;
                self.spent += usage;
                self.waiting.clear();
            }
            ProgressEvent::ToolCall { .. } => self.tool_calls += 1,
            ProgressEvent::StageEnded { stage, .. } => {
                self.stage = stage;
                self.bar.set_position(u64::from(stage));
            }
            ProgressEvent::RolloutStarted { .. } | ProgressEvent::RolloutEnded { .. } => {}
        }
        self.bar.set_message(format!(
            "round {}, {} turns, {} tool calls, {}{}",
            self.round,
            self.turns,
            self.tool_calls,
            dollars(self.spent.cost_microusd),
            self.waiting
        ));
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.total.finish_and_clear();
    }
}

/// A line for what ends, where nobody looks at a terminal.
#[derive(Default)]
struct Plain {
    spent: Mutex<HashMap<RolloutId, (u64, Usage)>>,
}

impl Progress for Plain {
    fn tell(&self, rollout: &RolloutId, event: ProgressEvent) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let (turns, usage) = spent.entry(rollout.clone()).or_default();
        match event {
            ProgressEvent::Turn { usage: more } => {
                *turns += 1;
                *usage += more;
            }
            ProgressEvent::StageEnded { stage, outcome } => eprintln!(
                "{rollout}: stage {stage} {}, {turns} turns, {} tokens, {}",
                outcome.word(),
                grouped(tokens(usage)),
                dollars(usage.cost_microusd),
            ),
            ProgressEvent::Retried { reason } => {
                eprintln!("{rollout}: goes on after: {}", escaped(&reason));
            }
            ProgressEvent::RolloutEnded { end } => {
                eprintln!("{rollout}: ended as {}", end.word());
                spent.remove(rollout);
            }
            _ => {}
        }
    }
}
