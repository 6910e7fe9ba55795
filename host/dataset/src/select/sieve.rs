//! Which samples of the rollouts that were taken are taken themselves.

use std::collections::HashSet;

use catena_plugin::Digest;

use super::{Criteria, Reason};
use crate::sample::Sample;
use crate::tokens::TokenCount;

/// What is asked of single samples, with those there were so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sieve {
    /// Digests of the samples so far.
    seen: HashSet<Digest>,
}

impl Sieve {
    /// Why a sample is left out.
    pub(crate) fn refused(
        &mut self,
        criteria: &Criteria,
        sample: &Sample<'_>,
        tokens: Option<TokenCount>,
    ) -> Option<Reason> {
        let is_too_long =
            criteria.max_tokens.zip(tokens).is_some_and(|(most, tokens)| tokens.total() > most);
        if is_too_long {
            return Some(Reason::TooLong);
        }
        let is_new = !criteria.dedupe || self.seen.insert(digest(sample));
        (!is_new).then_some(Reason::Duplicate)
    }
}

/// A digest of what a sample says and what is learned of it.
fn digest(sample: &Sample<'_>) -> Digest {
    let messages: Vec<_> = sample.messages().collect();
    let text = serde_json::to_vec(&(messages, &sample.trained, sample.tools)).unwrap_or_default();
    Digest::of(&text)
}
