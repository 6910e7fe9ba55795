//! Lists of instances that must not be in the data, such as a benchmark's.
//!
//! A list is a text with one name a line: a pull request `owner/name#12`, an
//! instance id in SWE-bench's form `owner__name-12`, a commit, or a repository
//! `owner/name`. It may also be JSON or JSON lines, of objects with the keys
//! `instance_id`, `repo` with `pull_number`, or `base_commit`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::canonical::Rollout;

/// Why a list can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It can't be read.
    #[error("can't read the list `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line names nothing.
    #[error("`{path}`, line {line}: `{found}` names no instance")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The line.
        found: String,
    },
}

/// Instances that are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Instances {
    /// Pull requests as `owner/name#12`, in lower case.
    pull_requests: BTreeSet<String>,
    /// Ids of commits.
    commits: BTreeSet<String>,
    /// Whole repositories, in lower case.
    repositories: BTreeSet<String>,
}

impl Instances {
    /// Adds those of a file.
    pub fn load(&mut self, path: &Path) -> Result<(), ListError> {
        let read = |source| ListError::Read { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(read)?;
        if let Ok(Value::Array(items)) = serde_json::from_str(&text) {
            return self.add_all(path, items.iter().enumerate());
        }
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            let is_object = line.starts_with('{');
            let object = is_object.then(|| serde_json::from_str::<Value>(line).ok()).flatten();
            let is_known = line.is_empty()
                || line.starts_with('#')
                || match object {
                    Some(object) => self.add_object(&object),
                    None => self.add(line),
                };
            if !is_known {
                return Err(unknown(path, index, line));
            }
        }
        Ok(())
    }

    fn add_all<'a>(
        &mut self,
        path: &Path,
        items: impl Iterator<Item = (usize, &'a Value)>,
    ) -> Result<(), ListError> {
        for (index, item) in items {
            let is_known = match item {
                Value::String(name) => self.add(name),
                object => self.add_object(object),
            };
            if !is_known {
                return Err(unknown(path, index, &item.to_string()));
            }
        }
        Ok(())
    }

    /// Adds what a name names; false where it names nothing.
    pub fn add(&mut self, name: &str) -> bool {
        if name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.commits.insert(name.to_ascii_lowercase());
        } else if let Some((repository, number)) = pull_request(name) {
            self.pull_requests.insert(format!("{}#{number}", repository.to_ascii_lowercase()));
        } else if is_repository(name) {
            self.repositories.insert(name.to_ascii_lowercase());
        } else {
            return false;
        }
        true
    }

    fn add_object(&mut self, object: &Value) -> bool {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let mut is_known = false;
        for key in ["instance_id", "base_commit"] {
            is_known |= text(key).is_some_and(|name| self.add(name));
        }
        let number = object.get("pull_number").and_then(Value::as_u64);
        if let (Some(repository), Some(number)) = (text("repo"), number) {
            is_known |= self.add(&format!("{repository}#{number}"));
        }
        is_known
    }

    /// Whether a task of the rollout's chain is among them.
    pub fn names(&self, rollout: &Rollout) -> bool {
        let repository = rollout.repository.as_deref().unwrap_or_default().to_ascii_lowercase();
        let is_commit = |commit: &Option<String>| {
            commit.as_ref().is_some_and(|commit| self.commits.contains(commit))
        };
        self.repositories.contains(&repository)
            || rollout.chain.iter().any(|task| {
                let number = task.pull_request;
                let named = number.map(|number| format!("{repository}#{number}"));
                is_commit(&task.base)
                    || is_commit(&task.merge)
                    || named.is_some_and(|name| self.pull_requests.contains(&name))
            })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.pull_requests.len() + self.commits.len() + self.repositories.len()
    }
}

/// `owner/name#12` or `owner__name-12`.
pub(crate) fn pull_request(name: &str) -> Option<(String, u64)> {
    if let Some((repository, number)) = name.split_once('#') {
        return Some((
            is_repository(repository).then(|| repository.to_owned())?,
            number.parse().ok()?,
        ));
    }
    let (repository, number) = name.rsplit_once('-')?;
    let (owner, short) = repository.split_once("__")?;
    let repository = format!("{owner}/{short}");
    let number = number.parse().ok()?;
    is_repository(&repository).then_some((repository, number))
}

fn is_repository(text: &str) -> bool {
    catena_chain::RepositoryName::new(text).is_ok()
}

fn unknown(path: &Path, index: usize, line: &str) -> ListError {
    let found = line.chars().take(80).collect();
    ListError::Line { path: path.to_owned(), line: index + 1, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_instances_are_told_apart() {
        let mut instances = Instances::default();
        for name in ["Ada/Notes#3", "scikit-learn__scikit-learn-12", "django/django"] {
            assert!(instances.add(name), "{name}");
        }
        assert!(instances.add(&"A1".repeat(20)));
        assert!(!instances.add("something else"));
        let pull_requests: Vec<&str> = instances.pull_requests.iter().map(String::as_str).collect();
        assert_eq!(pull_requests, ["ada/notes#3", "scikit-learn/scikit-learn#12"]);
        assert_eq!(instances.count(), 4);
    }

    #[test]
    fn list_may_be_lines_of_json_objects() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.jsonl");
        let id = "django__django-7";
        let lines = format!(
            "{{\"instance_id\": \"{id}\", \"base_commit\": \"{}\"}}\n\n{{\"repo\": \"a/b\", \"pull_number\": 2}}\n",
            "0".repeat(40),
        );
        std::fs::write(&path, lines).unwrap();
        let mut instances = Instances::default();
        instances.load(&path).unwrap();
        assert_eq!(instances.count(), 3);
        std::fs::write(&path, "a/b#1\nno instance\n").unwrap();
        let err = instances.load(&path).unwrap_err();
        assert!(err.to_string().ends_with("line 2: `no instance` names no instance"), "{err}");
    }
}
