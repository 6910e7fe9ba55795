//! The Python environments of the compatibility checks.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::checkout::{Checkout, run as run_command};

const HINT: &str = "Python 3.10 or newer with `venv` and a package index within reach are needed";

/// Makes the environment `name` below the target directory, installs what
/// `xtask/compat/requirements-NAME.txt` names, and returns its interpreter. What
/// `requirements-NAME-alone.txt` names is installed without what it depends on.
///
/// Does nothing when the environment was made from the same list before.
pub(super) fn prepare(checkout: &Checkout, name: &str) -> anyhow::Result<PathBuf> {
    let list = checkout.root.join(format!("xtask/compat/requirements-{name}.txt"));
    let alone = checkout.root.join(format!("xtask/compat/requirements-{name}-alone.txt"));
    let mut wanted = std::fs::read_to_string(&list).context("cannot read the requirements")?;
    if alone.exists() {
        wanted += &std::fs::read_to_string(&alone).context("cannot read the requirements")?;
    }
    let venv = checkout.target.join(format!("compat/venv-{name}"));
    let interpreter = venv.join("bin/python");
    let made_from = venv.join("made-from.txt");
    if std::fs::read_to_string(&made_from).is_ok_and(|made| made == wanted) {
        return Ok(interpreter);
    }
    run_command(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv), HINT)?;
    let install = |options: &[&str], list: &Path| {
        let mut pip = Command::new(&interpreter);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        run_command(pip.args(options).arg("-r").arg(list), HINT)
    };
    install(&[], &list)?;
    if alone.exists() {
        // Their pure-Python parts run on older Pythons than they declare.
        install(&["--no-deps", "--ignore-requires-python"], &alone)?;
    }
    std::fs::write(&made_from, wanted).context("cannot mark the environment as made")?;
    Ok(interpreter)
}

/// A directory of this check's own, emptied.
pub(super) fn scratch(checkout: &Checkout, name: &str) -> anyhow::Result<PathBuf> {
    let dir = checkout.target.join("compat").join(name);
    empty(&dir).with_context(|| format!("cannot empty `{}`", checkout.relative(&dir).display()))?;
    Ok(dir)
}

fn empty(dir: &Path) -> std::io::Result<()> {
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    std::fs::create_dir_all(dir)
}
