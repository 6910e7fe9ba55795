//! The `catena` binary: one file per subcommand in `commands`, and what they
//! share: errors for people ([`failure`]), where things lie on this machine
//! ([`machine`]), a tool in this process ([`sandbox`]), tables and JSON ([`output`]), progress ([`watch`]).
//!
//! This is the only crate that prints, reads the environment or exits.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program speaks on its standard streams"
)]

mod commands;
mod component;
mod demo;
mod failure;
mod machine;
mod output;
mod redteam;
mod refused;
mod sandbox;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::Format;

/// Roll untrusted coding agents out over chains of pull requests.
#[derive(Parser)]
#[command(name = "catena", version, about = "Rolls untrusted coding agents out over chains of pull requests", after_help = EXIT_CODES)]
struct Arguments {
    /// Print JSON on stdout, and nothing else
    #[arg(long, global = true)]
    json: bool,
    /// Look for plugins by name in this directory as well
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    plugins: Vec<std::path::PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed for a reason outside the input
  2    bad input or usage
  3    the run finished, but a rollout ended as an infrastructure failure
  4    a check was not passed
  130  stopped by the user; `catena resume` goes on";

#[derive(Subcommand)]
enum Command {
    /// Roll a scripted agent out over an embedded chain, from repository to data
    Demo(commands::demo::Arguments),
    /// Find the pull requests of a repository, on GitHub and in a clone
    Mine(commands::mine::Arguments),
    /// Make chain files and look at them
    #[command(subcommand)]
    Chain(commands::chain::Command),
    /// Carry out a run file
    Run(commands::run::Arguments),
    /// Approve of a run file's plugins as they are, after a look at what changed
    Lock(commands::lock::Arguments),
    /// Print the JSON schema of a file that people write, for their editors
    Schema(commands::schema::Arguments),
    /// Go on with a run that was interrupted
    Resume(commands::resume::Arguments),
    /// Replay a run from its journals and compare every record
    Verify(commands::verify::Arguments),
    /// Show what a run has come to
    Show(commands::show::Arguments),
    /// Make a new run that goes on from the middle of another one
    Fork(commands::fork::Arguments),
    /// Have submissions judged again, or find out how good judges are
    Judge(commands::judge::Arguments),
    /// Write training data from a run
    Export(commands::export::Arguments),
    /// Take trajectories of other programs in, to look at, judge and export them
    Import(commands::import::Arguments),
    /// Print figures of data: samples, tokens, scores, cost
    Stats(commands::stats::Arguments),
    /// Find out what this machine can do, or what a model's server can
    Doctor(commands::doctor::Arguments),
    /// Attack this machine's own sandbox and print a scorecard
    Redteam(commands::redteam::Arguments),
    /// Look at plugins
    #[command(subcommand)]
    Plugin(commands::plugin::Command),
    /// Add, list and remove programs that plugins may start
    #[command(subcommand)]
    Program(commands::program::Command),
    /// Serve as a worker process; started by the host, never by people
    #[command(hide = true)]
    Worker,
    /// Become a command outside the sandbox; started by the host, never by people
    #[command(hide = true)]
    Native(commands::native::Arguments),
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if let Command::Native(order) = &mut arguments.command {
        return commands::native::run(std::mem::take(order));
    }
    if matches!(arguments.command, Command::Worker) {
        return commands::worker::run();
    }
    // Where the system lists no open files, it starts no commands outside the sandbox.
    let _ = catena_native::inherited::keep();
    start_log();
    let format = if arguments.json { Format::Json } else { Format::Text };
    match run(arguments, format) {
        Ok(code) => code,
        Err(failure) => failure.report(format),
    }
}

fn run(arguments: Arguments, format: Format) -> Result<ExitCode, Failure> {
    let machine = Machine::look(arguments.plugins)?;
    match arguments.command {
        Command::Demo(arguments) => commands::demo::run(&arguments, &machine, format),
        Command::Mine(arguments) => commands::mine::run(&arguments, format),
        Command::Chain(command) => commands::chain::run(command, &machine, format),
        Command::Run(arguments) => commands::run::run(&arguments, &machine, format),
        Command::Lock(arguments) => commands::lock::run(&arguments, &machine, format),
        Command::Schema(arguments) => commands::schema::run(&arguments),
        Command::Resume(arguments) => commands::resume::run(&arguments, &machine, format),
        Command::Verify(arguments) => commands::verify::run(&arguments, &machine, format),
        Command::Show(arguments) => commands::show::run(&arguments, format),
        Command::Fork(arguments) => commands::fork::run(&arguments, format),
        Command::Judge(arguments) => commands::judge::run(&arguments, &machine, format),
        Command::Export(arguments) => commands::export::run(&arguments, format),
        Command::Import(arguments) => commands::import::run(&arguments, format),
        Command::Stats(arguments) => commands::stats::run(&arguments, format),
        Command::Doctor(arguments) => commands::doctor::run(&arguments, &machine, format),
        Command::Redteam(arguments) => commands::redteam::run(&arguments, &machine, format),
        Command::Plugin(command) => commands::plugin::run(command, &machine, format),
        Command::Program(command) => commands::program::run(command, &machine, format),
        Command::Worker => Ok(commands::worker::run()),
        Command::Native(order) => Ok(commands::native::run(order)),
    }
}

/// Logs to stderr what `RUST_LOG` asks for; nothing by default.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
