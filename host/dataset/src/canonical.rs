//! The canonical form of a rollout: everything that its journal tells of the
//! agent, its stages and its judges, in one JSON object. All exports are made of
//! it, and all imports become it.
//!
//! Texts stand in it once: histories of conversations name messages by their
//! position in one list. What a judge's own model said is not in it, nor are the
//! programs that tools started.
//!
//! The invariant: writing a rollout down and reading it again gives the same
//! rollout, and the arguments of every tool call to the byte.

pub(crate) mod of_run;
pub(crate) mod wire;

use std::collections::BTreeMap;

use catena_chain::StageId;
use catena_model::{
    AssistantMessage, ConversationId, FinishReason, Message, Origin, ReplyDetails, ToolDefinition,
    Usage,
};
use catena_plugin::Digest;
use catena_rollout::summary::RoundSummary;
use catena_rollout::{CarryRecord, RolloutEnd, RolloutId, StageOutcome};
use catena_tree::TreeId;
use serde::{Deserialize, Serialize};

/// Version of the form.
pub const VERSION: u32 = 1;

/// One agent over one chain, or one trajectory of another program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Version of the form; 1.
    pub catena_trajectory: u32,
    /// Where it comes from.
    pub source: Source,
    /// Which.
    pub rollout: RolloutId,
    /// The repository, as `owner/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The repository's licence, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// The agent.
    pub agent: Agent,
    /// The agent was shown the answer.
    #[serde(default)]
    pub control: bool,
    /// The tasks of the chain, those included that the agent did not come to.
    #[serde(default)]
    pub chain: Vec<Task>,
    /// How it ended; none where it was interrupted.
    pub end: Option<RolloutEnd>,
    /// The stages the agent came to, in order.
    pub stages: Vec<Stage>,
    /// The agent's conversations, by id.
    pub conversations: Vec<Conversation>,
    /// The turns that models took, in order.
    pub turns: Vec<Turn>,
    /// The tools that were offered, by digest.
    #[serde(default, with = "wire::tools")]
    pub tools: BTreeMap<Digest, Vec<ToolDefinition>>,
    /// What all exchanges took, those included that came to nothing.
    pub usage: Usage,
    /// Attempts at the model that came to nothing.
    #[serde(default)]
    pub failed_attempts: u64,
    /// What was refused to plugins, by plugin and kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, BTreeMap<String, u64>>,
    /// What an import has that no other field holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<serde_json::Value>,
    /// All messages that histories and turns name.
    #[serde(with = "wire::messages")]
    pub messages: Vec<Message>,
}

/// Where a rollout comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `catena`, or the form of another program.
    pub format: String,
    /// Name of the run, or of the file it was imported from.
    pub name: String,
    /// Version of the program that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The agent that took the turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Name of the scaffold.
    pub name: String,
    /// Its version: the digest of its component, or what another program says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Name of the model.
    pub model: String,
    /// The scaffold's configuration.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub config: serde_json::Value,
}

/// A task of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The stage's id in the chain file.
    pub id: StageId,
    /// Number of the pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
    /// The commit before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The commit by which it landed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<String>,
}

/// A stage the agent came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Counted from 1.
    pub stage: u32,
    /// Its id in the chain file.
    pub id: StageId,
    /// The agent's main conversation at this stage.
    pub conversation: ConversationId,
    /// Where its tree came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carry: Option<CarryRecord>,
    /// Its rounds with their submissions and verdicts.
    pub rounds: Vec<RoundSummary>,
    /// How it ended; none where it was interrupted or nothing judged it.
    pub outcome: Option<StageOutcome>,
    /// The tree the agent left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeId>,
    /// What the agent's exchanges took.
    pub usage: Usage,
    /// What the judges' took.
    #[serde(default)]
    pub judging_usage: Usage,
    /// Turns of the model.
    pub turns: u64,
    /// Tool calls.
    pub tool_calls: u64,
    /// How long its exchanges and tool calls took, in milliseconds.
    #[serde(default)]
    pub wall_ms: u64,
}

