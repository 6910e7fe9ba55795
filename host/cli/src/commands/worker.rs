//! `catena worker`: the process in which guests live.

use std::process::ExitCode;

/// Does the one job that comes over standard input.
pub(crate) fn run() -> ExitCode {
    match catena_worker::process::run(|| std::process::exit(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("error: worker: {err}");
            eprintln!("hint: workers are started by `catena run`, not by hand");
            ExitCode::FAILURE
        }
    }
}
