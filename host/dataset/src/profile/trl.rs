//! trl's supervised fine-tuning: one JSON object a line with `prompt`,
//! `completion` and `tools`.
//!
//! trl has no mark for single turns: under `assistant_only_loss` it learns every
//! turn of the completion. So each stretch of turns that are learned without one
//! in between that is not makes a row, whose prompt is all before it. `tools` is
//! JSON text, which trl parses, as schemas of different tools have no common form
//! in a table.

use serde::Serialize;

use super::Row;
use super::chat::{self, ArgumentsAs, ChatMessage};
use crate::sample::{Sample, Stretch};
use crate::select::Reason;

#[derive(Serialize)]
struct Line<'a> {
    prompt: &'a [ChatMessage<'a>],
    completion: &'a [ChatMessage<'a>],
    tools: &'a str,
}

pub(crate) fn rows(sample: &Sample<'_>) -> Result<Vec<Row>, Reason> {
    let messages = sample.messages().map(|said| chat::message(said, ArgumentsAs::Json));
    let messages: Vec<ChatMessage<'_>> = messages.collect::<Result<_, _>>()?;
    let tools = chat::tools_text(sample.tools)?;
    let row = |stretch: Stretch| {
        let line = Line {
            prompt: messages.get(..stretch.begin).unwrap_or_default(),
            completion: messages.get(stretch.begin..stretch.end).unwrap_or_default(),
            tools: &tools,
        };
        if line.prompt.is_empty() {
            // There is nothing to go on from, which no scaffold does.
            return Err(Reason::NotByTurns);
        }
        let is_in = |at: &&usize| (stretch.begin..stretch.end).contains(*at);
        let trained = sample.trained.iter().filter(is_in).copied().collect();
        Row::of_part(sample, stretch.end, trained, &line)
    };
    sample.stretches().into_iter().map(row).collect()
}
