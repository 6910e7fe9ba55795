//! What rollouts become.
//!
//! * [`trajectory`]: the samples in a run, and the reason for each rollout that
//!   gives none.
//! * [`openai`]: the profile of chat fine-tuning files, one sample a line.
//! * [`mini_swe_agent`]: the trajectory files that mini-swe-agent's tools read.
//! * [`export`]: writing a profile with the manifest that accounts for every rollout.

pub mod export;
pub mod mini_swe_agent;
pub mod openai;
pub mod trajectory;

pub use export::{ExportError, Manifest, Profile, export};
pub use trajectory::{Dropped, Selection, Trajectory, select};
