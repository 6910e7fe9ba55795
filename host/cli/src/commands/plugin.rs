//! `catena plugin`.

mod explain;
mod try_tool;

use std::path::PathBuf;
use std::process::ExitCode;

use catena_plugin::session::PluginSpec;
use catena_plugin::{Effective, Engine, Limits, ResolvedPlugin};
use serde_json::json;

use crate::component;
use crate::failure::{CHECK_FAILED, Failure};
use crate::machine::Machine;
use crate::output::{Format, print_json, say};

/// Look at plugins.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show what a plugin asks for, what a run grants, and what is in effect
    Explain(explain::Explain),
    /// Check that a plugin is what its manifest says and can be run here
    Check(Check),
    /// Call a tool over the files of a directory, which stay as they are
    Try(try_tool::Try),
}

#[derive(clap::Args)]
pub(crate) struct Check {
    /// The plugin's directory, or the name of an installed one
    plugin: PathBuf,
}

pub(crate) fn run(
    command: Command,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    match command {
        Command::Explain(arguments) => explain::run(&arguments, machine, format),
        Command::Check(arguments) => check(&arguments, machine, format),
        Command::Try(arguments) => try_tool::run(arguments, machine, format),
    }
}

fn check(arguments: &Check, machine: &Machine, format: Format) -> Result<ExitCode, Failure> {
    let plugin = ResolvedPlugin::load(&machine.find_plugin(&arguments.plugin))?;
    let engine = Engine::new().map_err(|err| anyhow::anyhow!("{err:#}"))?;
    let checked = component::compile(machine, &engine, &plugin).and_then(|compiled| {
        let spec = PluginSpec {
            rights: Effective::default(),
            limits: Limits::defaults(plugin.manifest.plugin.kind),
            config: "{}".to_owned(),
            compiled: compiled.file,
            manifest: plugin.manifest.clone(),
        };
        component::load_on_trial(machine, spec).map(|()| compiled.face.sorted_imports())
    });
    let imports = match checked {
        Ok(imports) => imports,
        Err(failure) => return Ok(not_passed(&failure, format)),
    };
    if format == Format::Json {
        print_json(&json!({"name": plugin.name(), "passed": true, "imports": imports}))?;
    } else {
        say!("{}: a {} that can run here", plugin.name(), plugin.manifest.plugin.kind);
        say!("imports: {}", imports.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

/// Reports why a check was not passed.
fn not_passed(failure: &Failure, format: Format) -> ExitCode {
    failure.report(format);
    ExitCode::from(CHECK_FAILED)
}
