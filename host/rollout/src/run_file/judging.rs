//! How submissions are judged: `[judging]`, and what `[judge]` and `[[judges]]`
//! must be.

use catena_model::{Bounds, Usd};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PluginUse, RunFile};

/// How the scores of several judges become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Combine {
    /// All are heard and the lowest score counts, so that each of them has to accept.
    /// Without a verdict of each there is none.
    #[default]
    All,
    /// All are heard and the mean counts, each score as often as its judge's weight
    /// says. Without a verdict of each there is none.
    Weighted,
    /// They are heard in order until one comes to a verdict, which counts. There is
    /// none where no judge comes to one.
    First,
}

impl Combine {
    /// As the run file has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Weighted => "weighted",
            Self::First => "first",
        }
    }
}

/// What agents are told of a judge's feedback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FeedbackUse {
    /// All but what gives the reference away.
    #[default]
    Guarded,
    /// All of it.
    Open,
}

/// Whether a run needs judges that are known to tell good patches from bad ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CalibrationUse {
    /// It does.
    Required,
    /// It does not.
    NotRequired,
}

/// Bounds on what the judges of one rollout may consume at models, beside what its
/// agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JudgingBudget {
    /// Exchanges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    /// Tokens in and out, cached ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<Usd>,
}

impl JudgingBudget {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What the account of a rollout's judges is bounded by.
    pub fn bounds(&self) -> Bounds {
        Bounds { tokens: self.tokens, usd: self.usd }
    }
}

/// How submissions are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JudgingUse {
    /// How the scores of several judges become one.
    pub combine: Combine,
    /// What agents are told.
    pub feedback: FeedbackUse,
    /// Whether judges have to be calibrated; by default those that use a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationUse>,
    /// Bounds on what judges may consume.
    #[serde(skip_serializing_if = "JudgingBudget::is_nothing")]
    pub budget: JudgingBudget,
}

impl JudgingUse {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl RunFile {
    /// What is wrong with the judges: a key, what it is, what it must be.
    pub(super) fn wrong_judges(&self) -> Option<(&'static str, String, &'static str)> {
        let all: Vec<&PluginUse> = self.judge_uses().collect();
        let count = all.len();
        if count == 0 {
            return Some(("judge", "not there".to_owned(), "a run needs a judge"));
        }
        if self.judge.is_some() && count > 1 {
            let found = "there beside `[[judges]]`".to_owned();
            return Some(("judge", found, "one judge stands there, or several under `[[judges]]`"));
        }
        let is_judge = |used: &PluginUse| all.iter().any(|judge| std::ptr::eq(*judge, used));
        if self.plugin_uses().any(|used| used.weight.is_some() && !is_judge(used)) {
            return Some(("weight", "given to another plugin".to_owned(), "only judges have one"));
        }
        if self.plugin_uses().any(|used| used.name.is_some() && !is_judge(used)) {
            let expected = "only judges have one: other plugins go by their own";
            return Some(("name", "given to another plugin".to_owned(), expected));
        }
        let weights: Vec<f64> = all.iter().filter_map(|judge| judge.weight).collect();
        if self.judging.combine != Combine::Weighted && !weights.is_empty() {
            let expected = "it counts with `combine = \"weighted\"` alone";
            return Some(("judges.weight", "given".to_owned(), expected));
        }
        let wrong = weights.iter().find(|weight| !(weight.is_finite() && **weight > 0.0));
        wrong.map(|weight| ("judges.weight", weight.to_string(), "it must be more than 0"))
    }
}
