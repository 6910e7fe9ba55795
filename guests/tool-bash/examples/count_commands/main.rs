//! Counts the commands and options that agents typed, in trajectories of others.
//!
//! `cargo xtask commands DIR...` runs it. [`source`] finds the command lines in
//! files of several kinds, [`count`] takes them apart with the parser that the
//! tool has. What is printed is Markdown, and of the agents' text it holds
//! command names and options alone.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program speaks on its standard streams"
)]

mod count;
mod options;
mod source;

use std::path::Path;
use std::process::ExitCode;

use crate::count::Tally;

/// Rarer commands and options are left out.
const LEAST: usize = 2;

fn main() -> ExitCode {
    let mut tally = Tally::default();
    println!("| source | files | command lines | not parsed |\n|---|---|---|---|");
    let mut arguments = std::env::args().skip(1).peekable();
    let tells_failed = arguments.next_if_eq("--not-parsed").is_some();
    for directory in arguments {
        let found = match source::below(Path::new(&directory)) {
            Ok(found) => found,
            Err(err) => {
                eprintln!("error: can't read `{directory}`: {err}");
                return ExitCode::FAILURE;
            }
        };
        let failed: Vec<&String> = found.lines.iter().filter(|line| !tally.add(line)).collect();
        let (files, lines) = (found.files, found.lines.len());
        println!("| {} | {files} | {lines} | {} |", name(&directory), failed.len());
        for line in failed.iter().filter(|_| tells_failed) {
            eprintln!("--- not parsed\n{line}");
        }
    }
    let (runs, names) = (tally.runs(), tally.names());
    println!("\n{runs} commands of {names} names. Those that occur at least twice:\n");
    println!("| command | times | options |\n|---|---|---|");
    for (command, times, options) in tally.table(LEAST) {
        println!("| `{command}` | {times} | {options} |");
    }
    ExitCode::SUCCESS
}

fn name(directory: &str) -> &str {
    directory.trim_end_matches('/').rsplit('/').next().unwrap_or(directory)
}
