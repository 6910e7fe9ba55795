//! `catena:plugin/judging`: what a judge may know beside the submission, and what
//! it keeps.

use crate::bindings::judge::catena::plugin::judging::{Host, Setting};
use crate::session::lock;
use crate::state::State;

/// Most bytes that are kept.
const MAX_NOTE: usize = 4 << 20;

impl Host for State {
    fn describe(&mut self) -> wasmtime::Result<Setting> {
        let setting = self.session.judging.setting.clone();
        Ok(Setting { threshold: setting.threshold, test_command: setting.test_command })
    }

    fn kept(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(lock(&self.session.judging.kept).clone())
    }

    fn keep(&mut self, mut note: String) -> wasmtime::Result<()> {
        note.truncate(note.floor_char_boundary(MAX_NOTE));
        *lock(&self.session.judging.kept) = Some(note);
        Ok(())
    }
}
