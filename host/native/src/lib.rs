//! Commands outside the sandbox, for those that an operator granted by name.
//!
//! Reading order:
//!
//! * [`settings`]: what a run file says of them, and what is wrong with it.
//! * [`room`]: real files for one rollout's commands, and the way from trees to
//!   trees through one command.
//! * `mirror`, `removal`: one tree as a directory, in both directions, and its end.
//! * `confinement`: which walls a backend puts around a command.
//! * [`launch`]: the process in between, which bounds itself before it becomes the
//!   backend.
//! * [`inherited`]: no file that is open by chance comes to a command or a worker.
//! * `execute`, `capture`, `watch`: one command from its start to its end, what it
//!   writes, and what it takes while it runs.
//! * [`probe`]: what of all that works on this machine.
//!
//! The host's process does all this; the worker that asks has nothing but its
//! pipe. The invariant: a command reaches the files of its room, what the
//! operator lets it read, and nothing else: no other file, no network, no process
//! of the host; and when its call is over, nothing of it is alive.
//!
//! Journals, replay and who may ask are `catena-rollout`'s.

mod capture;
mod confinement;
mod execute;
pub mod inherited;
pub mod launch;
mod mirror;
mod permissions;
pub mod probe;
mod removal;
pub mod room;
pub mod settings;
mod watch;

pub use launch::{LaunchOrder, Launcher, launch};
pub use room::{Bounds, NativeError, Room};
pub use settings::{Backend, NativeLimits, NativeUse, NativeUseError};
