//! What rollouts become.
//!
//! * [`trajectory`]: the samples in a run, and the reason for each rollout that
//!   gives none.
//! * [`openai`]: the profile of chat fine-tuning files, one sample a line.
//! * [`export`]: writing a profile with the manifest that accounts for every rollout.

pub mod export;
pub mod openai;
pub mod trajectory;

pub use export::{ExportError, Manifest, Profile, export};
pub use trajectory::{Dropped, Selection, Trajectory, select};
