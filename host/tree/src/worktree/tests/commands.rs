//! Running git without any configuration of the machine.

use std::path::Path;
use std::process::Command;

use crate::ids::TreeId;

/// A git directory apart from the files it looks at.
pub(crate) struct Git<'a> {
    pub(crate) git_dir: &'a Path,
    pub(crate) files: &'a Path,
}

impl Git<'_> {
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .arg("--git-dir")
            .arg(self.git_dir)
            .arg("--work-tree")
            .arg(self.files)
            .args(args)
            .current_dir(self.files)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.git_dir)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {text}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn init(&self) {
        self.run(&["init", "--quiet"]);
    }

    /// The tree of all files, ignored or not.
    pub(crate) fn write_tree(&self) -> TreeId {
        self.run(&["add", "--all", "--force", "."]);
        self.run(&["write-tree"]).trim().parse().unwrap()
    }
}
