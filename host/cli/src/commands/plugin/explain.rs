//! `catena plugin explain`: every right and every limit of a plugin, as its manifest asks,
//! as a run file grants, and as both come to.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use catena_plugin::{
    Effective, Granted, Limits, LimitsRequest, PluginKind, PluginManifest, ResolvedPlugin,
};
use catena_rollout::run_file::PluginUse;
use catena_rollout::{RunError, RunFile};
use clap::ValueHint;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::{Format, print_json, say, table};

/// In a table, where nothing is said.
const NOTHING: &str = "-";

#[derive(clap::Args)]
pub(crate) struct Explain {
    /// The plugin's directory, or the name of an installed one
    plugin: PathBuf,
    /// A run file whose grants to show; without one nothing is granted
    #[arg(long, value_name = "RUN.TOML", value_hint = ValueHint::FilePath)]
    run: Option<PathBuf>,
}

/// What a run file gives a plugin.
#[derive(Default)]
struct Given {
    rights: Granted,
    limits: LimitsRequest,
}

/// A limit from all sides.
#[derive(Serialize)]
struct LimitSides {
    /// Where nobody says anything.
    default: Value,
    /// What the manifest asks for; null where it says nothing.
    asked: Value,
    /// The run file's ceiling in the place of the default; null where it says nothing.
    granted: Value,
    /// What is in effect.
    effective: Value,
}

pub(super) fn run(
    arguments: &Explain,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let plugin = ResolvedPlugin::load(&machine.find_plugin(&arguments.plugin))?;
    let manifest = &plugin.manifest;
    let given = match &arguments.run {
        None => Given::default(),
        Some(run) => given_by(run, &plugin, machine)?,
    };
    let effective: Effective = manifest.capabilities.intersection(&given.rights);
    let (in_effect, sides) = limits(manifest, &given.limits)?;
    if format == Format::Json {
        print_json(&json!({
            "name": plugin.name(),
            "version": manifest.plugin.version,
            "kind": manifest.plugin.kind,
            "control": manifest.plugin.control,
            "component": plugin.component_digest,
            "manifest": plugin.manifest_digest,
            "asked": manifest.capabilities,
            "granted": given.rights,
            "effective": effective,
            "limits": in_effect,
            "limit_sides": sides,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    print_head(&plugin);
    print_rights(manifest, &given.rights, &effective);
    print_limits(&sides);
    if arguments.run.is_none() {
        say!("hint: `--run RUN.TOML` shows what that run grants");
    }
    Ok(ExitCode::SUCCESS)
}

fn print_head(plugin: &ResolvedPlugin) {
    let about = &plugin.manifest.plugin;
    let control = if about.control { ", control: is shown the answer" } else { "" };
    say!("{} {} ({}{control})", plugin.name(), about.version, about.kind);
    if !about.description.is_empty() {
        say!("{}", about.description);
    }
    say!("component sha256:{}", plugin.component_digest);
    say!("manifest sha256:{}", plugin.manifest_digest);
}

fn print_rights(manifest: &PluginManifest, granted: &Granted, effective: &Effective) {
    let mut rights = table(&["right", "asked", "granted", "effective"]);
    let columns = manifest.capabilities.describe().into_iter();
    let columns = columns.zip(granted.describe()).zip(effective.describe());
    for (((name, asked), (_, granted)), (_, effective)) in columns {
        rights.add_row(vec![name.to_owned(), asked, granted, effective]);
    }
    say!("{rights}");
}

fn print_limits(sides: &Map<String, Value>) {
    let mut limits = table(&["limit per call", "default", "asked", "granted", "effective"]);
    for (name, sides) in sides {
        let cell = |side: &str| match sides.get(side) {
            None | Some(Value::Null) => NOTHING.to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) if other.as_u64() == Some(u64::MAX) => "its caller's".to_owned(),
            Some(other) => other.as_u64().map_or_else(|| other.to_string(), crate::output::grouped),
        };
        let cells = ["default", "asked", "granted", "effective"].map(cell);
        limits.add_row(std::iter::once(name.clone()).chain(cells).collect::<Vec<_>>());
    }
    say!("{limits}");
}

/// The limits in effect, and each of them from all sides.
fn limits(
    manifest: &PluginManifest,
    given: &LimitsRequest,
) -> Result<(Limits, Map<String, Value>), Failure> {
    let default = Limits::defaults(manifest.plugin.kind);
    let effective = default.replaced_by(given).lowered_to(&manifest.limits);
    let (defaults, effectives) = (fields(&default)?, fields(&effective)?);
    let (asked, granted) = (fields(&manifest.limits)?, fields(given)?);
    let side = |side: &Map<String, Value>, name: &str| side.get(name).cloned().unwrap_or_default();
    let mut sides = Map::new();
    for (name, default) in defaults {
        let limit = LimitSides {
            default,
            asked: side(&asked, &name),
            granted: side(&granted, &name),
            effective: side(&effectives, &name),
        };
        sides.insert(name, serde_json::to_value(limit)?);
    }
    Ok((effective, sides))
}

/// A table's keys and values.
fn fields<T: Serialize>(table: &T) -> Result<Map<String, Value>, Failure> {
    match serde_json::to_value(table)? {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

/// What a run file gives this plugin.
fn given_by(run: &Path, plugin: &ResolvedPlugin, machine: &Machine) -> Result<Given, Failure> {
    let file = RunFile::load(run).map_err(RunError::from)?;
    if plugin.manifest.plugin.kind == PluginKind::Program {
        // A program has what its caller has of what it asks for.
        let limits = file.programs.get(plugin.name()).map(|used| used.limits.clone());
        let (rights, limits) = (plugin.manifest.capabilities.clone(), limits.unwrap_or_default());
        return Ok(Given { rights, limits });
    }
    let base = run.parent().unwrap_or(Path::new("."));
    let is_meant = |used: &&PluginUse| {
        let here = base.join(&used.plugin);
        let found = if here.exists() { here } else { machine.find_plugin(&used.plugin) };
        ResolvedPlugin::load(&found).is_ok_and(|used| used.name() == plugin.name())
    };
    let Some(found) = file.plugin_uses().find(is_meant) else {
        let reason = anyhow::anyhow!("`{}` does not use `{}`", run.display(), plugin.name());
        return Err(Failure::input(reason).with_hint("name a plugin that the run file uses"));
    };
    Ok(Given { rights: found.grant.clone(), limits: found.limits.clone() })
}
