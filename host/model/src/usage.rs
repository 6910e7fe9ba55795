//! Tokens and what they cost.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// What was consumed at a model, summed over one or more completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    pub input_tokens: u64,
    /// The part of `input_tokens` that the server read from its cache.
    pub cached_tokens: u64,
    /// Tokens the model produced, reasoning included.
    pub output_tokens: u64,
    /// Cost in millionths of a US dollar.
    pub cost_microusd: u64,
    /// Whether a part was counted here, because a server did not say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl Usage {
    /// Tokens in and out, cached ones included.
    pub fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// What is left of a sum without one of its parts.
    #[must_use]
    pub fn without(self, part: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_sub(part.input_tokens),
            cached_tokens: self.cached_tokens.saturating_sub(part.cached_tokens),
            output_tokens: self.output_tokens.saturating_sub(part.output_tokens),
            cost_microusd: self.cost_microusd.saturating_sub(part.cost_microusd),
            estimated: self.estimated,
        }
    }
}

#[expect(clippy::suspicious_op_assign_impl, reason = "a sum is estimated where a part is")]
impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cost_microusd = self.cost_microusd.saturating_add(other.cost_microusd);
        self.estimated |= other.estimated;
    }
}

/// Tokens of a text of so many bytes: four bytes each, the usual rule of thumb
/// for English and code.
pub(crate) fn estimated_tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}
