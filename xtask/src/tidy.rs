//! `cargo xtask tidy`: the rules of ARCHITECTURE.md that no compiler checks.
//!
//! [`packages`] reads the manifests (who may depend on whom), [`sources`] reads
//! the text (who may print, what must not be written at all), [`plugins`] looks
//! at the guests, [`links`] follows what documents and hints point to. Every rule
//! reports all its violations at once.

mod links;
mod packages;
mod plugins;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::checkout::Checkout;
use crate::failure::Failure;

/// Checks all rules. Fails when one of them is broken.
pub(crate) fn run(checkout: &Checkout) -> anyhow::Result<()> {
    let files = files(&checkout.root)?;
    let mut violations = packages::check(&files)?;
    violations.extend(plugins::check(&files));
    violations.extend(sources::check(checkout, &files));
    violations.extend(links::check(&checkout.root, &files));
    if violations.is_empty() {
        return Ok(());
    }
    for violation in &violations {
        eprintln!("{violation}");
    }
    Err(Failure::new(
        format!("{} architecture rule violations, listed above", violations.len()),
        "ARCHITECTURE.md, \"Invariants\", says what each rule is for",
    )
    .into())
}

/// A text file of the checkout.
struct SourceFile {
    /// Relative to the top, with `/`.
    path: String,
    text: String,
}

/// One place at which a rule is broken.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    path: String,
    /// Counted from 1; 0 means the file as a whole.
    line: usize,
    rule: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 {
            return write!(out, "{}: {}", self.path, self.rule);
        }
        write!(out, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

/// All text files that are, or could be, committed.
fn files(root: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .map_err(|err| Failure::new("cannot start `git`", "install git").because(err))?;
    if !output.status.success() {
        let hint = "the architecture rules are checked in a git checkout";
        return Err(Failure::new("`git ls-files` failed", hint)
            .because(anyhow::anyhow!(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
            .into());
    }
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let mut files: Vec<SourceFile> = names
        .split_terminator('\0')
        .filter_map(|path| {
            // What is not there (deleted, a submodule) or is not text has no rules.
            let text = std::fs::read_to_string(root.join(PathBuf::from(path))).ok()?;
            Some(SourceFile { path: path.to_owned(), text })
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}
