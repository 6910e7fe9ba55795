//! Object database, patches and merges against the real `git`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect shall fail"
)]

mod database;
mod environment;
mod generated;
mod hostile;
mod merges;
mod patches;
