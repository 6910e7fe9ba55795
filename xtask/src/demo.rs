//! `cargo xtask demo`: from a fresh machine to a finished rollout.

use std::ffi::OsString;
use std::process::Command;

use crate::checkout::{Checkout, run as run_command};
use crate::guests;
use crate::phase::Phases;

/// Of a run file: `scaffold-mini` over the demo's repository.
pub(crate) const AGENT: &str = r#"
[repositories]
"gridline/gridline" = "gridline.git"

[scaffold]
plugin = "scaffold-mini"
grant = { model = true }

[[tools]]
plugin = "tool-bash"
grant = { workspace = "read-write" }

[judge]
plugin = "judge-diff"
"#;

/// Builds the plugins and the `catena` binary, then runs `catena demo`.
pub(crate) fn run(
    checkout: &Checkout,
    phases: &mut Phases,
    arguments: &[OsString],
) -> anyhow::Result<()> {
    build(checkout, phases)?;
    phases.begin("catena demo");
    run_command(
        Command::new(checkout.built("catena")).arg("demo").args(arguments),
        "the message above says what failed; `RUST_LOG=debug` shows more",
    )
}

/// Builds what a rollout needs: the plugins and the binary.
pub(crate) fn build(checkout: &Checkout, phases: &mut Phases) -> anyhow::Result<()> {
    phases.begin("build the plugins");
    guests::build_all(&checkout.root)?;
    phases.begin("build catena (the first time takes minutes)");
    run_command(
        // Of the whole workspace, so that dependencies get the features that the
        // tests give them too, and none is compiled twice.
        checkout.cargo().args(["build", "--workspace", "--bin", "catena"]),
        "the compiler's message above says what to mend",
    )
}
