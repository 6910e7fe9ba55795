//! `catena:plugin/log`.

use crate::bindings::control::catena::plugin::log::{Host, Level};
use crate::state::State;

impl Host for State {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        self.output.log(level, &message);
        Ok(())
    }
}
