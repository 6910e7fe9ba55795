//! The chain file: the chains of one repository, as JSON of version 1.
//!
//! `chain.schema.json` beside this crate's manifest is its JSON schema.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::chain::Chain;
use crate::edge::Edge;
use crate::id::{ChainId, RepositoryName, StageId};
use crate::read::{self, ReadError};

/// Chains of one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Catena chain file")]
pub struct ChainFile {
    /// Version of the format: 1.
    pub version: Version,
    /// Where the code comes from.
    pub repository: Repository,
    /// The chains, each with an id of its own.
    pub chains: Vec<Chain>,
}

/// The version of the format that this program reads and writes. Reading
/// another one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Version;

impl Version {
    /// The number as it stands in the file.
    pub const NUMBER: u64 = 1;
}

/// The repository that a chain file speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// `owner/name`.
    pub name: RepositoryName,
    /// SPDX expression of its licence, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// The branch on whose first-parent history all stages lie.
    pub default_branch: String,
}

/// Why a chain file could not be loaded or saved.
#[derive(Debug, thiserror::Error)]
pub enum ChainFileError {
    /// It is not a readable chain file.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its parts do not fit together.
    #[error("chain file `{path}` is not consistent")]
    Structure {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: StructureError,
    },
    /// It could not be written.
    #[error("cannot write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What can be wrong with chains without a look at the repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StructureError {
    /// Two chains have the same id.
    #[error("two chains are called `{0}`; ids must be unique in the file")]
    DuplicateChain(ChainId),
    /// A chain has no stage.
    #[error("chain `{0}` has no stage; at least one is needed")]
    NoStages(ChainId),
    /// Two stages of a chain have the same id.
    #[error("chain `{chain}` has two stages called `{stage}`; ids must be unique in the chain")]
    DuplicateStage {
        /// The chain.
        chain: ChainId,
        /// The stage.
        stage: StageId,
    },
    /// A stage was merged before the one in front of it.
    #[error(
        "stage `{later}` of chain `{chain}` was merged before stage `{earlier}` that stands in \
         front of it; stages must be in merge order"
    )]
    Order {
        /// The chain.
        chain: ChainId,
        /// The stage in front.
        earlier: StageId,
        /// The one after it.
        later: StageId,
    },
    /// An edge does not lead from a later to an earlier stage of the chain.
    #[error(
        "chain `{chain}` has an edge from `{from}` to `{to}`, which are not a later and an earlier stage of it"
    )]
    Edge {
        /// The chain.
        chain: ChainId,
        /// Where the edge begins.
        from: StageId,
        /// Where it ends.
        to: StageId,
    },
}

impl ChainFile {
    /// A file of the current version.
    pub fn new(repository: Repository, chains: Vec<Chain>) -> Self {
        Self { version: Version, repository, chains }
    }

    /// Reads a chain file and checks that its parts fit together. Whether the
    /// commits exist is for [`ChainFile::verify`] to find out.
    pub fn load(path: &Path) -> Result<Self, ChainFileError> {
        let file: Self = read::json_file(path)?;
        file.check()
            .map_err(|source| ChainFileError::Structure { path: path.to_owned(), source })?;
        Ok(file)
    }

    /// Writes the file, indented, replacing what was there.
    pub fn save(&self, path: &Path) -> Result<(), ChainFileError> {
        let failed = |source| ChainFileError::Write { path: path.to_owned(), source };
        let mut text = serde_json::to_vec_pretty(self).map_err(|err| failed(err.into()))?;
        text.push(b'\n');
        std::fs::write(path, text).map_err(failed)
    }

    /// Checks that ids are unique and stages are in merge order.
    pub fn check(&self) -> Result<(), StructureError> {
        let mut seen = HashSet::new();
        for chain in &self.chains {
            if !seen.insert(&chain.id) {
                return Err(StructureError::DuplicateChain(chain.id.clone()));
            }
            check_chain(chain)?;
        }
        Ok(())
    }

    /// The chain named `id`.
    pub fn chain(&self, id: &ChainId) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.id == *id)
    }
}

fn check_chain(chain: &Chain) -> Result<(), StructureError> {
    if chain.stages.is_empty() {
        return Err(StructureError::NoStages(chain.id.clone()));
    }
    let mut seen = HashSet::new();
    for stage in &chain.stages {
        if !seen.insert(&stage.id) {
            let (chain, stage) = (chain.id.clone(), stage.id.clone());
            return Err(StructureError::DuplicateStage { chain, stage });
        }
    }
    for (earlier, later) in chain.stages.iter().zip(chain.stages.iter().skip(1)) {
        if later.time < earlier.time {
            return Err(StructureError::Order {
                chain: chain.id.clone(),
                earlier: earlier.id.clone(),
                later: later.id.clone(),
            });
        }
    }
    chain.edges.iter().try_for_each(|edge| check_edge(chain, edge))
}

fn check_edge(chain: &Chain, edge: &Edge) -> Result<(), StructureError> {
    let position = |id: &StageId| chain.stages.iter().position(|stage| stage.id == *id);
    match (position(&edge.from), position(&edge.to)) {
        (Some(from), Some(to)) if to < from => Ok(()),
        _ => Err(StructureError::Edge {
            chain: chain.id.clone(),
            from: edge.from.clone(),
            to: edge.to.clone(),
        }),
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(Self::NUMBER)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            Self::NUMBER => Ok(Self),
            other => Err(de::Error::custom(format!(
                "version {other} of the format is not known; this program reads version {}",
                Self::NUMBER
            ))),
        }
    }
}

impl JsonSchema for Version {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": Self::NUMBER, "description": "Version of the format." })
    }
}
