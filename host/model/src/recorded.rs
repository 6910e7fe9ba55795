//! A model that plays a tape. It fails closed: a request that is not on the tape
//! is an error that shows the nearest one that is.

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use similar::TextDiff;

use crate::model::{AttemptError, Model, ModelError, ModelInfo, Reply, Request};
use crate::tape::{self, Answered, Asked, TapeError, TapeLine};
use crate::usage::Usage;

/// Most lines of the difference to the nearest recorded request.
const MAX_DIFF_LINES: usize = 24;

/// Most bytes of one line of it.
const MAX_LINE: usize = 160;

/// Plays the answers of a tape.
///
/// It keeps no state: of several recordings of the same request, that of the
/// same rollout, stage and turn is played, else the last one.
pub struct RecordedModel {
    info: ModelInfo,
    lines: Vec<TapeLine>,
    /// Indices of lines by the digest of what was asked.
    by_digest: BTreeMap<String, Vec<usize>>,
}

impl RecordedModel {
    /// Reads a tape.
    pub fn load(path: &Path, info: ModelInfo) -> Result<Self, TapeError> {
        let lines = tape::read(path)?;
        let mut by_digest: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, line) in lines.iter().enumerate() {
            // The digest is of what stands there, whatever the line says.
            by_digest.entry(line.asked.digest()).or_default().push(index);
        }
        Ok(Self { info, lines, by_digest })
    }

    fn find(&self, request: &Request<'_>) -> Option<&Answered> {
        let indices = self.by_digest.get(&Asked::of(request).digest())?;
        let lines = || indices.iter().rev().filter_map(|index| self.lines.get(*index));
        let same = |line: &&TapeLine| is_same_place(line, request);
        lines().find(same).or_else(|| lines().next()).map(|line| &line.answer)
    }

    fn miss(&self, request: &Request<'_>) -> String {
        let asked = Asked::of(request);
        let nearness = |line: &TapeLine| {
            let messages = line.asked.messages.iter().zip(&asked.messages);
            let common = messages.take_while(|(a, b)| a == b).count();
            let length = line.asked.messages.len().abs_diff(asked.messages.len());
            (is_same_place(line, request), common, std::cmp::Reverse(length))
        };
        let place = format!(
            "no reply is recorded for this request of rollout `{}`, stage `{}`, turn {}",
            request.rollout,
            request.stage,
            request.turn_of_stage + 1,
        );
        let numbered = (1..).zip(&self.lines);
        match numbered.max_by_key(|(_, line)| nearness(line)) {
            None => format!("{place}: the tape is empty"),
            Some((number, line)) => format!(
                "{place}; the nearest is line {number} of the tape (- recorded, + asked):\n{}",
                difference(&line.asked, &asked)
            ),
        }
    }
}

fn is_same_place(line: &TapeLine, request: &Request<'_>) -> bool {
    line.rollout == request.rollout
        && line.stage == request.stage
        && line.turn_of_stage == request.turn_of_stage
}

/// The difference between two requests, line by line, cut to what a person
/// reads.
fn difference(recorded: &Asked, asked: &Asked) -> String {
    let (recorded, asked) = (readable(recorded), readable(asked));
    let diff = TextDiff::from_lines(&recorded, &asked);
    let text = diff.unified_diff().context_radius(1).to_string();
    let mut lines: Vec<&str> = text.lines().map(cut).collect();
    let left_out = lines.len().saturating_sub(MAX_DIFF_LINES);
    lines.truncate(MAX_DIFF_LINES);
    let shown = lines.join("\n");
    if left_out > 0 { format!("{shown}\n… {left_out} more lines") } else { shown }
}

fn cut(line: &str) -> &str {
    line.get(..line.floor_char_boundary(MAX_LINE)).unwrap_or(line)
}

/// A request with every line of its texts on a line of its own.
fn readable(asked: &Asked) -> String {
    serde_json::to_string_pretty(asked).unwrap_or_default().replace("\\n", "\n")
}

#[async_trait]
impl Model for RecordedModel {
    fn info(&self) -> ModelInfo {
        self.info.clone()
    }

    /// Exactly what the recorded reply took.
    fn bound(&self, request: &Request<'_>) -> Usage {
        match self.find(request) {
            Some(Answered::Reply(reply)) => reply.usage,
            _ => Usage::default(),
        }
    }

    async fn attempt(&self, request: &Request<'_>) -> Result<Reply, AttemptError> {
        match self.find(request) {
            Some(Answered::Reply(reply)) => Ok(reply.clone()),
            Some(Answered::Error(error)) => Err(AttemptError::lasting(error.clone())),
            None => Err(AttemptError::lasting(ModelError::Unavailable(self.miss(request)))),
        }
    }
}
