//! What mining finds in repositories that git made.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod catalogue;
mod chains;
mod leaks;
mod origins;
mod repository;
mod resolve;
