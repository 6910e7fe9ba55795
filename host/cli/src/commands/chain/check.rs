//! `catena chain check`: whether a chain executes.
//!
//! At each stage the tests of the pull request run twice in the sandbox: over the
//! state before it with the pull request's test files put over that, and over the
//! human answer. A stage is of use to who judges by tests if some test fails in
//! the first and passes in the second.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use catena_chain::{ChainFile, Stage};
use catena_model::ToolCall;
use catena_tree::diff::{DiffOptions, Renames, changes};
use catena_tree::gitignore::PathKind;
use catena_tree::objects::entry_named;
use catena_tree::worktree::{PathPatterns, Worktree, WorktreeOptions};
use catena_tree::{EntryKind, ObjectDatabase, Objects as _, RepoPath, TreeId};
use catena_worker::TryResult;
use clap::ValueHint;
use serde::Serialize;
use serde_json::json;
use test_results::{Comparison, Report};

use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::{Format, print_json, say, table};
use crate::sandbox::ToolSandbox;
use crate::watch;

/// What `{report}` stands for.
const REPORT: &str = "/tmp/catena-report.xml";

/// Seconds that a command may take; the sandbox has its own bound.
const TIMEOUT: u32 = 600;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A chain file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    chains: PathBuf,
    /// The clone it is of; nothing is written to it
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
    clone: PathBuf,
    /// Only this chain; may be given more than once
    #[arg(long = "chain", value_name = "CHAIN")]
    only: Vec<String>,
    /// A program that the tests need; may be given more than once
    #[arg(long = "program", value_name = "NAME", default_value = "python")]
    programs: Vec<String>,
    /// The command line that runs tests: `{files}` are those of the pull request, `{report}` is
    /// where it writes `JUnit`'s XML
    #[arg(
        long,
        value_name = "COMMAND",
        default_value = "PYTHONPATH=src:. python -m pytest -q -p no:cacheprovider \
                         --continue-on-collection-errors --junitxml={report} {files}"
    )]
    tests: String,
    /// Which files are tests: patterns as in `.gitignore`
    #[arg(
        long,
        value_name = "PATTERN",
        default_values = ["tests/", "test/", "testing/", "test_*.py", "*_test.py", "conftest.py"]
    )]
    test_files: Vec<String>,
    /// Which of them `{files}` names
    #[arg(long, value_name = "PATTERN", default_values = ["test_*.py", "*_test.py"])]
    run_files: Vec<String>,
    /// Wall-clock time and fuel for each command, as many times a tool's default
    #[arg(long, value_name = "TIMES", default_value_t = 5)]
    patience: u32,
    /// Print what the commands said where a stage does not execute
    #[arg(long)]
    verbose: bool,
}

/// What came of a stage.
#[derive(Debug, Serialize)]
struct Checked {
    chain: String,
    stage: String,
    #[serde(flatten)]
    counts: Counts,
    /// Whether its tests tell the two states apart.
    executes: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// What the command said over the human answer.
    #[serde(skip_serializing_if = "String::is_empty")]
    output: String,
}

/// A [`Comparison`] as it is told.
#[derive(Debug, Clone, Copy, Serialize)]
struct Counts {
    fail_to_pass: usize,
    pass_to_pass: usize,
    failing: usize,
    pass_to_fail: usize,
}

impl From<Comparison> for Counts {
    fn from(comparison: Comparison) -> Self {
        let Comparison { fail_to_pass, pass_to_pass, failing, pass_to_fail } = comparison;
        Self { fail_to_pass, pass_to_pass, failing, pass_to_fail }
    }
}

