//! Repositories that git makes for tests.

use std::path::Path;
use std::process::Command;

/// A repository that a test grows with git.
pub(crate) struct Clone {
    dir: tempfile::TempDir,
    time: u32,
}

impl Clone {
    pub(crate) fn new() -> Self {
        let mut clone = Self { dir: tempfile::tempdir().unwrap(), time: 1_700_000_000 };
        clone.git(&["init", "-q", "-b", "main"]);
        clone.commit("Begin", &[("a.txt", "one\ntwo\nthree\n"), ("b.txt", "b\n")]);
        clone
    }

    /// The next commits are of this time, in seconds since 1970.
    pub(crate) fn set_time(&mut self, time: u32) {
        self.time = time;
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn git(&mut self, args: &[&str]) -> String {
        self.time += 60;
        let date = format!("{} +0000", self.time);
        let output = Command::new("git")
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .envs([("GIT_AUTHOR_NAME", "Ann"), ("GIT_AUTHOR_EMAIL", "ann@example.org")])
            .envs([("GIT_COMMITTER_NAME", "Bob"), ("GIT_COMMITTER_EMAIL", "bob@example.org")])
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {told}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn commit(&mut self, message: &str, files: &[(&str, &str)]) -> String {
        for (path, content) in files {
            let path = self.dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Lands pull request `number` by a merge commit, as GitHub does.
    pub(crate) fn merge(
        &mut self,
        number: u64,
        title: &str,
        message: &str,
        files: &[(&str, &str)],
    ) -> String {
        let onto = self.git(&["branch", "--show-current"]);
        let branch = format!("topic-{number}");
        self.git(&["switch", "-q", "-c", &branch]);
        self.commit(message, files);
        self.git(&["switch", "-q", &onto]);
        let message = format!("Merge pull request #{number} from ann/{branch}\n\n{title}");
        self.git(&["merge", "-q", "--no-ff", "-m", &message, &branch]);
        self.git(&["branch", "-q", "-D", &branch]);
        self.git(&["rev-parse", "HEAD"])
    }
}
