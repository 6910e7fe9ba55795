//! What the operator may set: the `[config]` table of `plugin.toml`.
//!
//! The manifest holds every default, so a key that is missing here was removed
//! by hand and is an error, not a guess.

use serde::Deserialize;

/// The whole table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Names of the tools shown to the model, of those the rollout has.
    pub(crate) tools: Vec<String>,
    /// Replies of the model per round; 0 means no bound.
    pub(crate) step_limit: u32,
    /// US dollars per round; 0 means no bound.
    pub(crate) cost_limit: f64,
    /// Unusable replies in a row after which the round is given up.
    pub(crate) max_consecutive_format_errors: u32,
    /// Characters of an observation above which its middle is left out.
    pub(crate) observation_limit: usize,
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
    /// A reply without a usable tool call.
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
