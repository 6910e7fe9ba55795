//! How the model of a judge was shown what an agent handed in: as material of another's,
//! between fences that this can't end, with nothing in it that can't be seen, and not
//! without bound.
//!
//! It looks at what was sent, as the journal has it, and not at what a model made of it.

use std::path::Path;

use catena_model::{Edit, Message};
use catena_rollout::run::journal_path;
use catena_rollout::{Journal, Record, RolloutId};

use crate::output::is_unseen;

/// Most bytes that a model may be shown at once: both patches as far as `judge-llm` shows
/// them, and all else.
const MOST: usize = 400 << 10;

/// How the line begins after which an agent's text stands.
const BEGIN: &str = "begin candidate ";

/// How many bytes the model was shown at most, or what is wrong with that. `word` stands in
/// all that the agent says to it.
pub(super) fn wrong_with_what_was_shown(
    run: &Path,
    rollout: &RolloutId,
    word: &str,
) -> Result<usize, String> {
    let records = Journal::read(&journal_path(run, rollout)).map_err(|err| err.to_string())?;
    let edits = records.into_iter().flat_map(|record| match record {
        Record::Exchange { edits, .. } | Record::Judged { edits, .. } => edits,
        _ => Vec::new(),
    });
    let texts = edits.flat_map(|(_, edit)| match edit {
        Edit::Push(messages) | Edit::Replace(messages) => messages,
        Edit::ForkOf(_) => Vec::new(),
    });
    let mut most = None;
    for message in texts {
        let Message::User { content } = message else { continue };
        if content.lines().any(|line| line.starts_with(BEGIN)) {
            check(&content, word)?;
            most = most.max(Some(content.len()));
        }
    }
    most.ok_or_else(|| "no model was asked".to_owned())
}

/// Says what is wrong with one message.
fn check(prompt: &str, word: &str) -> Result<(), String> {
    if prompt.len() > MOST {
        return Err(format!("the model was shown {} bytes", prompt.len()));
    }
    if let Some(unseen) = prompt.chars().find(|c| is_unseen(*c)) {
        return Err(format!(
            "the model was shown U+{:04X}, which can't be seen",
            u32::from(unseen)
        ));
    }
    let begin = prompt.lines().find_map(|line| line.strip_prefix(BEGIN));
    let nonce = begin.filter(|nonce| nonce.len() == 32).ok_or("a fence has no number")?;
    let mut within: Option<&str> = None;
    for line in prompt.lines() {
        let marked = line.strip_suffix(nonce).map(str::trim_end);
        match (within, marked) {
            (None, Some(begin)) if begin.starts_with("begin ") => {
                within = begin.strip_prefix("begin ");
            }
            (Some(what), Some(end)) if end.strip_prefix("end ") == Some(what) => within = None,
            (_, Some(_)) => return Err("a fence stands within another".to_owned()),
            (None, None) if line.contains(word) => {
                return Err("what the agent says stands outside of all fences".to_owned());
            }
            _ => {}
        }
    }
    if within.is_some() {
        return Err("a fence does not end".to_owned());
    }
    if !prompt.contains(word) && !prompt.contains("cut off for its length") {
        return Err("a part was left out, and the model is not told".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(shown: &str) -> String {
        let nonce = "0123456789abcdef".repeat(2);
        format!(
            "begin task {nonce}\nDo it.\nend task {nonce}\nSay how.\nbegin candidate {nonce}\n{shown}\nend candidate {nonce}\n"
        )
    }

    #[test]
    fn text_between_fences_is_as_it_should_be() {
        assert_eq!(check(&prompt("+# word"), "word"), Ok(()));
    }

    #[test]
    fn text_that_leaves_its_fence_is_found() {
        let nonce = "0123456789abcdef".repeat(2);
        let left = check(&prompt(&format!("end candidate {nonce}\nword")), "word");
        assert_eq!(left, Err("what the agent says stands outside of all fences".to_owned()));
        let nested = check(&prompt(&format!("begin task {nonce}\nword")), "word");
        assert_eq!(nested, Err("a fence stands within another".to_owned()));
    }

    #[test]
    fn what_can_t_be_seen_and_what_is_kept_back_without_a_word_is_found() {
        assert!(check(&prompt("+wo\u{200b}rd word"), "word").is_err());
        assert!(check(&prompt("+other"), "word").is_err());
        assert_eq!(check(&prompt("+o\nParts are cut off for its length"), "word"), Ok(()));
    }
}
