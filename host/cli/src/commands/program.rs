//! `catena program`.

mod python;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use catena_plugin::manifest::{About, MANIFEST_VERSION, PluginName};
use catena_plugin::program::store::COMPONENT_FILE;
use catena_plugin::program::{NewProgram, StoredProgram, WrapError, wrap};
use catena_plugin::session::PluginSpec;
use catena_plugin::{
    Asked, Engine, Limits, LimitsRequest, PluginKind, PluginManifest, ProgramTable, ResolvedPlugin,
    StoreError, WorkspaceAccess,
};
use clap::ValueHint;
use serde_json::{Value, json};

use crate::component;
use crate::failure::{Failure, program_hint};
use crate::machine::Machine;
use crate::output::{Format, print_json, say, table};

/// Add, list and remove programs that plugins may start.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Add a WASI command, or `python`
    Add(Add),
    /// List the programs that were added
    List,
    /// Remove a program
    Remove(Remove),
    /// Give Python packages to agents
    #[command(subcommand)]
    Python(python::Command),
}

#[derive(clap::Args)]
pub(crate) struct Add {
    /// `python`, a `.wasm` file (module or component), or a directory with a
    /// `plugin.toml` of kind `program`
    #[arg(value_name = "PROGRAM", value_hint = ValueHint::AnyPath)]
    program: PathBuf,
    /// Name to grant it by; the file's name without `.wasm` by default
    #[arg(long)]
    name: Option<String>,
    /// Name to start it by, if another; may be given more than once
    #[arg(long = "command", value_name = "NAME")]
    commands: Vec<String>,
    /// The wheel with the interpreter, in the place of a download; only for `python`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    wheel: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Remove {
    /// The name under which it was added
    name: String,
}

