//! Attacks the host that runs it, for `catena redteam`.
//!
//! Its configuration names the attack. It is made at stages whose query begins with
//! [`ATTACK`]; at all others it does honest work, whose tree is the same in every run.
//! How an attack went is logged as `redteam: WORD: detail`, where the word is one of
//! [`Outcome`]'s. What ends the guest says nothing any more, and the host sees it.

mod files;
mod honest;
mod looks;
mod programs;
mod resources;
mod slow;
mod tools;
mod values;

use std::fmt;

use catena_sdk::model::Conversation;
use catena_sdk::scaffold::{Ending, ScaffoldError, Task};
use catena_sdk::{Scaffold, export_scaffold, log};

/// How the query of a stage begins at which an attack is made.
const ATTACK: &str = "Attack";

/// Which attack, and what there is on the host to be reached.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    attack: String,
    /// A directory of the host by its real path. It has a file [`PLANTED`].
    arena: String,
    /// A name that no file of the host has, and for which the host looks afterwards.
    mark: String,
    /// A port of this machine on which the host listens.
    port: u16,
}

/// The file of the host that nobody may read or change.
const PLANTED: &str = "planted";

impl Config {
    fn planted(&self) -> String {
        format!("{}/{PLANTED}", self.arena)
    }
}

/// How an attack went, where it is left to the guest to tell.
enum Outcome {
    /// The host said no.
    Refused(String),
    /// A program that was started for it was ended; the first word says by what.
    Ended(String),
    /// There was nothing to be had, or nothing came of it.
    Harmless(String),
    /// It got what it must not have.
    Reached(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(detail) => write!(f, "refused: {detail}"),
            Self::Ended(detail) => f.write_str(detail),
            Self::Harmless(detail) => write!(f, "harmless: {detail}"),
            Self::Reached(detail) => write!(f, "reached: {detail}"),
        }
    }
}

struct Redteam;

impl Scaffold for Redteam {
    fn attempt(task: Task, conversation: &Conversation) -> Result<Ending, ScaffoldError> {
        let config: Config = catena_sdk::config::read()?;
        if !task.query.starts_with(ATTACK) {
            honest::work()?;
            return Ok(Ending::Submitted);
        }
        let outcome = attack(&config, conversation).ok_or_else(|| {
            ScaffoldError::InvalidConfig(format!("`attack`: there is no `{}`", config.attack))
        })?;
        log::info!("redteam: {outcome}");
        Ok(Ending::Submitted)
    }
}

fn attack(config: &Config, conversation: &Conversation) -> Option<Outcome> {
    Some(match config.attack.as_str() {
        "spin" => resources::spin(),
        "spin-in-host-calls" => resources::spin_in_host_calls(),
        "memory" => resources::memory(),
        "stack" => resources::stack(),
        "output" => resources::output(),
        "log" => resources::log_entries(),
        "handles" => resources::handles(),
        "conversations" => resources::conversations(conversation),
        "history" => resources::history(conversation),
        "snapshot-names" => resources::snapshot_names(),
        "sleep" => looks::sleep(),
        "clock" => looks::clock(),
        "system-files" => looks::system_files(config),
        "environment" => looks::environment(),
        "network" => looks::network(config),
        "ungranted" => looks::ungranted(),
        "empty-files" => files::empty_files(),
        "endless-file" => files::endless_file(),
        "deep-directories" => files::deep_directories(),
        "leave-by-path" => files::leave_by_path(config),
        "leave-by-link" => files::leave_by_link(config),
        "link-across" => files::link_across(),
        "odd-names" => files::odd_names(),
        "git-directory" => files::git_directory(config),
        "binary-patch" => files::binary_patch(),
        "slow-patch" => slow::slow_patch(),
        "slow-renames" => slow::slow_renames(),
        "slow-search" => slow::slow_search(),
        "long-strings" => values::long_strings(),
        "hostile-patterns" => values::hostile_patterns(),
        "hostile-patches" => values::hostile_patches(),
        "tool" => tools::call_twice(),
        "program" => programs::start(),
        "program-on-a-full-stack" => programs::start_on_a_full_stack(),
        _ => return None,
    })
}

export_scaffold!(Redteam);
