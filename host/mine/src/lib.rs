//! Where chains come from: lists of pull requests, found again in the history
//! of a local clone.
//!
//! Reading order:
//!
//! * [`lists`]: the file that says which pull requests make a chain.
//! * [`message`]: what commit messages tell of pull requests.
//! * [`clone`]: which commit of a clone landed which pull request.
//! * [`resolve`](mod@resolve): from lists and a clone to a chain file, with a
//!   reason for each list that cannot be resolved.
//! * [`template`]: the plain queries a stage has until a writer made better ones.
//!
//! A clone knows what was merged and how, not what was discussed: texts of pull
//! requests and most references between them are only in the lists, if there.

pub mod clone;
mod commits;
pub mod lists;
pub mod message;
pub mod resolve;
pub mod template;

pub use clone::{Landing, LandingKind, PullRequestIndex};
pub use lists::{ChainLists, ListedChain, ListedPullRequest};
pub use resolve::{
    Ambiguity, Fault, Progress, Reason, Refused, Resolution, ResolveError, ResolveOptions, resolve,
};
