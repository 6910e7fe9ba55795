//! Programs: WASI commands the operator granted, each run in a sandbox of its
//! own over the same worktree.

pub use crate::bindings::imports::catena::plugin::process::{
    Command, Finished, PartialOutput, ProcessError, programs, run,
};

impl Command {
    /// A program to start at the root of the worktree with no arguments, an
    /// empty environment, empty standard input and the grant's own time limit.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: String::new(),
            stdin: Vec::new(),
            timeout_ms: None,
        }
    }
}
