//! Why chains do not resolve. Nothing is refused without a reason that can be told.

use catena_chain::ChainId;
use catena_tree::CommitId;

/// A chain that could not be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its position in the lists, from 0.
    pub position: usize,
    /// Its pull requests, as listed.
    pub numbers: Vec<u64>,
    /// Everything that stands against it; at least one.
    pub faults: Vec<Fault>,
}

/// What stands against a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The pull request, or `None` if it is the chain as a whole.
    pub number: Option<u64>,
    /// What is wrong.
    pub reason: Reason,
}

/// Why a chain does not resolve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The list is empty.
    #[error("the list names no pull request")]
    Empty,
    /// The list names it twice.
    #[error("listed twice")]
    Repeated,
    /// Two chains of the lists would have the same id.
    #[error("another chain of the lists is called `{0}` too")]
    ChainIdTaken(ChainId),
    /// Two stages would have the same id, or none can be made.
    #[error("`{0}` cannot be the id of a stage here: it is taken or not an id")]
    StageId(String),
    /// It landed on another branch, such as a backport.
    #[error(
        "landed on branch `{branch}` (commit {commit}), not on `{wanted}`; a backport, or work on another line"
    )]
    OtherBranch {
        /// That branch.
        branch: String,
        /// By this commit.
        commit: CommitId,
        /// The branch that was looked through.
        wanted: String,
    },
    /// No commit says that it landed it.
    #[error(
        "no commit of `{branch}` says that it landed it: closed, rebased, merged by hand, or newer than the clone"
    )]
    NotFound {
        /// The branch that was looked through.
        branch: String,
    },
    /// The commit that is said to have landed it is not on the branch.
    #[error("commit {commit}, which is said to have landed it, is not on the line of `{branch}`")]
    NotOnBranch {
        /// The commit.
        commit: CommitId,
        /// The branch that was looked through.
        branch: String,
    },
    /// The commit is the first of the repository.
    #[error("commit {commit} has no parent, so there is no state before it")]
    NoBase {
        /// The commit.
        commit: CommitId,
    },
    /// The merge left the code as it was.
    #[error("commit {commit} changes nothing")]
    NoChange {
        /// The commit.
        commit: CommitId,
    },
    /// The clocks of two merges disagree with their order.
    #[error(
        "was committed at an earlier time than the pull request before it, though it comes after it in the history"
    )]
    Clock,
    /// The reference patch does not give the human tree.
    #[error("its patch applied to the base does not give the human tree: {0}")]
    PatchNotExact(String),
    /// Something could not be read.
    #[error("{0}")]
    Unreadable(String),
}
