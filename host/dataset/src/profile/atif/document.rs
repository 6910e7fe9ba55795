//! The documents of ATIF, as its schema has them. Fields that a version before
//! 1.8 does not know are left out where they are empty.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Where there is neither a sub-agent nor anything else that came later.
pub(crate) const V1_5: &str = "ATIF-v1.5";

/// Where there are further trajectories in one document.
pub(crate) const V1_7: &str = "ATIF-v1.7";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    #[serde(default = "newest")]
    pub(crate) schema_version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trajectory_id: Option<String>,
    pub(crate) agent: AtifAgent,
    pub(crate) steps: Vec<Step>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) notes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) final_metrics: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) continued_trajectory_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) extra: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subagent_trajectories: Option<Vec<Document>>,
}

fn newest() -> String {
    "ATIF-v1.8".to_owned()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AtifAgent {
    pub(crate) name: String,
    pub(crate) version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tool_definitions: Option<Vec<Box<RawValue>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) extra: Option<Value>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    #[serde(rename = "step_id")]
    pub(crate) id: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp: Option<String>,
    pub(crate) source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_effort: Option<Value>,
    /// A text, or parts of one.
    pub(crate) message: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tool_calls: Option<Vec<AtifCall>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) observation: Option<Observation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metrics: Option<Metrics>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) is_copied_context: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) llm_call_count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) extra: Option<Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AtifCall {
    pub(crate) tool_call_id: String,
    pub(crate) function_name: String,
    pub(crate) arguments: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) extra: Option<Value>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Observation {
    pub(crate) results: Vec<ObservationResult>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObservationResult {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source_call_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subagent_trajectory_ref: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) extra: Option<Value>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metrics {
    /// Cached ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prompt_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) completion_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cached_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cost_usd: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prompt_token_ids: Option<Vec<u32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) completion_token_ids: Option<Vec<u32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) logprobs: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) extra: Option<Value>,
}

/// What Catena knows of a trajectory and ATIF has no field for: `extra.catena` of
/// its document.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentNote {
    /// The rollout without what was said in it; in the outer
    /// document alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rollout: Option<Box<RawValue>>,
    pub(crate) conversation: u32,
    /// Which of its histories, counted from 0.
    pub(crate) history: usize,
}

/// An `extra` with what is Catena's in it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Extra<T> {
    pub(crate) catena: T,
}

/// The same below `extra.catena` of each step.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepNote {
    pub(crate) stage: u32,
    pub(crate) round: u32,
    /// Stage and round of the step's observations, where they are others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) observed: Vec<(u32, u32)>,
    /// The turn in which a model said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) turn: Option<usize>,
    /// Where it was taken in this trajectory: what the turn was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) taken: Option<TurnNote>,
    /// The role, where ATIF has none for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    /// The call that a text answers, where the step before did not make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answers: Option<String>,
    /// Reasoning in a turn that a plugin wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning: Option<String>,
    /// Arguments as the model wrote them, by the call's position, where typed JSON
    /// does not give them back.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub(crate) arguments: std::collections::BTreeMap<usize, String>,
}

/// What a turn was.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TurnNote {
    pub(crate) stage: u32,
    pub(crate) round: u32,
    pub(crate) finish: catena_model::FinishReason,
    pub(crate) tools: catena_plugin::Digest,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) estimated: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) calls: Vec<crate::canonical::Called>,
    /// What the server told that ATIF has no field for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Box<catena_model::ReplyDetails>>,
    /// The texts of the tokens whose log probabilities are in the metrics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tokens: Vec<String>,
}