pub(crate) fn run(
    arguments: Arguments,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let file = ChainFile::load(&arguments.chains).map_err(|err| {
        Failure::input(err).with_hint("`catena chain build` and `catena chain resolve` make one")
    })?;
    let unknown =
        arguments.only.iter().find(|id| !file.chains.iter().any(|c| c.id.as_str() == *id));
    if let Some(id) = unknown {
        return Err(Failure::input(anyhow::anyhow!("no chain is called `{id}`"))
            .with_hint("`catena chain show` lists the chains of a file"));
    }
    let clone = arguments.clone.canonicalize();
    let clone = clone
        .with_context(|| format!("can't open `{}`", arguments.clone.display()))
        .map_err(Failure::input)?;
    let sandbox = ToolSandbox::new(
        machine,
        "tool-bash".as_ref(),
        &arguments.programs,
        arguments.patience,
        &[clone],
    )?;
    let patterns = |lines: &[String]| {
        PathPatterns::try_from(lines.to_vec())
            .map_err(|err| Failure::input(anyhow::Error::new(err)))
    };
    let check = Check {
        test_files: patterns(&arguments.test_files)?,
        run_files: patterns(&arguments.run_files)?,
        sandbox,
        arguments,
    };
    check.all(&file, format)
}

struct Check {
    arguments: Arguments,
    sandbox: ToolSandbox,
    test_files: PathPatterns,
    run_files: PathPatterns,
}

impl Check {
    fn all(&self, file: &ChainFile, format: Format) -> Result<ExitCode, Failure> {
        let only = &self.arguments.only;
        let wanted = |id: &str| only.is_empty() || only.iter().any(|name| name == id);
        let chains: Vec<_> = file.chains.iter().filter(|chain| wanted(chain.id.as_str())).collect();
        let bar = watch::bar(format, "running tests");
        bar.set_length(chains.iter().map(|chain| chain.stages.len() as u64).sum());
        let mut checked = Vec::new();
        for chain in &chains {
            for stage in &chain.stages {
                bar.set_message(format!("{} {}", chain.id, stage.id));
                let (comparison, why, output) = self.stage(stage)?;
                checked.push(Checked {
                    chain: chain.id.to_string(),
                    stage: stage.id.to_string(),
                    counts: comparison.into(),
                    executes: why.is_none(),
                    why,
                    output,
                });
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        let passed = checked.iter().all(|stage| stage.executes);
        match format {
            Format::Json => print_json(&json!({"passed": passed, "stages": checked}))?,
            Format::Text => self.print(chains.len(), &checked),
        }
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(4) })
    }

    fn print(&self, chains: usize, checked: &[Checked]) {
        let head =
            ["chain", "stage", "fail to pass", "pass to pass", "failing in both", "executes"];
        let mut rows = table(&head);
        for stage in checked {
            let Counts { fail_to_pass, pass_to_pass, failing, .. } = stage.counts;
            rows.add_row([
                stage.chain.clone(),
                stage.stage.clone(),
                fail_to_pass.to_string(),
                pass_to_pass.to_string(),
                failing.to_string(),
                stage.why.clone().unwrap_or_else(|| "yes".to_owned()),
            ]);
        }
        say!("{rows}");
        let executing = |id: &str| checked.iter().filter(|c| c.chain == id).all(|c| c.executes);
        let mut ids: Vec<&str> = checked.iter().map(|stage| stage.chain.as_str()).collect();
        ids.dedup();
        let whole = ids.iter().filter(|id| executing(id)).count();
        say!("{whole} of {chains} chains execute at every stage");
        let failed = checked.iter().filter(|stage| !stage.executes && !stage.output.is_empty());
        for stage in failed.filter(|_| self.arguments.verbose) {
            say!("--- {} {}\n{}", stage.chain, stage.stage, stage.output.trim_end());
        }
    }

