//! What rollouts become.
//!
//! * [`canonical`]: everything a journal tells of a rollout, in one form.
//! * [`import`]: trajectories of other programs in that form.
//! * [`source`]: where rollouts come from: runs, and files in that form.
//! * [`judgements`]: verdicts that came later than the rollouts.
//! * [`select`]: which of them become data, and how much of each.
//! * [`sample`]: the samples in a rollout, and what is to be learned of each.
//! * [`profile`]: the forms of data, one module each.
//! * [`tokens`]: how many tokens there are, by a tokenizer that the user names.
//! * [`stats`]: figures of data.
//! * [`export`] writes them, with the [`manifest`] that accounts for every rollout.

pub mod canonical;
pub mod export;
pub mod import;
pub mod judgements;
pub mod manifest;
pub mod output;
pub mod profile;
pub mod sample;
pub mod select;
pub mod source;
pub mod stats;
pub mod tokens;

pub use canonical::Rollout;
pub use export::{Order, export};
pub use import::{Form, ImportError, import};
pub use judgements::Judgements;
pub use manifest::{Manifest, manifest_path};
pub use output::ExportError;
pub use profile::Profile;
pub use select::{Criteria, Instances, Split, Take};
pub use source::Rollouts;
pub use tokens::Counter;
