//! What a chain is: dependent pull requests of one repository, in merge order,
//! each with the code before it, the code after it and the task it makes.
//!
//! Reading order:
//!
//! * [`id`]: names of chains, stages, repositories and patches.
//! * [`chain`]: a chain, its stages, the pull request behind a stage.
//! * [`edge`]: why one stage is said to depend on another.
//! * [`file`]: the chain file, the JSON in which chains are kept.
//! * [`leak`]: what of a query gives the answer away.
//! * [`read`]: JSON whose faults are named by file, line and key.
//! * [`verify`]: a chain against the repository it speaks of.
//!
//! Where chains come from is the business of `catena-mine`; what is done with
//! them, of `catena-rollout`. A chain file stores ids, never code: patches are
//! recomputed from the two trees of a stage.

pub mod chain;
pub mod edge;
pub mod file;
pub mod id;
pub mod leak;
pub mod read;
mod schema;
pub mod verify;

pub use chain::{Base, Chain, Issue, PullRequest, ReferencePatch, Stage};
pub use edge::{Edge, EdgeKind, Evidence, Place};
pub use file::{ChainFile, ChainFileError, Repository, StructureError};
pub use id::{ChainId, PatchDigest, RepositoryName, StageId};
pub use leak::{Leak, LeakKind};
pub use read::ReadError;

pub use verify::{PatchError, StageFault, VerifyError};
