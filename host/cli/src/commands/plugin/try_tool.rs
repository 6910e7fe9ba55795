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

use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::{Format, say};
use crate::sandbox::ToolSandbox;

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
            for tried in self.sandbox.call(self.tree, calls.to_vec())?.tried {
                status = tried.exit_status.unwrap_or(i32::from(tried.outcome != "ok"));
                tell(&tried, status, format);
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
}

fn tell(tried: &Tried, status: i32, format: Format) {
    match format {
        Format::Text => {
            say!("{}", tried.content.trim_end_matches('\n'));
            if status != 0 {
                eprintln!("{}: exit status {:?}", tried.outcome, tried.exit_status);
            }
        }
        Format::Json => say!(
            "{}",
            json!({
                "content": tried.content,
                "outcome": tried.outcome,
                "exit_status": tried.exit_status,
                "tree": tried.tree,
                "wall_us": tried.wall_us,
            })
        ),
    }
}
