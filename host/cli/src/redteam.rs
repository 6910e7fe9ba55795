//! What `catena redteam` consists of: attacks on this machine's own sandbox, each made
//! in a real run beside an honest rollout.
//!
//! * [`attack`]: what an attack is, and [`table`] all there are.
//! * [`modules`], [`components`], [`agents`]: what they are made of, beside the plugin
//!   `scaffold-redteam`.
//! * [`arena`]: the repository, chains and run files; [`planted`]: what lies on the host to
//!   be found, and [`swap`] what lies in a cache.
//! * [`contest`]: one attack, made and looked at; [`meter`] watches its processes, and
//!   [`measures`] says what they may take.
//! * [`scorecard`]: what came of it, for people and programs.
//!
//! The attacked program is this one, started anew for each attack, so that an attack
//! that ends it is seen and not suffered.

pub(crate) mod agents;
pub(crate) mod arena;
pub(crate) mod attack;
pub(crate) mod components;
pub(crate) mod contest;
pub(crate) mod measures;
pub(crate) mod meter;
pub(crate) mod modules;
pub(crate) mod planted;
pub(crate) mod scorecard;
pub(crate) mod swap;
pub(crate) mod table;
