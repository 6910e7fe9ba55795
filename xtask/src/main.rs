//! Development commands, run as `cargo xtask <command>`.
//!
//! Each command sets up what it needs itself: on a fresh machine it finds or
//! installs a WebAssembly toolchain and builds the shipped plugins. What they
//! build lies in cargo's target directory; afterwards plain `cargo run` and
//! `cargo test` work too.
//!
//! Reading order: [`demo`], [`test`], [`tidy`], [`fuzz`], [`load`], [`compat`], [`commands`], [`similarity`] are the commands,
//! [`guests`] builds the plugins, [`checkout`], [`phase`] and [`failure`] are
//! what all of them stand on.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program speaks on its standard streams"
)]

mod checkout;
mod commands;
mod compat;
mod costs;
mod demo;
mod failure;
mod fuzz;
mod guests;
mod load;
mod phase;
mod similarity;
mod test;
mod tidy;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueHint};

use crate::checkout::Checkout;
use crate::phase::Phases;

#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about = "Development commands of Catena")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything and roll an agent out over the demo chain
    Demo {
        /// Handed to `catena demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run all hermetic tests, the architecture rules included
    Test {
        /// Handed to `cargo test`, in place of `--workspace`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Check Catena against third-party software; needs a package registry
    Compat {
        #[command(subcommand)]
        check: Option<compat::Check>,
    },
    /// Count the commands that agents typed, in trajectories on this machine
    Commands(commands::Commands),
    /// Measure how `judge-diff` scores what is made of real pull requests
    Similarity(similarity::Similarity),
    /// Run a fuzz target; those with coverage need a C++ compiler
    Fuzz {
        /// The target
        target: fuzz::Target,
        /// For how long
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Measure many rollouts that wait on a slow model server
    Load(load::Load),
    /// Measure command lines in the sandbox, in bash and under bubblewrap
    Costs(costs::Costs),
    /// Check the architecture rules
    Tidy,
    /// Build the shipped plugins and print where they are
    Guests,
    /// Build the plugin of a crate anywhere
    Plugin {
        /// Directory with its `Cargo.toml` and `plugin.toml`
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Where the manifest and the component go
        #[arg(value_hint = ValueHint::DirPath)]
        out: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            failure::print(&err);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let checkout = Checkout::locate()?;
    let mut phases = Phases::start();
    match command {
        Command::Demo { arguments } => demo::run(&checkout, &mut phases, &arguments),
        Command::Test { arguments } => test::run(&checkout, &mut phases, &arguments),
        Command::Compat { check } => compat::run(&checkout, &mut phases, check),
        Command::Commands(what) => commands::run(&checkout, &what),
        Command::Similarity(what) => similarity::run(&checkout, &what),
        Command::Fuzz { target, seconds } => fuzz::run(&checkout, &mut phases, target, seconds),
        Command::Load(what) => load::run(&checkout, &mut phases, &what),
        Command::Costs(what) => costs::run(&checkout, &mut phases, &what),
        Command::Tidy => tidy::run(&checkout),
        Command::Guests => {
            let plugins = guests::build_all(&checkout.root)?;
            println!("{}", plugins.display());
            Ok(())
        }
        Command::Plugin { dir, out } => guests::build_plugin(&dir, &out),
    }
}
