//! Requests that the host makes for plugins.
//!
//! Reading order:
//!
//! * [`address`]: which addresses plugins reach.
//! * [`request`]: one request to its end, within its limits.
//! * `spellings`: secrets in what comes back, however they are written.
//!
//! Whether a plugin may make a request was decided before: this crate is told of
//! requests that were granted. Its invariant: a connection goes to an address that was
//! looked at, and only to a public one, unless the grant itself names the address.

pub mod address;
pub mod request;
mod spellings;

pub use request::{Filling, Requester};
