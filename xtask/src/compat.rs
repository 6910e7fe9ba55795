//! `cargo xtask compat`: Catena against software of others.
//!
//! These checks fetch packages from a registry, so they are no part of
//! `cargo xtask test`. All they install lies in a virtual environment below the
//! target directory. Their figures are for notes and docs.

mod carry;
mod chains;
mod datasets;
mod forms;
mod github_schema;
mod judge_tests;
mod mini_swe_agent;
mod model_server;
mod python_guest;
mod python_suites;
mod shell;
mod venv;

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use crate::checkout::Checkout;
use crate::phase::Phases;

/// What to check.
#[derive(Subcommand)]
pub(crate) enum Check {
    /// Load an export with the `datasets` library
    Datasets {
        /// Exported JSONL; the demo's, where none is named
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        data: Option<PathBuf>,
    },
    /// Read every form of export with the code of its consumer
    Forms {
        /// A checkout of slime, which is on no package index
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        slime: Option<PathBuf>,
    },
    /// Measure exports of long trajectories, beside Harbor's exporter
    ExportCosts {
        /// How many; 1,000 take 1.5 GB
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        trajectories: u32,
    },
    /// Run four agents over real chains and compare every carry with git
    Carry {
        /// A clone of the repository the lists are of
        #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
        clone: PathBuf,
        /// Lists of pull request numbers
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        chains: PathBuf,
    },
    /// Validate GraphQL documents and the tests' answers against GitHub's schema
    GithubSchema,
    /// Run the tests of real chains of Python repositories in the sandbox
    Chains {
        /// A directory with clones of click and attrs under these names
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        clones: PathBuf,
    },
    /// Have `judge-tests` judge controls and cheats on real chains of Python repositories
    JudgeTests {
        /// A directory with clones of click and attrs under these names
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        clones: PathBuf,
    },
    /// Play the same replies to the real mini-swe-agent and to `scaffold-mini`
    MiniSweAgent,
    /// Ask a model server that others wrote, and roll out over it
    ModelServer,
    /// Build the plugin written in Python, check it against the host, and roll it out
    PythonGuest,
    /// Run test suites of pure-Python packages in the sandbox and natively
    PythonSuites,
    /// Compare the shell in the sandbox with bash and GNU's tools
    Shell,
}

/// Runs one check, or where none is chosen all that need no clone.
pub(crate) fn run(
    checkout: &Checkout,
    phases: &mut Phases,
    check: Option<Check>,
) -> anyhow::Result<()> {
    match check {
        Some(Check::Datasets { data }) => datasets::run(checkout, phases, data.as_deref()),
        Some(Check::Forms { slime }) => forms::run(checkout, phases, slime.as_deref()),
        Some(Check::ExportCosts { trajectories }) => forms::costs(checkout, phases, trajectories),
        Some(Check::Carry { clone, chains }) => carry::run(checkout, phases, &clone, &chains),
        Some(Check::GithubSchema) => github_schema::run(checkout, phases),
        Some(Check::Chains { clones }) => chains::run(checkout, phases, &clones),
        Some(Check::JudgeTests { clones }) => judge_tests::run(checkout, phases, &clones),
        Some(Check::MiniSweAgent) => mini_swe_agent::run(checkout, phases),
        Some(Check::ModelServer) => model_server::run(checkout, phases),
        Some(Check::PythonGuest) => python_guest::run(checkout, phases),
        Some(Check::Shell) => shell::run(checkout, phases),
        Some(Check::PythonSuites) => python_suites::run(checkout, phases),
        None => {
            datasets::run(checkout, phases, None)?;
            forms::run(checkout, phases, None)?;
            github_schema::run(checkout, phases)?;
            mini_swe_agent::run(checkout, phases)?;
            model_server::run(checkout, phases)?;
            python_guest::run(checkout, phases)
        }
    }
}
