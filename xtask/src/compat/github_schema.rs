//! The GraphQL documents of `mine` against GitHub's published schema, and the
//! answers of the tests' stand-in for GitHub against both.

use std::process::Command;

use super::venv;
use crate::checkout::{Checkout, run as run_command};
use crate::phase::Phases;

/// The schema, which follows GitHub's, and the reference implementation of
/// GraphQL, which validates.
const PACKAGES: [&str; 2] = ["@octokit/graphql-schema@15", "graphql@16"];

pub(super) fn run(checkout: &Checkout, phases: &mut Phases) -> anyhow::Result<()> {
    phases.begin("record answers of the stand-in");
    let recorded = checkout.target.join("tmp/github-exchanges");
    run_command(
        checkout
            .cargo()
            .args(["test", "--workspace", "--quiet", "--test", "end_to_end", "--"])
            .args(["github::everything", "github::discussions"]),
        "`cargo xtask test` shows the failing test",
    )?;
    phases.begin("fetch GitHub's schema");
    let dir = venv::scratch(checkout, "github-schema")?;
    run_command(
        Command::new("npm")
            .current_dir(&dir)
            .args(["install", "--silent", "--no-save", "--ignore-scripts"])
            .args(PACKAGES),
        "Node.js 20 or newer with `npm` and a package registry within reach are needed",
    )?;
    phases.begin("validate documents and answers");
    run_command(
        Command::new("node")
            .arg(checkout.root.join("xtask/compat/github-schema.mjs"))
            .arg(&dir)
            .arg(checkout.root.join("host/mine/src/github/graphql"))
            .arg(&recorded),
        "the lines above name the document or answer, and what does not fit",
    )
}