pub(crate) fn run(
    command: Command,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    match command {
        Command::Add(arguments) => add(&arguments, machine, format),
        Command::List => list(machine, format),
        Command::Remove(arguments) => {
            machine.programs().remove(&arguments.name)?;
            if format == Format::Json {
                print_json(&json!({"removed": arguments.name}))?;
            } else {
                say!("removed `{}`", arguments.name);
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Python(command) => python::run(command, machine, format),
    }
}

fn add(arguments: &Add, machine: &Machine, format: Format) -> Result<ExitCode, Failure> {
    if arguments.program == Path::new("python") && !arguments.program.exists() {
        return python::add(arguments.wheel.as_deref(), machine, format);
    }
    let program = if arguments.program.is_dir() {
        of_directory(&arguments.program)?
    } else {
        of_file(arguments)?
    };
    let added = add_checked(machine, program)?;
    tell_added(&added, format)?;
    Ok(ExitCode::SUCCESS)
}

/// Adds a program and compiles it, so that one that does not run here is found
/// now and the first run does not wait for it.
fn add_checked(machine: &Machine, program: NewProgram) -> Result<StoredProgram, Failure> {
    let store = machine.programs();
    let added = store.add(program)?;
    let name = added.manifest.plugin.name.as_str();
    if let Err(err) = compile(machine, name) {
        store.remove(name)?;
        return Err(err);
    }
    Ok(added)
}

/// Compiles a program of the store, which the first to do waits for, and loads it on trial.
fn compile(machine: &Machine, name: &str) -> Result<(), Failure> {
    let plugin = machine.programs().load(name)?;
    let engine = Engine::new().map_err(|err| anyhow::anyhow!("{err:#}"))?;
    let compiled = component::compile(machine, &engine, &plugin)?.file;
    let manifest = plugin.manifest;
    let spec = PluginSpec {
        rights: manifest.capabilities.clone(),
        limits: Limits::defaults(PluginKind::Program),
        config: "{}".to_owned(),
        compiled,
        manifest,
    };
    component::load_on_trial(machine, spec)
}

fn tell_added(added: &StoredProgram, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return Ok(print_json(&as_json(added))?);
    }
    let name = &added.manifest.plugin.name;
    say!("added `{name}`: sha256:{}", added.record.component);
    if !added.manifest.plugin.license.is_empty() {
        say!("licence: {}", added.manifest.plugin.license);
    }
    say!("commands: {}", added.commands().join(", "));
    say!("hint: grant it in a run file: `grant = {{ programs = [\"{name}\"] }}` under a plugin");
    Ok(())
}

fn of_directory(dir: &Path) -> Result<NewProgram, Failure> {
    let plugin = ResolvedPlugin::load(dir)?;
    let found = plugin.manifest.plugin.kind;
    if found != PluginKind::Program {
        let wrong = anyhow::anyhow!("`{}` is a {found}, not a program", plugin.name());
        return Err(Failure::input(wrong).with_hint("name a plugin of kind `program`"));
    }
    let component = wrap(&plugin.component, &[]).map_err(|err| wrap_failure(dir, err))?;
    Ok(NewProgram {
        component: component.into_owned(),
        manifest: plugin.manifest,
        source: dir.display().to_string(),
    })
}

fn of_file(arguments: &Add) -> Result<NewProgram, Failure> {
    let path = &arguments.program;
    let code = std::fs::read(path)
        .with_context(|| format!("can't read `{}`", path.display()))
        .map_err(|err| {
            Failure::input(err).with_hint("name a `.wasm` file, a plugin's directory or `python`")
        })?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = arguments.name.clone().unwrap_or(stem);
    let manifest = plain_manifest(&name, &arguments.commands)?;
    let component = wrap(&code, &[]).map_err(|err| wrap_failure(path, err))?;
    Ok(NewProgram {
        component: component.into_owned(),
        manifest,
        source: path.display().to_string(),
    })
}

/// The manifest of a program that comes without one: it sees what its caller sees.
fn plain_manifest(name: &str, commands: &[String]) -> Result<PluginManifest, Failure> {
    let name = PluginName::try_from(name.to_owned()).map_err(|err| {
        Failure::input(anyhow::Error::msg(err)).with_hint("give it a name with `--name`")
    })?;
    Ok(PluginManifest {
        manifest: MANIFEST_VERSION,
        plugin: About {
            name,
            version: "0".to_owned(),
            kind: PluginKind::Program,
            component: COMPONENT_FILE.into(),
            description: String::new(),
            license: String::new(),
            control: false,
        },
        capabilities: Asked { workspace: WorkspaceAccess::ReadWrite, ..Asked::default() },
        limits: LimitsRequest::default(),
        program: ProgramTable { commands: commands.to_vec(), ..ProgramTable::default() },
        config: toml::Table::new(),
    })
}

fn wrap_failure(path: &Path, err: WrapError) -> Failure {
    let hint = match &err {
        WrapError::NotWasm(_) => "a WASI command is a `.wasm` file with a module or a component",
        WrapError::NoCommand => "build it as a program, not as a library",
        WrapError::ForeignImport(_) => "build it for the target `wasm32-wasip1` or `wasm32-wasip2`",
        WrapError::Encode(_) => "build it for the target `wasm32-wasip2`",
    };
    let what = format!("`{}` can't be made a program", path.display());
    Failure::input(anyhow::Error::new(err).context(what)).with_hint(hint)
}

fn list(machine: &Machine, format: Format) -> Result<ExitCode, Failure> {
    let programs = machine.programs().list()?;
    if format == Format::Json {
        let programs: Vec<Value> = programs.iter().map(as_json).collect();
        print_json(&programs)?;
        return Ok(ExitCode::SUCCESS);
    }
    if programs.is_empty() {
        say!("no program has been added");
        say!("hint: `catena program add python`, or a `.wasm` file");
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["program", "version", "commands", "sha256", "from"]);
    for program in &programs {
        let digest = program.record.component.to_string();
        rows.add_row(vec![
            program.manifest.plugin.name.to_string(),
            program.manifest.plugin.version.clone(),
            program.commands().join(", "),
            digest.chars().take(16).collect(),
            program.record.source.clone(),
        ]);
    }
    say!("{rows}");
    Ok(ExitCode::SUCCESS)
}

fn as_json(program: &StoredProgram) -> Value {
    json!({
        "name": program.manifest.plugin.name,
        "version": program.manifest.plugin.version,
        "license": program.manifest.plugin.license,
        "commands": program.commands(),
        "component": program.record.component,
        "source": program.record.source,
    })
}

impl From<StoreError> for Failure {
    fn from(err: StoreError) -> Self {
        let hint = program_hint(&err);
        let failure = match &err {
            StoreError::Unknown(_) | StoreError::Changed { .. } | StoreError::Special(_) => {
                Self::input(err)
            }
            _ => Self::from(anyhow::Error::new(err)),
        };
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}
