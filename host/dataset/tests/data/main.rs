//! The forms of data from outside: what is written is what consumers document,
//! and what is read is what was written.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod generated;
mod imports;
mod rollouts;
mod round_trips;
mod selection;
mod shapes;
mod tokens;