/// A conversation with all histories that it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    /// Which.
    pub id: ConversationId,
    /// The conversation it was forked from, for those of sub-agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ConversationId>,
    /// What a model was sent, up to the point at which something else took its
    /// place; the last one counts in the end.
    pub histories: Vec<History>,
}

/// One history of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The stage at which it began, counted from 1.
    pub stage: u32,
    /// How many messages it began with. Turns among them were taken elsewhere.
    pub kept: usize,
    /// Its messages, oldest first.
    pub said: Vec<Said>,
}

/// A message in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Position in [`Rollout::messages`].
    pub message: usize,
    /// The turn in which a model said it, as a position in [`Rollout::turns`].
    /// None for all that plugins wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<usize>,
    /// The stage at which it came into this history, counted from 1.
    pub stage: u32,
    /// The round of that stage, counted from 1; 0 before the first one.
    pub round: u32,
}

/// A turn that a model took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// The conversation.
    pub conversation: ConversationId,
    /// The stage, counted from 1.
    pub stage: u32,
    /// The round of the stage, counted from 1.
    pub round: u32,
    /// What the model said: a position in [`Rollout::messages`].
    pub message: usize,
    /// Why it stopped.
    pub finish: FinishReason,
    /// What the exchange took.
    pub usage: Usage,
    /// The tools that were offered: a key of [`Rollout::tools`].
    pub tools: Digest,
    /// Token ids, log probabilities and what else the server told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<ReplyDetails>>,
    /// The tool calls that ended before the next turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Called>,
    /// When it was taken, as another program wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

impl Turn {
    /// One of another program, which knows one round of one stage and one conversation,
    /// before anything else is known of it.
    pub(crate) fn foreign(
        message: usize,
        finish: FinishReason,
        usage: Usage,
        tools: Digest,
    ) -> Self {
        Self {
            conversation: ConversationId(0),
            stage: 1,
            round: 1,
            message,
            finish,
            usage,
            tools,
            details: None,
            calls: Vec::new(),
            time: None,
        }
    }
}

/// A tool call that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Called {
    /// The model's id of the call.
    pub call_id: String,
    /// The plugin that served it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// `ok`, `error` or the case of the tool error.
    pub outcome: String,
    /// Exit status, where the tool runs commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
    /// What the tool answered, where that is not what the model was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// How long it took in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_us: Option<u64>,
    /// The worktree after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeId>,
}

impl Called {
    /// A call of which only the answer is known: the message at this position.
    pub fn answered(call_id: String, at: usize) -> Self {
        Self {
            call_id,
            plugin: None,
            outcome: "ok".to_owned(),
            exit_status: None,
            output: Some(Output::SameAs(at)),
            wall_us: None,
            tree: None,
        }
    }
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// The content of the message at this position, to the byte.
    SameAs(usize),
    /// This text.
    Text(String),
}

