//! What GitHub told of a repository, put to what its clone knows.

use std::collections::HashMap;

use catena_chain::RepositoryName;

use super::{MinedCommit, MinedPullRequest};
use crate::clone::LandingKind;
use crate::discussion::Discussion;
use crate::github::{Cache, CacheError, CachedPullRequest};

/// What GitHub told of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The repository.
    pub repository: RepositoryName,
    /// SPDX identifier of its licence.
    pub license: Option<String>,
    /// What it told of pull requests.
    pub pull_requests: Vec<CachedPullRequest>,
}

impl Told {
    /// Nothing but the repository's name.
    pub fn nothing(repository: RepositoryName) -> Self {
        Self { repository, license: None, pull_requests: Vec::new() }
    }

    /// All that is in a cache, under the name that the repository has now.
    pub fn from_cache(cache: &mut Cache, asked: RepositoryName) -> Result<Self, CacheError> {
        let known = cache.repository()?;
        let (repository, license) = match known {
            Some(known) => (known.name, known.license),
            None => (asked, None),
        };
        Ok(Self { repository, license, pull_requests: cache.pull_requests()? })
    }

    /// Puts what was told in the place of what commits say.
    pub(super) fn add_to(&self, mined: &mut [MinedPullRequest]) {
        let told: HashMap<u64, &CachedPullRequest> =
            self.pull_requests.iter().map(|cached| (cached.number, cached)).collect();
        for mined in mined {
            let Some(cached) = told.get(&mined.number) else { continue };
            let own: Vec<MinedCommit> = cached.commits.iter().filter_map(commit).collect();
            if mined.base.is_none() && is_rebased(mined, &own) {
                mined.kind = LandingKind::Unclear;
            }
            if mined.commits.is_empty() {
                mined.commits = own;
            }
            mined.title.clone_from(&cached.title);
            mined.body.clone_from(&cached.body);
            if let Some(author) = &cached.author {
                mined.author.clone_from(author);
            }
            mined.discussion = Discussion::of(cached, self.repository.as_str());
        }
    }
}

fn commit((id, message): &(String, String)) -> Option<MinedCommit> {
    Some(MinedCommit { id: id.parse().ok()?, message: message.clone() })
}

/// Whether a pull request landed commit by commit: what landed it then repeats
/// the message of the last of several, word for word.
fn is_rebased(mined: &MinedPullRequest, own: &[MinedCommit]) -> bool {
    let landed = format!("{}\n\n{}", mined.title, mined.body);
    let repeats = |commit: &MinedCommit| {
        let message = commit.message.trim();
        let (subject, body) = message.split_once('\n').unwrap_or((message, ""));
        landed == format!("{}\n\n{}", subject.trim(), body.trim())
    };
    mined.kind != LandingKind::Merge && own.len() > 1 && own.last().is_some_and(repeats)
}
