//! `cargo xtask test`: everything that needs no network.

use std::ffi::OsString;

use crate::checkout::{Checkout, run as run_command};
use crate::phase::Phases;
use crate::{demo, tidy};

const HINT: &str = "the failed tests are named above; `cargo xtask test -p PACKAGE NAME` runs one";

/// Checks the architecture, then runs the unit tests of the plugins on this
/// machine's own target, then all tests of the workspace, doc tests included.
pub(crate) fn run(
    checkout: &Checkout,
    phases: &mut Phases,
    arguments: &[OsString],
) -> anyhow::Result<()> {
    if arguments.is_empty() {
        phases.begin("architecture rules");
        tidy::run(checkout)?;
    }
    // The end-to-end tests start the program, which `cargo test` alone leaves out.
    demo::build(checkout, phases)?;
    if arguments.is_empty() {
        phases.begin("unit tests of the plugins");
        test_guests(checkout)?;
    }
    phases.begin("tests of the workspace");
    let mut cargo = checkout.cargo();
    cargo.arg("test");
    if arguments.is_empty() {
        cargo.arg("--workspace");
    }
    run_command(cargo.args(arguments), HINT)
}

fn test_guests(checkout: &Checkout) -> anyhow::Result<()> {
    let mut cargo = checkout.cargo();
    // From their own directory, so that cargo reads their configuration, and in
    // a target directory of their own: their features are not the host's.
    cargo
        .current_dir(checkout.root.join("guests"))
        .env("CARGO_TARGET_DIR", checkout.target.join("guests-native"))
        .args(["test", "--quiet", "--workspace", "--lib", "--bins"]);
    run_command(&mut cargo, HINT)
}
