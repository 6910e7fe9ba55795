//! `catena plugin try`: a tool over the files of a directory, without a model and
//! without a run.
//!
//! The directory is read and never changed: each call's changes are in the
//! worktree alone, which `--keep` has the calls share.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use catena_model::ToolCall;
use catena_plugin::Tried;
use catena_tree::TreeId;
use clap::ValueHint;
use serde_json::json;

use crate::failure::{CHECK_FAILED, Failure};
use crate::machine::Machine;
use crate::output::{Format, say, say_json};
use crate::sandbox::{Said, ToolSandbox};

#[derive(clap::Args)]
pub(crate) struct Try {
    /// The tool's directory, or the name of an installed one
    plugin: PathBuf,
    /// A directory whose files the tool sees at `/workspace`; none by default
    #[arg(long, value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// A program that the tool may start; may be given more than once
    #[arg(long = "program", value_name = "NAME")]
    programs: Vec<String>,
    /// The tool, where the plugin offers more than one
    #[arg(long)]
    tool: Option<String>,
    /// Let a call see what the one before it changed
    #[arg(long)]
    keep: bool,
    /// Wall-clock time and fuel for each call, as many times the default
    #[arg(long, value_name = "TIMES", default_value_t = 1)]
    patience: u32,
    /// Arguments of a call, as JSON; each makes a call
    #[arg(required_unless_present = "calls")]
    arguments: Vec<String>,
    /// A file with the arguments of a call in each line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    calls: Option<PathBuf>,
}

pub(super) fn run(arguments: Try, machine: &Machine, format: Format) -> Result<ExitCode, Failure> {
    let mut calls = arguments.arguments.clone();
    if let Some(path) = &arguments.calls {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("can't read `{}`", path.display()))
            .map_err(Failure::input)?;
        calls.extend(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
    }
    Trial::new(arguments, machine)?.run_all(&calls, format)
}

/// What all calls have in common.
struct Trial {
    sandbox: ToolSandbox,
    name: Option<String>,
    tree: TreeId,
    keep: bool,
}

impl Trial {
    fn new(arguments: Try, machine: &Machine) -> Result<Self, Failure> {
        let sandbox = ToolSandbox::new(
            machine,
            &arguments.plugin,
            &arguments.programs,
            arguments.patience,
            &[],
        )?;
        let tree = match &arguments.dir {
            None => TreeId::EMPTY,
            Some(dir) => catena_plugin::program::store::keep_directory(sandbox.database(), dir)?,
        };
        Ok(Self { sandbox, name: arguments.tool, tree, keep: arguments.keep })
    }

    fn run_all(&self, calls: &[String], format: Format) -> Result<ExitCode, Failure> {
        let calls: Vec<ToolCall> = calls.iter().enumerate().map(|it| self.call(it)).collect();
        let at_once = if self.keep { calls.len() } else { 1 };
        let mut status = 0;
        for calls in calls.chunks(at_once.max(1)) {
            let called = self.sandbox.call(self.tree, calls.to_vec())?;
            let mut said = called.said.into_iter();
            let tried = match called.result {
                Ok(result) => result.tried,
                Err(failure) => {
                    said.for_each(|said| tell_of_words(&said));
                    return Err(failure);
                }
            };
            for tried in tried {
                status = exit_status(&tried);
                self.tell(&tried, &said.next().unwrap_or_default(), format);
            }
        }
        Ok(ExitCode::from(u8::try_from(status).unwrap_or(1)))
    }

    fn call(&self, (position, arguments): (usize, &String)) -> ToolCall {
        ToolCall {
            id: position.to_string(),
            name: self.name.clone().unwrap_or_default(),
            arguments: arguments.clone(),
        }
    }

    fn tell(&self, tried: &Tried, said: &[Said], format: Format) {
        if format == Format::Json {
            say_json(&json!({
                "content": tried.content,
                "outcome": tried.outcome,
                "exit_status": tried.exit_status,
                "tree": tried.tree,
                "wall_us": tried.wall_us,
                "said": said,
            }));
            return;
        }
        tell_of_words(said);
        if !tried.content.is_empty() {
            say!("{}", tried.content.trim_end_matches('\n'));
        }
        if let Some(end) = self.in_words(tried) {
            eprintln!("{end}");
        }
    }

    /// How a call ended that did not end well.
    fn in_words(&self, tried: &Tried) -> Option<String> {
        match (tried.outcome.as_str(), tried.exit_status) {
            (_, Some(0)) | ("ok", None) => None,
            (_, Some(status)) => Some(format!("exit status {status}")),
            ("error", None) => Some("the tool reports an error".to_owned()),
            ("timed-out", None) => {
                let wall = self.sandbox.wall();
                Some(format!("the tool ran out of its wall-clock time, `wall`: {wall}"))
            }
            (outcome, None) => Some(format!("the tool gave no answer: {outcome}")),
        }
    }
}

/// The exit status of the command that a tool ran, or that of a check that was not passed.
fn exit_status(tried: &Tried) -> i32 {
    let of_outcome = if tried.outcome == "ok" { 0 } else { i32::from(CHECK_FAILED) };
    tried.exit_status.unwrap_or(of_outcome)
}

/// Prints what plugins wrote.
fn tell_of_words(said: &[Said]) {
    for Said { plugin, level, text } in said {
        eprintln!("{plugin} {level}: {}", text.trim_end_matches('\n'));
    }
}
