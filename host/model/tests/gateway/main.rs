//! The gateway and its models from outside: real servers on loopback that behave
//! well and badly, and tapes on disk.
//!
//! [`server`] is the server, [`exchange`] what is asked of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod exchange;
mod server;

mod faults;
mod load;
mod money;
mod probe;
mod protocol;
mod tape;
