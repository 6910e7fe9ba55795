//! Where chains come from: lists of pull requests, found again in the history
//! of a local clone.
//!
//! Reading order:
//!
//! * [`lists`]: the file that says which pull requests make a chain.
//! * [`message`]: what commit messages tell of pull requests.
//! * [`github`]: what GitHub tells of pull requests, kept in a cache.
//! * [`exported`]: the same from files that other programs exported.
//! * [`clone`]: which commit of a clone landed which pull request.
//! * [`origins`]: which commit wrote each line, in one pass over the history.
//! * [`catalogue`]: all pull requests of a branch with what they changed, kept in a file.
//! * [`discussion`]: what was said of them on GitHub.
//! * [`links`]: which pull requests hang together, and by what evidence.
//! * [`exclude`]: which make no stage of a chain.
//! * [`select`](mod@select), [`build`](mod@build): from links to chains.
//! * [`statistics`]: what the chains of a repository are like.
//! * [`resolve`](mod@resolve): from lists and a clone to a chain file, with a
//!   reason for each list that cannot be resolved.
//! * [`template`]: the plain queries a stage has until a writer made better ones.
//!
//! A clone knows what was merged and how, not what was discussed: texts of pull
//! requests and most references between them come from GitHub or from lists.

pub mod build;
pub mod catalogue;
pub mod clone;
mod commits;
pub mod discussion;
pub mod exclude;
pub mod exported;
pub mod github;
pub mod links;
pub mod lists;
pub mod message;
pub mod origins;
pub mod resolve;
pub mod select;
pub mod statistics;
pub mod template;

pub use build::{Built, build};
pub use catalogue::{Catalogue, CatalogueError, MineError, MineOptions, MineProgress};
pub use clone::{Landing, LandingKind, PullRequestIndex};
pub use exclude::{Exclusion, StageLimits};
pub use links::{Link, Links, NoLink};
pub use lists::{ChainLists, ListedChain, ListedPullRequest};
pub use resolve::{
    Ambiguity, Fault, Progress, Reason, Refused, Resolution, ResolveError, ResolveOptions, resolve,
};
pub use select::{Funnel, SelectOptions, Selection, Strategy, Unused};
pub use statistics::{Spread, Statistics};
