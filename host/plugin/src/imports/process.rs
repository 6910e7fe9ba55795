//! `catena:plugin/process`. No program can be installed yet, so every name is
//! either not granted or unknown.

use crate::bindings::control::catena::plugin::process::{Command, Finished, Host, ProcessError};
use crate::state::State;

impl Host for State {
    fn programs(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn run(&mut self, command: Command) -> wasmtime::Result<Result<Finished, ProcessError>> {
        if self.rights.programs.contains(&command.program) {
            return Ok(Err(ProcessError::UnknownProgram(command.program)));
        }
        self.refuse("programs");
        Ok(Err(ProcessError::NotGranted(command.program)))
    }
}
