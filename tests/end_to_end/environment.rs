//! A temporary home for one test, with `catena` and `git` in it and nothing of
//! the machine's own configuration.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The program under test, which cargo builds for this test.
const CATENA: &str = env!("CARGO_BIN_EXE_catena");

/// Outlives the tests, so that components are compiled once.
const TEMPORARY: &str = env!("CARGO_TARGET_TMPDIR");

const BUILD_HINT: &str = "`cargo xtask test` builds the plugins that the tests need";

/// A directory of its own, gone with the value. When a test fails, what guests
/// said in it is printed.
pub(crate) struct TestEnvironment {
    dir: TempDir,
}

impl TestEnvironment {
    /// Makes an empty home. Fails where the plugins are not built yet.
    pub(crate) fn new() -> Self {
        for dir in [shipped_plugins(), test_plugins()] {
            assert!(dir.is_dir(), "`{}` is missing: {BUILD_HINT}", dir.display());
        }
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A path below the home.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Reads a text file below the home.
    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_else(|err| panic!("`{path}`: {err}"))
    }

    /// Reads a JSON file below the home.
    pub(crate) fn read_json(&self, path: &str) -> Value {
        serde_json::from_str(&self.read(path)).unwrap_or_else(|err| panic!("`{path}`: {err}"))
    }

    /// Writes a file below the home, and the directories above it.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Copies a directory below the home to another place in it.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        copy_dir(&self.path(from), &self.path(to));
    }

    /// Copies a plugin that `cargo xtask test` built to `plugins/NAME` here, so
    /// that a test can change it.
    pub(crate) fn copy_plugin(&self, name: &str, to: &str) {
        let shipped = shipped_plugins().join(name);
        let from = if shipped.is_dir() { shipped } else { test_plugins().join(name) };
        assert!(from.is_dir(), "there is no plugin `{name}`: {BUILD_HINT}");
        copy_dir(&from, &self.path(to));
    }

    /// Runs `catena` to its end.
    pub(crate) fn catena(&self, arguments: &[&str]) -> Outcome {
        run(self.catena_command(arguments))
    }

    /// Starts `catena` and leaves it running.
    pub(crate) fn start_catena(&self, arguments: &[&str]) -> Child {
        let mut command = self.catena_command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Runs git in a directory below the home; returns what it says, trimmed.
    pub(crate) fn git(&self, dir: &str, arguments: &[&str]) -> String {
        let outcome = self.git_outcome(dir, arguments);
        outcome.succeeds().stdout.trim_end().to_owned()
    }

    /// Runs git, whatever its exit status.
    pub(crate) fn git_outcome(&self, dir: &str, arguments: &[&str]) -> Outcome {
        let mut command = self.command("git", arguments);
        command.current_dir(self.path(dir));
        run(command)
    }

    /// `catena`, not started yet.
    pub(crate) fn catena_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(CATENA, arguments);
        command
            .env("CATENA_CACHE", Path::new(TEMPORARY).join("component-cache"))
            .env("CATENA_PLUGINS", test_plugins());
        command
    }

    /// A program that knows nothing of this machine but where programs are.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_AUTHOR_NAME", "Ada")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_NAME", "Ada")
            .env("GIT_COMMITTER_EMAIL", "ada@example.org")
            .env("GIT_AUTHOR_DATE", "2024-05-06T07:08:09Z")
            .env("GIT_COMMITTER_DATE", "2024-05-06T07:08:09Z")
            .stdin(Stdio::null());
        command
    }
}

impl Drop for TestEnvironment {
    fn drop(&mut self) {
        if std::thread::panicking() {
            print_guest_output(self.dir.path());
        }
    }
}

/// The plugins of `guests/`.
pub(crate) fn shipped_plugins() -> PathBuf {
    target().join("plugins")
}

/// The plugins of `tests/guests/`.
pub(crate) fn test_plugins() -> PathBuf {
    target().join("plugins-test")
}

/// The top of the checkout.
pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    Path::new(CATENA).parent().and_then(Path::parent).unwrap().to_owned()
}

/// Runs a program to its end.
pub(crate) fn run(mut command: Command) -> Outcome {
    let output = command.output().unwrap();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let mut shown = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    Outcome {
        shown,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// How a program ended and what it said.
#[must_use = "an outcome that nobody looks at tests nothing"]
pub(crate) struct Outcome {
    shown: String,
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Expects exit status 0.
    pub(crate) fn succeeds(&self) -> &Self {
        self.ends_with(0)
    }

    /// Expects this exit status.
    pub(crate) fn ends_with(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "exit status of {self}");
        self
    }

    /// Expects a text on stderr.
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "`{text}` is not on the stderr of {self}");
        self
    }

    /// Expects a text on stdout.
    pub(crate) fn prints(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "`{text}` is not on the stdout of {self}");
        self
    }

    /// Stdout as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|err| panic!("{err} in {self}"))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { shown, code, stdout, stderr } = self;
        write!(f, "`{shown}`\n-- status {code:?}\n-- stdout\n{stdout}\n-- stderr\n{stderr}")
    }
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

/// Prints what guests wrote to their logs and streams, of every journal below `dir`.
fn print_guest_output(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() && path.extension().is_none_or(|extension| extension != "git") {
            print_guest_output(&path);
        } else if path.extension().is_some_and(|extension| extension == "journal") {
            let journal = std::fs::read_to_string(&path).unwrap_or_default();
            let said: Vec<&str> =
                journal.lines().filter(|line| line.contains(r#""event":"log""#)).collect();
            eprintln!("-- guests in {}\n{}", path.display(), said.join("\n"));
        }
    }
}
