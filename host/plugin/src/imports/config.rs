//! `catena:plugin/config`.

use crate::bindings::control::catena::plugin::config::Host;
use crate::state::State;

impl Host for State {
    fn read(&mut self) -> wasmtime::Result<String> {
        Ok(self.config.clone())
    }
}
