//! One module per subcommand.

pub(crate) mod chain;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod estimate;
pub(crate) mod export;
pub(crate) mod follow;
pub(crate) mod fork;
pub(crate) mod import;
pub(crate) mod judge;
pub(crate) mod lock;
pub(crate) mod mine;
pub(crate) mod native;
pub(crate) mod plugin;
pub(crate) mod program;
pub(crate) mod redteam;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod show;
pub(crate) mod stats;
pub(crate) mod verify;
pub(crate) mod worker;
