//! The lists file: which pull requests make a chain.
//!
//! JSON, either a bare list of chains or an object:
//!
//! ```json
//! {
//!   "repository": "owner/name",
//!   "license": "MIT",
//!   "branch": "main",
//!   "note": "any text, ignored",
//!   "chains": [
//!     [12, 15, 19],
//!     {
//!       "id": "feature-x",
//!       "overview": "What the chain is about.",
//!       "stages": [21, {"number": 23, "title": "…", "body": "…", "query": "…"}]
//!     }
//!   ]
//! }
//! ```
//!
//! A chain is a list of pull request numbers in any order, or an object that
//! says more. Whatever an object leaves out is taken from the clone.
//!
//! The object may also be one chain query of `AgencyBench`, with `metadata` and
//! `stages` in the place of `chains`. Its patches are not read: they are computed
//! anew, as those have no file names.

use std::path::Path;

use catena_chain::{ChainId, Issue, ReadError, RepositoryName, StageId, read};
use catena_tree::CommitId;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Chains as lists of pull requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChainLists {
    /// The repository they are of.
    pub repository: Option<RepositoryName>,
    /// SPDX expression of its licence.
    pub license: Option<String>,
    /// The branch they were merged into.
    pub branch: Option<String>,
    /// The chains.
    pub chains: Vec<ListedChain>,
}

/// One chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListedChain {
    /// Its id; made of the repository's name and the numbers where absent.
    pub id: Option<ChainId>,
    /// What the chain is about.
    pub overview: Option<String>,
    /// Its pull requests, in any order.
    pub stages: Vec<ListedPullRequest>,
}

/// One pull request of a chain, with what is known of it besides the clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListedPullRequest {
    /// Its number.
    pub number: u64,
    /// The commit that landed it, where that is known better than from messages.
    pub commit: Option<CommitId>,
    /// The commit before the first of several that landed it, where that is known;
    /// `commit` is the last of them then.
    pub base: Option<CommitId>,
    /// Id of the stage it becomes; `pr-<number>` where absent.
    pub id: Option<StageId>,
    /// Its title.
    pub title: Option<String>,
    /// Its description.
    pub body: Option<String>,
    /// Who opened it.
    pub author: Option<String>,
    /// Its labels.
    pub labels: Vec<String>,
    /// Issues that it closed.
    pub closes: Vec<Issue>,
    /// Comments and reviews under it, in which references are looked for.
    pub comments: Vec<String>,
    /// What the agent is to be asked for.
    pub query: Option<String>,
    /// Names that hidden tests call.
    pub interface: Vec<String>,
}

impl ChainLists {
    /// Reads a lists file.
    pub fn load(path: &Path) -> Result<Self, ReadError> {
        read::json_file(path)
    }

    /// Reads the text of a lists file. `path` is only used in errors.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, ReadError> {
        read::json(text, path)
    }
}

impl ListedChain {
    /// A chain of which only numbers are known.
    pub fn of_numbers(numbers: &[u64]) -> Self {
        let stages = numbers
            .iter()
            .map(|number| ListedPullRequest { number: *number, ..ListedPullRequest::default() })
            .collect();
        Self { stages, ..Self::default() }
    }

    /// The numbers, as listed.
    pub fn numbers(&self) -> Vec<u64> {
        self.stages.iter().map(|stage| stage.number).collect()
    }
}

/// The object forms, as they stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListsObject {
    repository: Option<RepositoryName>,
    license: Option<String>,
    branch: Option<String>,
    #[serde(default, rename = "note")]
    _note: de::IgnoredAny,
    chains: Option<Vec<ListedChain>>,
    metadata: Option<QueryMetadata>,
    stages: Option<Vec<QueryStage>>,
    #[serde(default, rename = "validation_messages")]
    _validation_messages: de::IgnoredAny,
}

/// `metadata` of a chain query of `AgencyBench`.
#[derive(Deserialize)]
struct QueryMetadata {
    source_repository: RepositoryName,
}

