//! Builds the plugin written in Python, with componentize-py in a virtual
//! environment below the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::{read_manifest, replace_if_changed, target_dir};
use crate::checkout::run as run_command;

const COMPONENTIZE: &str = "componentize-py==0.25.1";
const WORLD: &str = "scaffold-plugin";
const MODULE: &str = "app";
const HINT: &str = "Python 3.10 or newer with `venv` and a package index within reach are needed";

/// Builds `guests/scaffold-python` into the plugin directory `out`.
///
/// Does nothing when neither the plugin nor the WIT package changed since.
pub(crate) fn build_python_guest(root: &Path, out: &Path) -> anyhow::Result<()> {
    let source = root.join("guests/scaffold-python");
    let work = target_dir(root)?.join("compat/scaffold-python");
    let component = out.join(read_manifest(&source)?.plugin.component);
    let manifest = fs::read(source.join("plugin.toml")).context("cannot read `plugin.toml`")?;
    let inputs = inputs(root, &source)?;
    let built_from = out.join("built-from.txt");
    fs::create_dir_all(&work).with_context(|| format!("cannot create `{}`", work.display()))?;
    fs::create_dir_all(out).with_context(|| format!("cannot create `{}`", out.display()))?;
    let unchanged = fs::read_to_string(&built_from).is_ok_and(|built| built == inputs);
    if !unchanged || !component.is_file() {
        let built = componentize(root, &source, &work)?;
        replace_if_changed(&component, &fs::read(built).context("cannot read the component")?)?;
        replace_if_changed(&built_from, inputs.as_bytes())?;
    }
    replace_if_changed(&out.join("plugin.toml"), &manifest)
}

fn componentize(root: &Path, source: &Path, work: &Path) -> anyhow::Result<PathBuf> {
    let program = install(&work.join("venv"))?;
    // Python leaves compiled files beside the module, which must not happen in
    // the checkout.
    let modules = work.join("modules");
    fs::create_dir_all(&modules).context("cannot create the directory for the module")?;
    let file = format!("{MODULE}.py");
    fs::copy(source.join(&file), modules.join(&file)).context("cannot copy the module")?;
    let component = work.join("component.wasm");
    let mut command = Command::new(program);
    command.arg("--wit-path").arg(root.join("wit")).args(["--world", WORLD]);
    command.args(["componentize", MODULE, "--python-path"]).arg(modules);
    command.arg("--output").arg(&component).stdout(std::io::stderr());
    run_command(&mut command, "componentize-py's message above says what to mend")?;
    Ok(component)
}

/// Makes the virtual environment unless it is there, and returns the program.
fn install(venv: &Path) -> anyhow::Result<PathBuf> {
    let program = venv.join("bin/componentize-py");
    let installed = venv.join("installed.txt");
    if program.is_file() && fs::read_to_string(&installed).is_ok_and(|text| text == COMPONENTIZE) {
        return Ok(program);
    }
    run_command(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv), HINT)?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", COMPONENTIZE]);
    run_command(&mut pip, HINT)?;
    fs::write(installed, COMPONENTIZE).context("cannot mark the environment as made")?;
    Ok(program)
}

/// Everything the component is made of, as one text.
fn inputs(root: &Path, source: &Path) -> anyhow::Result<String> {
    let mut files = vec![source.join(format!("{MODULE}.py"))];
    let wit = root.join("wit");
    for entry in fs::read_dir(&wit).context("cannot list `wit`")? {
        files.push(entry.context("cannot list `wit`")?.path());
    }
    files.sort();
    let mut text = format!("{COMPONENTIZE}\n");
    for file in files {
        text += &fs::read_to_string(&file)
            .with_context(|| format!("cannot read `{}`", file.display()))?;
    }
    Ok(text)
}
