//! `catena native`: the process that becomes a command outside the sandbox.

use std::ffi::OsString;
use std::process::ExitCode;

use catena_native::{LaunchOrder, launch};

#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// What the host says
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    order: Vec<OsString>,
}

/// Becomes the command, or says why not.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let Some(order) = LaunchOrder::from_arguments(arguments.order) else {
        eprintln!("error: native: not an order of the host");
        eprintln!("hint: commands are started by `catena run`, not by hand");
        return ExitCode::FAILURE;
    };
    eprintln!("error: native: {}", launch(order));
    ExitCode::FAILURE
}
