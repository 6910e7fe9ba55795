//! The worker's copies of conversations, and the edits the host has not seen yet.

use std::collections::BTreeMap;

use catena_model::{Conversation, ConversationId, Edit, Message, Reply};

/// All conversations of a session. The host's copies are the ones that count;
/// these serve `history`, `length` and `usage` without crossing the pipe.
pub(crate) struct Conversations {
    main: ConversationId,
    held: BTreeMap<ConversationId, Conversation>,
    unsent: Vec<(ConversationId, Edit)>,
    next: u32,
    random_streams: u64,
}

impl Conversations {
    pub(crate) fn new(main: ConversationId, history: Conversation, next: u32) -> Self {
        Self { main, held: [(main, history)].into(), unsent: Vec::new(), next, random_streams: 0 }
    }

    /// The conversation the host handed to the scaffold.
    pub(crate) fn main(&self) -> ConversationId {
        self.main
    }

    /// Starts an empty conversation.
    pub(crate) fn open(&mut self) -> ConversationId {
        self.add(Conversation::default(), Edit::Push(Vec::new()))
    }

    /// Starts a conversation with the history of another.
    pub(crate) fn fork(&mut self, of: ConversationId) -> ConversationId {
        let copy = self.get(of).fork();
        self.add(copy, Edit::ForkOf(of))
    }

    fn add(&mut self, conversation: Conversation, edit: Edit) -> ConversationId {
        let id = ConversationId(self.next);
        self.next += 1;
        self.held.insert(id, conversation);
        self.unsent.push((id, edit));
        id
    }

    /// What a conversation holds.
    pub(crate) fn get(&mut self, id: ConversationId) -> &mut Conversation {
        self.held.entry(id).or_default()
    }

    /// Appends a message that a plugin wrote.
    pub(crate) fn push(&mut self, id: ConversationId, message: Message) {
        self.get(id).push(message.clone());
        match self.unsent.last_mut() {
            Some((last, Edit::Push(messages))) if *last == id => messages.push(message),
            _ => self.unsent.push((id, Edit::Push(vec![message]))),
        }
    }

    /// Puts other messages in the place of the history.
    pub(crate) fn replace(&mut self, id: ConversationId, messages: Vec<Message>) {
        self.get(id).messages.clone_from(&messages);
        self.unsent.push((id, Edit::Replace(messages)));
    }

    /// Appends what the model said.
    pub(crate) fn reply(&mut self, id: ConversationId, reply: &Reply) {
        self.get(id).push_reply(reply.message.clone(), reply.usage);
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
        std::mem::take(&mut self.unsent)
    }
}