/// Why a line is not a rollout in the canonical form.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// It is not JSON of the right shape.
    #[error("it is no trajectory in the canonical form")]
    Parse(#[from] serde_json::Error),
    /// It is of a version this program does not know.
    #[error("it has version {0} of the canonical form; this program reads version {VERSION}")]
    Version(u32),
    /// A position points nowhere.
    #[error("{0} points to nothing")]
    Dangling(&'static str),
}

impl History {
    /// How many messages this history and the next one begin with alike.
    pub(crate) fn shared_beginning(&self, next: &Self) -> usize {
        let kept = next.said.iter().take(next.kept);
        let alike =
            |(said, kept): &(&Said, &Said)| said.message == kept.message && said.turn == kept.turn;
        self.said.iter().zip(kept).take_while(alike).count()
    }

    /// The turn that the next history takes back: this one's last message, without
    /// which the next one goes on. Where more than it is gone, the history was
    /// compressed, and the turn was a step on the way there.
    pub(crate) fn taken_back_by(&self, next: &Self) -> Option<usize> {
        let turn = self.said.last()?.turn?;
        let is_gone = next.said.iter().take(next.kept).all(|said| said.turn != Some(turn));
        (is_gone && self.shared_beginning(next) + 1 == self.said.len()).then_some(turn)
    }
}

impl Rollout {
    /// Reads one line of a file in the canonical form.
    pub fn from_line(line: &[u8]) -> Result<Self, CanonicalError> {
        let rollout: Self = serde_json::from_slice(line)?;
        if rollout.catena_trajectory != VERSION {
            return Err(CanonicalError::Version(rollout.catena_trajectory));
        }
        rollout.check()?;
        Ok(rollout.with_known_roles())
    }

    /// The same rollout, in which no message passes for one of another role.
    /// Journals of before plugins were kept from that may have some.
    pub(crate) fn with_known_roles(mut self) -> Self {
        for message in &mut self.messages {
            let Message::Other { name, content } = message else { continue };
            let content = std::mem::take(content);
            *message = match name.trim().to_ascii_lowercase().as_str() {
                "assistant" => {
                    let message = AssistantMessage { content, ..AssistantMessage::default() };
                    Message::Assistant { message, origin: Origin::Plugin }
                }
                "system" => Message::System { content },
                "user" => Message::User { content },
                _ => Message::Other { name: std::mem::take(name), content },
            };
        }
        self
    }

    /// One line of a file in the canonical form, without its end.
    pub fn to_line(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Checks that every position points to something, so that no reader has to
    /// wonder.
    pub(crate) fn check(&self) -> Result<(), CanonicalError> {
        let is_message = |at: usize| at < self.messages.len();
        let histories = self.conversations.iter().flat_map(|talk| &talk.histories);
        for history in histories {
            for said in &history.said {
                if !is_message(said.message) {
                    return Err(CanonicalError::Dangling("a `message` of a history"));
                }
                if said.turn.is_some_and(|turn| turn >= self.turns.len()) {
                    return Err(CanonicalError::Dangling("a `turn` of a history"));
                }
            }
            if history.kept > history.said.len() {
                return Err(CanonicalError::Dangling("a `kept` of a history"));
            }
        }
        for turn in &self.turns {
            if !matches!(self.messages.get(turn.message), Some(Message::Assistant { .. })) {
                return Err(CanonicalError::Dangling("a `message` of a turn"));
            }
            let same = turn.calls.iter().filter_map(|called| match called.output {
                Some(Output::SameAs(at)) => Some(at),
                _ => None,
            });
            if !same.into_iter().all(is_message) {
                return Err(CanonicalError::Dangling("a `same-as` of a tool call"));
            }
        }
        Ok(())
    }

    /// The message that a position names.
    pub fn message(&self, at: usize) -> Option<&Message> {
        self.messages.get(at)
    }

    /// What the model said in a turn.
    pub fn reply(&self, turn: &Turn) -> Option<&AssistantMessage> {
        match self.messages.get(turn.message)? {
            Message::Assistant { message, .. } => Some(message),
            _ => None,
        }
    }

    /// The tools that were offered in a turn.
    pub fn tools_of(&self, turn: &Turn) -> &[ToolDefinition] {
        self.tools.get(&turn.tools).map_or(&[], Vec::as_slice)
    }

    /// What a tool answered, where it is known.
    pub fn output<'a>(&'a self, called: &'a Called) -> Option<&'a str> {
        match called.output.as_ref()? {
            Output::Text(text) => Some(text),
            Output::SameAs(at) => match self.messages.get(*at)? {
                Message::Tool { content, .. } | Message::User { content } => Some(content),
                _ => None,
            },
        }
    }

    /// How many stages at the beginning of the chain were accepted.
    pub fn accepted_prefix(&self) -> usize {
        let accepted =
            |stage: &&Stage| matches!(stage.outcome, Some(StageOutcome::Accepted { .. }));
        self.stages.iter().take_while(accepted).count()
    }
}

impl Stage {
    /// The score with which it was accepted.
    pub fn accepted_score(&self) -> Option<f64> {
        match self.outcome {
            Some(StageOutcome::Accepted { score }) => Some(score),
            _ => None,
        }
    }
}
