//! The states that tests are run over: each with the human answer's tests and the
//! human answer's configuration of their runner.

use std::collections::BTreeSet;
use std::path::Path;

use catena_sdk::judge::JudgeError;
use catena_sdk::process::ProcessError;
use catena_sdk::workspace::{Change, SnapshotRef, changes, compose_snapshot};
use serde::{Deserialize, Serialize};

use crate::command::Places;
use crate::config::Rules;

/// A state of the repository.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The human answer.
    Reference,
    /// What the stage began with.
    Start,
    /// What the human answer was made on.
    Upstream,
    /// What is judged.
    Candidate,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Start => "base",
            Self::Upstream => "upstream",
            Self::Candidate => "candidate",
        }
    }

    pub(crate) fn snapshot(self) -> SnapshotRef {
        SnapshotRef::Named(self.name().to_owned())
    }

    /// For people.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::Reference => "the human answer",
            Self::Start => "the state the stage began with",
            Self::Upstream => "what upstream had before",
            Self::Candidate => "the submission",
        }
    }

    /// Whether two states are the same.
    pub(crate) fn is(self, other: Self) -> Result<bool, JudgeError> {
        Ok(changes(&self.snapshot(), &other.snapshot())?.is_empty())
    }
}

/// A state as tests see it.
pub(crate) struct Judged {
    pub(crate) snapshot: SnapshotRef,
    /// Modules that were taken out, as they would stand in for others.
    pub(crate) shadowing: Vec<String>,
}

/// Suffixes of files that are modules.
const MODULES: [&str; 5] = ["py", "pyc", "pyd", "so", "zip"];

/// The human answer as it is mounted.
const REFERENCE: &str = "/reference";

/// A state with the human answer's version of all that is protected.
pub(crate) fn judged(
    state: State,
    rules: &Rules,
    reserved: &Reserved,
) -> Result<Judged, JudgeError> {
    let differing = changes(&state.snapshot(), &State::Reference.snapshot())?;
    let all = differing.iter().flat_map(paths_of);
    let mut taken: BTreeSet<String> =
        all.filter(|path| rules.protected.is_match(path)).map(str::to_owned).collect();
    // Seen from the state, what the human answer lacks is deleted there.
    let lacking = differing.iter().filter_map(|change| match change.kind.as_str() {
        "deleted" => Some(change.path.as_str()),
        "renamed" => change.previous_path.as_deref(),
        _ => None,
    });
    let replaces_root = |path: &&str| reserved.is_root_or_above(path);
    let roots_move = differing.iter().flat_map(paths_of).any(|path| replaces_root(&path));
    let stands_in = |path: &&str| {
        reserved.is_shadowed_by(path)
            || (replaces_root(path) && !is_in_reference(path))
            // Where a root leads is then the agent's choice.
            || (roots_move && reserved.is_shadowed_anywhere_by(path))
    };
    let shadowing: Vec<String> = lacking.filter(stands_in).map(str::to_owned).collect();
    taken.extend(shadowing.iter().cloned());
    if taken.is_empty() {
        return Ok(Judged { snapshot: state.snapshot(), shadowing });
    }
    let name = format!("judged-{}", state.name());
    let taken: Vec<String> = taken.into_iter().collect();
    compose_snapshot(&name, &state.snapshot(), &State::Reference.snapshot(), &taken)?;
    Ok(Judged { snapshot: SnapshotRef::Named(name), shadowing })
}

/// Whether the human answer has anything at a path.
fn is_in_reference(path: &str) -> bool {
    Path::new(REFERENCE).join(path).symlink_metadata().is_ok()
}

/// What the agent changed that only counts as the human answer has it, and has otherwise.
pub(crate) fn edited_in_vain(rules: &Rules) -> Result<Vec<String>, JudgeError> {
    let protected = |from: State, to: State| -> Result<BTreeSet<String>, JudgeError> {
        let changed = changes(&from.snapshot(), &to.snapshot())?;
        let all = changed.iter().flat_map(paths_of).filter(|path| rules.protected.is_match(path));
        Ok(all.map(str::to_owned).collect())
    };
    let edited = protected(State::Start, State::Candidate)?;
    let differing = protected(State::Candidate, State::Reference)?;
    Ok(edited.intersection(&differing).cloned().collect())
}

/// The test files that are run: those that the human answer changes and has, and those
/// that are run in any case.
pub(crate) fn run_files(rules: &Rules) -> Result<Vec<String>, JudgeError> {
    let changed = changes(&State::Upstream.snapshot(), &State::Reference.snapshot())?;
    let there = changed.into_iter().filter(|change| change.kind != "deleted");
    let mut files: BTreeSet<String> = there.map(|change| change.path).collect();
    files.retain(|path| rules.protected.is_match(path) && rules.run_files.is_match(path));
    if !rules.also_run.is_empty() {
        add_below(Path::new(REFERENCE), "", rules, &mut files)?;
    }
    files.retain(|path| Path::new(REFERENCE).join(path).is_file());
    Ok(files.into_iter().collect())
}

fn add_below(
    dir: &Path,
    below: &str,
    rules: &Rules,
    files: &mut BTreeSet<String>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.file_type()?.is_dir() {
            add_below(&entry.path(), &path, rules, files)?;
        } else if rules.also_run.is_match(&path) && rules.run_files.is_match(&path) {
            files.insert(path);
        }
    }
    Ok(())
}

