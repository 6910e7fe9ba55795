//! What the operator may set: the `[config]` table of `plugin.toml`, which also
//! holds the defaults.

use serde::Deserialize;

/// The whole table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Names of the tools shown to the model, in order.
    pub(crate) tools: Vec<String>,
    /// The rollout's tool that runs commands.
    pub(crate) shell: String,
    /// Seconds that one command may take.
    pub(crate) timeout_seconds: u64,
    /// Replies of the model per round.
    pub(crate) turn_limit: u32,
    /// Replies of the model per sub-agent.
    pub(crate) sub_agent_turn_limit: u32,
    /// Identical calls in a row that are a loop; 0 means that none is looked for.
    pub(crate) loop_threshold: u32,
    /// Replies in a row without a call and without an end that end the round.
    pub(crate) idle_limit: u32,
    /// Tokens of the context window; 0 leaves it to the run file.
    pub(crate) context_window: u64,
    /// The part of the window from which a history is compressed.
    pub(crate) compress_at: f64,
    /// The part of a history, its end, that is kept word for word.
    pub(crate) compress_keep: f64,
    /// Characters of a tool's answer above which its middle is left out.
    pub(crate) answer_limit: usize,
    /// Entries of the worktree that the greeting shows.
    pub(crate) folder_items: usize,
    /// Sampling temperature; absent leaves it to the run file.
    pub(crate) temperature: Option<f64>,
    /// Bound on the tokens of one reply; absent leaves it to the run file.
    pub(crate) max_output_tokens: Option<u32>,
    /// What the model is told, by occasion.
    pub(crate) templates: TemplateTexts,
}

/// Template sources, in the syntax of Jinja.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateTexts {
    /// The system message.
    pub(crate) system: String,
    /// The first message, about where the agent is.
    pub(crate) greeting: String,
    /// What the model is taken to have said to it.
    pub(crate) greeting_reply: String,
    /// The task that opens a conversation.
    pub(crate) instance: String,
    /// The judge's answer to the last round.
    pub(crate) feedback: String,
    /// Another stage in a conversation that goes on.
    pub(crate) next_stage: String,
    /// Appended to the opening of a stage whose carry left conflict markers.
    pub(crate) carry_conflict: String,
    /// What a sub-agent is told of its job.
    pub(crate) sub_agent: String,
    /// After a reply that neither calls a tool nor says anything.
    pub(crate) resume: String,
    /// Asks for the snapshot that takes the place of a history.
    pub(crate) compression: String,
    /// The snapshot as the model sees it.
    pub(crate) summary: String,
    /// What the model is taken to have said to it.
    pub(crate) summary_reply: String,
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
