//! What the operator may set: the `[config]` table of `plugin.toml`, which also
//! holds the defaults.

use std::time::Duration;

use serde::Deserialize;

/// How long a shell lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shell {
    /// Each command has one of its own.
    PerCommand,
    /// Working directory, variables and functions go on from command to command.
    Session,
}

/// The whole table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// How long a shell lives.
    pub(crate) shell: Shell,
    /// Seconds a command may take that asks for no other time.
    pub(crate) timeout_seconds: u64,
    /// Seconds no command may exceed, whatever it asks for.
    pub(crate) max_timeout_seconds: u64,
    /// Bytes of output above which the middle is left out.
    pub(crate) output_limit: usize,
    /// Bytes of a file above which commands that hold files whole refuse it;
    /// `cat`, `grep`, `head`, `tail` and `wc` read any.
    pub(crate) file_limit: u64,
    /// Simple commands that one command line may run, loops included: ends
    /// endless loops by no clock and before the host does, which keeps nothing
    /// of their output.
    pub(crate) command_limit: usize,
}

impl Config {
    /// The time for a command that asks for `seconds`.
    pub(crate) fn timeout(&self, seconds: Option<u64>) -> Duration {
        let seconds = seconds.unwrap_or(self.timeout_seconds);
        Duration::from_secs(seconds.min(self.max_timeout_seconds))
    }
}

/// The table that `plugin.toml` ships.
#[cfg(test)]
pub(crate) fn shipped() -> Config {
    #[derive(Deserialize)]
    struct Manifest {
        config: Config,
    }

    toml::from_str::<Manifest>(include_str!("../plugin.toml")).unwrap().config
}
