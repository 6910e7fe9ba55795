//! What `catena redteam` consists of: attacks on this machine's own sandbox, each made
//! in a real run beside an honest rollout.
//!
//! * [`attack`]: what an attack is, and [`table`] all there are.
//! * [`modules`], [`components`], [`tools`], [`agents`], [`deceits`]: what they are made of,
//!   beside the plugins `scaffold-redteam` and `judge-redteam`.
//! * [`arena`]: where they are made, with [`ground`] for chains and run files, [`script`] for
//!   what models say there, and [`facts`] for a repository with tests; [`planted`]: what lies
//!   on the host to be found, and [`swap`] what lies in a cache.
//! * [`contest`]: one attack, made and looked at; [`meter`] watches its processes, and
//!   [`measures`] says what they may take.
//! * [`outcome`]: what came of a rollout that attacked, with [`fence`] for how the model of a
//!   judge was shown it.
//! * [`scorecard`]: what came of it, for people and programs.
//!
//! The attacked program is this one, started anew for each attack, so that an attack
//! that ends it is seen and not suffered.

pub(crate) mod agents;
pub(crate) mod arena;
pub(crate) mod attack;
pub(crate) mod components;
pub(crate) mod contest;
pub(crate) mod deceits;
pub(crate) mod facts;
pub(crate) mod fence;
pub(crate) mod ground;
pub(crate) mod measures;
pub(crate) mod meter;
pub(crate) mod modules;
pub(crate) mod outcome;
pub(crate) mod planted;
pub(crate) mod scorecard;
pub(crate) mod script;
pub(crate) mod swap;
pub(crate) mod table;
pub(crate) mod tools;
