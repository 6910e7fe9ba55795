//! `catena plugin`.

mod try_tool;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use catena_plugin::session::PluginSpec;
use catena_plugin::{Effective, Engine, Granted, Limits, ResolvedPlugin};
use catena_rollout::run_file::PluginUse;
use catena_rollout::{RunError, RunFile};
use clap::ValueHint;
use serde_json::json;

use crate::component;
use crate::failure::{CHECK_FAILED, Failure};
use crate::machine::Machine;
use crate::output::{Format, print_json, say, table};

/// Look at plugins.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show what a plugin asks for, what a run grants, and what is in effect
    Explain(Explain),
    /// Check that a plugin is what its manifest says and can be run here
    Check(Check),
    /// Call a tool over the files of a directory, which stay as they are
    Try(try_tool::Try),
}

#[derive(clap::Args)]
pub(crate) struct Explain {
    /// The plugin's directory, or the name of an installed one
    plugin: PathBuf,
    /// A run file whose grants to show; without one nothing is granted
    #[arg(long, value_name = "RUN.TOML", value_hint = ValueHint::FilePath)]
    run: Option<PathBuf>,
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
        Command::Explain(arguments) => explain(&arguments, machine, format),
        Command::Check(arguments) => check(&arguments, machine, format),
        Command::Try(arguments) => try_tool::run(arguments, machine, format),
    }
}

fn explain(arguments: &Explain, machine: &Machine, format: Format) -> Result<ExitCode, Failure> {
    let plugin = ResolvedPlugin::load(&machine.find_plugin(&arguments.plugin))?;
    let manifest = &plugin.manifest;
    let (granted, limits) = match &arguments.run {
        None => (Granted::default(), Limits::defaults(manifest.plugin.kind)),
        Some(run) => granted_by(run, &plugin)?,
    };
    let limits = limits.lowered_to(&manifest.limits);
    let effective: Effective = manifest.capabilities.intersection(&granted);
    if format == Format::Json {
        print_json(&json!({
            "name": plugin.name(),
            "version": manifest.plugin.version,
            "kind": manifest.plugin.kind,
            "control": manifest.plugin.control,
            "component": plugin.component_digest,
            "manifest": plugin.manifest_digest,
            "asked": manifest.capabilities,
            "granted": granted,
            "effective": effective,
            "limits": limits,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "{} {} ({}{})",
        plugin.name(),
        manifest.plugin.version,
        manifest.plugin.kind,
        if manifest.plugin.control { ", control: is shown the answer" } else { "" },
    );
    if !manifest.plugin.description.is_empty() {
        say!("{}", manifest.plugin.description);
    }
    say!("component sha256:{}", plugin.component_digest);
    let mut rights = table(&["capability", "asked", "granted", "effective"]);
    let columns = manifest.capabilities.describe().into_iter();
    let columns = columns.zip(granted.describe()).zip(effective.describe());
    for (((name, asked), (_, granted)), (_, effective)) in columns {
        rights.add_row(vec![name.to_owned(), asked, granted, effective]);
    }
    say!("{rights}");
    say!(
        "limits per call: memory {}, fuel {}, wall time {}, output {}, handles {}, host call {}",
        limits.memory,
        limits.fuel,
        limits.wall,
        limits.output,
        limits.handles,
        limits.host_call,
    );
    if arguments.run.is_none() {
        say!("hint: `--run RUN.TOML` shows what that run grants");
    }
    Ok(ExitCode::SUCCESS)
}

/// What a run file gives the plugin of this name.
fn granted_by(run: &Path, plugin: &ResolvedPlugin) -> Result<(Granted, Limits), Failure> {
    let file = RunFile::load(run).map_err(RunError::from)?;
    let is_meant =
        |used: &&PluginUse| used.plugin.file_name().is_some_and(|name| name == plugin.name());
    let Some(found) = file.plugin_uses().find(is_meant) else {
        let reason = anyhow::anyhow!("`{}` does not use `{}`", run.display(), plugin.name());
        return Err(Failure::input(reason).with_hint("name a plugin that the run file uses"));
    };
    let ceiling = Limits::defaults(plugin.manifest.plugin.kind).replaced_by(&found.limits);
    Ok((found.grant.clone(), ceiling))
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