fn paths_of(change: &Change) -> impl Iterator<Item = &str> {
    std::iter::once(change.path.as_str()).chain(change.previous_path.as_deref())
}

/// Names of modules that only the human answer may have of its own.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Reserved {
    names: BTreeSet<String>,
    roots: Vec<String>,
}

impl Reserved {
    /// Asks the program that runs tests, over nothing.
    pub(crate) fn ask(rules: &Rules, files: &[String]) -> Result<Self, JudgeError> {
        let Some(command) = &rules.reserved else { return Ok(Self::default()) };
        let nowhere = Places { files: &[], report: "", nonce: "" };
        let finished = command.run(&nowhere, rules.timeout_ms).map_err(|err| not_started(&err))?;
        if finished.status != 0 {
            let said = String::from_utf8_lossy(&finished.stderr).trim().to_owned();
            let status = finished.status;
            return Err(JudgeError::NoVerdict(format!(
                "the command of `reserved` ended with status {status}: {said}"
            )));
        }
        let names = String::from_utf8_lossy(&finished.stdout);
        let beside = files.iter().map(|file| file.rsplit_once('/').map_or("", |(dir, _)| dir));
        let roots = rules.import_roots.iter().map(String::as_str).chain(beside);
        let roots: BTreeSet<&str> = roots.collect();
        Ok(Self {
            names: names.split_whitespace().map(str::to_owned).collect(),
            roots: roots.into_iter().map(str::to_owned).collect(),
        })
    }

    /// Whether a file stands where a directory has to be that modules are imported
    /// from: as a symlink it would lead to another.
    fn is_root_or_above(&self, path: &str) -> bool {
        let is_at_or_below = |root: &String| {
            root.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.roots.iter().any(is_at_or_below)
    }

    /// Whether a file would be imported in the place of another module if the directory
    /// it is in, or any above that, was one that modules are imported from.
    fn is_shadowed_anywhere_by(&self, path: &str) -> bool {
        let below = path.match_indices('/').filter_map(|(at, _)| path.get(at + 1..));
        std::iter::once(path)
            .chain(below)
            .filter_map(module_at_top)
            .any(|module| self.names.contains(module))
    }

    /// Whether a file of a state would be imported in the place of a module that is
    /// not of the repository.
    fn is_shadowed_by(&self, path: &str) -> bool {
        self.roots.iter().any(|root| {
            let rest = match root.as_str() {
                "" => Some(path),
                root => path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')),
            };
            let Some(module) = rest.and_then(module_at_top) else { return false };
            let dir = Path::new(REFERENCE).join(root);
            self.names.contains(module)
                && !dir.join(module).exists()
                && !dir.join(format!("{module}.py")).exists()
        })
    }
}

/// The module that a path is, or is in, seen from where modules are looked for.
fn module_at_top(path: &str) -> Option<&str> {
    let (top, is_file) = match path.split_once('/') {
        Some((top, _)) => (top, false),
        None => (path, true),
    };
    match top.split_once('.') {
        // A symlink may lead to a package.
        None => Some(top),
        Some((name, rest)) if is_file => {
            let suffix = rest.rsplit('.').next().unwrap_or(rest);
            MODULES.contains(&suffix).then_some(name)
        }
        Some(_) => None,
    }
}

/// A command that never was started is nobody's fault but the operator's.
pub(crate) fn not_started(err: &ProcessError) -> JudgeError {
    match err {
        ProcessError::NotGranted(name) => {
            JudgeError::InvalidConfig(format!("the program `{name}` is not granted to this judge"))
        }
        ProcessError::UnknownProgram(name) => {
            JudgeError::InvalidConfig(format!("no program `{name}` has been added"))
        }
        err => JudgeError::NoVerdict(err.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_packages_at_the_top_are_told_from_other_files() {
        for (path, module) in [
            ("pytest.py", Some("pytest")),
            ("pytest/__init__.py", Some("pytest")),
            ("_json.cpython-315.so", Some("_json")),
            ("pytest", Some("pytest")),
            ("pytest.md", None),
            ("pytest.d/a.py", None),
        ] {
            assert_eq!(module_at_top(path), module, "{path}");
        }
    }

    #[test]
    fn a_name_is_reserved_only_where_modules_are_looked_for() {
        let reserved = Reserved {
            names: ["pytest".to_owned()].into(),
            roots: vec![String::new(), "src".to_owned()],
        };
        assert!(reserved.is_shadowed_by("pytest.py"));
        assert!(reserved.is_shadowed_by("src/pytest/__init__.py"));
        assert!(!reserved.is_shadowed_by("src/own/pytest.py"));
        assert!(!reserved.is_shadowed_by("srcs/pytest.py"));
    }

    #[test]
    fn what_stands_in_the_place_of_an_import_root_is_known() {
        let reserved = Reserved {
            names: ["pytest".to_owned()].into(),
            roots: vec![String::new(), "python/src".to_owned()],
        };
        for path in ["python", "python/src"] {
            assert!(reserved.is_root_or_above(path), "{path}");
        }
        for path in ["python/src/a.py", "python/sr", "py", "lib"] {
            assert!(!reserved.is_root_or_above(path), "{path}");
        }
        for path in ["pytest.py", "lib/pytest.py", "a/b/pytest/__init__.py"] {
            assert!(reserved.is_shadowed_anywhere_by(path), "{path}");
        }
        assert!(!reserved.is_shadowed_anywhere_by("lib/own.py"));
    }
}
