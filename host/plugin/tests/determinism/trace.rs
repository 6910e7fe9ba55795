//! What guests ask of the host, as `tracing` is told of it.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// Spans that the generated code of imports opens.
const IMPORT: &str = "wit-bindgen import";

/// Lines of everything that crossed the boundary, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Trace {
    /// Listens to all that `work` does on this thread.
    pub(crate) fn of(work: impl FnOnce(&Self)) -> Self {
        let trace = Self::default();
        let subscriber = tracing_subscriber::registry().with(trace.clone());
        tracing::subscriber::with_default(subscriber, || work(&trace));
        trace
    }

    /// Adds what is not told to `tracing`.
    pub(crate) fn add(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    /// How many imports were called.
    pub(crate) fn calls(&self) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.starts_with("import ")).count()
    }

    /// How many different bytes went between guest and host.
    pub(crate) fn digests(&self) -> usize {
        let lines = self.lines.lock().unwrap();
        let digests = lines.iter().filter(|line| line.contains(" digest="));
        digests.collect::<std::collections::BTreeSet<_>>().len()
    }

    /// The first line that is not the same in both.
    pub(crate) fn first_difference(&self, other: &Self) -> Option<(usize, (String, String))> {
        let (lines, others) = (self.lines.lock().unwrap(), other.lines.lock().unwrap());
        let none = String::new();
        (0..lines.len().max(others.len()))
            .map(|at| (at, (lines.get(at).unwrap_or(&none), others.get(at).unwrap_or(&none))))
            .find(|(_, (line, other))| line != other)
            .map(|(at, (line, other))| (at + 1, around(line, other)))
    }
}

/// The parts of two lines from shortly before they part.
fn around(line: &str, other: &str) -> (String, String) {
    let same = line.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let part = |text: &str| text.chars().skip(same.saturating_sub(80)).take(400).collect();
    (part(line), part(other))
}

impl<S: Subscriber> Layer<S> for Trace {
    fn on_new_span(&self, span: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        if span.metadata().name() == IMPORT {
            let mut line = Line("import".to_owned());
            span.record(&mut line);
            self.add(line.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.add(line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}
