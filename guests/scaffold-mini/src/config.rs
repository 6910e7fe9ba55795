//! What the operator may set: the `[config]` table of `plugin.toml`.
//!
//! The manifest holds every default, so a key that is missing here was removed
//! by hand and is an error, not a guess.

use serde::Deserialize;

/// Which agent is imitated, and how it reads a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// mini-swe-agent 2: calls of one tool, any number in a reply.
    ToolCalls,
    /// mini-swe-agent 2 without tool calls: one block of code in a reply.
    Text,
    /// mini-swe-agent 1: the same, with its own ways of timeouts and mistakes.
    TextV1,
}

impl Mode {
    /// The mode as the configuration spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ToolCalls => "tool-calls",
            Self::Text => "text",
            Self::TextV1 => "text-v1",
        }
    }

    /// The language that a block of code with a command is marked with.
    pub(crate) fn block(self) -> &'static str {
        match self {
            Self::ToolCalls | Self::TextV1 => "bash",
            Self::Text => "mswea_bash_command",
        }
    }
}

/// The whole table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Which agent is imitated.
    pub(crate) mode: Mode,
    /// The tool that runs commands, of those the rollout has.
    pub(crate) tool: String,
    /// Seconds that one command may take.
    pub(crate) timeout_seconds: u64,
    /// Replies of the model per round; 0 means no bound.
    pub(crate) step_limit: u32,
    /// US dollars per round; 0 means no bound.
    pub(crate) cost_limit: f64,
    /// Seconds per round on the rollout's own clock; 0 means no bound.
    pub(crate) wall_time_limit_seconds: u64,
    /// Unusable replies in a row after which the round is given up; 0 means no
    /// bound. Version 1 has none.
    pub(crate) max_consecutive_format_errors: u32,
    /// What finds a command in a reply in text mode, where not the mode's usual
    /// block of code: a regular expression with at most one group.
    pub(crate) action_regex: Option<String>,
    /// Sampling temperature; absent leaves it to the run file.
    pub(crate) temperature: Option<f64>,
    /// Bound on the tokens of one reply; absent leaves it to the run file.
    pub(crate) max_output_tokens: Option<u32>,
    /// First non-blank line of the output by which the agent says it is done.
    pub(crate) submit_marker: String,
    /// What the model is told, by occasion.
    pub(crate) templates: TemplateTexts,
}

/// Template sources, in the syntax of Jinja.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateTexts {
    /// The system message.
    pub(crate) system: String,
    /// Opens the conversation.
    pub(crate) instance: String,
    /// The output of a command.
    pub(crate) observation: String,
    /// Why a command gave no exit status: `output.exception_info`.
    pub(crate) exception: String,
    /// In the place of an observation after a timeout, in version 1.
    pub(crate) timeout: String,
    /// A reply without a usable action.
    pub(crate) format_error: String,
    /// The judge's answer to the last round.
    pub(crate) feedback: String,
    /// Another stage in a conversation that goes on.
    pub(crate) next_stage: String,
    /// Appended to the opening of a stage whose carry left conflict markers.
    pub(crate) carry_conflict: String,
}

/// The table that `plugin.toml` ships.
#[cfg(test)]
pub(crate) fn shipped() -> Config {
    #[derive(Deserialize)]
    struct Manifest {
        config: Config,
    }

    toml::from_str::<Manifest>(include_str!("../plugin.toml")).unwrap().config
}
