//! What the choice of a repository needs to know: how much was merged, how much
//! of it was discussed, and in which languages it is written.

use catena_chain::RepositoryName;
use serde::Deserialize;
use serde_json::json;

use super::client::{self, Asked, GitHub};
use super::error::GitHubError;
use super::pace::Pace;
use super::wire::{Count, License, Named, Who};
use super::{TRIES, Telling, documents};

/// Pull requests that are looked at.
const SAMPLE: u32 = 100;

/// What GitHub tells of a candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Surveyed {
    /// Its name now.
    pub name: RepositoryName,
    /// SPDX identifier of its licence, as GitHub sees it.
    pub license: Option<String>,
    /// Whether nobody can change it any more.
    pub archived: bool,
    /// People who starred it.
    pub stars: u64,
    /// Merged pull requests.
    pub merged: u64,
    /// Languages with their share of the code, from 0 to 1, largest first.
    pub languages: Vec<(String, f64)>,
    /// What its newest merged pull requests are like.
    pub sample: Sample,
}

/// Counts over the newest merged pull requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Pull requests looked at.
    pub pull_requests: u64,
    /// Those written by programs.
    pub by_bots: u64,
    /// Those that were reviewed.
    pub reviewed: u64,
    /// Those that closed an issue.
    pub closing: u64,
    /// Reviews of all of them.
    pub reviews: u64,
    /// Review threads of all of them.
    pub threads: u64,
    /// Comments under all of them.
    pub comments: u64,
    /// Days between the first and the last merge among them.
    pub days: u64,
}

#[derive(Deserialize)]
struct Answer {
    repository: Option<Candidate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    name_with_owner: String,
    is_archived: bool,
    stargazer_count: u64,
    license_info: Option<License>,
    languages: Option<Languages>,
    merged: Count,
    recent: Recent,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Languages {
    total_size: u64,
    edges: Option<Vec<Option<Language>>>,
}

#[derive(Deserialize)]
struct Language {
    size: u64,
    node: Named,
}

#[derive(Deserialize)]
struct Recent {
    nodes: Option<Vec<Option<PullRequest>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullRequest {
    merged_at: Option<String>,
    author: Option<Who>,
    comments: Count,
    reviews: Option<Count>,
    review_threads: Count,
    closing_issues_references: Option<Count>,
}

/// Asks GitHub about a candidate. One request, if GitHub can answer it.
pub async fn survey(
    github: &mut GitHub,
    repository: &RepositoryName,
    progress: Telling<'_>,
) -> Result<Surveyed, GitHubError> {
    let (owner, name) = repository.as_str().split_once('/').unwrap_or_default();
    let mut pace = Pace::new(1, SAMPLE);
    let mut tries = 0;
    let answer: Answer = loop {
        let variables = json!({"owner": owner, "name": name, "size": pace.size});
        match github.ask(documents::SURVEYED, &variables, progress).await? {
            Asked::Answer(answer) => break answer,
            Asked::LostPlace => {
                let reason = "a lost place in no list".to_owned();
                return Err(GitHubError::Unexpected { reason });
            }
            Asked::TooHeavy(reason) if !pace.shrink() => {
                tries += 1;
                if tries == TRIES {
                    let what = repository.to_string();
                    return Err(GitHubError::TooHeavy { what, tries, reason });
                }
                client::pause(tries, progress).await;
            }
            Asked::TooHeavy(_) => {}
        }
    };
    let found = answer.repository.ok_or(GitHubError::NotFound)?;
    let name = found.name_with_owner.parse().map_err(|_| GitHubError::Unexpected {
        reason: format!("`{}` is no name of a repository", found.name_with_owner),
    })?;
    let license = found.license_info.and_then(|license| license.spdx_id);
    Ok(Surveyed {
        name,
        license: license.filter(|license| license != "NOASSERTION"),
        archived: found.is_archived,
        stars: found.stargazer_count,
        merged: found.merged.total_count,
        languages: found.languages.map(shares).unwrap_or_default(),
        sample: sample(found.recent.nodes.iter().flatten().flatten()),
    })
}

#[expect(clippy::cast_precision_loss, reason = "sizes of code are far below 2^52")]
fn shares(languages: Languages) -> Vec<(String, f64)> {
    let all = languages.total_size.max(1) as f64;
    let edges = languages.edges.into_iter().flatten().flatten();
    edges.map(|edge| (edge.node.name, edge.size as f64 / all)).collect()
}

fn sample<'a>(pull_requests: impl Iterator<Item = &'a PullRequest>) -> Sample {
    let mut sample = Sample::default();
    let mut merges: Vec<jiff::Timestamp> = Vec::new();
    let count = |count: &Option<Count>| count.as_ref().map_or(0, |count| count.total_count);
    for pull_request in pull_requests {
        let reviews = count(&pull_request.reviews);
        let closing = count(&pull_request.closing_issues_references);
        sample.pull_requests += 1;
        sample.by_bots +=
            u64::from(pull_request.author.as_ref().is_some_and(|it| it.kind == "Bot"));
        sample.reviewed += u64::from(reviews > 0);
        sample.closing += u64::from(closing > 0);
        sample.reviews += reviews;
        sample.threads += pull_request.review_threads.total_count;
        sample.comments += pull_request.comments.total_count;
        let time = pull_request.merged_at.as_deref().map(str::parse);
        merges.extend(time.and_then(Result::<jiff::Timestamp, _>::ok));
    }
    if let (Some(first), Some(last)) = (merges.iter().min(), merges.iter().max()) {
        let seconds = last.as_second() - first.as_second();
        sample.days = u64::try_from(seconds / 86_400).unwrap_or_default();
    }
    sample
}
