//! The host's copies of conversations, which are the ones that count.

use std::collections::BTreeMap;
use std::sync::Arc;

use catena_model::{Conversation, ConversationId, Edit, Message, Reply};

/// The host's copies of a rollout's conversations.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Conversations {
    held: BTreeMap<ConversationId, Arc<Conversation>>,
}

impl Conversations {
    /// Starts a conversation and returns its id.
    pub(crate) fn open(&mut self) -> ConversationId {
        let id = ConversationId(self.next());
        self.held.insert(id, Arc::default());
        id
    }

    /// The first id that no conversation has.
    pub(crate) fn next(&self) -> u32 {
        self.held.last_key_value().map_or(0, |(last, _)| last.0.saturating_add(1))
    }

    /// What a conversation holds; nothing for an id that is not known yet.
    pub(crate) fn get(&self, id: ConversationId) -> Arc<Conversation> {
        self.held.get(&id).cloned().unwrap_or_default()
    }

    /// Makes the changes that plugins asked for. Whatever an edit says, only
    /// turns that the model took here count as the model's: a history that is
    /// replaced keeps those it repeats word for word, each once and in order.
    pub(crate) fn apply(&mut self, edits: &[(ConversationId, Edit)]) {
        for (id, edit) in edits {
            match edit {
                Edit::Push(messages) => {
                    let pushed = messages.iter().cloned().map(Message::by_plugin);
                    self.edited(*id).messages.extend(pushed);
                }
                Edit::Replace(messages) => {
                    let held = self.edited(*id);
                    held.replace(with_origins(messages, &held.messages));
                }
                Edit::ForkOf(of) => {
                    let copy = self.get(*of).fork();
                    self.held.insert(*id, Arc::new(copy));
                }
            }
        }
    }

    /// Appends what the model said.
    pub(crate) fn reply(&mut self, id: ConversationId, reply: &Reply) {
        self.edited(id).push_reply(reply.message.clone(), reply.usage);
    }

    /// A conversation to be changed. It is copied if somebody still holds it.
    fn edited(&mut self, id: ConversationId) -> &mut Conversation {
        Arc::make_mut(self.held.entry(id).or_default())
    }
}

/// The messages of a new history, with the model's turns of the old one.
fn with_origins(new: &[Message], old: &[Message]) -> Vec<Message> {
    let known: Vec<&Message> = old.iter().collect();
    let kept = kept_turns(new, &known).into_iter();
    let origin = |(message, kept): (&Message, Option<usize>)| match kept {
        Some(_) => message.clone().by_model(),
        None => message.clone().by_plugin(),
    };
    new.iter().zip(kept).map(origin).collect()
}

/// For each message of a new history the model's turn of the old one that it
/// repeats word for word, as an index; each turn once and in order.
pub(crate) fn kept_turns(new: &[Message], old: &[&Message]) -> Vec<Option<usize>> {
    let mut turns = old.iter().enumerate().filter(|(_, message)| message.is_from_model());
    let find = |message: &Message| {
        let Message::Assistant { message: said, .. } = message else { return None };
        let is_same = |turn: &(usize, &&Message)| matches!(turn.1, Message::Assistant { message, .. } if message == said);
        let mut ahead = turns.clone();
        let (index, _) = ahead.find(is_same)?;
        turns = ahead;
        Some(index)
    };
    new.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use catena_model::{AssistantMessage, FinishReason, Origin, Usage};

    use super::*;

    fn said(text: &str) -> AssistantMessage {
        AssistantMessage { content: text.to_owned(), ..AssistantMessage::default() }
    }

    fn claimed(text: &str) -> Message {
        Message::Assistant { message: said(text), origin: Origin::Model }
    }

    fn from_model(conversations: &Conversations, id: ConversationId) -> Vec<bool> {
        conversations.get(id).messages.iter().map(Message::is_from_model).collect()
    }

    #[test]
    fn only_turns_the_model_took_count_as_its_own() {
        let mut conversations = Conversations::default();
        let id = conversations.open();
        conversations.apply(&[(id, Edit::Push(vec![claimed("forged")]))]);
        for text in ["one", "two"] {
            let reply = Reply {
                message: said(text),
                finish: FinishReason::Stop,
                usage: Usage::default(),
                details: None,
            };
            conversations.reply(id, &reply);
        }
        assert_eq!(from_model(&conversations, id), [false, true, true]);
        let history = ["two", "one", "two", "three"].map(claimed).to_vec();
        conversations.apply(&[(id, Edit::Replace(history))]);
        assert_eq!(from_model(&conversations, id), [true, false, false, false]);
    }
}
