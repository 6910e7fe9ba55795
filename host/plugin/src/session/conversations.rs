//! The worker's copies of conversations, and the edits the host has not seen yet.
//!
//! Both are bounded, whatever guests write into them: they lie in the memory of the
//! worker, and of the host, not in the guest's.

use std::collections::BTreeMap;

use catena_model::{Conversation, ConversationId, Edit, Message, Reply};

/// Bytes of text that all conversations may hold together: many times what a model
/// takes in, for agents that fork.
const MOST_HELD: usize = 128 << 20;

/// Bytes of text that edits may have which the host has not seen.
const MOST_UNSENT: usize = 64 << 20;

/// Conversations that one session may open. The host takes more for a worker that was
/// broken into.
pub const MOST_OPENED: u32 = 1_000;

/// Turns in a row that a model may refuse a session. Each costs the host some work and no
/// budget.
const MOST_REFUSED: u32 = 100;

/// What a message, a conversation or an edit counts beside its text.
const OVERHEAD: usize = 256;

/// Why conversations can't take any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    /// There is too much text.
    #[error("the conversations of a rollout hold {most} bytes of text at most, {what}")]
    Text {
        /// Bytes that there may be.
        most: usize,
        /// Of what.
        what: &'static str,
    },
    /// There are too many.
    #[error("a session opens {MOST_OPENED} conversations at most")]
    Number,
    /// The model has refused too often, and was asked again.
    #[error("a session goes on after {MOST_REFUSED} refused turns in a row at most")]
    Refused,
}

/// All conversations of a session. The host's copies are the ones that count;
/// these serve `history`, `length` and `usage` without crossing the pipe.
pub(crate) struct Conversations {
    main: ConversationId,
    held: BTreeMap<ConversationId, Conversation>,
    unsent: Vec<(ConversationId, Edit)>,
    first: u32,
    next: u32,
    random_streams: u64,
    /// Bytes of what is held, and of what is unsent.
    held_bytes: usize,
    unsent_bytes: usize,
    /// Turns in a row that were refused.
    refused: u32,
}

impl Conversations {
    pub(crate) fn new(main: ConversationId, history: Conversation, next: u32) -> Self {
        Self {
            main,
            held_bytes: size_of_all(&history.messages),
            held: [(main, history)].into(),
            unsent: Vec::new(),
            first: next,
            next,
            random_streams: 0,
            unsent_bytes: 0,
            refused: 0,
        }
    }

    /// The conversation the host handed to the scaffold.
    pub(crate) fn main(&self) -> ConversationId {
        self.main
    }

    /// Starts an empty conversation.
    pub(crate) fn open(&mut self) -> Result<ConversationId, Full> {
        self.add(Conversation::default(), Edit::Push(Vec::new()))
    }

    /// Starts a conversation with the history of another.
    pub(crate) fn fork(&mut self, of: ConversationId) -> Result<ConversationId, Full> {
        self.has_number_left()?;
        let bytes = size_of_all(&self.get(of).messages);
        self.take(bytes, 0)?;
        let copy = self.get(of).fork();
        self.add(copy, Edit::ForkOf(of))
    }

    fn add(&mut self, conversation: Conversation, edit: Edit) -> Result<ConversationId, Full> {
        self.has_number_left()?;
        self.take(OVERHEAD, OVERHEAD)?;
        let id = ConversationId(self.next);
        self.next += 1;
        self.held.insert(id, conversation);
        self.unsent.push((id, edit));
        Ok(id)
    }

    fn has_number_left(&self) -> Result<(), Full> {
        let opened = self.next.saturating_sub(self.first);
        if opened < MOST_OPENED { Ok(()) } else { Err(Full::Number) }
    }

    /// Counts what is about to be kept, if there is room for it.
    fn take(&mut self, held: usize, unsent: usize) -> Result<(), Full> {
        let (held, unsent) = (self.held_bytes + held, self.unsent_bytes + unsent);
        if held > MOST_HELD {
            return Err(Full::Text { most: MOST_HELD, what: "all of them together" });
        }
        if unsent > MOST_UNSENT {
            return Err(Full::Text { most: MOST_UNSENT, what: "added before a model is asked" });
        }
        (self.held_bytes, self.unsent_bytes) = (held, unsent);
        Ok(())
    }

    /// What a conversation holds.
    pub(crate) fn get(&mut self, id: ConversationId) -> &mut Conversation {
        self.held.entry(id).or_default()
    }

