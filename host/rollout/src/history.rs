//! Conversations as they went: every history that a model was asked under, and
//! which of its messages the model said there.
//!
//! A plugin may put other messages in the place of a history, to compress it or
//! to take a reply back, and may fork a conversation for a sub-agent. The host
//! goes on with what counts now (`conversations`); this keeps what was before, for
//! training data. The invariant: each turn of the model was taken in exactly
//! one history.

use std::collections::BTreeMap;

use catena_model::{
    ConversationId, Edit, FinishReason, Message, Reply, ReplyDetails, ToolDefinition, Usage,
};
use catena_plugin::Digest;
use catena_tree::TreeId;

use crate::conversations::kept_turns;

/// One message of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The message.
    pub message: Message,
    /// The turn in which the model said it, as an index into [`Histories::turns`].
    /// None for all that plugins wrote.
    pub turn: Option<usize>,
    /// The stage at which it came into this history, counted from 1.
    pub stage: u32,
    /// The round of that stage, counted from 1; 0 before the first one.
    pub round: u32,
}

/// Where in a rollout something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) stage: u32,
    pub(crate) round: u32,
}

/// What a model was sent, up to the point at which something else took its place.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The stage at which it began, counted from 1.
    pub stage: u32,
    /// How many messages it began with. Turns among them were taken elsewhere.
    pub kept: usize,
    /// All its messages, oldest first.
    pub said: Vec<Said>,
}

/// A conversation with all histories that it had.
#[derive(Debug, Clone, PartialEq)]
pub struct Strand {
    /// The conversation that it was forked from.
    pub forked_from: Option<ConversationId>,
    /// The histories that others took the place of, in order.
    pub past: Vec<History>,
    /// The history that counts now.
    pub current: History,
}

impl Strand {
    /// All histories, in order.
    pub fn histories(&self) -> impl Iterator<Item = &History> {
        self.past.iter().chain(std::iter::once(&self.current))
    }
}

/// A tool call that ended, as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The plugin that served it.
    pub plugin: String,
    /// The tool.
    pub tool: String,
    /// The model's id of the call.
    pub call_id: String,
    /// `ok`, `error` or the case of the tool error.
    pub outcome: String,
    /// Exit status, where the tool runs commands.
    pub exit_status: Option<i32>,
    /// What the tool answered, as far as the journal has it.
    pub output: Option<String>,
    /// How long it took in microseconds.
    pub wall_us: u64,
    /// The worktree after it.
    pub tree: TreeId,
}

/// One turn that a model took.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The conversation.
    pub conversation: ConversationId,
    /// The stage, counted from 1.
    pub stage: u32,
    /// The round of the stage, counted from 1.
    pub round: u32,
    /// Why the model stopped.
    pub finish: FinishReason,
    /// What the exchange took.
    pub usage: Usage,
    /// Digest of the tools offered.
    pub tools: Digest,
    /// What the model said.
    pub reply: Message,
    /// What else the server told, where it did.
    pub details: Option<Box<ReplyDetails>>,
    /// The tool calls that ended before the next turn.
    pub calls: Vec<Called>,
}

/// All conversations of the agent in a rollout. A judge's are not among them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histories {
    strands: BTreeMap<ConversationId, Strand>,
    turns: Vec<Turn>,
    tools: BTreeMap<Digest, Vec<ToolDefinition>>,
}

impl Histories {
    /// The conversations, by id.
    pub fn strands(&self) -> &BTreeMap<ConversationId, Strand> {
        &self.strands
    }

    /// The turns the model took, in order.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// The tools that were offered in a turn.
    pub fn tools_of(&self, turn: &Turn) -> &[ToolDefinition] {
        self.tools.get(&turn.tools).map_or(&[], Vec::as_slice)
    }

    /// How often other messages took the place of a history.
    pub fn replacements(&self) -> u64 {
        self.strands.values().map(|strand| strand.past.len() as u64).sum()
    }

    /// How many conversations were forked from others.
    pub fn forks(&self) -> u64 {
        self.strands.values().filter(|strand| strand.forked_from.is_some()).count() as u64
    }

    /// The tools that were offered in any turn, by digest.
    pub fn tools(&self) -> &BTreeMap<Digest, Vec<ToolDefinition>> {
        &self.tools
    }

    pub(crate) fn define_tools(&mut self, digest: Digest, definitions: &[ToolDefinition]) {
        self.tools.insert(digest, definitions.to_vec());
    }

    /// Starts a conversation that the host opened.
    pub(crate) fn open(&mut self, id: ConversationId, at: At) {
        self.strand(id, at);
    }

    pub(crate) fn apply(&mut self, edits: &[(ConversationId, Edit)], at: At) {
        for (id, edit) in edits {
            match edit {
                Edit::Push(messages) => {
                    let said = messages.iter().map(|message| by_plugin(message, at));
                    self.strand(*id, at).current.said.extend(said);
                }
                Edit::Replace(messages) => self.replace(*id, messages, at),
                Edit::ForkOf(of) => self.fork(*id, *of, at),
            }
        }
    }

    pub(crate) fn reply(&mut self, id: ConversationId, reply: &Reply, tools: Digest, at: At) {
        let message = Message::of_model(reply.message.clone());
        let turn = Some(self.turns.len());
        self.turns.push(Turn {
            conversation: id,
            stage: at.stage,
            round: at.round,
            finish: reply.finish.clone(),
            usage: reply.usage,
            tools,
            reply: message.clone(),
            details: reply.details.clone(),
            calls: Vec::new(),
        });
        let said = Said { message, turn, stage: at.stage, round: at.round };
        self.strand(id, at).current.said.push(said);
    }

    pub(crate) fn called(&mut self, called: Called) {
        if let Some(turn) = self.turns.last_mut() {
            turn.calls.push(called);
        }
    }

    fn replace(&mut self, id: ConversationId, messages: &[Message], at: At) {
        let strand = self.strand(id, at);
        let old = &strand.current.said;
        let known: Vec<&Message> = old.iter().map(|said| &said.message).collect();
        let kept = kept_turns(messages, &known);
        let said: Vec<Said> = messages
            .iter()
            .zip(kept)
            .map(|(message, kept)| match kept.and_then(|index| old.get(index)) {
                Some(turn) => turn.clone(),
                None => by_plugin(message, at),
            })
            .collect();
        let new = History { stage: at.stage, kept: said.len(), said };
        strand.past.push(std::mem::replace(&mut strand.current, new));
    }

    fn fork(&mut self, id: ConversationId, of: ConversationId, at: At) {
        let said = self.strand(of, at).current.said.clone();
        let current = History { stage: at.stage, kept: said.len(), said };
        self.strands.insert(id, Strand { forked_from: Some(of), past: Vec::new(), current });
    }

    fn strand(&mut self, id: ConversationId, at: At) -> &mut Strand {
        self.strands.entry(id).or_insert_with(|| Strand {
            forked_from: None,
            past: Vec::new(),
            current: History { stage: at.stage, kept: 0, said: Vec::new() },
        })
    }
}

fn by_plugin(message: &Message, at: At) -> Said {
    let At { stage, round } = at;
    Said { message: message.clone().by_plugin(), turn: None, stage, round }
}
