//! `catena:plugin/reference`: the human answer, for controls alone.

use crate::bindings::control::catena::plugin::reference::{Host, ReferenceError};
use crate::refusals::Refusal;
use crate::session::{Reference, lock};
use crate::state::State;

impl State {
    fn reference(&mut self) -> Result<Reference, ReferenceError> {
        match (&self.session.reference, self.rights.reference) {
            (Some(reference), true) => Ok(reference.clone()),
            (None, true) => {
                Err(ReferenceError::Unavailable("this stage has no reference".to_owned()))
            }
            (_, false) => {
                self.refuse(Refusal::Reference);
                Err(ReferenceError::NotGranted)
            }
        }
    }
}

impl Host for State {
    fn patch(&mut self) -> wasmtime::Result<Result<Vec<u8>, ReferenceError>> {
        Ok(self.reference().and_then(|reference| {
            reference.patch.map(serde_bytes::ByteBuf::into_vec).map_err(ReferenceError::Unavailable)
        }))
    }

    fn restore(&mut self) -> wasmtime::Result<Result<(), ReferenceError>> {
        Ok(self.reference().and_then(|reference| {
            let mut worktree = lock(&self.session.worktree);
            worktree
                .checkout(reference.tree, &[])
                .map_err(|err| ReferenceError::Other(err.to_string()))
        }))
    }
}
