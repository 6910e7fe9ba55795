//! What a guest can reach, one file per interface. Each converts, checks the
//! right, calls a lower crate and converts back.

mod clocks;
mod config;
mod convert;
mod filesystem;
pub(crate) mod http;
mod io;
mod judging;
mod log;
pub(crate) mod model;
pub(crate) mod output;
mod process;
mod random;
mod reference;
mod tools;
mod workspace;

pub(crate) use convert::{
    call_to_wit, chain_to_wit, definition_from_wit, ending_from_wit, queries_from_wit,
    submission_to_wit, task_to_wit, verdict_from_wit,
};

pub(crate) use filesystem::link_paths;
pub(crate) use process::link as link_process;

use crate::bindings::control::catena::plugin::types;
use crate::state::State;

/// The interface of plain data has no functions.
impl types::Host for State {}