/// A stage of a chain query of `AgencyBench`.
#[derive(Deserialize)]
struct QueryStage {
    #[serde(deserialize_with = "number_or_text")]
    pr_number: u64,
    head_commit_sha: Option<CommitId>,
    test_query: Option<String>,
}

/// The published queries have numbers as texts.
fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Deserialize::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(de::Error::custom),
    }
}

/// The chain of a chain query. Where all stages have one text, as in the two
/// that were published, it speaks of the whole chain.
fn queried(stages: Vec<QueryStage>) -> ListedChain {
    let first = stages.first().and_then(|stage| stage.test_query.clone());
    let same = stages.len() > 1 && stages.iter().all(|stage| stage.test_query == first);
    let listed = stages.into_iter().map(|stage| ListedPullRequest {
        number: stage.pr_number,
        commit: stage.head_commit_sha,
        query: stage.test_query.filter(|_| !same),
        ..ListedPullRequest::default()
    });
    let stages = listed.collect();
    ListedChain { id: None, overview: first.filter(|_| same), stages }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainObject {
    id: Option<ChainId>,
    overview: Option<String>,
    stages: Vec<ListedPullRequest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PullRequestObject {
    number: u64,
    commit: Option<CommitId>,
    base: Option<CommitId>,
    id: Option<StageId>,
    title: Option<String>,
    body: Option<String>,
    author: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    closes: Vec<Issue>,
    #[serde(default)]
    comments: Vec<String>,
    query: Option<String>,
    #[serde(default)]
    interface: Vec<String>,
}

impl<'de> Deserialize<'de> for ChainLists {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListsVisitor)
    }
}

struct ListsVisitor;

impl<'de> Visitor<'de> for ListsVisitor {
    type Value = ChainLists;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of chains, or an object with the key `chains`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<ChainLists, A::Error> {
        let chains = Deserialize::deserialize(SeqAccessDeserializer::new(seq))?;
        Ok(ChainLists { chains, ..ChainLists::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ChainLists, A::Error> {
        let object: ListsObject = Deserialize::deserialize(MapAccessDeserializer::new(map))?;
        let ListsObject { repository, license, branch, chains, metadata, stages, .. } = object;
        let repository = repository.or(metadata.map(|metadata| metadata.source_repository));
        let chains = match (chains, stages) {
            (Some(chains), None) => chains,
            (None, Some(stages)) => vec![queried(stages)],
            (None, None) => return Err(de::Error::missing_field("chains")),
            (Some(_), Some(_)) => {
                return Err(de::Error::custom("`chains` and `stages` cannot both be there"));
            }
        };
        Ok(ChainLists { repository, license, branch, chains })
    }
}

impl<'de> Deserialize<'de> for ListedChain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChainVisitor)
    }
}

struct ChainVisitor;

impl<'de> Visitor<'de> for ChainVisitor {
    type Value = ListedChain;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of pull request numbers, or an object with the key `stages`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<ListedChain, A::Error> {
        let stages = Deserialize::deserialize(SeqAccessDeserializer::new(seq))?;
        Ok(ListedChain { stages, ..ListedChain::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ListedChain, A::Error> {
        let ChainObject { id, overview, stages } =
            Deserialize::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ListedChain { id, overview, stages })
    }
}

impl<'de> Deserialize<'de> for ListedPullRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PullRequestVisitor)
    }
}

struct PullRequestVisitor;

impl<'de> Visitor<'de> for PullRequestVisitor {
    type Value = ListedPullRequest;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a pull request number, or an object with the key `number`")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<ListedPullRequest, E> {
        Ok(ListedPullRequest { number, ..ListedPullRequest::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ListedPullRequest, A::Error> {
        let PullRequestObject {
            number,
            commit,
            base,
            id,
            title,
            body,
            author,
            labels,
            closes,
            comments,
            query,
            interface,
        } = Deserialize::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ListedPullRequest {
            number,
            commit,
            base,
            id,
            title,
            body,
            author,
            labels,
            closes,
            comments,
            query,
            interface,
        })
    }
}
