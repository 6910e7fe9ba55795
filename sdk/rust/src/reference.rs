//! The human answer of the stage, for controls.
//!
//! A plugin that calls anything here imports `reference`, which the host serves
//! only where `plugin.toml` says `control = true` and the operator grants it.

pub use crate::bindings::imports::catena::plugin::reference::{ReferenceError, patch, restore};