    /// Appends a message that a plugin wrote.
    pub(crate) fn push(&mut self, id: ConversationId, message: Message) -> Result<(), Full> {
        let bytes = size_of(&message);
        self.take(bytes, bytes)?;
        self.get(id).push(message.clone());
        match self.unsent.last_mut() {
            Some((last, Edit::Push(messages))) if *last == id => messages.push(message),
            _ => self.unsent.push((id, Edit::Push(vec![message]))),
        }
        Ok(())
    }

    /// Puts other messages in the place of the history.
    pub(crate) fn replace(
        &mut self,
        id: ConversationId,
        messages: Vec<Message>,
    ) -> Result<(), Full> {
        let (bytes, before) = (size_of_all(&messages), size_of_all(&self.get(id).messages));
        self.take(bytes, bytes + OVERHEAD)?;
        self.held_bytes = self.held_bytes.saturating_sub(before);
        self.get(id).messages.clone_from(&messages);
        self.unsent.push((id, Edit::Replace(messages)));
        Ok(())
    }

    /// Appends what the model said.
    pub(crate) fn reply(&mut self, id: ConversationId, reply: &Reply) {
        // The model's words are bounded by what it takes in, and are counted with the rest.
        self.held_bytes += reply.message.text_len() + OVERHEAD;
        self.get(id).push_reply(reply.message.clone(), reply.usage);
        self.refused = 0;
    }

    /// Counts that the model refused, unless it did so too often.
    pub(crate) fn count_refused(&mut self) -> Result<(), Full> {
        self.refused += 1;
        if self.refused > MOST_REFUSED { Err(Full::Refused) } else { Ok(()) }
    }

    /// A number that no call of this session had before.
    pub(crate) fn next_random_stream(&mut self) -> u64 {
        self.random_streams += 1;
        self.random_streams
    }

    /// How many there were.
    pub(crate) fn random_streams(&self) -> u64 {
        self.random_streams
    }

    /// Goes on after so many.
    pub(crate) fn go_on_from_stream(&mut self, random_streams: u64) {
        self.random_streams = random_streams;
    }

    /// The edits since the last call, in order.
    pub(crate) fn take_edits(&mut self) -> Vec<(ConversationId, Edit)> {
        self.unsent_bytes = 0;
        std::mem::take(&mut self.unsent)
    }
}

fn size_of(message: &Message) -> usize {
    message.text_len() + OVERHEAD
}

fn size_of_all(messages: &[Message]) -> usize {
    messages.iter().map(size_of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: ConversationId = ConversationId(0);

    fn conversations() -> Conversations {
        Conversations::new(MAIN, Conversation::default(), 1)
    }

    fn message(bytes: usize) -> Message {
        Message::User { content: "x".repeat(bytes) }
    }

    #[test]
    fn messages_without_end_are_refused_at_a_bound() {
        let mut conversations = conversations();
        let pushed = (0..1000).take_while(|_| conversations.push(MAIN, message(1 << 20)).is_ok());
        assert_eq!(pushed.count(), 63);
        conversations.take_edits();
        assert!(conversations.push(MAIN, message(1 << 20)).is_ok());
    }

    #[test]
    fn model_that_refuses_is_asked_so_often_in_a_row_and_no_more() {
        let mut conversations = conversations();
        for _ in 0..MOST_REFUSED {
            conversations.count_refused().unwrap();
        }
        assert_eq!(conversations.count_refused(), Err(Full::Refused));
    }

    #[test]
    fn forks_count_what_they_copy() {
        let mut conversations = conversations();
        conversations.push(MAIN, message(20 << 20)).unwrap();
        let forked = (0..1000).take_while(|_| conversations.fork(MAIN).is_ok());
        assert_eq!(forked.count(), 5);
    }

    #[test]
    fn history_that_is_replaced_makes_room_but_not_before_the_host_saw_it() {
        let mut conversations = conversations();
        for _ in 0..20 {
            conversations.replace(MAIN, vec![message(40 << 20)]).unwrap();
            assert!(conversations.replace(MAIN, vec![message(40 << 20)]).is_err());
            conversations.take_edits();
        }
    }

    #[test]
    fn conversations_without_end_are_refused_at_a_number() {
        let mut conversations = conversations();
        let opened = (0..1_000_000).take_while(|_| conversations.open().is_ok());
        assert_eq!(opened.count(), 1_000);
        assert!(conversations.fork(MAIN).is_err());
    }
}
