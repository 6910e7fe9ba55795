//! Tokens, prices and money.

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
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens += other.input_tokens;
        self.cached_tokens += other.cached_tokens;
        self.output_tokens += other.output_tokens;
        self.cost_microusd += other.cost_microusd;
    }
}

/// Prices in US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Prompt tokens that were not cached.
    #[serde(default)]
    pub input: f64,
    /// Prompt tokens read from the server's cache.
    #[serde(default)]
    pub cached: f64,
    /// Tokens the model produced.
    #[serde(default)]
    pub output: f64,
}

impl Price {
    /// What `usage` costs, in millionths of a US dollar, rounded to the nearest.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "token counts stay far below 2^52 and the product is not negative"
    )]
    pub fn cost_microusd(&self, usage: &Usage) -> u64 {
        let fresh = usage.input_tokens.saturating_sub(usage.cached_tokens);
        let dollars_per_million = fresh as f64 * self.input
            + usage.cached_tokens as f64 * self.cached
            + usage.output_tokens as f64 * self.output;
        dollars_per_million.round().max(0.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_are_charged_at_their_own_price() {
        let usage =
            Usage { input_tokens: 1_000, cached_tokens: 400, output_tokens: 10, cost_microusd: 0 };
        let price = Price { input: 2.0, cached: 0.5, output: 10.0 };
        assert_eq!(price.cost_microusd(&usage), 600 * 2 + 200 + 100);
    }
}
