//! Builds plugins: those in `guests/`, those in `tests/guests/`, and any other
//! crate that has a `plugin.toml` beside its `Cargo.toml`.
//!
//! [`toolchain`] finds a compiler for WebAssembly. Cargo decides what has to be
//! compiled; all plugins share one target directory, so that the SDK and, where
//! it is needed, the standard library are compiled once. A plugin directory holds
//! the manifest and the component, each replaced whole and only when it changed.

mod component;
mod python;
mod toolchain;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use crate::checkout::{run as run_command, target_dir};
use crate::failure::Failure;
pub(crate) use python::build_python_guest;
pub(crate) use toolchain::{WasmToolchain, wasm_toolchain};

const COMPILER_HINT: &str = "the compiler's message above says what to mend";

/// What of a `plugin.toml` matters for building; the host reads the rest.
#[derive(Deserialize)]
struct Manifest {
    plugin: PluginTable,
}

#[derive(Deserialize)]
struct PluginTable {
    name: String,
    kind: String,
    component: PathBuf,
}

/// Builds every plugin below `guests/`, and those of the tests below
/// `tests/guests/`. Returns the directory that holds one plugin directory for
/// each of the former.
pub(crate) fn build_all(root: &Path) -> anyhow::Result<PathBuf> {
    let target = target_dir(root)?;
    let plugins = target.join("plugins");
    build_workspace(&root.join("guests"), &target, &plugins)?;
    build_workspace(&root.join("tests/guests"), &target, &target.join("plugins-test"))?;
    Ok(plugins)
}

/// Builds every plugin directly below `sources` into a directory below `plugins`.
fn build_workspace(sources: &Path, target: &Path, plugins: &Path) -> anyhow::Result<()> {
    let toolchain = wasm_toolchain()?;
    compile(toolchain, sources, target, &["--workspace"])?;
    for dir in crates_below(sources)? {
        let manifest = read_manifest(&dir)?;
        install(toolchain, &dir, &manifest, target, &plugins.join(&manifest.plugin.name))?;
    }
    Ok(())
}

/// Builds the plugin whose crate and `plugin.toml` lie in `dir` into the
/// directory `out`.
pub(crate) fn build_plugin(dir: &Path, out: &Path) -> anyhow::Result<()> {
    let target = target_dir(&crate::checkout::Checkout::locate()?.root)?;
    let toolchain = wasm_toolchain()?;
    let manifest = read_manifest(dir)?;
    compile(toolchain, dir, &target, &[])?;
    install(toolchain, dir, &manifest, &target, out)
}

fn compile(
    toolchain: WasmToolchain,
    dir: &Path,
    target: &Path,
    arguments: &[&str],
) -> anyhow::Result<()> {
    let mut cargo = toolchain.cargo_build();
    cargo.current_dir(dir).env("CARGO_TARGET_DIR", guests_target(target)).args(arguments);
    run_command(&mut cargo, COMPILER_HINT)
        .with_context(|| format!("cannot build the plugins in `{}`", dir.display()))
}

fn guests_target(target: &Path) -> PathBuf {
    target.join("guests")
}

/// Copies the manifest and the component of a compiled plugin to `out`.
fn install(
    toolchain: WasmToolchain,
    dir: &Path,
    manifest: &Manifest,
    target: &Path,
    out: &Path,
) -> anyhow::Result<()> {
    let component = &manifest.plugin.component;
    let built = guests_target(target).join(toolchain.triple()).join("release").join(component);
    let code = fs::read(&built).map_err(|err| {
        Failure::new(
            format!("`{}` names a component that its crate does not make", manifest.plugin.name),
            format!(
                "`component` in `{}` must be the crate's library name, with `_` for `-`, \
                 and the crate type `cdylib`",
                dir.join("plugin.toml").display()
            ),
        )
        .because(anyhow::Error::new(err).context(format!("cannot read `{}`", built.display())))
    })?;
    // `catena program add` makes a component of a program.
    let code = if manifest.plugin.kind == "program" {
        code
    } else {
        toolchain
            .componentize(code)
            .with_context(|| format!("cannot make a component of `{}`", built.display()))?
    };
    fs::create_dir_all(out).with_context(|| format!("cannot create `{}`", out.display()))?;
    replace_if_changed(&out.join(component), &code)?;
    let text = fs::read(dir.join("plugin.toml")).context("cannot read `plugin.toml` again")?;
    replace_if_changed(&out.join("plugin.toml"), &text)
}

/// The directories directly below `dir` that hold a crate and a manifest, sorted.
fn crates_below(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut crates = Vec::new();
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list `{}`", dir.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list `{}`", dir.display()))?.path();
        if path.join("Cargo.toml").is_file() && path.join("plugin.toml").is_file() {
            crates.push(path);
        }
    }
    crates.sort();
    Ok(crates)
}

fn read_manifest(dir: &Path) -> anyhow::Result<Manifest> {
    let path = dir.join("plugin.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    toml::from_str(&text).with_context(|| format!("cannot understand `{}`", path.display()))
}

/// Puts a file in place in one step, and leaves one with the same bytes alone,
/// so that its time says when it last changed.
fn replace_if_changed(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    match fs::read(path) {
        Ok(present) if present == bytes => return Ok(()),
        Err(err) if err.kind() != ErrorKind::NotFound => {
            return Err(err).with_context(|| format!("cannot read `{}`", path.display()));
        }
        _ => {}
    }
    replace(path, bytes).with_context(|| format!("cannot write `{}`", path.display()))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // The process id keeps two builds at the same time apart.
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_file_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plugin.toml");
        replace_if_changed(&path, b"one").unwrap();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        replace_if_changed(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
    }

    #[test]
    fn a_changed_file_is_replaced_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plugin.toml");
        replace_if_changed(&path, b"one").unwrap();
        replace_if_changed(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    /// The interfaces of `catena:plugin` that a built plugin imports.
    fn imports(name: &str) -> Vec<String> {
        let root = crate::checkout::Checkout::locate().unwrap().root;
        let dir = target_dir(&root).unwrap().join("plugins").join(name);
        let component = fs::read(dir.join(name.replace('-', "_")).with_extension("wasm"))
            .expect("`cargo xtask guests` builds the plugins");
        let wit_component::DecodedWasm::Component(resolve, world) =
            wit_component::decode(&component).unwrap()
        else {
            panic!("`{name}` is no component")
        };
        let mut names: Vec<_> =
            resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key)).collect();
        names.retain(|name| name.starts_with("catena:"));
        names
    }

    #[test]
    fn a_component_imports_only_the_interfaces_it_uses() {
        // `types` and `model` are named by the types of its export.
        assert_eq!(
            imports("scaffold-nop"),
            ["catena:plugin/types@0.1.0", "catena:plugin/model@0.1.0"]
        );
        assert!(imports("scaffold-oracle").contains(&"catena:plugin/reference@0.1.0".to_owned()));
    }

    #[test]
    fn only_directories_with_crate_and_manifest_are_plugins() {
        let dir = tempfile::tempdir().unwrap();
        for (name, files) in [
            ("a-plugin", &["Cargo.toml", "plugin.toml"][..]),
            ("b-library", &["Cargo.toml"]),
            ("c-python", &["plugin.toml"]),
        ] {
            fs::create_dir(dir.path().join(name)).unwrap();
            for file in files {
                fs::write(dir.path().join(name).join(file), "").unwrap();
            }
        }
        assert_eq!(crates_below(dir.path()).unwrap(), [dir.path().join("a-plugin")]);
    }
}
