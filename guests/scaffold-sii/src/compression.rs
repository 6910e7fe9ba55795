//! Making a history shorter: its beginning becomes a snapshot that the model
//! writes, its end stays as it is.
//!
//! The snapshot is asked for in a fork, so that the request is no part of the
//! conversation. A history is only cut where no call is left without its answer.

use catena_sdk::model::{CompletionRequest, Message, ModelError, ToolChoice};
use catena_sdk::scaffold::ScaffoldError;

use crate::config::Config;
use crate::texts::Texts;
use crate::world::{Talk, World, as_if_said, text_len};

/// Bytes of a token, by the usual rule of thumb.
const BYTES_PER_TOKEN: u64 = 4;

/// How full the context window is.
pub(crate) struct Fill {
    window: u64,
    tokens: u64,
    /// A compression that made nothing shorter is not tried again.
    is_given_up: bool,
}

impl Fill {
    /// Of a history of which no server has told anything yet.
    pub(crate) fn of(history: &[Message], window: u64) -> Self {
        Self { window, tokens: tokens(history), is_given_up: false }
    }

    /// After a reply: what the server counted.
    pub(crate) fn measured(&mut self, tokens: u64) {
        self.tokens = tokens;
    }

    /// After a message that no server has counted yet.
    pub(crate) fn pushed(&mut self, message: &Message) {
        self.tokens += (text_len(message) as u64).div_ceil(BYTES_PER_TOKEN);
    }

    /// Whether it is time for a compression.
    #[expect(clippy::cast_precision_loss, reason = "windows are far smaller")]
    pub(crate) fn is_high(&self, config: &Config) -> bool {
        let bound = self.window as f64 * config.compress_at;
        self.window > 0 && !self.is_given_up && self.tokens as f64 >= bound
    }
}

fn tokens(history: &[Message]) -> u64 {
    let bytes: usize = history.iter().map(text_len).sum();
    (bytes as u64).div_ceil(BYTES_PER_TOKEN)
}

/// Compresses the history of a conversation; says whether it is shorter now.
pub(crate) fn compress<W: World>(
    world: &W,
    talk: &mut W::Talk,
    config: &Config,
    texts: &Texts,
    fill: &mut Fill,
) -> Result<bool, ScaffoldError> {
    let history = talk.history();
    let first = history.iter().take_while(|message| matches!(message, Message::System(_))).count();
    let (system, rest) = history.split_at(first);
    let cut = cut(rest, config.compress_keep);
    let (old, kept) = rest.split_at(cut);
    fill.is_given_up = true;
    if old.len() < 2 {
        return Ok(false);
    }
    let Some(snapshot) = snapshot(world, talk, config, texts, &[system, old].concat())? else {
        return Ok(false);
    };
    let mut new = system.to_vec();
    new.push(Message::User(texts.summary(&snapshot)?));
    if matches!(kept.first(), None | Some(Message::User(_))) {
        new.push(as_if_said(texts.fixed("summary_reply")?));
    }
    if kept.is_empty() {
        new.push(Message::User(texts.fixed("resume")?));
    }
    new.extend_from_slice(kept);
    let (before, after) = (tokens(&history), tokens(&new));
    if after >= before {
        world.note("a compression would have made the history longer");
        return Ok(false);
    }
    talk.replace(&new);
    world.note(&format!(
        "compressed {} messages of about {before} tokens to {} of about {after}",
        history.len(),
        new.len()
    ));
    *fill = Fill { window: fill.window, tokens: after, is_given_up: false };
    Ok(true)
}

/// The first place from which on at most the part `keep` of a history is left,
/// and at which it can be cut: before a message that answers no call.
fn cut(history: &[Message], keep: f64) -> usize {
    let total: usize = history.iter().map(text_len).sum();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "a part of a length in memory"
    )]
    let goal = (total as f64 * (1.0 - keep.clamp(0.0, 1.0))) as usize;
    let mut before = 0;
    for (index, message) in history.iter().enumerate() {
        if before >= goal && !matches!(message, Message::Tool(_)) {
            return index;
        }
        before += text_len(message);
    }
    history.len()
}

/// What the model makes of a history; nothing where it says nothing.
fn snapshot<W: World>(
    world: &W,
    talk: &W::Talk,
    config: &Config,
    texts: &Texts,
    old: &[Message],
) -> Result<Option<String>, ScaffoldError> {
    let mut fork = world.fork(talk);
    fork.replace(old);
    fork.push(Message::User(texts.fixed("compression")?));
    let request = CompletionRequest {
        tool_choice: ToolChoice::None,
        temperature: config.temperature,
        max_output_tokens: config.max_output_tokens,
        ..CompletionRequest::default()
    };
    match fork.complete(&request) {
        Ok(completion) => {
            let text = completion.message.content.trim();
            Ok((!text.is_empty()).then(|| text.to_owned()))
        }
        Err(ModelError::ContextTooLong(_) | ModelError::Refused(_)) => Ok(None),
        Err(err) => Err(ScaffoldError::Model(err)),
    }
}

#[cfg(test)]
mod tests {
    use catena_sdk::model::{AssistantMessage, ToolMessage};
    use catena_sdk::tools::ToolCall;

    use super::*;

    fn user(length: usize) -> Message {
        Message::User("u".repeat(length))
    }

    fn call() -> Message {
        let call = ToolCall { id: "1".to_owned(), name: "glob".to_owned(), arguments: "{}".into() };
        Message::Assistant(AssistantMessage {
            content: String::new(),
            reasoning: None,
            tool_calls: vec![call],
        })
    }

    fn answer(length: usize) -> Message {
        Message::Tool(ToolMessage { call_id: "1".to_owned(), content: "t".repeat(length) })
    }

    #[test]
    fn the_last_part_stays_and_no_call_loses_its_answer() {
        let history = [user(100), call(), answer(600), call(), answer(200), user(100)];
        // 69 % lie before the second call.
        assert_eq!(cut(&history, 0.31), 3);
        // The next place would be its answer.
        assert_eq!(cut(&history, 0.3), 5);
        assert_eq!(cut(&history, 0.0), 6);
        assert_eq!(cut(&[user(10), call(), answer(1_000)], 0.3), 3);
    }

    #[test]
    fn window_of_unknown_size_is_never_full() {
        let config = crate::config::shipped();
        assert!(!Fill::of(&[user(1_000_000)], 0).is_high(&config));
        let mut fill = Fill::of(&[user(280)], 101);
        assert!(!fill.is_high(&config));
        fill.pushed(&user(4));
        assert!(fill.is_high(&config));
        fill.measured(60);
        assert!(!fill.is_high(&config));
    }
}
