//! Where things are, and how the commands start other programs.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::failure::Failure;

/// The checkout the commands work on.
pub(crate) struct Checkout {
    /// Its top directory.
    pub(crate) root: PathBuf,
    /// Cargo's target directory, absolute.
    pub(crate) target: PathBuf,
}

impl Checkout {
    /// Finds the checkout that this program was built from.
    pub(crate) fn locate() -> anyhow::Result<Self> {
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = package.parent().context("the xtask package has no parent directory")?;
        Ok(Self { root: root.to_owned(), target: target_dir(root)? })
    }

    /// A cargo command at the top of the checkout, in the same target directory.
    pub(crate) fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        forget_own_package(&mut command);
        command
    }

    /// A program below the target directory of the dev profile.
    pub(crate) fn built(&self, program: &str) -> PathBuf {
        self.target.join("debug").join(program).with_extension(std::env::consts::EXE_EXTENSION)
    }

    /// A path as a person at the top of the checkout would write it.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// Where cargo builds, the way cargo itself decides it; absolute.
pub(crate) fn target_dir(root: &Path) -> anyhow::Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => std::path::absolute(dir).context("`CARGO_TARGET_DIR` is not a path"),
        None => Ok(root.join("target")),
    }
}

/// Takes away what `cargo run` tells xtask about xtask: build scripts that watch
/// these variables would run again at every change between `cargo xtask test`
/// and plain `cargo test`.
fn forget_own_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let own = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || matches!(name, "CARGO_MANIFEST_DIR" | "CARGO_MANIFEST_PATH" | "CARGO_BIN_NAME")
        });
        if own {
            command.env_remove(name);
        }
    }
}

/// Runs a command to its end, with the terminal's streams.
///
/// Fails when it cannot be started or ends with another status than 0.
pub(crate) fn run(command: &mut Command, hint: &str) -> anyhow::Result<()> {
    let shown = shown(command);
    let status = command.status().map_err(|err| not_started(command, err))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{shown}` ended with {status}"), hint).into())
}

fn not_started(command: &Command, err: io::Error) -> Failure {
    let program = command.get_program().display();
    Failure::new(
        format!("cannot start `{program}`"),
        format!("check that `{program}` is installed and on the search path"),
    )
    .because(err)
}

/// The command line, with programs by their file name.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_a_hint() {
        let err = run(&mut Command::new("no-such-program-here"), "unused").unwrap_err();
        assert_eq!(err.to_string(), "cannot start `no-such-program-here`");
    }

    #[test]
    fn a_failed_command_is_shown_with_its_arguments() {
        let err = run(
            Command::new("git").args(["no-such-subcommand"]).stderr(std::process::Stdio::null()),
            "unused",
        )
        .unwrap_err();
        assert!(err.to_string().starts_with("`git no-such-subcommand` ended with"), "{err}");
    }
}
