//! `cargo xtask fuzz`: builds a fuzz target with coverage counters and runs it; those that
//! need the whole host run without counters, as the tests in `tests/fuzz` with more time.
//!
//! For the former the compiler's own instrumentation pass is used, which works on stable Rust;
//! libFuzzer comes with its crate and needs a C++ compiler. What a run finds
//! worth keeping lies in `fuzz/corpus`, inputs that fail in `fuzz/corpus/failed`.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::checkout::{Checkout, run as run_command};
use crate::phase::Phases;

/// What LLVM is asked to put into the program: counters for its edges, a table
/// of where they are, and the values that are compared.
const INSTRUMENTATION: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];

/// What a single input may take.
const LIMITS: [&str; 3] = ["-timeout=10", "-rss_limit_mb=2048", "-malloc_limit_mb=512"];

/// A fuzz target.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Target {
    /// Any bytes as a patch
    Patch,
    /// Operations on a worktree at any paths
    Paths,
    /// Three-way merges of generated trees
    TreeMerge,
    /// Any bytes as ignore rules
    Gitignore,
    /// A changed `plugin.toml`, without coverage
    Manifest,
    /// A changed chain file, without coverage
    ChainFile,
    /// A changed journal, without coverage
    Journal,
    /// A changed answer of a model's server, without coverage
    Reply,
    /// Sequences of calls of `wasi:filesystem` by a guest, without coverage
    Wasi,
}

/// Sequences that a guest carries out in a second, roughly.
const SEQUENCES_PER_SECOND: u32 = 20;

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Paths => "paths",
            Self::TreeMerge => "tree_merge",
            Self::Gitignore => "gitignore",
            Self::Manifest => "manifest",
            Self::ChainFile => "chain_file",
            Self::Journal => "journal",
            Self::Reply => "answer_of_a_models_server",
            Self::Wasi => "generated",
        }
    }

    /// The test by which it runs, where it runs without coverage.
    fn test(self) -> Option<&'static str> {
        match self {
            Self::Manifest | Self::ChainFile | Self::Journal | Self::Reply => Some("fuzz"),
            Self::Wasi => Some("filesystem"),
            Self::Patch | Self::Paths | Self::TreeMerge | Self::Gitignore => None,
        }
    }
}

pub(crate) fn run(
    checkout: &Checkout,
    phases: &mut Phases,
    target: Target,
    seconds: u32,
) -> anyhow::Result<()> {
    let name = target.name();
    if let Some(test) = target.test() {
        return run_test(checkout, phases, test, name, seconds);
    }
    let dir = checkout.root.join("fuzz");
    let build_dir = checkout.target.join("fuzz");
    // With a target named, the flags are not for build scripts and macros.
    let triple = host_triple()?;
    phases.begin("building the fuzz target");
    let mut cargo = checkout.cargo();
    cargo
        .current_dir(&dir)
        .env("CARGO_TARGET_DIR", &build_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", INSTRUMENTATION.join("\u{1f}"))
        .args(["build", "--locked", "--release", "--target", &triple, "--bin", name]);
    run_command(&mut cargo, "a C++ compiler is needed besides Rust")?;

    let corpus = dir.join("corpus").join(name);
    let failed = dir.join("corpus/failed");
    for dir in [&corpus, &failed] {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot create `{}`", dir.display()))?;
    }
    phases.begin(&format!("fuzzing `{name}` for {seconds} s"));
    let mut fuzzer = Command::new(build_dir.join(triple).join("release").join(name));
    fuzzer
        .args(LIMITS)
        .args([format!("-max_total_time={seconds}"), "-print_final_stats=1".to_owned()])
        .arg(format!("-artifact_prefix={}/{name}-", failed.display()));
    add_if_there(&mut fuzzer, "-dict=", &dir.join(format!("{name}.dict")));
    fuzzer.arg(&corpus);
    add_if_there(&mut fuzzer, "", &dir.join("seeds").join(name));
    run_command(&mut fuzzer, "the input that failed lies in `fuzz/corpus/failed`")
}

/// Runs a target that is a test.
fn run_test(
    checkout: &Checkout,
    phases: &mut Phases,
    test: &str,
    name: &str,
    seconds: u32,
) -> anyhow::Result<()> {
    crate::demo::build(checkout, phases)?;
    phases.begin(&format!("fuzzing `{name}` for about {seconds} s"));
    let mut cargo = checkout.cargo();
    cargo
        .env("CATENA_FUZZ_SECONDS", seconds.to_string())
        .env("CATENA_FUZZ_CASES", seconds.saturating_mul(SEQUENCES_PER_SECOND).to_string())
        .args(["test", "--workspace", "--test", test, "--", name, "--nocapture"]);
    run_command(&mut cargo, "the input that failed is printed, or lies in `fuzz/corpus/failed`")
}

fn add_if_there(command: &mut Command, option: &str, path: &Path) {
    if path.exists() {
        command.arg(format!("{option}{}", path.display()));
    }
}

fn host_triple() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start `rustc`")?;
    let text = String::from_utf8(output.stdout).context("`rustc -vV` is not text")?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}
