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

/// In a table, where a caller's rights or resources are the bounds.
const CALLERS: &str = "its caller's";

/// What a run file gives a plugin in one of its places.
struct Given {
    /// Under which it stands there.
    name: String,
    /// None of a program, which has what its caller has of what it asks for.
    rights: Option<Granted>,
    limits: LimitsRequest,
}

/// A plugin in one place of a run file, as manifest and run file come to.
#[derive(Serialize)]
struct Explained {
    name: String,
    /// None of a program.
    granted: Option<Granted>,
    /// None of a program.
    effective: Option<Effective>,
    limits: Limits,
    limit_sides: Map<String, Value>,
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
        None => vec![Given::nothing(&plugin)],
        Some(run) => given_by(run, &plugin, machine)?,
    };
    let uses = given.into_iter().map(|given| explained(manifest, given));
    let uses: Vec<Explained> = uses.collect::<Result<_, _>>()?;
    if format == Format::Json {
        print_json(&json!({
            "name": plugin.name(),
            "version": manifest.plugin.version,
            "kind": manifest.plugin.kind,
            "control": manifest.plugin.control,
            "component": plugin.component_digest,
            "manifest": plugin.manifest_digest,
            "asked": manifest.capabilities,
            "uses": uses,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    print_head(&plugin);
    for used in &uses {
        if uses.len() > 1 {
            say!("as `{}`", one_line(&used.name));
        }
        print_rights(manifest, used);
        print_limits(&used.limit_sides);
    }
    if arguments.run.is_none() {
        say!("hint: `--run RUN.TOML` shows what that run grants");
    }
    Ok(ExitCode::SUCCESS)
}

fn explained(manifest: &PluginManifest, given: Given) -> Result<Explained, Failure> {
    let (limits, limit_sides) = limits(manifest, &given.limits)?;
    let effective = given.rights.as_ref().map(|given| manifest.capabilities.intersection(given));
    let Given { name, rights: granted, .. } = given;
    Ok(Explained { name, granted, effective, limits, limit_sides })
}

/// A text of a manifest, which must not look like lines of this program's.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn print_head(plugin: &ResolvedPlugin) {
    let about = &plugin.manifest.plugin;
    let control = if about.control { ", control: is shown the answer" } else { "" };
    say!("{} {} ({}{control})", plugin.name(), one_line(&about.version), about.kind);
    if !about.description.is_empty() {
        say!("{}", one_line(&about.description));
    }
    say!("component sha256:{}", plugin.component_digest);
    say!("manifest sha256:{}", plugin.manifest_digest);
}

fn print_rights(manifest: &PluginManifest, used: &Explained) {
    let mut rights = table(&["right", "asked", "granted", "effective"]);
    let told = |rights: &Option<Granted>, place: usize, asked: &str| match rights {
        None if asked == NOTHING => NOTHING.to_owned(),
        None => CALLERS.to_owned(),
        Some(rights) => rights.describe().into_iter().nth(place).unwrap_or_default().1,
    };
    for (place, (name, asked)) in manifest.capabilities.describe().into_iter().enumerate() {
        let granted = told(&used.granted, place, &asked);
        let effective = told(&used.effective, place, &asked);
        let cells = [name, &asked, &granted, &effective].map(one_line);
        rights.add_row(cells.to_vec());
    }
    say!("{rights}");
}

fn print_limits(sides: &Map<String, Value>) {
    let mut limits = table(&["limit per call", "default", "asked", "granted", "effective"]);
    for (name, sides) in sides {
        let cell = |side: &str| match sides.get(side) {
            None | Some(Value::Null) => NOTHING.to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) if other.as_u64() == Some(u64::MAX) => CALLERS.to_owned(),
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

impl Given {
    /// What a plugin has without a run file.
    fn nothing(plugin: &ResolvedPlugin) -> Self {
        let is_program = plugin.manifest.plugin.kind == PluginKind::Program;
        let rights = (!is_program).then(Granted::default);
        Self { name: plugin.name().to_owned(), rights, limits: LimitsRequest::default() }
    }
}

/// What a run file gives this plugin, in each place where it stands.
fn given_by(run: &Path, plugin: &ResolvedPlugin, machine: &Machine) -> Result<Vec<Given>, Failure> {
    let file = RunFile::load(run).map_err(RunError::from)?;
    if plugin.manifest.plugin.kind == PluginKind::Program {
        let limits = file.programs.get(plugin.name()).map(|used| used.limits.clone());
        let limits = limits.unwrap_or_default();
        return Ok(vec![Given { limits, ..Given::nothing(plugin) }]);
    }
    let base = run.parent().unwrap_or(Path::new("."));
    let is_meant = |used: &&PluginUse| {
        let here = base.join(&used.plugin);
        let found = if here.exists() { here } else { machine.find_plugin(&used.plugin) };
        ResolvedPlugin::load(&found).is_ok_and(|used| used.name() == plugin.name())
    };
    let given = |used: &PluginUse| Given {
        name: used.name.as_ref().map_or(plugin.name(), |name| name.as_str()).to_owned(),
        rights: Some(used.grant.clone()),
        limits: used.limits.clone(),
    };
    let found: Vec<Given> = file.plugin_uses().filter(is_meant).map(given).collect();
    if found.is_empty() {
        let reason = anyhow::anyhow!("`{}` does not use `{}`", run.display(), plugin.name());
        return Err(Failure::input(reason).with_hint("name a plugin that the run file uses"));
    }
    Ok(found)
}