    /// Compares both states of a stage, and says why it does not execute.
    fn stage(&self, stage: &Stage) -> Result<(Comparison, Option<String>, String), Failure> {
        let nothing = |why: &str| Ok((Comparison::default(), Some(why.to_owned()), String::new()));
        let database = self.sandbox.database();
        let options = DiffOptions { renames: Renames::Ignore, ..DiffOptions::default() };
        let changes = changes(database, stage.base.tree, stage.human, &options);
        let changes = changes.map_err(anyhow::Error::new)?;
        let is_test = |path: &RepoPath| self.test_files.is_match(path.as_bstr(), PathKind::File);
        let tests: Vec<RepoPath> =
            changes.into_iter().map(|change| change.path).filter(is_test).collect();
        let is_run = |path: &&RepoPath| self.run_files.is_match(path.as_bstr(), PathKind::File);
        let mut files = Vec::new();
        for path in tests.iter().filter(is_run) {
            if has_file(database, stage.human, path)? {
                files.push(path.to_string());
            }
        }
        if files.is_empty() {
            return nothing("no: it changes no test");
        }
        let before = over(database, stage.base.tree, stage.human, &tests)?;
        let (after, output) = self.tests(stage.human, &files)?;
        let Some(after) = after else {
            let why = Some("no: the command left no report".to_owned());
            return Ok((Comparison::default(), why, output));
        };
        let (before, _) = self.tests(before, &files)?;
        // Without a report nothing passed.
        let comparison = Comparison::of(&before.unwrap_or_default(), &after);
        let why = match comparison {
            Comparison { fail_to_pass: 0, .. } => Some("no: nothing tells the states apart"),
            Comparison { pass_to_fail: 1.., .. } => Some("no: the human answer breaks tests"),
            _ => None,
        };
        let output = if why.is_some() { output } else { String::new() };
        Ok((comparison, why.map(str::to_owned), output))
    }

    /// Runs tests over a tree: what they report, and what the command said.
    fn tests(&self, tree: TreeId, files: &[String]) -> Result<(Option<Report>, String), Failure> {
        let files: Vec<String> = files.iter().map(|file| quoted(file)).collect();
        let command = self.arguments.tests.replace("{report}", REPORT);
        let command = command.replace("{files}", &files.join(" "));
        let arguments = json!({"command": command, "timeout_seconds": TIMEOUT});
        let call = ToolCall {
            id: "tests".to_owned(),
            name: String::new(),
            arguments: arguments.to_string(),
        };
        let TryResult { tried, end, .. } = self.sandbox.call(tree, vec![call])?.result?;
        let said = tried.into_iter().next().map(|tried| tried.content).unwrap_or_default();
        Ok((self.report(end.scratch)?, said))
    }

    /// The report that a command left in scratch.
    fn report(&self, scratch: TreeId) -> Result<Option<Report>, Failure> {
        let path: RepoPath = REPORT.trim_start_matches('/').parse().map_err(anyhow::Error::new)?;
        let database = self.sandbox.database();
        let Some(EntryKind::File { id, .. }) = entry_at(database, scratch, &path)? else {
            return Ok(None);
        };
        let text = database.blob(id).map_err(anyhow::Error::new)?;
        // One that was cut off is none.
        Ok(Report::read(&String::from_utf8_lossy(&text)).ok())
    }
}

/// The base with the test files of the human answer put over it.
fn over(
    database: &ObjectDatabase,
    base: TreeId,
    human: TreeId,
    tests: &[RepoPath],
) -> anyhow::Result<TreeId> {
    let mut worktree = Worktree::new(Arc::new(database.clone()), base, WorktreeOptions::default());
    worktree.checkout(human, tests)?;
    Ok(worktree.snapshot(&mut &*database)?)
}

fn has_file(database: &ObjectDatabase, tree: TreeId, path: &RepoPath) -> anyhow::Result<bool> {
    Ok(matches!(entry_at(database, tree, path)?, Some(EntryKind::File { .. })))
}

fn entry_at(
    database: &ObjectDatabase,
    tree: TreeId,
    path: &RepoPath,
) -> anyhow::Result<Option<EntryKind>> {
    let mut found = Some(EntryKind::Directory(tree));
    for name in path.components() {
        let Some(EntryKind::Directory(dir)) = found else { return Ok(None) };
        found = entry_named(&database.tree(dir)?, name).map(|entry| entry.kind);
    }
    Ok(found)
}

/// A word of a command line.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
